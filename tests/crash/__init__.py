"""The process is killed at every named failpoint, and started again."""
