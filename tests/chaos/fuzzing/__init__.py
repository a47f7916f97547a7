"""Fuzzing of a running store: malformed requests, and checks of the responses and the database."""
