"""The life of an order, from placed to paid, refunded or closed."""
