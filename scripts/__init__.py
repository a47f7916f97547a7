"""The commands that carry the project: each `make` target calls one of them."""
