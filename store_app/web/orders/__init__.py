"""The order page and the orders API."""
