"""The Python client of a running simulator: run scenarios on orders, and read what happened to them."""

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from simulator.scenarios import HOLD_SECONDS, Scenario
from simulator.settings import Mode

# Added to the time for which the simulator waits itself; longer than its own timeout for the store.
_TIMEOUT_SECONDS = 15.0


class SimulatorError(Exception):
    """The simulator refused or did not respond; the message is a sentence."""


class SimulatorClient:
    """Calls of the simulator's control API. Orders are given by their id there or by the store's id.

    Each call raises SimulatorError unless it succeeds. Several threads can use one client.
    """

    def __init__(self, simulator_url: str) -> None:
        self._url = simulator_url
        self._client = httpx.Client(trust_env=False, limits=httpx.Limits(max_connections=None))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
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
        """Run a scenario and wait for its notifications; return `order`, `notifications`, `as_expected`.

        Args:
            order: the order's id.
            scenario: what happens to the order.
            wait: how many seconds to wait at most; with 0, the call returns at once.
            hold: for how many seconds `late` holds its notifications, unless they are released.
            mode: combined or separate; the default is the simulator's setting.
            speed: how many times faster than the provider's schedule failed deliveries are retried; the
                default is the simulator's setting.
        """
        body = {"scenario": scenario, "wait": wait, "hold": hold, "mode": mode, "speed": speed}
        return self._call("POST", order, "/send", wait, body)

    def release(self, order: str | int, *, wait: float = 15) -> dict[str, Any]:
        """Send the notifications that `late` holds; return the same as `send`."""
        return self._call("POST", order, "/release", wait, {"wait": wait})

    def order(self, order: str | int) -> dict[str, Any]:
        """Return an order with its transactions, its notifications, and what it should be at the store."""
        return self._call("GET", order, "", 0, None)

    def _call(
        self, method: str, order: str | int, path: str, wait: float, body: dict[str, Any] | None
    ) -> dict[str, Any]:
        address = f"{self._url}/simulator/orders/{quote(str(order), safe='')}{path}"
        try:
            response = self._client.request(method, address, json=body, timeout=wait + _TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            raise SimulatorError(f"No simulator answers at {self._url}: {error}.") from None
        if not response.is_success:
            raise SimulatorError(_error_message(response))
        result: dict[str, Any] = response.json()
        return result


def _error_message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, LookupError, TypeError):
        return f"The simulator answered {response.status_code}: {response.text}"
