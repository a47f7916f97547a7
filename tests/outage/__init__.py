"""PostgreSQL, Redis or the network to them fails for some seconds, and recovers."""
