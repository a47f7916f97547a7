"""The payment provider's notifications: taken, verified, kept, turned into moves of orders."""
