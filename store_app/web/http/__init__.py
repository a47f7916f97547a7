"""What every route shares: problem documents, middleware, sessions, health and metrics."""
