"""Attacks over raw sockets and HTTP, as in the threats this store is built against."""
