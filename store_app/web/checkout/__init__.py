"""The cart page, placing orders, and the check of unpaid orders."""
