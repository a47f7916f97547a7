"""The campaigns of malformed input, and what must be true of the store's database after them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hypothesis import strategies as st
from sqlalchemy import Engine, text

from store_app.db.engine import make_engine
from store_app.models import Order, metadata
from tests.chaos.fuzzing import checks
from tests.chaos.fuzzing.notifications import Orders, about, fits, mutated, place, unfitting
from tests.chaos.fuzzing.openapi import Documented, requests_of
from tests.chaos.fuzzing.runner import Campaign, Records, Try, run
from tests.chaos.fuzzing.strategies import (
    changed,
    damaged,
    one_of_these,
    raw_bodies,
    signed,
    strange_headers,
    unsigned,
    write,
)
from tests.chaos.fuzzing.transport import Answer, Headers, Request, Wire
from tests.integration.shop import PROJECT, SECRET, Json, Shop, order_paid, sign, use_database
from tests.integration.web import PASSWORD, Player, Web
from tests.support.invariants import violations
from tests.support.store import StoreProcess

WEBHOOK = b"/api/webhooks/payment"
# A store that takes notifications signed with the tests' secret, and lets X-Forwarded-For be malformed too.
ENV = {
    "XSOLLA_PROJECT_ID": str(PROJECT),
    "XSOLLA_WEBHOOK_SECRET": SECRET,
    "TRUSTED_PROXIES": "127.0.0.1,::1",
    "LOG_LEVEL": "ERROR",
}
Headed = Callable[[bytes], st.SearchStrategy[Headers]]
_SKUS = ["dragon-sword", "health-potion"]


# --- the webhook


def _deliveries(
    bodies: st.SearchStrategy[bytes], headed: Headed, apply: Callable[[Request], checks.Judge]
) -> st.SearchStrategy[Try]:
    def one(body: bytes) -> st.SearchStrategy[Try]:
        requests = headed(body).map(lambda headers: Request(b"POST", WEBHOOK, headers, body))
        return requests.map(lambda request: Try(request, apply(request)))

    return bodies.flatmap(one)


def without_signature(orders: Orders) -> list[Campaign]:
    """Return what nobody signed: bytes, and real notifications, some of them unchanged."""
    signature_valid = one_of_these(orders.never).flatmap(lambda order: one_of_these(about(order))).map(write)
    notifications = damaged(signature_valid | mutated(orders.never))
    return [
        Campaign("webhook, unsigned: bytes and JSON", _deliveries(raw_bodies, unsigned, checks.unsigned)),
        Campaign("webhook, unsigned: notifications", _deliveries(notifications, unsigned, checks.unsigned)),
    ]


def with_signature(orders: Orders) -> list[Campaign]:
    """Return what is signed: bytes, changed notifications, and payments that do not fit their orders."""
    return [
        Campaign("webhook, signed: bytes and JSON", _deliveries(raw_bodies, signed, checks.signed)),
        Campaign(
            "webhook, signed: notifications", _deliveries(damaged(mutated(orders.any)), signed, checks.signed)
        ),
        Campaign(
            "webhook, signed: payments not fitting", _deliveries(unfitting(orders.never), signed, checks.signed)
        ),
    ]


# --- the rest of the API


@dataclass
class Caller:
    """A player who signs in again whenever generated requests have ended the session, or closed the account."""

    web: Web
    player: Player = field(init=False)

    def __post_init__(self) -> None:
        self.player = self.web.player()

    @property
    def credentials(self) -> Headers:
        """Return the headers of a signed-in request."""
        return ((b"Authorization", b"Bearer " + self.player.token.encode()),)

    def judged(self, request: Request, apply: checks.Judge) -> Try:
        """Return the request with this player's credentials."""

        def judge_and_return(answer: Answer) -> str:
            if request.method == b"DELETE" and answer.status == 204:
                self.player = self.web.player()
            return apply(answer)

        whole = Request(request.method, request.target, (*request.headers, *self.credentials), request.body)
        return Try(whole, judge_and_return)


def _documented(one: Documented) -> checks.Judge:
    plain = checks.api(one.request)

    def apply(answer: Answer) -> str:
        return plain(answer) or (one.broken_promises(answer) if checks.reaches_the_api(one.request) else "")

    return apply


def rest_of_the_api(web: Web) -> list[Campaign]:
    """Return what the document allows and forbids, signed out and in, and what no document knows."""
    document: Json = web.http.get("/openapi.json").json()
    caller = Caller(web)
    order_id: str = caller.player.order(_SKUS[1])["order_id"]
    known = {"sku": _SKUS, "order_id": [order_id], "user_id": [caller.player.id]}
    documented = requests_of(document, known)
    return [
        Campaign(
            "API by its document, signed out",
            documented.map(lambda one: Try(one.request, _documented(one))),
        ),
        Campaign(
            "API by its document, signed in",
            documented.map(lambda one: caller.judged(one.request, _documented(one))),
        ),
        Campaign(
            "API: bytes, headers, addresses",
            st.tuples(_odd_requests(), st.booleans()).map(
                lambda drawn: (
                    caller.judged(drawn[0], checks.api(drawn[0]))
                    if drawn[1]
                    else Try(drawn[0], checks.api(drawn[0]))
                )
            ),
        ),
    ]


_METHODS = [b"GET", b"POST", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"FOO", b"get"]
_PATHS = [
    *(b"/api/items", b"/api/items/", b"/api/items/dragon-sword", b"/api/items/dragon-sword/cover.svg", b"/api"),
    *(
        b"/api/purchases",
        b"/api/orders",
        b"/api/orders/x",
        b"/api/orders/x/cancel",
        b"/api/users",
        b"/api/users/x",
    ),
    *(b"/api/sessions", b"/api/sessions/current", b"/auth/login", b"/auth/register", b"/auth/logout", b"/api/"),
    *(b"/livez", b"/health", b"/metrics", b"/openapi.json", b"/docs", b"/api/nowhere", b"/ws", b"/covers/x.svg"),
]
_escapes = st.binary(max_size=12).map(lambda some: b"".join(b"%%%02X" % byte for byte in some))
_queries = st.lists(
    st.tuples(
        st.sampled_from(
            [b"q", b"kind", b"min_price", b"max_price", b"sort", b"limit", b"cursor", b"user_id", b"x", b""]
        ),
        _escapes
        | st.sampled_from(
            [b"", b"1", b"-1", b"1e400", b"NaN", b"1_0", b"%", b"%zz", b"%00", b"%ED%A0%80", b"9" * 400]
        ),
    ),
    max_size=3,
).map(lambda pairs: b"&".join(name + b"=" + value for name, value in pairs))
_CONTENT_TYPES = [
    *(b"application/json", b"application/json; charset=utf-16", b"application/problem+json", b"text/plain", b""),
    *(
        b"application/x-www-form-urlencoded",
        b"multipart/form-data",
        b"multipart/form-data; boundary=x",
        b"/",
        b"\xff",
    ),
    *(b"multipart/form-data; boundary=" + b"x" * 300, b"application/json;;;", b"application/xml"),
]
_GOOD_BODIES: list[Json] = [
    {"items": [{"sku": "health-potion", "quantity": 1}]},
    {"username": "somebody", "password": PASSWORD},
]
_FORMS = st.sampled_from(
    [
        b"username=%00&password=%FF&next=//evil.example",
        b"username=a&username=b&password=" + b"x" * 200,
        b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\n\xff\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="username"; filename="a"\r\n\r\nb\r\n--x--\r\n',
        b"--x\r\nContent-Disposition: form-data\r\n\r\n",
        b"--x\r\n\xff\xfe: \x00\r\n\r\n--x",
        b"&" * 5_000,
    ]
)


@st.composite
def _odd_requests(draw: st.DrawFn) -> Request:
    target = draw(st.sampled_from(_PATHS))
    if not draw(st.integers(0, 4)):
        target += b"/" + draw(_escapes)
    if query := draw(_queries):
        target += b"?" + query
    body = draw(st.one_of(st.just(b""), raw_bodies, damaged(changed(_GOOD_BODIES).map(write)), _FORMS))
    content_type = ((b"Content-Type", draw(st.sampled_from(_CONTENT_TYPES))),)
    return Request(draw(st.sampled_from(_METHODS)), target, (*content_type, *draw(strange_headers)), body)


# --- the whole


@dataclass
class Laboratory:
    """A running store with orders to send malformed notifications about, and what came of them."""

    store: StoreProcess
    engine: Engine
    orders: Orders
    seed: int
    records: Records = field(default_factory=Records)
    # Of tables that must not change without a signature.
    changed_rows: list[str] = field(default_factory=list)

    def send_unsigned(self, count: int) -> None:
        """Send `count` requests of each campaign without a signature, and see which rows differ afterwards."""
        before = self._rows()
        self._run(without_signature(self.orders), count)
        after = self._rows()
        self.changed_rows += sorted(f"{table}: {row}" for table, row in before ^ after)

    def send_signed(self, count: int) -> None:
        """Send `count` requests of each signed campaign."""
        self._run(with_signature(self.orders), count)

    def call_api(self, count: int) -> None:
        """Send `count` requests of each campaign against the rest of the API."""
        with Web(self.store) as web:
            self._run(rest_of_the_api(web), count)

    def _run(self, campaigns: list[Campaign], count: int) -> None:
        for campaign in campaigns:
            run(campaign, self.store.port, count, self.seed, self.records)

    def _rows(self) -> set[tuple[str, str]]:
        tables = [name for name in metadata.tables if name != "webhook_deliveries"]
        return {(table, str(row)) for table in tables for row in self._query(f"SELECT * FROM {table}")}

    def _query(self, query: str) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    # --- what must be true in the end

    def paid_wrongly(self) -> list[str]:
        """Return orders that are paid though no notification that was taken for their payment fits them."""
        query = """
            SELECT o.id, o.user_id, o.total, o.currency, d.body FROM orders o JOIN payments p ON p.order_id = o.id
            LEFT JOIN webhook_deliveries d ON d.order_id = o.id AND d.notification_type = 'order_paid'
                AND d.verdict = 'done'
            WHERE p.kind = 'payment'
        """
        return [
            f"order {row[0]} was paid by {row[4]!r:.500}"
            for row in self._query(query)
            if row[4] is None or not fits(bytes(row[4]), *row[:4])  # type: ignore[arg-type, call-overload]
        ]

    def moved_by_what_does_not_fit(self) -> list[str]:
        """Return orders that left `pending` though no notification ever fitted them."""
        never = {order.id for order in self.orders.never}
        moved = self._query("SELECT id, status FROM orders WHERE status <> 'pending'")
        return [f"order {order_id} is {status}" for order_id, status in moved if order_id in never]

    def not_payable(self) -> list[str]:
        """Pay the orders that nothing fitted, rightly; return those that are not paid then."""
        never = {order.id for order in self.orders.never}
        with Wire(self.store.port) as wire:
            answers = [wire.ask(_payment(order)).status for order in self.orders.never]
        paid = {row[0] for row in self._query("SELECT id FROM orders WHERE status = 'paid'")}
        refused = [f"a right payment was answered {status}" for status in answers if status != 204]
        return [*refused, *(f"order {order_id} cannot be paid any more" for order_id in sorted(never - paid))]

    def invariants(self) -> list[str]:
        """Return the rules of the database that are broken."""
        return violations(self.engine)

    def tracebacks(self) -> list[str]:
        """Return what the store logged of its own faults."""
        _, *faults = self.store.log().split("Traceback (most recent call last)")
        return [fault[-800:] for fault in faults]

    def findings(self) -> dict[str, list[str]]:
        """Return everything that is wrong, by what it is; pays the orders that nothing fitted."""
        return {
            "wrong answers": [str(failure) for failure in self.records.failures],
            "rows changed without a signature": self.changed_rows,
            "orders moved by what does not fit": self.moved_by_what_does_not_fit(),
            "orders paid by what does not fit": self.paid_wrongly(),
            "orders not payable afterwards": self.not_payable(),
            "invariants broken": self.invariants(),
            "tracebacks in the log": self.tracebacks(),
        }


def _payment(order: Order) -> Request:
    body = json.dumps(order_paid(order, f"right-{order.id}")).encode()
    return Request(b"POST", WEBHOOK, ((b"Authorization", sign(body)),), body)


@contextmanager
def laboratory(store: StoreProcess, orders: int, seed: int) -> Iterator[Laboratory]:
    """Place so many orders of each sort in a running store, and yield what sends malformed input to it."""
    with use_database(store.database_url) as engine:
        placed = place(Shop(engine, engine.dialect.name), orders)
    engine = make_engine(store.database_url.replace("postgresql://", "postgresql+psycopg2://"))
    try:
        yield Laboratory(store, engine, placed, seed)
    finally:
        engine.dispose()
