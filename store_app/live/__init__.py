"""Telling open tabs and /ws clients what happened, as it happens."""
