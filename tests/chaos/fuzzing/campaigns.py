"""The campaigns of malformed requests, and what must hold for the store's database after them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hypothesis import strategies as st
from sqlalchemy import Engine, text

from store_app.db.engine import make_engine
from store_app.models import Order, metadata
from tests.chaos.fuzzing import checks
from tests.chaos.fuzzing.notifications import (
    Orders,
    matches,
    mismatched,
    mutated_notifications,
    notifications_about,
    place,
)
from tests.chaos.fuzzing.openapi import Documented, documented_requests
from tests.chaos.fuzzing.runner import Campaign, Example, Results, run
from tests.chaos.fuzzing.strategies import (
    corrupted,
    mutated_json,
    one_of_rows,
    raw_bodies,
    signed,
    unsigned,
    unusual_headers,
    write,
)
from tests.chaos.fuzzing.transport import Headers, RawClient, Request, Response
from tests.integration.shop import PROJECT, SECRET, Json, Shop, order_paid, sign, use_database
from tests.integration.web import PASSWORD, ApiUser, Web
from tests.support.invariants import violations
from tests.support.store import StoreProcess

WEBHOOK = b"/api/webhooks/payment"
# The store accepts notifications signed with the tests' secret, and parses X-Forwarded-For, malformed or not.
ENV = {
    "XSOLLA_PROJECT_ID": str(PROJECT),
    "XSOLLA_WEBHOOK_SECRET": SECRET,
    "TRUSTED_PROXIES": "127.0.0.1,::1",
    "LOG_LEVEL": "ERROR",
}
HeadersOf = Callable[[bytes], st.SearchStrategy[Headers]]
_SKUS = ["dragon-sword", "health-potion"]


# --- the webhook


def _deliveries(
    bodies: st.SearchStrategy[bytes], headers_of: HeadersOf, check_of: Callable[[Request], checks.Check]
) -> st.SearchStrategy[Example]:
    def delivery(body: bytes) -> st.SearchStrategy[Example]:
        requests = headers_of(body).map(lambda headers: Request(b"POST", WEBHOOK, headers, body))
        return requests.map(lambda request: Example(request, check_of(request)))

    return bodies.flatmap(delivery)


def without_signature(orders: Orders) -> list[Campaign]:
    """Return campaigns without a valid signature: bytes, and notifications, some of them unchanged."""
    order = one_of_rows(orders.never_matched)
    unchanged = order.flatmap(lambda drawn: one_of_rows(notifications_about(drawn))).map(write)
    notifications = corrupted(unchanged | mutated_notifications(orders.never_matched))
    return [
        Campaign("webhook, unsigned: bytes and JSON", _deliveries(raw_bodies, unsigned, checks.unsigned)),
        Campaign("webhook, unsigned: notifications", _deliveries(notifications, unsigned, checks.unsigned)),
    ]


def with_signature(orders: Orders) -> list[Campaign]:
    """Return campaigns with a valid signature: bytes, mutated notifications, and mismatched payments."""
    notifications = corrupted(mutated_notifications(orders.any_notification))
    return [
        Campaign("webhook, signed: bytes and JSON", _deliveries(raw_bodies, signed, checks.signed)),
        Campaign("webhook, signed: notifications", _deliveries(notifications, signed, checks.signed)),
        Campaign(
            "webhook, signed: mismatched payments",
            _deliveries(mismatched(orders.never_matched), signed, checks.signed),
        ),
    ]


# --- the rest of the API


@dataclass
class Caller:
    """A signed-in user, replaced by a new one when a generated request has ended the session or the account."""

    web: Web
    user: ApiUser = field(init=False)

    def __post_init__(self) -> None:
        self.user = self.web.user()

    @property
    def credentials(self) -> Headers:
        """Return the headers of a signed-in request."""
        return ((b"Authorization", b"Bearer " + self.user.token.encode()),)

    def signed_in(self, request: Request, check: checks.Check) -> Example:
        """Return the request with this user's credentials."""

        def check_and_sign_in_again(response: Response) -> str:
            if request.method == b"DELETE" and response.status == 204:
                self.user = self.web.user()
            return check(response)

        headers = (*request.headers, *self.credentials)
        with_credentials = Request(request.method, request.target, headers, request.body)
        return Example(with_credentials, check_and_sign_in_again)


def _check_of(documented: Documented) -> checks.Check:
    check_api = checks.api(documented.request)

    def check(response: Response) -> str:
        if wrong := check_api(response):
            return wrong
        return documented.nonconformity(response) if checks.reaches_the_api(documented.request) else ""

    return check


def rest_of_the_api(web: Web) -> list[Campaign]:
    """Return campaigns of what the OpenAPI document allows or forbids, signed out and in, and of the rest."""
    document: Json = web.http.get("/openapi.json").json()
    caller = Caller(web)
    order_id: str = caller.user.order(_SKUS[1])["order_id"]
    known = {"sku": _SKUS, "order_id": [order_id], "user_id": [caller.user.id]}
    documented = documented_requests(document, known)
    return [
        Campaign(
            "API by its document, signed out",
            documented.map(lambda one: Example(one.request, _check_of(one))),
        ),
        Campaign(
            "API by its document, signed in",
            documented.map(lambda one: caller.signed_in(one.request, _check_of(one))),
        ),
        Campaign(
            "API: bytes, headers, addresses",
            st.tuples(_unusual_requests(), st.booleans()).map(
                lambda drawn: (
                    caller.signed_in(drawn[0], checks.api(drawn[0]))
                    if drawn[1]
                    else Example(drawn[0], checks.api(drawn[0]))
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
_VALID_BODIES: list[Json] = [
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
def _unusual_requests(draw: st.DrawFn) -> Request:
    target = draw(st.sampled_from(_PATHS))
    if not draw(st.integers(0, 4)):
        target += b"/" + draw(_escapes)
    if query := draw(_queries):
        target += b"?" + query
    body = draw(st.one_of(st.just(b""), raw_bodies, corrupted(mutated_json(_VALID_BODIES).map(write)), _FORMS))
    content_type = ((b"Content-Type", draw(st.sampled_from(_CONTENT_TYPES))),)
    return Request(draw(st.sampled_from(_METHODS)), target, (*content_type, *draw(unusual_headers)), body)


# --- all campaigns


@dataclass
class FuzzRun:
    """A running store with orders to send malformed notifications about, and the results."""

    store: StoreProcess
    engine: Engine
    orders: Orders
    seed: int
    results: Results = field(default_factory=Results)
    # Rows that changed though no request had a valid signature.
    changed_rows: list[str] = field(default_factory=list)

    def send_unsigned(self, count: int) -> None:
        """Send `count` requests of each unsigned campaign, and record which rows differ afterwards."""
        before = self._rows()
        self._run(without_signature(self.orders), count)
        after = self._rows()
        self.changed_rows += sorted(f"{table}: {row}" for table, row in before ^ after)

    def send_signed(self, count: int) -> None:
        """Send `count` requests of each signed campaign."""
        self._run(with_signature(self.orders), count)

    def call_api(self, count: int) -> None:
        """Send `count` requests of each campaign for the rest of the API."""
        with Web(self.store) as web:
            self._run(rest_of_the_api(web), count)

    def _run(self, campaigns: list[Campaign], count: int) -> None:
        for campaign in campaigns:
            run(campaign, self.store.port, count, self.seed, self.results)

    def _rows(self) -> set[tuple[str, str]]:
        tables = [name for name in metadata.tables if name != "webhook_deliveries"]
        return {(table, str(row)) for table in tables for row in self._query(f"SELECT * FROM {table}")}

    def _query(self, query: str) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    # --- what must hold in the end

    def paid_wrongly(self) -> list[str]:
        """Return orders that are paid though no accepted payment matches them."""
        query = """
            SELECT o.id, o.user_id, o.total, o.currency, d.body FROM orders o JOIN payments p ON p.order_id = o.id
            LEFT JOIN webhook_deliveries d ON d.order_id = o.id AND d.notification_type = 'order_paid'
                AND d.verdict = 'done'
            WHERE p.kind = 'payment'
        """
        return [
            f"order {row[0]} was paid by {row[4]!r:.500}"
            for row in self._query(query)
            if row[4] is None or not matches(bytes(row[4]), *row[:4])  # type: ignore[arg-type, call-overload]
        ]

    def changed_by_mismatched_payments(self) -> list[str]:
        """Return orders that are no longer pending though only mismatched payments were sent for them."""
        never = {order.id for order in self.orders.never_matched}
        changed = self._query("SELECT id, status FROM orders WHERE status <> 'pending'")
        return [f"order {order_id} is {status}" for order_id, status in changed if order_id in never]

    def not_payable(self) -> list[str]:
        """Pay the orders that got only mismatched payments; return those that are not paid afterwards."""
        never = {order.id for order in self.orders.never_matched}
        with RawClient(self.store.port) as client:
            statuses = [client.send(_payment(order)).status for order in self.orders.never_matched]
        paid = {row[0] for row in self._query("SELECT id FROM orders WHERE status = 'paid'")}
        refused = [f"the response to a matching payment was {status}" for status in statuses if status != 204]
        return [*refused, *(f"order {order_id} cannot be paid anymore" for order_id in sorted(never - paid))]

    def invariants(self) -> list[str]:
        """Return the invariants of the database that are broken."""
        return violations(self.engine)

    def tracebacks(self) -> list[str]:
        """Return the ends of the tracebacks that the store logged."""
        _, *tracebacks = self.store.log().split("Traceback (most recent call last)")
        return [traceback[-800:] for traceback in tracebacks]

    def findings(self) -> dict[str, list[str]]:
        """Return everything that is wrong, by kind; this pays the orders that got only mismatched payments."""
        return {
            "wrong responses": [str(failure) for failure in self.results.failures],
            "rows changed without a signature": self.changed_rows,
            "orders changed by mismatched payments": self.changed_by_mismatched_payments(),
            "orders paid by mismatched payments": self.paid_wrongly(),
            "orders not payable afterwards": self.not_payable(),
            "invariants broken": self.invariants(),
            "tracebacks in the log": self.tracebacks(),
        }


def _payment(order: Order) -> Request:
    body = json.dumps(order_paid(order, f"matching-{order.id}")).encode()
    return Request(b"POST", WEBHOOK, ((b"Authorization", sign(body)),), body)


@contextmanager
def fuzz_run(store: StoreProcess, orders: int, seed: int) -> Iterator[FuzzRun]:
    """Place so many orders of each kind in a running store, and yield the run that sends malformed requests."""
    with use_database(store.database_url) as engine:
        placed = place(Shop(engine, engine.dialect.name), orders)
    engine = make_engine(store.database_url.replace("postgresql://", "postgresql+psycopg2://"))
    try:
        yield FuzzRun(store, engine, placed, seed)
    finally:
        engine.dispose()
