"""The store page, the item pages and the items API."""
