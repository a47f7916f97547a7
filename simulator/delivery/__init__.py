"""Notifications: what they say, and how they are signed, sent and repeated."""
