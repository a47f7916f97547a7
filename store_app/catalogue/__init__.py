"""Browse, search and show items."""
