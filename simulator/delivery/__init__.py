"""Notifications: their payloads, and delivering them to the store."""
