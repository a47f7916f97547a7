"""Malformed notifications about orders, and an independent check of what may pay an order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from hypothesis import strategies as st

from store_app.models import Order
from tests.chaos.fuzzing.strategies import DuplicateKey, RawJson, mutated_json, one_of_rows, remove, replace, write
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
    """Pending orders: some may get any notification, the others never a payment that matches them."""

    any_notification: Sequence[Order]
    never_matched: Sequence[Order]


def place(shop: Shop, each: int) -> Orders:
    """Write pending orders of a few users."""
    potion = shop.item(PRICE, consumable=True)
    users = [shop.user() for _ in range(5)]
    placed = [shop.order(users[number % 5], potion) for number in range(2 * each)]
    # Without this the store reconciles the orders, which changes their rows.
    shop.change("UPDATE orders SET next_check_at = NULL")
    return Orders(placed[:each], placed[each:])


def notifications_about(order: Order) -> list[Json]:
    """Return valid notifications of every kind about an order."""
    part = {**refund(order, _transaction(order)), "notification_type": "partial_refund"}
    part["payment_details"] = {"payment": {"currency": order.currency, "amount": "1.00"}}
    samples = [_for_order(sample, order) for sample in xsolla_samples.ALL]
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


def _for_order(sample: Json, order: Order) -> Json:
    """Return a captured notification with this order's ids in it."""
    settings = {"settings": {"project_id": PROJECT}} if "settings" in sample else {}
    user = {**sample.get("user", {}), "id": order.user_id}
    return {**sample, **settings, "user": user, "custom_parameters": {"order_id": order.id}}


def mutated_notifications(orders: Sequence[Order]) -> st.SearchStrategy[bytes]:
    """Draw notifications about any of the orders, mutated in up to four places, as bytes."""
    return one_of_rows(orders).flatmap(lambda order: mutated_json(notifications_about(order))).map(write)


# --- payments that do not match their order

_WRONG_AMOUNTS = [
    *("19.98", "20.00", "1999", "0", "", "-19.99", "19.9900001", "19.99USD", "19,99", "19.99\x00", "NaN", "inf"),
    *("19.99" + "0" * 60 + "1", "1e400", "19.99e1", None, True, [], ["19.99"], {"amount": "19.99"}, 19.98, 1999),
    *(
        RawJson("1e400"),
        RawJson("-19.99"),
        RawJson("19.990000000000002"),
        RawJson("9" * 400),
        DuplicateKey("0", "19.99"),
    ),
]
_WRONG_CURRENCIES = [
    *("EUR", "usd", "USD ", " USD", "US", "USDT", "ＵＳＤ", "", "\x00", "USD\x00", None, 840, ["USD"], {"USD": 1}),
    DuplicateKey("EUR", "USD"),
]
_WRONG_USERS = [
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
    RawJson("1e400"),
    DuplicateKey(1, 2),
]


@st.composite
def mismatched(draw: st.DrawFn, orders: Sequence[Order]) -> bytes:
    """Draw a mutated payment of one of the orders, with a wrong amount, currency, user or project."""
    order = draw(one_of_rows(orders))
    others = sorted({other.user_id for other in orders} - {order.user_id})
    originals = [order_paid(order, _transaction(order)), payment(order, _transaction(order))]
    paid = draw(mutated_json(originals, max_changes=2))
    kind = draw(st.sampled_from(["order_paid", "order_paid", "payment"]))
    paid["notification_type"] = kind
    _make_mismatched(draw, paid, kind, others)
    return write(paid)


def _make_mismatched(draw: st.DrawFn, paid: Json, kind: str, others: list[str]) -> None:
    price = ("order",) if kind == "order_paid" else ("purchase", "checkout")
    match draw(st.sampled_from(["amount", "currency", "user", "project", "missing"])):
        case "amount":
            replace(paid, (*price, "amount"), lambda _: draw(st.sampled_from(_WRONG_AMOUNTS)))
        case "currency":
            replace(paid, (*price, "currency"), lambda _: draw(st.sampled_from(_WRONG_CURRENCIES)))
        case "user":
            wrong = draw(st.sampled_from([*_WRONG_USERS, *others]))
            paid["user"] = draw(st.sampled_from([{"external_id": wrong}, {"id": wrong}, wrong]))
        case "project":
            wrong = draw(st.sampled_from([1, "1", [PROJECT], {"id": PROJECT}, DuplicateKey(1, PROJECT), True]))
            paid["settings"] = {"project_id": wrong}
            remove(paid, ("billing",))
        case _:
            remove(paid, price if draw(st.booleans()) else (*price, draw(st.sampled_from(["amount", "currency"]))))


# --- an independent check


def matches(body: bytes, order_id: str, user_id: str, total: int, currency: str) -> bool:
    """Whether a body is a payment of an order, parsed as strictly as possible."""
    try:
        read = json.loads(body, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        return False
    order, user, settings = (read.get(name) for name in ("order", "user", "settings"))
    billing = read.get("billing") if isinstance(read.get("billing"), dict) else {}
    settings = settings if settings is not None else billing.get("settings")
    return (
        isinstance(order, dict)
        and read["notification_type"] == "order_paid"
        and _is_amount(order.get("amount"), total)
        and order.get("currency") == currency
        and _is_missing_or(user, ("external_id", "id"), user_id)
        and _is_missing_or(settings, ("project_id",), str(PROJECT))
        # The ids of these transactions begin like the ids of their orders.
        and order_id[:24].encode() in body
    )


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(members)) < len(members):
        raise ValueError("an object has a duplicate key")
    return dict(members)


def _is_amount(value: Any, total: int) -> bool:
    try:
        # Compared as written, because arithmetic would round.
        return not isinstance(value, bool) and Decimal(str(value)) == Decimal(total).scaleb(-2)
    except InvalidOperation:
        return False


def _is_missing_or(section: Any, names: tuple[str, ...], expected: str) -> bool:
    if section is None or section in ([], {}, ""):
        return True
    if not isinstance(section, dict):
        return False
    values = [section[name] for name in names if section.get(name) not in (None, "")]
    return not values or (isinstance(values[0], (str, int)) and str(values[0]) == expected)
