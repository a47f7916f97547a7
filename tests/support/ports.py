"""Free ports on the loopback interface."""

import random
import socket

# Below the range of ephemeral ports: no outgoing connection takes a port that is free now before the server
# binds it.
MIN_PORT, MAX_PORT = 20_000, 32_000
_returned: set[int] = set()


def free_port() -> int:
    """Return a port that is free and that this process did not return before."""
    for _attempt in range(1_000):
        port = random.randrange(MIN_PORT, MAX_PORT)
        if port not in _returned and _is_free(port):
            _returned.add(port)
            return port
    raise RuntimeError("The loopback interface has no free port.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
