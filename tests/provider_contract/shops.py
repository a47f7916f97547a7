"""A store that sells through a provider, the provider's stand-in, and the adapter that the tests call."""

import hashlib
import secrets
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from store_app.models import PaymentAttempt
from store_app.payments.provider import PaymentProvider, PaymentRequest
from store_app.payments.xsolla.provider import XsollaProvider
from store_app.settings import Settings
from tests.provider_contract.acme import provider as acme
from tests.support.ports import free_port
from tests.support.processes import Child, running
from tests.support.project import BUILD, copy_project, link
from tests.support.recipes import carry_out
from tests.support.store import StoreProcess

# Costs $49.99.
POTION = "health-potion"
PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Shop:
    """A provider with a store. `sign` returns a delivery's headers; `press` presses a button of a payment page."""

    name: str
    store: StoreProcess
    provider: PaymentProvider
    sign: Callable[[bytes], Mapping[str, str]]
    press: Callable[[str, str], httpx.Response]
    # The same adapter with a key that the provider does not know, and with an address where nobody listens.
    with_wrong_key: PaymentProvider
    unreachable: PaymentProvider

    def request(self, user_id: str) -> PaymentRequest:
        """Return what is asked for a payment page: one potion for this user."""
        return PaymentRequest(
            order_id=secrets.token_hex(16),
            number="4F7K-2M9Q",
            attempt=1,
            user_id=user_id,
            username="Kira",
            lines=((POTION, 1),),
            total=4999,
            currency="USD",
        )

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query in the store's database."""
        with sqlite3.connect(self.store.data_dir / "store.db") as connection:
            return connection.execute(query, values).fetchall()

    def open_payment(self, order_id: str) -> PaymentAttempt:
        """Return what reconciliation would ask about an order's first payment attempt."""
        query = "SELECT provider, provider_order_id, payment_url FROM payment_attempts WHERE order_id = ?"
        ((provider, provider_order_id, url),) = self.rows(query, order_id)
        names = {"order_id": order_id, "number": 1, "provider": provider, "provider_order_id": provider_order_id}
        return PaymentAttempt(**names, payment_url=url)

    def user(self) -> "User":
        """Return a new user of the store, signed in."""
        name = f"user-{secrets.token_hex(4)}"
        client = httpx.Client(base_url=self.store.url, trust_env=False, timeout=15)
        user = client.post("/api/users", json={"username": name, "password": PASSWORD}).raise_for_status().json()
        session = client.post("/api/sessions", json={"username": name, "password": PASSWORD}).raise_for_status()
        client.headers["Authorization"] = f"Bearer {session.json()['token']}"
        return User(self, client, user["id"])


@dataclass(frozen=True, slots=True)
class User:
    """A user of the store who buys."""

    shop: Shop
    client: httpx.Client
    user_id: str

    def order(self, sku: str = POTION) -> tuple[str, str]:
        """Order one item; return the order's id and the address of its payment page."""
        answer = self.client.post("/api/purchases", json={"items": [{"sku": sku}]})
        assert answer.status_code == 201, answer.text
        return answer.json()["order_id"], answer.json()["payment_url"]

    def pay(self, sku: str = POTION) -> str:
        """Order and pay one item; return the order's id once it is paid."""
        order_id, payment_url = self.order(sku)
        self.shop.press("pay", payment_url)
        self.wait_for(order_id, "paid")
        return order_id

    def status(self, order_id: str) -> str:
        """Return the status of an order."""
        return str(self.client.get(f"/api/orders/{order_id}").raise_for_status().json()["status"])

    def wait_for(self, order_id: str, status: str, seconds: float = 10) -> None:
        """Wait until an order has a status."""
        deadline = time.monotonic() + seconds
        while (now := self.status(order_id)) != status:
            assert time.monotonic() < deadline, f"the order is {now}, not {status}"
            time.sleep(0.02)

    def owned(self) -> list[tuple[str, str]]:
        """Return what the user has bought: SKU and status."""
        purchases = self.client.get("/api/purchases").raise_for_status().json()
        return [(purchase["item"]["sku"], purchase["status"]) for purchase in purchases]


@contextmanager
def xsolla_shop() -> Iterator[Shop]:
    """Run a store beside the simulator."""
    with StoreProcess(simulator=True) as store:
        secret = store.env["XSOLLA_WEBHOOK_SECRET"].encode()

        def adapter(**changed: str) -> XsollaProvider:
            values = {name.lower(): value for name, value in {**store.env, **changed}.items()}
            known = {name: value for name, value in values.items() if name in Settings.model_fields}
            return XsollaProvider(Settings(_env_file=None, **known))  # type: ignore[arg-type]

        def sign(body: bytes) -> Mapping[str, str]:
            digest = hashlib.sha1(body + secret).hexdigest()  # noqa: S324 - Xsolla's algorithm
            return {"authorization": f"Signature {digest}"}

        def press(button: str, payment_url: str) -> httpx.Response:
            token = httpx.URL(payment_url).params["token"]
            return httpx.post(f"{store.simulator_url}/paystation4/{button}?token={token}", trust_env=False)

        nowhere = f"http://127.0.0.1:{free_port()}"
        yield Shop(
            "xsolla",
            store,
            adapter(),
            sign,
            press,
            with_wrong_key=adapter(XSOLLA_API_KEY="wrong"),
            unreachable=adapter(XSOLLA_STORE_API_URL=nowhere, XSOLLA_MERCHANT_API_URL=nowhere),
        )


def add_acme(project: Path) -> None:
    """Add Acme Pay to a copy of the project as docs/extending.md says: its folder, and one registry entry."""
    shutil.copytree(Path(acme.__file__).parent, project / "store_app/payments/acme")
    (project / "store_app/payments/acme/server.py").unlink()
    carry_out("A payment provider", project)


@contextmanager
def acme_shop(folder: Path) -> Iterator[Shop]:
    """Run a store to which Acme Pay was added, beside Acme Pay itself."""
    project = copy_project(folder)
    link(project, BUILD)
    add_acme(project)
    port, store_port = free_port(), free_port()
    settings = acme.Settings(
        url=f"http://localhost:{port}",
        key=secrets.token_urlsafe(16),
        signing_secret=secrets.token_urlsafe(16),
        return_url=f"http://localhost:{store_port}",
    )
    env = {f"ACME_{name.upper()}": str(value) for name, value in settings} | {
        "ACME_WEBHOOK": f"{settings.return_url}/api/webhooks/acme",
        "PAYMENT_PROVIDER": "acme",
    }
    store = StoreProcess(env=env, port=store_port, root=project)
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    target = "tests.provider_contract.acme.server:app"
    server = Child("acme", [*command, target], env=store.env, log=folder / "acme.log", cwd=project)
    with running(server, f"{settings.url}/openapi.json"), store:
        yield Shop(
            "acme",
            store,
            acme.AcmeProvider(settings),
            lambda body: {"x-acme-signature": acme.sign(body, settings.signing_secret, int(time.time()))},
            lambda button, payment_url: httpx.post(f"{payment_url}/{button}", trust_env=False),
            with_wrong_key=acme.AcmeProvider(settings.model_copy(update={"key": "wrong"})),
            unreachable=acme.AcmeProvider(settings.model_copy(update={"url": "http://127.0.0.1:1"})),
        )
