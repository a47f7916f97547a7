"""Free ports on the loopback interface."""

import random
import socket

# Below the range from which systems take the near end of outgoing connections: a port that is free now
# is not taken by a passing connection before the server binds it.
LOWEST, HIGHEST = 20_000, 32_000
_given_out: set[int] = set()


def free_port() -> int:
    """Return a port that nobody listens on and that was not given out before in this process."""
    for _attempt in range(1_000):
        port = random.randrange(LOWEST, HIGHEST)
        if port not in _given_out and _is_free(port):
            _given_out.add(port)
            return port
    raise RuntimeError("There is no free port on the loopback interface.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
