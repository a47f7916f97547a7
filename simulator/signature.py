"""How the provider signs: SHA-1 over the body followed by the secret."""

import hashlib


def sign(body: bytes, secret: str) -> str:
    """Give the value of the Authorization header for a body."""
    # SHA-1 with the secret behind is the provider's choice, not ours.
    return f"Signature {hashlib.sha1(body + secret.encode()).hexdigest()}"  # noqa: S324
