"""What every payment provider must do, run against Xsolla's adapter and against a second one."""
