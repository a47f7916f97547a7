"""Named places where a test can kill the process, as a power cut would: `FAILPOINT=name` or `name@3`.

`name@3` kills it when the place is reached for the third time. A place is an audit event (`sys.audit`), to which
nothing listens without the variable, and never in production.
"""

import os
import signal
import sys
from collections import Counter
from functools import partial

from store_app.settings import get_settings

_EVENT = "store.failpoint"
failpoint = partial(sys.audit, _EVENT)


def arm() -> None:
    """Kill this process at the place that FAILPOINT names, if it names one."""
    wanted = os.environ.get("FAILPOINT")
    if not wanted:
        return
    place, _, time = wanted.partition("@")
    reached: Counter[object] = Counter()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == _EVENT:
            reached[arguments[0]] += 1
            if arguments[0] != place or reached[place] < int(time or 1):
                return
            if get_settings().environment != "production":
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


arm()
