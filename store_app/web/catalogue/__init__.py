"""The store page, item pages and the items API."""
