"""The event socket's guard, open tabs, and `/ws`."""
