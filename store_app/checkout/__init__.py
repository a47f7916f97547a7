"""The cart, placing an order, reconciliation, and copying items to the provider's catalogue."""
