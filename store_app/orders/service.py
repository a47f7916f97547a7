"""What users may do with their own orders."""

from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.errors import NotFound, OrderClosed
from store_app.models import OrderStatus
from store_app.orders import lifecycle
from store_app.orders.locked_order import lock
from store_app.orders.queries import OrderDetails, find_order


def cancel(user_id: str, order_id: str) -> OrderDetails:
    """Cancel a user's own open order; one that is canceled already stays so.

    Raises:
        NotFound: no such order of this user.
        OrderClosed: it is paid, or over.
    """
    with unit_of_work() as session:
        order = lock(session, order_id)
        if order.user_id != user_id:
            raise NotFound("order")
        if order.status != OrderStatus.CANCELED and not lifecycle.cancel(session, order):
            raise OrderClosed(order.status)
    with read_session() as session:
        return find_order(session, user_id, order_id)
