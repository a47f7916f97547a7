"""The pages of the simulator: the payment page and the developer's window."""
