"""A store that is killed at a failpoint and started again, and what must be true of it afterwards."""

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
Standing = tuple[str, list[str], list[str]]
SECONDS = 30
# What the first word of a failpoint's name says, and so which test kills the store there.
AREAS = ("webhook", "checkout", "repair", "outbox")
_NAMED = re.compile(r'(?<!def )\bfailpoint\("([^"]+)"\)')
_ANY = re.compile(r"(?<!def )\bfailpoint\(")


@cache
def failpoints() -> list[str]:
    """Return the names of all failpoints in the sources, which are written as literals."""
    names: list[str] = []
    for path in sorted([*(ROOT / "store_app").rglob("*.py"), *(ROOT / "webhook").rglob("*.py")]):
        source = path.read_text(encoding="utf-8")
        found = _NAMED.findall(source)
        assert len(found) == len(_ANY.findall(source)), f"{path.name}: a failpoint whose name is no literal"
        names += found
    return names


def failpoints_of(area: str) -> list[str]:
    """Return the names of the failpoints of an area."""
    return [name for name in failpoints() if name.startswith(f"{area}: ")]


class Scene:
    """A store in a process of its own; `shop` is its database, seen from the test."""

    def __init__(self, store: StoreProcess, shop: Shop) -> None:
        """Use this store, which is not running yet."""
        self.store = store
        self.shop = shop
        self.web = Web(store)
        self.accepted: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.web.__exit__(kind, error, trace)

    def start(self, failpoint: str = "") -> None:
        """Start the store; it dies at `failpoint`, if one is named."""
        self.store.store.env["FAILPOINT"] = failpoint
        self.store.start_store()

    def dies(self, action: Callable[[], object]) -> None:
        """Do something during which the worker dies."""
        (worker,) = self.store.worker_pids()
        with suppress(httpx.TransportError):
            action()
        wait_until(lambda: worker not in self.store.worker_pids(), SECONDS)

    def recovers(self) -> None:
        """Wait until a new worker is there in the place of the dead one; it may die at the failpoint too."""
        self.store.store.wait_until_answers(f"{self.store.url}/livez", SECONDS)

    def deliver(self, notification: Json) -> None:
        """Deliver a notification, which must be answered with success."""
        body = json.dumps(notification).encode()
        answer = self.web.deliver(body)
        assert answer.status_code == 204, answer.text
        self.accepted.append(body)

    def dies_taking(self, notification: Json) -> None:
        """Deliver a notification, of which the worker dies."""
        body = json.dumps(notification).encode()

        def deliver() -> None:
            # An answer may be out already when the store dies: then it is a promise.
            if self.web.deliver(body).is_success:
                self.accepted.append(body)

        self.dies(deliver)

    def everything_sent(self) -> bool:
        """Whether nothing waits in the outbox."""
        return not self.shop.rows("SELECT id FROM outbox")

    def repair(self, failpoint: str = "") -> int:
        """Run a repair pass now, for every order, in a process of its own; return its exit code."""
        self.shop.change("UPDATE orders SET next_check_at = :then", then="2020-01-01 00:00:00+00:00")
        code = "import asyncio; from store_app.checkout import reconcile; asyncio.run(reconcile.reconcile_due())"
        env = self.store.env | {"FAILPOINT": failpoint}
        return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=False).returncode

    def at_provider(self, reference: str, scenario: str) -> Json:
        """Let the provider run a scenario on an order and return what came of it."""
        url = f"{self.store.simulator_url}/simulator/orders/{reference}/send"
        answer = httpx.post(url, json={"scenario": scenario}, trust_env=False, timeout=SECONDS)
        assert answer.is_success, answer.text
        sent: Json = answer.json()
        return sent

    def ledger(self, order_id: str) -> list[str]:
        """Return the kinds of an order's movements of money."""
        query = "SELECT kind FROM payments WHERE order_id = :id ORDER BY id"
        return [row[0] for row in self.shop.rows(query, id=order_id)]

    def standing(self, order_id: str) -> Standing:
        """Return an order's status, its ledger's kinds and its purchases' statuses."""
        return self.shop.read(order_id).status, self.ledger(order_id), self.shop.purchases(order_id)

    def check(self) -> None:
        """Check the invariants, and that every delivery that was answered with success is there."""
        check(self.shop.engine, self.accepted)

    def check_everything_sent(self) -> None:
        """Check that the running store sends what the dead one left in the outbox, and all invariants."""
        self.let_leases_end()
        wait_until(self.everything_sent, SECONDS)
        self.check()

    def let_leases_end(self) -> None:
        """Let the time be over in which only the process that wrote a message may send it."""
        self.shop.change("UPDATE outbox SET leased_until = :then", then="2020-01-01 00:00:00+00:00")
