"""The address that leads the buyer back, with what the provider adds to it."""

from simulator.addresses import with_query
from simulator.records import Order


def way_back(order: Order, home: str) -> str:
    """Lead back after a payment or a decline, with its status; without either, as after Close."""
    if order.payment is not None:
        return _back(order, home, order.payment.id, "done")
    if order.just_declined:
        return _back(order, home, order.transactions[-1].id, "troubled")
    return closed(order, home)


def closed(order: Order, home: str) -> str:
    """Lead back after Close: an empty invoice number and no status."""
    return with_query(_base(order, home), [("user_id", order.sale.buyer.id), ("invoice_id", "")])


def _back(order: Order, home: str, transaction_id: int, status: str) -> str:
    query = [("user_id", order.sale.buyer.id)]
    if order.sale.external_id is not None:
        query.append(("foreigninvoice", order.sale.external_id))
    query += [("invoice_id", str(transaction_id)), ("status", status)]
    return with_query(_base(order, home), query)


def _base(order: Order, home: str) -> str:
    return order.sale.return_url or home
