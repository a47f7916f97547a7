"""The cart, placing an order, and the client of the payment provider."""
