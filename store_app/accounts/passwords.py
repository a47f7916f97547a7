"""Argon2id hashes, computed and verified off the event loop, a few at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from store_app.errors import Busy, Invalid
from store_app.languages import gettext as _

P = ParamSpec("P")
T = TypeVar("T")

MIN_LENGTH, MAX_LENGTH = 8, 128

# OWASP's parameters for Argon2id with the fewest passes: 46 MiB, one pass, one lane.
_hasher = PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)


def rule() -> str:
    """Return the sentence that says which passwords are accepted."""
    return _(
        "Enter a password with {fewest} to {most} characters that is not easy to guess.",
        fewest=MIN_LENGTH,
        most=MAX_LENGTH,
    )


class HashQueue:
    """Threads that compute hashes, and a bound for how many calls may wait for them."""

    def __init__(self, name: str, threads: int, max_waiting: int) -> None:
        """Begin with an empty queue."""
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self._max_waiting, self._waiting = max_waiting, 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in a thread.

        Raises:
            Busy: too many calls wait already.
        """
        if self._waiting >= self._max_waiting:
            raise Busy
        self._waiting += 1
        try:
            work = partial(function, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


# Each hash takes 46 MiB and one core for about 60 ms. Sign-ins and registrations each have threads of their own:
# neither waits for the other. As many may wait as are done in about a second.
_sign_ins, _registrations = HashQueue("sign-in", 2, 24), HashQueue("registration", 1, 12)
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
        raise Invalid("password", rule())


def _bytes(password: str) -> bytes:
    # JSON may contain lone surrogates, which strict UTF-8 cannot encode.
    return password.encode("utf-8", "surrogatepass")


def _verify(password: str, hashed: str) -> bool:
    try:
        return _hasher.verify(hashed, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


async def hash_password(password: str) -> str:
    """Return the Argon2id hash of `password`.

    Raises:
        Busy: too many registrations wait.
    """
    return await _registrations.run(_hasher.hash, _bytes(password))


async def password_matches(password: str, hashed: str | None) -> bool:
    """Check a password. Without a hash (unknown user) the check takes as long and returns False.

    Raises:
        Busy: too many sign-ins wait.
    """
    matches = await _sign_ins.run(_verify, password[: MAX_LENGTH + 1], hashed or _DUMMY_HASH)
    return matches and bool(hashed)
