"""Attacks on a running store over HTTP and its websockets."""
