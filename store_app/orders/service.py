"""What users may do with their own orders."""

from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.orders import lifecycle
from store_app.orders.queries import OrderDetails, find_order


def cancel(user_id: str, order_id: str) -> OrderDetails:
    """Cancel a user's own open order; one that is canceled already stays so.

    Raises:
        NotFound: no such order of this user.
        OrderClosed: it is paid, or over.
    """
    with unit_of_work() as session:
        lifecycle.cancel_by_user(session, user_id, order_id)
    with read_session() as session:
        return find_order(session, user_id, order_id)
