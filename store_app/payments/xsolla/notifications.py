"""Xsolla's notifications: the signature, bytes to payment events, and the responses (Xsolla, "Webhooks").

The JSON is read leniently, as Xsolla's samples differ: ids as numbers or text, amounts as numbers or text, and
fields that are unknown to the store.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from store_app.payments.provider import (
    EventKind,
    Notification,
    Outcome,
    PaymentEvent,
    RefusalReason,
    Response,
    UserQuestion,
)
from store_app.settings import Settings

NAME = "xsolla"
_EVENT_KINDS = {
    "order_paid": EventKind.PAID,
    "payment": EventKind.PAYMENT_TAKEN,
    "partial_refund": EventKind.PARTIALLY_REFUNDED,
    "ps_declined": EventKind.DECLINED,
    "afs_reject": EventKind.DECLINED,
    "dispute": EventKind.DISPUTED,
}
# Codes of refund_details that mean that the bank took the money back.
_CHARGEBACK_CODES = {"2"}

MAX_ID_LENGTH = 64
_MAX_AMOUNT_LENGTH = 40
# The value of an id that is present but unreadable: it must not be treated as missing.
UNREADABLE = "?"
_SIGNATURE = re.compile(rb"Signature ([0-9a-f]{40})")
# Xsolla does not retry after a 400; it retries after a 5xx.
_ERRORS = {
    RefusalReason.FOREIGN_ADDRESS: (403, "INVALID_PARAMETER"),
    RefusalReason.BAD_SIGNATURE: (400, "INVALID_SIGNATURE"),
    RefusalReason.MALFORMED: (400, "INVALID_PARAMETER"),
    RefusalReason.TOO_LARGE: (413, "INVALID_PARAMETER"),
    RefusalReason.OTHER_PROJECT: (400, "INVALID_PARAMETER"),
    RefusalReason.UNKNOWN_USER: (400, "INVALID_USER"),
    RefusalReason.OTHER_USER: (400, "INVALID_USER"),
    RefusalReason.WRONG_AMOUNT: (400, "INCORRECT_AMOUNT"),
    RefusalReason.UNAVAILABLE: (503, "TEMPORARY_FAULT"),
    RefusalReason.INTERNAL_ERROR: (500, "SERVER_ERROR"),
}
# What is wrong with a payment is answered to `order_paid` only: a 400 to `payment` would not give the user the
# money back. It is recorded and flagged instead.
_ABOUT_PAYMENTS = {RefusalReason.OTHER_USER, RefusalReason.WRONG_AMOUNT}


class Webhook:
    """The part of Xsolla's provider that takes notifications."""

    def __init__(self, settings: Settings) -> None:
        """Accept the webhook secrets of `settings`, and notifications for its project."""
        self._settings = settings
        self._secrets = settings.webhook_secrets

    def verify(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether the Authorization header signs these bytes with one of the webhook secrets."""
        return is_signed(body, headers.get("authorization", "").encode("latin-1", "replace"), self._secrets)

    def parse(self, body: bytes) -> Notification:
        """Read a notification of either delivery mode; one that cannot be processed says why in `refusal`."""
        return parse(body, self._settings)

    def respond(self, outcome: Outcome) -> Response:
        """Return the response to a notification: 204, a user's id, or an error with Xsolla's code."""
        if outcome.user_id:
            return Response(200, {"user": {"id": outcome.user_id}})
        silent = outcome.refusal in _ABOUT_PAYMENTS and outcome.notification_type != "order_paid"
        if outcome.refusal is None or silent:
            return Response(204)
        status, code = _ERRORS[outcome.refusal]
        return Response(status, {"error": {"code": code, "message": outcome.reason}})


def is_signed(body: bytes, header: bytes, secrets: Iterable[str]) -> bool:
    """Whether `Authorization: Signature <hex>` was made over these very bytes with one of the secrets.

    Xsolla's signature is SHA-1 over the body followed by the secret (not an HMAC). Compares bytes, in constant
    time: text with strange characters would raise.
    """
    match = _SIGNATURE.fullmatch(header)
    if match is None:
        return False
    expected = [hashlib.sha1(body + secret.encode()).hexdigest().encode() for secret in secrets]  # noqa: S324 - Xsolla's algorithm
    # All are compared, so that the time does not tell which secret is the right one.
    return sum(hmac.compare_digest(match[1], digest) for digest in expected) > 0


class Malformed(Exception):
    """The body is not a notification; the message says what is wrong with it."""


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
    # Do not truncate: the rest could be another valid amount.
    return text if len(text) <= _MAX_AMOUNT_LENGTH else ""


def parse(body: bytes, settings: Settings) -> Notification:
    """Read a notification; one that cannot be processed says why in `refusal`."""
    try:
        data = load(body)
    except Malformed as error:
        return Notification(refusal=RefusalReason.MALFORMED, reason=str(error))
    kind = data["notification_type"]
    if project_id(data) not in {"", str(settings.xsolla_project_id)}:
        reason = "The notification is for another project."
        return Notification(kind, refusal=RefusalReason.OTHER_PROJECT, reason=reason)
    if kind == "user_validation":
        return Notification(kind, question=UserQuestion(user_id=_stated(data.get("user"), "external_id", "id")))
    if kind == "user_search":
        public_id = _identifier(_mapping(data.get("user")).get("public_id"))
        return Notification(kind, question=UserQuestion(username=public_id))
    event = payment_event(data, body, settings)
    return Notification(kind, (event,) if event else ())


def load(body: bytes) -> dict[str, Any]:
    """Return a notification's JSON object.

    Raises:
        Malformed: not JSON, not an object, a duplicate name in an object, or without a type.
    """
    try:
        data = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(data, dict):
        raise Malformed("the body is not a JSON object")
    kind = data.get("notification_type")
    if not isinstance(kind, str) or not 0 < len(kind) <= MAX_ID_LENGTH or not kind.isprintable():
        raise Malformed("notification_type is missing")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raise Malformed for a duplicate name, because parsers disagree on which value counts."""
    found = dict(members)
    if len(found) < len(members):
        raise Malformed("an object has a duplicate name")
    return found


def payment_event(data: dict[str, Any], body: bytes, settings: Settings) -> PaymentEvent | None:
    """Return what a notification says about a payment; None for a type that the store does not use."""
    billing, order = _mapping(data.get("billing")), _mapping(data.get("order"))
    kind = _event_kind(data, billing)
    if kind is None:
        return None
    transaction = _merged(data, billing, "transaction")
    charged = _mapping(_merged(data, billing, "payment_details").get("payment"))
    amount, currency = _price(data)
    dispute = _mapping(data.get("dispute"))
    return PaymentEvent(
        kind,
        NAME,
        provider_order_id=_identifier(order.get("id")),
        transaction_id=transaction_id(data),
        order_id=_identifier(_merged(data, billing, "custom_parameters").get("order_id")),
        external_id=_identifier(transaction.get("external_id")),
        user_id=_stated(data.get("user"), "external_id", "id"),
        amount=amount,
        currency=currency,
        charged=_amount(charged.get("amount")),
        charged_currency=_identifier(charged.get("currency")),
        wrong_mode=_is_sandbox(order, transaction, dispute) not in {None, settings.xsolla_sandbox},
        # Several partial refunds share a transaction: only the bytes tell a repeat from another one.
        detail=hashlib.sha256(body).hexdigest()[:32],
        reason=_identifier(dispute.get("reason")),
    )


def project_id(data: dict[str, Any]) -> str:
    """Return the project that a notification is for; empty when it does not say."""
    billing = _mapping(data.get("billing"))
    return _stated(data.get("settings"), "project_id") or _stated(billing.get("settings"), "project_id")


def transaction_id(data: dict[str, Any]) -> str:
    """Return the transaction that a notification names, in either delivery mode."""
    transaction = _merged(data, _mapping(data.get("billing")), "transaction")
    order = _mapping(data.get("order"))
    return _identifier(transaction.get("id")) or _identifier(order.get("invoice_id"))


def _merged(data: dict[str, Any], billing: dict[str, Any], name: str) -> dict[str, Any]:
    # Combined mode has the section in `billing`, separate mode at the top.
    return {**_mapping(billing.get(name)), **_mapping(data.get(name))}


def _event_kind(data: dict[str, Any], billing: dict[str, Any]) -> EventKind | None:
    kind = data["notification_type"]
    if kind in {"refund", "order_canceled"}:
        code = _identifier(_merged(data, billing, "refund_details").get("code"))
        return EventKind.CHARGED_BACK if code in _CHARGEBACK_CODES else EventKind.REFUNDED
    return _EVENT_KINDS.get(kind)


def _is_sandbox(order: dict[str, Any], transaction: dict[str, Any], dispute: dict[str, Any]) -> bool | None:
    """Whether this is a test payment; None for a dispute, which carries no mark of it."""
    if dispute and not order and "dry_run" not in transaction:
        return None
    return is_sandbox_mode(order.get("mode")) or not _is_live_mark(transaction.get("dry_run"))


def is_sandbox_mode(mode: Any) -> bool:
    """Whether the mode of an order is not the one in which real money moves."""
    return mode not in (None, "default")


def _is_live_mark(dry_run: Any) -> bool:
    # Fails closed: a mark that was not foreseen must not grant anything for a test card.
    return dry_run is None or (type(dry_run) in {int, str} and dry_run in (0, "0", ""))


def _price(data: dict[str, Any]) -> tuple[str, str]:
    """Return the price that was paid and its currency, before the tax that Xsolla adds for some countries."""
    order, purchase = _mapping(data.get("order")), _mapping(data.get("purchase"))
    if str(data["notification_type"]).startswith("order_"):
        return _amount(order.get("amount")), _identifier(order.get("currency"))
    price = _mapping(purchase.get("checkout")) or _mapping(purchase.get("total"))
    return _amount(price.get("amount")), _identifier(price.get("currency"))
