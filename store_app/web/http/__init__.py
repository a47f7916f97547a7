"""What all routes share: problem documents, middleware, the session cookie, health and metrics."""
