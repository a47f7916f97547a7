"""The payloads of the notifications, in the format of captured ones: one function for each notification type.

Nothing is sent here. The functions with names in `_part` build what several notifications contain.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from simulator.amounts import SALES_TAX_PERCENT, Breakdown, as_number, as_text, break_down
from simulator.records import Line, Order, Sale, TokenType, Transaction, User
from simulator.settings import Mode

Json = dict[str, Any]

_PROVIDER_TIMEZONE = timezone(timedelta(hours=3))
_AGREEMENT = 1536354
_PAYMENT_METHOD = 1380
_AUTHOR = "support@xsolla.com"


@dataclass(frozen=True, slots=True)
class Project:
    """The project whose notifications are sent."""

    project_id: int
    merchant_id: int

    def as_settings(self) -> Json:
        """Return the `settings` of a notification."""
        return {"project_id": self.project_id, "merchant_id": self.merchant_id}


@dataclass(frozen=True, slots=True)
class RefundReason:
    """Why money is refunded: the provider's code and text."""

    code: int
    text: str

    def as_details(self) -> Json:
        """Return the `refund_details` of a notification."""
        return {"code": self.code, "reason": self.text, "author": _AUTHOR}


def for_payment(mode: Mode, project: Project, order: Order, transaction: Transaction) -> list[Json]:
    """Return the payloads for a payment; each is sent after the success of the one before."""
    if order.sale.token_type is TokenType.MERCHANT:
        return [payment(project, order, transaction)]
    if mode == "combined":
        return [order_paid(order, transaction, project)]
    return [payment(project, order, transaction), order_paid(order, transaction, None)]


def for_refund(
    mode: Mode, project: Project, order: Order, transaction: Transaction, reason: RefundReason
) -> list[Json]:
    """Return the payloads for a full refund; each is sent after the success of the one before."""
    if order.sale.token_type is TokenType.MERCHANT:
        return [refund(project, order, transaction, reason)]
    if mode == "combined":
        return [order_canceled(order, transaction, reason, project)]
    return [
        refund(project, order, transaction, reason),
        order_canceled(order, transaction, reason, None),
    ]


def user_validation(project: Project, order: Order) -> Json:
    """The store is asked whether the user exists."""
    return {
        "notification_type": "user_validation",
        "settings": project.as_settings(),
        "user": _user_part(order.sale.user),
    }


def payment(project: Project, order: Order, transaction: Transaction) -> Json:
    """Money was paid (in separate mode, and for tokens without a Store order)."""
    sale = order.sale
    return {
        "notification_type": "payment",
        "settings": project.as_settings(),
        "purchase": _purchase_part(sale, with_checkout=True),
        "user": _user_part(sale.user),
        "transaction": _transaction_part(sale, transaction),
        "payment_details": payment_details(sale),
        **_custom_parameters_part(sale),
    }


def order_paid(order: Order, transaction: Transaction, billing: Project | None) -> Json:
    """A Store order was paid; in combined mode, the project's billing is included."""
    payload = _store_order("order_paid", order, transaction, "paid")
    if billing is not None:
        payload["billing"] = _payment_billing(billing, order, transaction)
    return payload


def order_canceled(
    order: Order, transaction: Transaction | None, reason: RefundReason, billing: Project | None
) -> Json:
    """A Store order was canceled; in combined mode, the billing of the refund is included if it was paid."""
    payload = _store_order("order_canceled", order, transaction, "canceled")
    if billing is not None and transaction is not None:
        details = {"notification_type": "refund", "refund_details": reason.as_details()}
        payload["billing"] = _payment_billing(billing, order, transaction) | details
    return payload


def refund(project: Project, order: Order, transaction: Transaction, reason: RefundReason) -> Json:
    """A payment was refunded in full."""
    return _refund("refund", project, order, transaction, reason, order.sale.total)


def partial_refund(
    project: Project, order: Order, transaction: Transaction, reason: RefundReason, amount: Decimal
) -> Json:
    """A part of a payment was refunded.

    `purchase` is the whole sale. The provider does not document whether `payment_details.payment` is the part or
    the whole payment. Here it is the part with its tax, so `payment` less `sales_tax` is the part of the price.
    """
    payload = _refund("partial_refund", project, order, transaction, reason, amount)
    return payload | {"transaction": _partial_refund_transaction_part(order.sale, transaction)}


def ps_declined(project: Project, order: Order, transaction: Transaction) -> Json:
    """The payment system declined a payment; the documented sample has all numbers as texts."""
    sale = order.sale
    part = _refund_transaction_part(sale, transaction) | {"payment_method": _PAYMENT_METHOD}
    return {
        "notification_type": "ps_declined",
        "settings": {name: str(value) for name, value in project.as_settings().items()},
        "user": _user_part(sale.user),
        "transaction": {name: str(value) for name, value in part.items() if name != "agreement"},
        "refund_details": {
            "author": _AUTHOR,
            "code": "8",
            "reason": "Cancellation by the PS request",
            "reason_detail": "Insufficient funds",
        },
        **_custom_parameters_part(sale),
    }


def _store_order(notification_type: str, order: Order, transaction: Transaction | None, order_status: str) -> Json:
    user = order.sale.user
    return {
        "items": items_part(order.sale.lines),
        "notification_type": notification_type,
        "order": _order_part(order, transaction, order_status),
        "user": {"external_id": user.id, "email": user.email, "country": user.country},
        **_custom_parameters_part(order.sale),
    }


def _payment_billing(project: Project, order: Order, transaction: Transaction) -> Json:
    return {
        "notification_type": "payment",
        "settings": project.as_settings(),
        "purchase": _purchase_part(order.sale, with_checkout=False),
        "transaction": _transaction_part(order.sale, transaction),
        "payment_details": payment_details(order.sale),
    }


def _refund(
    notification_type: str,
    project: Project,
    order: Order,
    transaction: Transaction,
    reason: RefundReason,
    amount: Decimal,
) -> Json:
    sale = order.sale
    return {
        "notification_type": notification_type,
        "settings": project.as_settings(),
        "purchase": _purchase_part(sale, with_checkout=True),
        "user": _user_part(sale.user),
        "transaction": _refund_transaction_part(sale, transaction),
        "refund_details": reason.as_details(),
        "payment_details": _refund_payment_details(amount, sale.currency),
        **_custom_parameters_part(sale),
    }


def _user_part(user: User) -> Json:
    """Return the user as payment notifications describe them."""
    part = {"ip": user.ip, "email": user.email, "id": user.id, "country": user.country}
    if user.name is not None:
        part["name"] = user.name
    if user.country == "US":
        part["zip"] = "10001"
    return part


def _transaction_part(sale: Sale, transaction: Transaction) -> Json:
    """Return the `transaction` of a payment."""
    part: Json = {
        "id": transaction.id,
        "payment_method_order_id": str(transaction.id * 1000 + 113),
        "agreement": _AGREEMENT,
        "payment_date": payment_date(transaction),
        "payment_method": _PAYMENT_METHOD,
        "payment_method_name": "Bank card",
    }
    return part | _external_id_and_dry_run(sale)


def _refund_transaction_part(sale: Sale, transaction: Transaction) -> Json:
    """Return the `transaction` of a refund; its id is the id of the refunded payment."""
    return {"id": transaction.id, "agreement": _AGREEMENT} | _external_id_and_dry_run(sale)


def _partial_refund_transaction_part(sale: Sale, transaction: Transaction) -> Json:
    """Return the `transaction` of a partial refund, with its date.

    Without the date, the notifications of two equal partial refunds would have the same bytes.
    """
    part = _refund_transaction_part(sale, transaction)
    return part if transaction.refunded_at is None else part | {"date": _date(transaction.refunded_at)}


def payment_date(transaction: Transaction) -> str:
    """Return the time of a transaction in the provider's time zone."""
    return _date(transaction.created_at)


def _purchase_part(sale: Sale, *, with_checkout: bool) -> Json:
    """Return the `purchase`: the price at the store, without tax."""
    total = _amount_part(sale.total, sale.currency)
    return {"checkout": dict(total), "total": total} if with_checkout else {"total": total}


def payment_details(sale: Sale) -> Json:
    """Return how the payment was divided; `payment` includes the sales tax, so it differs from the purchase."""
    split = break_down(sale.total, sale.currency)
    return _flows(split) | _taxes(split)


def _refund_payment_details(refunded: Decimal, currency: str) -> Json:
    """Return how a refund was divided; refunds have their amounts as texts.

    As in the notification of a payment, `payment` less `sales_tax` is the price.
    """
    split = break_down(refunded, currency)
    amounts = {
        "xsolla_fee": split.fee,
        "payout": split.payout,
        "payment_method_fee": split.fee,
        "payment": split.payment,
        "repatriation_commission": Decimal(0),
    }
    part: Json = {name: {"currency": currency, "amount": str(amount)} for name, amount in amounts.items()}
    tax = {"currency": currency, "amount": str(split.sales_tax), "percent": str(SALES_TAX_PERCENT)}
    return part | {"sales_tax": tax}


def items_part(lines: tuple[Line, ...]) -> list[Json]:
    """Return the items of a Store order; in the documented samples, `amount` seems to be the price of one."""
    return [
        {
            "sku": line.sku,
            "type": "virtual_good",
            "is_pre_order": False,
            "quantity": line.quantity,
            "amount": as_text(line.price),
            "promotions": [],
        }
        for line in lines
    ]


def _order_part(order: Order, transaction: Transaction | None, status: str) -> Json:
    """Return the Store order; its invoice id is the id of the transaction as a text."""
    return {
        "id": order.id,
        "mode": "sandbox" if order.sale.sandbox else "default",
        "currency_type": "real",
        "currency": order.sale.currency,
        "amount": as_text(order.sale.total),
        "status": status,
        "platform": "xsolla",
        "comment": None,
        "invoice_id": None if transaction is None else str(transaction.id),
        "promotions": [],
    }


def _custom_parameters_part(sale: Sale) -> Json:
    """Return the store's own parameters, if the token request had any."""
    return {} if sale.custom_parameters is None else {"custom_parameters": sale.custom_parameters}


def _amount_part(amount: Decimal, currency: str) -> Json:
    return {"currency": currency, "amount": as_number(amount)}


def _external_id_and_dry_run(sale: Sale) -> Json:
    part: Json = {} if sale.external_id is None else {"external_id": sale.external_id}
    # A real payment has no `dry_run` at all, instead of a `dry_run` of 0.
    return part | ({"dry_run": 1} if sale.sandbox else {})


def _date(moment: datetime) -> str:
    return moment.astimezone(_PROVIDER_TIMEZONE).isoformat(timespec="seconds")


def _flows(split: Breakdown) -> Json:
    amounts = {
        "payment": split.payment,
        "payment_method_sum": split.payment,
        "xsolla_balance_sum": Decimal(0),
        "payout": split.payout,
        "xsolla_fee": split.fee,
        "payment_method_fee": split.fee,
        "repatriation_commission": Decimal(0),
    }
    return {name: _amount_part(amount, split.currency) for name, amount in amounts.items()}


def _taxes(split: Breakdown) -> Json:
    zero = {**_amount_part(Decimal(0), split.currency), "percent": 0}
    sales_tax = _amount_part(split.sales_tax, split.currency)
    return {
        "vat": dict(zero),
        "sales_tax": {**sales_tax, "percent": as_number(SALES_TAX_PERCENT)},
        "direct_wht": dict(zero),
        "payout_currency_rate": "1",
        "country_wht": dict(zero),
        "user_acquisition_fee": dict(zero),
    }
