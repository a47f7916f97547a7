"""PostgreSQL, Redis or the network between them is away for seconds, and comes back."""
