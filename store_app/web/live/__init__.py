"""Live updates: the guard of the event socket, open tabs and their refresh, and `/ws`."""
