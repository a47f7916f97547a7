"""One builder per notification type and their pieces: facts in, payload out, nothing sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from simulator.amounts import SALES_TAX_PERCENT, Breakdown, as_number, as_text, break_down
from simulator.records import Buyer, Line, Mint, Order, Sale, Transaction
from simulator.settings import Mode

Json = dict[str, Any]

_PROVIDER_ZONE = timezone(timedelta(hours=3))


@dataclass(frozen=True, slots=True)
class Project:
    """Whose notifications these are."""

    project_id: int
    merchant_id: int

    def as_settings(self) -> Json:
        """The `settings` part."""
        return {"project_id": self.project_id, "merchant_id": self.merchant_id}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why money goes back: the provider's code and words."""

    code: int
    text: str

    def as_details(self) -> Json:
        """The `refund_details` part."""
        return {"code": self.code, "reason": self.text, "author": "support@xsolla.com"}


def after_payment(mode: Mode, project: Project, order: Order, made: Transaction) -> list[Json]:
    """Notifications of a payment; each waits for the success of the one before it."""
    if order.sale.mint is Mint.MERCHANT:
        return [payment(project, order, made)]
    if mode == "combined":
        return [order_paid(order, made, project)]
    return [payment(project, order, made), order_paid(order, made, None)]


def after_refund(mode: Mode, project: Project, order: Order, made: Transaction, reason: Reason) -> list[Json]:
    """Notifications of a payment given back in full."""
    if order.sale.mint is Mint.MERCHANT:
        return [refund(project, order, made, reason)]
    if mode == "combined":
        return [order_canceled(order, made, reason, project)]
    return [
        refund(project, order, made, reason),
        order_canceled(order, made, reason, None),
    ]


def user_validation(project: Project, order: Order) -> Json:
    """Ask the store whether it knows the buyer."""
    return {
        "notification_type": "user_validation",
        "settings": project.as_settings(),
        "user": user_part(order.sale.buyer),
    }


def payment(project: Project, order: Order, made: Transaction) -> Json:
    """Say that money was taken (separate mode, and tokens without a Store order)."""
    sale = order.sale
    return {
        "notification_type": "payment",
        "settings": project.as_settings(),
        "purchase": purchase_part(sale, with_checkout=True),
        "user": user_part(sale.buyer),
        "transaction": transaction_part(sale, made),
        "payment_details": payment_details(sale),
        **custom_parameters_part(sale),
    }


def order_paid(order: Order, made: Transaction, billing: Project | None) -> Json:
    """Say that a Store order was paid; combined mode adds the billing of a project."""
    payload = _store_order("order_paid", order, made, "paid")
    if billing is not None:
        payload["billing"] = _payment_billing(billing, order, made)
    return payload


def order_canceled(order: Order, made: Transaction | None, reason: Reason, billing: Project | None) -> Json:
    """Say that a Store order was canceled; when it had been paid, combined mode adds the refund's billing."""
    payload = _store_order("order_canceled", order, made, "canceled")
    if billing is not None and made is not None:
        details = {"notification_type": "refund", "refund_details": reason.as_details()}
        payload["billing"] = _payment_billing(billing, order, made) | details
    return payload


def refund(project: Project, order: Order, made: Transaction, reason: Reason) -> Json:
    """Say that a payment was given back in full."""
    return _returned("refund", project, order, made, reason, order.sale.total)


def partial_refund(project: Project, order: Order, made: Transaction, reason: Reason, amount: Decimal) -> Json:
    """Say that a part was given back.

    `purchase` is the whole sale. Whether `payment_details.payment` means the part or the original is not
    documented: here it is the part with its tax, and `payment` less `sales_tax` is the part of the price.
    """
    payload = _returned("partial_refund", project, order, made, reason, amount)
    return payload | {"transaction": partly_returned_transaction_part(order.sale, made)}


def ps_declined(project: Project, order: Order, made: Transaction) -> Json:
    """Say that the payment system declined a try; the documented sample writes every number as text."""
    sale = order.sale
    transaction = returned_transaction_part(sale, made) | {"payment_method": 1380}
    return {
        "notification_type": "ps_declined",
        "settings": {name: str(value) for name, value in project.as_settings().items()},
        "user": user_part(sale.buyer),
        "transaction": {name: str(value) for name, value in transaction.items() if name != "agreement"},
        "refund_details": {
            "author": "support@xsolla.com",
            "code": "8",
            "reason": "Cancellation by the PS request",
            "reason_detail": "Insufficient funds",
        },
        **custom_parameters_part(sale),
    }


def _store_order(kind: str, order: Order, made: Transaction | None, status: str) -> Json:
    buyer = order.sale.buyer
    return {
        "items": items_part(order.sale.lines),
        "notification_type": kind,
        "order": order_part(order, made, status),
        "user": {"external_id": buyer.id, "email": buyer.email, "country": buyer.country},
        **custom_parameters_part(order.sale),
    }


def _payment_billing(project: Project, order: Order, made: Transaction) -> Json:
    return {
        "notification_type": "payment",
        "settings": project.as_settings(),
        "purchase": purchase_part(order.sale, with_checkout=False),
        "transaction": transaction_part(order.sale, made),
        "payment_details": payment_details(order.sale),
    }


def _returned(
    kind: str, project: Project, order: Order, made: Transaction, reason: Reason, amount: Decimal
) -> Json:
    sale = order.sale
    return {
        "notification_type": kind,
        "settings": project.as_settings(),
        "purchase": purchase_part(sale, with_checkout=True),
        "user": user_part(sale.buyer),
        "transaction": returned_transaction_part(sale, made),
        "refund_details": reason.as_details(),
        "payment_details": refund_payment_details(amount, sale.currency),
        **custom_parameters_part(sale),
    }


def sum_of(amount: Decimal, currency: str) -> Json:
    """An amount as JSON number beside its currency."""
    return {"currency": currency, "amount": as_number(amount)}


def user_part(buyer: Buyer) -> Json:
    """The buyer as money notifications name them."""
    part = {"ip": buyer.ip, "email": buyer.email, "id": buyer.id, "country": buyer.country}
    if buyer.name is not None:
        part["name"] = buyer.name
    if buyer.country == "US":
        part["zip"] = "10001"
    return part


def transaction_part(sale: Sale, made: Transaction) -> Json:
    """The `transaction` part of a payment."""
    part: Json = {
        "id": made.id,
        "payment_method_order_id": str(made.id * 1000 + 113),
        "agreement": 1536354,
        "payment_date": payment_date(made),
        "payment_method": 1380,
        "payment_method_name": "Bank card",
    }
    return part | _marks(sale)


def returned_transaction_part(sale: Sale, made: Transaction) -> Json:
    """The `transaction` part of a refund: the id is that of the payment it undoes."""
    return {"id": made.id, "agreement": 1536354} | _marks(sale)


def partly_returned_transaction_part(sale: Sale, made: Transaction) -> Json:
    """The same for a part, with its date: without that, two equal parts would be the same bytes."""
    part = returned_transaction_part(sale, made)
    return part if made.returned_at is None else part | {"date": _date(made.returned_at)}


def _marks(sale: Sale) -> Json:
    part: Json = {} if sale.external_id is None else {"external_id": sale.external_id}
    # A real payment has no mark at all, rather than a mark of 0.
    return part | ({"dry_run": 1} if sale.sandbox else {})


def payment_date(made: Transaction) -> str:
    """When a transaction was made, in the provider's zone."""
    return _date(made.date)


def _date(moment: datetime) -> str:
    return moment.astimezone(_PROVIDER_ZONE).isoformat(timespec="seconds")


def purchase_part(sale: Sale, *, with_checkout: bool) -> Json:
    """What was sold, at the store's price: tax is not in it."""
    total = sum_of(sale.total, sale.currency)
    return {"checkout": dict(total), "total": total} if with_checkout else {"total": total}


def payment_details(sale: Sale) -> Json:
    """Where the money went; `payment` holds the sales tax and so differs from the purchase."""
    split = break_down(sale.total, sale.currency)
    return _flows(split) | _taxes(split)


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
    return {name: sum_of(amount, split.currency) for name, amount in amounts.items()}


def _taxes(split: Breakdown) -> Json:
    nothing = {**sum_of(Decimal(0), split.currency), "percent": 0}
    return {
        "vat": dict(nothing),
        "sales_tax": {**sum_of(split.sales_tax, split.currency), "percent": as_number(SALES_TAX_PERCENT)},
        "direct_wht": dict(nothing),
        "payout_currency_rate": "1",
        "country_wht": dict(nothing),
        "user_acquisition_fee": dict(nothing),
    }


def refund_payment_details(returned: Decimal, currency: str) -> Json:
    """Where returned money came from; refunds write their amounts as texts.

    `payment` less `sales_tax` is what goes back of the price, as in the notification of a payment.
    """
    split = break_down(returned, currency)
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
    """The items of a Store order; `amount` is the price of one, as far as the documents let us see."""
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


def order_part(of: Order, made: Transaction | None, status: str) -> Json:
    """The Store order; its invoice number is the transaction, written as text."""
    return {
        "id": of.id,
        "mode": "sandbox" if of.sale.sandbox else "default",
        "currency_type": "real",
        "currency": of.sale.currency,
        "amount": as_text(of.sale.total),
        "status": status,
        "platform": "xsolla",
        "comment": None,
        "invoice_id": None if made is None else str(made.id),
        "promotions": [],
    }


def custom_parameters_part(sale: Sale) -> Json:
    """What the store gave to be handed back, if anything."""
    return {} if sale.custom_parameters is None else {"custom_parameters": sale.custom_parameters}
