"""A store that is killed at a failpoint and started again, and what must hold for it afterwards."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import TracebackType
from typing import Any, Self

import httpx

from tests.integration.shop import Shop, wait_until
from tests.integration.web import Web
from tests.support.invariants import check
from tests.support.processes import ROOT
from tests.support.store import StoreProcess

Json = dict[str, Any]
# An order's status, the kinds in its ledger, and the statuses of its purchases.
OrderSummary = tuple[str, list[str], list[str]]
TIMEOUT_SECONDS = 30
IN_THE_PAST = "2020-01-01 00:00:00+00:00"
# The first word of a failpoint's name, which says which test kills the store there.
AREAS = ("webhook", "checkout", "reconciliation", "outbox", "sign-out")
_NAMED = re.compile(r'(?<!def )\bfailpoint\("([^"]+)"\)')
_ANY = re.compile(r"(?<!def )\bfailpoint\(")


@cache
def failpoints() -> list[str]:
    """Return the names of all failpoints in the sources, which are written as literals."""
    names: list[str] = []
    for path in sorted([*(ROOT / "store_app").rglob("*.py"), *(ROOT / "webhook").rglob("*.py")]):
        source = path.read_text(encoding="utf-8")
        found = _NAMED.findall(source)
        assert len(found) == len(_ANY.findall(source)), f"{path.name}: the name of a failpoint is not a literal"
        names += found
    return names


def failpoints_of(area: str) -> list[str]:
    """Return the names of the failpoints of an area."""
    return [name for name in failpoints() if name.startswith(f"{area}: ")]


class CrashingStore:
    """A store in a process of its own; `shop` is its database, seen from the test."""

    def __init__(self, process: StoreProcess, shop: Shop) -> None:
        """Use this store, which is not running yet."""
        self.process = process
        self.shop = shop
        self.web = Web(process)
        self.accepted: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.web.__exit__(kind, error, trace)

    def start(self, failpoint: str = "") -> None:
        """Start the store; it dies at `failpoint`, if one is named."""
        self.process.store.env["FAILPOINT"] = failpoint
        self.process.start_store()

    def crash_during(self, action: Callable[[], object]) -> None:
        """Run an action during which a worker dies, and wait until it is dead."""
        workers = set(self.process.worker_pids())
        with suppress(httpx.TransportError):
            action()
        wait_until(lambda: not workers <= set(self.process.worker_pids()), TIMEOUT_SECONDS)

    def wait_until_recovered(self) -> None:
        """Wait until a new worker has replaced the dead one; the new one may die at the failpoint too."""
        self.process.store.wait_until_answers(f"{self.process.url}/livez", TIMEOUT_SECONDS)

    def deliver(self, notification: Json) -> None:
        """Deliver a notification, which must be acknowledged."""
        body = json.dumps(notification).encode()
        response = self.web.deliver(body)
        assert response.status_code == 204, response.text
        self.accepted.append(body)

    def crash_while_processing(self, notification: Json) -> None:
        """Deliver a notification while whose processing the worker dies."""
        body = json.dumps(notification).encode()

        def deliver() -> None:
            # The response may be sent already when the store dies: then the delivery is acknowledged.
            if self.web.deliver(body).is_success:
                self.accepted.append(body)

        self.crash_during(deliver)

    def outbox_is_empty(self) -> bool:
        """Whether no message waits in the outbox."""
        return not self.shop.rows("SELECT id FROM outbox")

    def reconcile(self, failpoint: str = "") -> int:
        """Run a reconciliation of all orders now, in a process of its own; return its exit code."""
        self.shop.change("UPDATE orders SET next_check_at = :then", then=IN_THE_PAST)
        code = "import asyncio; from store_app.checkout import reconcile; asyncio.run(reconcile.reconcile_due())"
        env = self.process.env | {"FAILPOINT": failpoint}
        return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=False).returncode

    def run_scenario(self, order_id: str, scenario: str) -> Json:
        """Let the simulator run a scenario on an order and return its report."""
        url = f"{self.process.simulator_url}/simulator/orders/{order_id}/send"
        response = httpx.post(url, json={"scenario": scenario}, trust_env=False, timeout=TIMEOUT_SECONDS)
        assert response.is_success, response.text
        report: Json = response.json()
        return report

    def ledger(self, order_id: str) -> list[str]:
        """Return the kinds of the rows in an order's ledger."""
        query = "SELECT kind FROM payments WHERE order_id = :id ORDER BY id"
        return [row[0] for row in self.shop.rows(query, id=order_id)]

    def summary(self, order_id: str) -> OrderSummary:
        """Return an order's status, its ledger's kinds and its purchases' statuses."""
        return self.shop.read(order_id).status, self.ledger(order_id), self.shop.purchases(order_id)

    def check(self) -> None:
        """Check the invariants, and that every acknowledged delivery is in the inbox."""
        check(self.shop.engine, self.accepted)

    def check_outbox_drains(self) -> None:
        """Check that the running store sends what the dead one left in the outbox, and all invariants."""
        self.expire_leases()
        wait_until(self.outbox_is_empty, TIMEOUT_SECONDS)
        self.check()

    def expire_leases(self) -> None:
        """Expire the leases of messages, within which only the process that wrote a message may send it."""
        self.shop.change("UPDATE outbox SET leased_until = :then", then=IN_THE_PAST)
