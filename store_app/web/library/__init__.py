"""The library page and the purchases API."""
