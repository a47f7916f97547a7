"""Mutation tests: each mutation breaks one rule of the store, and tests must fail."""
