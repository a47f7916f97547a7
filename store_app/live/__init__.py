"""Sends messages to the open tabs and `/ws` clients of every process, right after the commit."""
