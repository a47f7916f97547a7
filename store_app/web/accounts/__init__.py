"""Sign-in, registration and the account page."""
