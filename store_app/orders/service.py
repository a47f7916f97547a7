"""What a player may do with an order of their own."""

from collections.abc import Mapping

from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.orders import lifecycle
from store_app.orders.queries import OrderDetails, find_order


def read(user_id: str, order_id: str) -> OrderDetails:
    """Return a user's own order.

    Raises:
        NotFound: no such order of this user.
    """
    with read_session() as session:
        return find_order(session, user_id, order_id)


def cancel(user_id: str, order_id: str) -> OrderDetails:
    """Cancel a user's own open order; one that is canceled already stays so.

    Raises:
        NotFound: no such order of this user.
        OrderClosed: it is paid, or over.
    """
    with unit_of_work() as session:
        lifecycle.cancel_by_user(session, user_id, order_id)
    return read(user_id, order_id)


def wanted_again(user_id: str, order_id: str) -> Mapping[str, int]:
    """Return what a closed order was for, to be ordered anew: SKU -> quantity.

    Raises:
        NotFound: no such order of this user.
    """
    return {line.sku: line.quantity for line in read(user_id, order_id).lines}
