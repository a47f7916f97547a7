"""The attacks of `make siege`, and what they are measured with."""
