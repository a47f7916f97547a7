"""Argon2id hashes, computed and verified off the event loop, a few at a time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from store_app.errors import Invalid

MIN_LENGTH, MAX_LENGTH = 8, 128
RULE = f"Enter a password with {MIN_LENGTH} to {MAX_LENGTH} characters that is not easy to guess."

# OWASP's parameters for Argon2id with the fewest passes: 46 MiB, one pass, one lane.
_hasher = PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)
# Each hash takes 46 MiB and one core for about 40 ms: two at a time leave room for everything else.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")
# The password of an unknown user is checked against this hash, so that it takes as long as for a known one.
_DUMMY_HASH = _hasher.hash("nobody has this password")

_COMMON = frozenset(Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").split())


def check_strength(password: str, username: str) -> None:
    """Refuse a password that is too short, too long, common, or equal to the user name (ASVS 6.2: no other rules).

    Raises:
        Invalid: with the sentence to show at the field.
    """
    easy_to_guess = password.casefold() in _COMMON or password.casefold() == username.casefold()
    if easy_to_guess or not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise Invalid("password", RULE)


def _bytes(password: str) -> bytes:
    # JSON may contain lone surrogates, which strict UTF-8 cannot encode.
    return password.encode("utf-8", "surrogatepass")


def _verify(password: str, hashed: str) -> bool:
    try:
        return _hasher.verify(hashed, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


async def hash_password(password: str) -> str:
    """Return the Argon2id hash of `password`."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, _bytes(password))


async def password_matches(password: str, hashed: str | None) -> bool:
    """Check a password. Without a hash (unknown user) the check takes as long and returns False."""
    loop = asyncio.get_running_loop()
    matches = await loop.run_in_executor(_threads, _verify, password[: MAX_LENGTH + 1], hashed or _DUMMY_HASH)
    return matches and bool(hashed)
