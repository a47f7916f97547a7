"""End-to-end tests: the store in a real browser."""
