"""One builder per notification type: facts in, payload out, nothing sent."""

from decimal import Decimal

from simulator import payload_parts as parts
from simulator.payload_parts import Json, Project, Reason
from simulator.records import Order, Transaction


def user_validation(project: Project, order: Order) -> Json:
    """Ask the store whether it knows the buyer."""
    return {
        "notification_type": "user_validation",
        "settings": project.as_settings(),
        "user": parts.user(order.sale.buyer),
    }


def payment(project: Project, order: Order, made: Transaction) -> Json:
    """Say that money was taken (separate mode, and tokens without a Store order)."""
    sale = order.sale
    return {
        "notification_type": "payment",
        "settings": project.as_settings(),
        "purchase": parts.purchase(sale, with_checkout=True),
        "user": parts.user(sale.buyer),
        "transaction": parts.transaction(sale, made),
        "payment_details": parts.payment_details(sale),
        **parts.custom_parameters(sale),
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
    return payload | {"transaction": parts.partly_returned_transaction(order.sale, made)}


def ps_declined(project: Project, order: Order, made: Transaction) -> Json:
    """Say that the payment system declined a try; the documented sample writes every number as text."""
    sale = order.sale
    transaction = parts.returned_transaction(sale, made) | {"payment_method": 1380}
    return {
        "notification_type": "ps_declined",
        "settings": {name: str(value) for name, value in project.as_settings().items()},
        "user": parts.user(sale.buyer),
        "transaction": {name: str(value) for name, value in transaction.items() if name != "agreement"},
        "refund_details": {
            "author": "support@xsolla.com",
            "code": "8",
            "reason": "Cancellation by the PS request",
            "reason_detail": "Insufficient funds",
        },
        **parts.custom_parameters(sale),
    }


def _store_order(kind: str, order: Order, made: Transaction | None, status: str) -> Json:
    buyer = order.sale.buyer
    return {
        "items": parts.items(order.sale.lines),
        "notification_type": kind,
        "order": parts.order(order, made, status),
        "user": {"external_id": buyer.id, "email": buyer.email, "country": buyer.country},
        **parts.custom_parameters(order.sale),
    }


def _payment_billing(project: Project, order: Order, made: Transaction) -> Json:
    return {
        "notification_type": "payment",
        "settings": project.as_settings(),
        "purchase": parts.purchase(order.sale, with_checkout=False),
        "transaction": parts.transaction(order.sale, made),
        "payment_details": parts.payment_details(order.sale),
    }


def _returned(
    kind: str, project: Project, order: Order, made: Transaction, reason: Reason, amount: Decimal
) -> Json:
    sale = order.sale
    return {
        "notification_type": kind,
        "settings": project.as_settings(),
        "purchase": parts.purchase(sale, with_checkout=True),
        "user": parts.user(sale.buyer),
        "transaction": parts.returned_transaction(sale, made),
        "refund_details": reason.as_details(),
        "payment_details": parts.refund_payment_details(amount, sale.currency),
        **parts.custom_parameters(sale),
    }
