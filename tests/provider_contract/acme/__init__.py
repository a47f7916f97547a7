"""Acme Pay, a provider made for tests: JSON over HTTP, HMAC-SHA256 with a timestamp, its own ids and words."""
