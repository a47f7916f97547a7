"""Long runs that try to break the store: random kills, and malformed requests."""
