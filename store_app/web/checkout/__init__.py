"""The cart page, the API for placing orders, and the payment check."""
