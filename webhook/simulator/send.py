"""Asking a running simulator to make something happen, and printing how the store answered."""

from typing import Any
from urllib.parse import quote

import httpx

# Longer than the simulator itself waits for the store.
_PATIENCE = 10


class SimulatorTrouble(Exception):
    """The simulator said no or nothing; the message says what, in words."""


def send(simulator_url: str, reference: str, scenario: str, wait: float) -> bool:
    """Run a scenario; true when the store acknowledged all that was sent."""
    address = f"{simulator_url}/simulator/orders/{quote(reference, safe='')}/send"
    try:
        with httpx.Client(trust_env=False, timeout=wait + _PATIENCE) as client:
            response = client.post(address, json={"scenario": scenario, "wait": wait})
    except httpx.HTTPError as error:
        raise SimulatorTrouble(f"No simulator answers at {simulator_url}: {error}.") from None
    if not response.is_success:
        raise SimulatorTrouble(_words(response))
    answer = response.json()
    print(_heading(answer["order"], scenario))
    for delivery in answer["deliveries"]:
        print(_line(delivery))
    return bool(answer["acknowledged"])


def _words(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, LookupError, TypeError):
        return f"The simulator answered {response.status_code}: {response.text}"


def _heading(order: dict[str, Any], scenario: str) -> str:
    return f"Order {order['id']} (store order {order['store_order']}), {scenario}: now {order['status']}"


def _line(delivery: dict[str, Any]) -> str:
    status = delivery["last_status"] or "no answer"
    answer = "" if delivery["acknowledged"] else f" {delivery['last_answer'] or ''}"
    tries = delivery["attempts"]
    return f"  {delivery['type']}: {delivery['outcome']}, {status}, tries: {tries}{answer}".rstrip()
