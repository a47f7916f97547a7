"""Orders to send malformed notifications about, and what an order's payment must say, judged anew."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from hypothesis import strategies as st

from store_app.models import Order
from tests.chaos.fuzzing.strategies import Token, Twice, changed, one_of_these, put, remove, write
from tests.integration.shop import (
    PROJECT,
    Json,
    Shop,
    declined,
    order_canceled,
    order_paid,
    payment,
    refund,
)
from tests.unit import xsolla_samples

PRICE = 1999


@dataclass(frozen=True, slots=True)
class Orders:
    """Pending orders: `any` notification may come for some, never one that fits for the others."""

    any: Sequence[Order]
    never: Sequence[Order]


def place(shop: Shop, each: int) -> Orders:
    """Write pending orders of a few players."""
    potion = shop.item(PRICE, consumable=True)
    players = [shop.player() for _ in range(5)]
    placed = [shop.order(players[number % 5], potion) for number in range(2 * each)]
    # Else the store asks the provider about them, and what it notes of that is a change of a row.
    shop.change("UPDATE orders SET next_check_at = NULL")
    return Orders(placed[:each], placed[each:])


def about(order: Order) -> list[Json]:
    """Return real notifications of every kind about an order."""
    part = {**refund(order, _transaction(order)), "notification_type": "partial_refund"}
    part["payment_details"] = {"payment": {"currency": order.currency, "amount": "1.00"}}
    samples = [_ours(sample, order) for sample in xsolla_samples.ALL]
    user = {"id": order.user_id}
    return [
        *([order_paid(order, _transaction(order))] * 4),
        payment(order, _transaction(order)),
        order_canceled(order, _transaction(order)),
        refund(order, _transaction(order)),
        refund(order, _transaction(order), code=2),
        part,
        declined(order),
        {"notification_type": "user_search", "user": {"public_id": order.user_id}},
        {"notification_type": "user_validation", "user": user, "settings": {"project_id": PROJECT}},
        *samples,
    ]


def _transaction(order: Order) -> str:
    return f"T-{order.id[:24]}"


def _ours(sample: Json, order: Order) -> Json:
    """Return a captured notification as if it had been sent for this order."""
    settings = {"settings": {"project_id": PROJECT}} if "settings" in sample else {}
    user = {**sample.get("user", {}), "id": order.user_id}
    return {**sample, **settings, "user": user, "custom_parameters": {"order_id": order.id}}


def mutated(orders: Sequence[Order]) -> st.SearchStrategy[bytes]:
    """Return notifications about any of the orders, changed in up to four places, as bytes."""
    return one_of_these(orders).flatmap(lambda order: changed(about(order))).map(write)


# --- payments that do not fit

_AMOUNTS = [
    *("19.98", "20.00", "1999", "0", "", "-19.99", "19.9900001", "19.99USD", "19,99", "19.99\x00", "NaN", "inf"),
    *("19.99" + "0" * 60 + "1", "1e400", "19.99e1", None, True, [], ["19.99"], {"amount": "19.99"}, 19.98, 1999),
    *(Token("1e400"), Token("-19.99"), Token("19.990000000000002"), Token("9" * 400), Twice("0", "19.99")),
]
_CURRENCIES = [
    *("EUR", "usd", "USD ", " USD", "US", "USDT", "ＵＳＤ", "", "\x00", "USD\x00", None, 840, ["USD"], {"USD": 1}),
    Twice("EUR", "USD"),
]
_USERS = [
    "somebody",
    "x" * 65,
    "\x00",
    "a\x00",
    "\ud800",
    7,
    True,
    1.5,
    ["u"],
    {"id": "u"},
    Token("1e400"),
    Twice(1, 2),
]


@st.composite
def unfitting(draw: st.DrawFn, orders: Sequence[Order]) -> bytes:
    """Return a payment of one of the orders, changed here and there, whose amount, currency or user is wrong."""
    order = draw(one_of_these(orders))
    others = sorted({other.user_id for other in orders} - {order.user_id})
    paid = draw(changed([order_paid(order, _transaction(order)), payment(order, _transaction(order))], most=2))
    kind = draw(st.sampled_from(["order_paid", "order_paid", "payment"]))
    paid["notification_type"] = kind
    _spoil(draw, paid, kind, others)
    return write(paid)


def _spoil(draw: st.DrawFn, paid: Json, kind: str, others: list[str]) -> None:
    price = ("order",) if kind == "order_paid" else ("purchase", "checkout")
    match draw(st.sampled_from(["amount", "currency", "user", "project", "nothing said"])):
        case "amount":
            put(paid, (*price, "amount"), lambda _: draw(st.sampled_from(_AMOUNTS)))
        case "currency":
            put(paid, (*price, "currency"), lambda _: draw(st.sampled_from(_CURRENCIES)))
        case "user":
            wrong = draw(st.sampled_from([*_USERS, *others]))
            paid["user"] = draw(st.sampled_from([{"external_id": wrong}, {"id": wrong}, wrong]))
        case "project":
            wrong = draw(st.sampled_from([1, "1", [PROJECT], {"id": PROJECT}, Twice(1, PROJECT), True]))
            paid["settings"] = {"project_id": wrong}
            remove(paid, ("billing",))
        case _:
            remove(paid, price if draw(st.booleans()) else (*price, draw(st.sampled_from(["amount", "currency"]))))


# --- the other opinion


def fits(body: bytes, order_id: str, user_id: str, total: int, currency: str) -> bool:
    """Whether a body that was taken for the payment of an order is one, read as strictly as one can."""
    try:
        said = json.loads(body, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        return False
    order, user, settings = (said.get(name) for name in ("order", "user", "settings"))
    billing = said.get("billing") if isinstance(said.get("billing"), dict) else {}
    settings = settings if settings is not None else billing.get("settings")
    return (
        isinstance(order, dict)
        and said["notification_type"] == "order_paid"
        and _is_amount(order.get("amount"), total)
        and order.get("currency") == currency
        and _is_unsaid_or(user, ("external_id", "id"), user_id)
        and _is_unsaid_or(settings, ("project_id",), str(PROJECT))
        # The transactions here are named after their orders.
        and order_id[:24].encode() in body
    )


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(members)) < len(members):
        raise ValueError("a name stands twice")
    return dict(members)


def _is_amount(said: Any, total: int) -> bool:
    try:
        # Compared as it was written: arithmetic would round.
        return not isinstance(said, bool) and Decimal(str(said)) == Decimal(total).scaleb(-2)
    except InvalidOperation:
        return False


def _is_unsaid_or(section: Any, names: tuple[str, ...], right: str) -> bool:
    if section is None or section in ([], {}, ""):
        return True
    if not isinstance(section, dict):
        return False
    said = [section[name] for name in names if section.get(name) not in (None, "")]
    return not said or (isinstance(said[0], (str, int)) and str(said[0]) == right)
