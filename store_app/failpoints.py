"""Named places where a test can kill the process, as a power cut would: `FAILPOINT=name` or `name@3`.

`name@3` kills it when the place is reached for the third time. Without the variable nothing happens, and never in
production.
"""

import os
import signal
from collections import Counter

from store_app.settings import get_settings

_reached: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Kill this process here, if a test asked for it."""
    wanted = os.environ.get("FAILPOINT")
    if not wanted or get_settings().environment == "production":
        return
    place, _, time = wanted.partition("@")
    _reached[name] += 1
    if place == name and _reached[name] >= int(time or 1):
        os.kill(os.getpid(), signal.SIGKILL)
