"""Xsolla's notifications as types. Their JSON is read leniently, as `xsolla.md` lists: ids as numbers or
text, amounts as numbers or text, fields unknown to us.
"""

import json
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self


class Malformed(Exception):
    """The body is not a notification; the message says what is wrong with it."""


MAX_ID_LENGTH = 64
_MAX_AMOUNT_LENGTH = 40
# Stands for an id that is there and cannot be read: it must not pass for one that was not said.
UNREADABLE = "?"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _identifier(value: Any) -> str:
    """Return an id as text; empty for what cannot be one."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    if isinstance(value, int) and abs(value) >= 10**MAX_ID_LENGTH:
        return ""
    text = str(value)
    return text if len(text) <= MAX_ID_LENGTH and text.isprintable() else ""


def _stated(section: Any, *names: str) -> str:
    """Return the first of these ids that a section states, which may be UNREADABLE; empty when it states none."""
    if not isinstance(section, dict):
        # PHP writes an object without members as a list.
        return "" if section in (None, [], "") else UNREADABLE
    said = [section[name] for name in names if section.get(name) not in (None, "")]
    return (_identifier(said[0]) or UNREADABLE) if said else ""


def _amount(value: Any) -> str:
    """Return an amount as the text it was written with; empty when there is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = str(value)
    # Not cut: what is left could be another amount.
    return text if len(text) <= _MAX_AMOUNT_LENGTH else ""


@dataclass(frozen=True, slots=True)
class Notification:
    """What a notification says, in one shape for both delivery modes. Empty text means: not said."""

    kind: str
    project_id: str = ""
    user_id: str = ""
    # Xsolla's own order and transaction.
    provider_order_id: str = ""
    transaction_id: str = ""
    # Ours, as the token call sent them.
    order_id: str = ""
    external_id: str = ""
    amount: str = ""
    currency: str = ""
    # What the buyer paid, or got back, with tax.
    charged: str = ""
    charged_currency: str = ""
    # None where the type carries no mark of it.
    sandbox: bool | None = False
    refund_code: str = ""
    reason: str = ""
    public_id: str = ""
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a notification.

        Raises:
            Malformed: not JSON, not an object, a name twice in one object, or without a type.
        """
        data = _load(body)
        kind = data.get("notification_type")
        if not isinstance(kind, str) or not 0 < len(kind) <= MAX_ID_LENGTH or not kind.isprintable():
            raise Malformed("notification_type is missing")
        return cls(kind=kind, raw=data, **_common(data), **_money(data, kind))


def _load(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(data, dict):
        raise Malformed("the body is not a JSON object")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Of a name that stands twice, two readers would take two values."""
    found = dict(members)
    if len(found) < len(members):
        raise Malformed("a name stands twice in one object")
    return found


def _common(data: dict[str, Any]) -> dict[str, Any]:
    billing, order, user = (_mapping(data.get(name)) for name in ("billing", "order", "user"))
    transaction = {**_mapping(billing.get("transaction")), **_mapping(data.get("transaction"))}
    project_id = _stated(data.get("settings"), "project_id") or _stated(billing.get("settings"), "project_id")
    parameters = {**_mapping(billing.get("custom_parameters")), **_mapping(data.get("custom_parameters"))}
    refund = {**_mapping(billing.get("refund_details")), **_mapping(data.get("refund_details"))}
    details = {**_mapping(billing.get("payment_details")), **_mapping(data.get("payment_details"))}
    charged, dispute = _mapping(details.get("payment")), _mapping(data.get("dispute"))
    return {
        "charged": _amount(charged.get("amount")),
        "charged_currency": _identifier(charged.get("currency")),
        "reason": _identifier(dispute.get("reason")),
        "public_id": _identifier(user.get("public_id")),
        "project_id": project_id,
        "user_id": _stated(data.get("user"), "external_id", "id"),
        "provider_order_id": _identifier(order.get("id")),
        "transaction_id": _identifier(transaction.get("id")) or _identifier(order.get("invoice_id")),
        "order_id": _identifier(parameters.get("order_id")),
        "external_id": _identifier(transaction.get("external_id")),
        "sandbox": _is_sandbox(order, transaction) if order or "dry_run" in transaction or not dispute else None,
        "refund_code": _identifier(refund.get("code")),
    }


def _is_sandbox(order: dict[str, Any], transaction: dict[str, Any]) -> bool:
    return order.get("mode") == "sandbox" or _identifier(transaction.get("dry_run")) == "1"


def _money(data: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the price that was paid, before the tax that the provider adds for some countries."""
    order, purchase = _mapping(data.get("order")), _mapping(data.get("purchase"))
    if kind.startswith("order_"):
        return {"amount": _amount(order.get("amount")), "currency": _identifier(order.get("currency"))}
    price = _mapping(purchase.get("checkout")) or _mapping(purchase.get("total"))
    return {"amount": _amount(price.get("amount")), "currency": _identifier(price.get("currency"))}
