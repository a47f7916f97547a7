"""A running simulator as programs and tests use it: make things happen, and read its books."""

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from simulator.scenarios import HOLD_SECONDS, Scenario
from simulator.settings import Mode

# Longer than the simulator itself waits for the store.
REDIS_TIMEOUT_SECONDS = 15.0


class SimulatorTrouble(Exception):
    """The simulator said no or nothing; the message says what, in words."""


class Laboratory:
    """Scenarios by name; orders are named by their number here or by the store's own.

    Each call raises SimulatorTrouble unless the simulator agrees. May be used from several threads.
    """

    def __init__(self, simulator_url: str) -> None:
        self._url = simulator_url
        self._client = httpx.Client(trust_env=False, limits=httpx.Limits(max_connections=None))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(
        self,
        order: str | int,
        scenario: Scenario | str = Scenario.HAPPY,
        *,
        wait: float = 15,
        hold: float = HOLD_SECONDS,
        mode: Mode | None = None,
        speed: float | None = None,
    ) -> dict[str, Any]:
        """Run a scenario and wait for its deliveries; gives `order`, `deliveries`, `as_expected`.

        Args:
            order: which one.
            scenario: what to make happen.
            wait: seconds to wait at most; 0 comes back at once.
            hold: seconds for which `late` keeps its notifications back, unless they are released.
            mode: combined or separate; else the simulator's own.
            speed: how many times faster than on schedule repeats are sent; else the simulator's own.
        """
        body = {"scenario": scenario, "wait": wait, "hold": hold, "mode": mode, "speed": speed}
        return self._call("POST", order, "/send", wait, body)

    def release(self, order: str | int, *, wait: float = 15) -> dict[str, Any]:
        """Let the notifications go that `late` keeps back; the answer is that of `send`."""
        return self._call("POST", order, "/release", wait, {"wait": wait})

    def order(self, order: str | int) -> dict[str, Any]:
        """Read what the books hold about an order: facts, what they imply for the store, deliveries."""
        return self._call("GET", order, "", 0, None)

    def _call(
        self, method: str, order: str | int, path: str, wait: float, body: dict[str, Any] | None
    ) -> dict[str, Any]:
        address = f"{self._url}/simulator/orders/{quote(str(order), safe='')}{path}"
        try:
            response = self._client.request(method, address, json=body, timeout=wait + REDIS_TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            raise SimulatorTrouble(f"No simulator answers at {self._url}: {error}.") from None
        if not response.is_success:
            raise SimulatorTrouble(_words(response))
        answer: dict[str, Any] = response.json()
        return answer


def _words(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, LookupError, TypeError):
        return f"The simulator answered {response.status_code}: {response.text}"
