"""What users may do with their own orders, and what becomes of the orders when an account is closed."""

from store_app.accounts import service as accounts
from store_app.accounts.service import CurrentUser
from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.errors import NotFound, OrderClosed
from store_app.languages import gettext as _
from store_app.models import OrderStatus
from store_app.orders import sql
from store_app.orders.order import Orders
from store_app.orders.queries import OrderDetails, find_order


def cancel(user_id: str, order_id: str) -> OrderDetails:
    """Cancel a user's own open order; one that is canceled already stays so.

    Raises:
        NotFound: no such order of this user.
        OrderClosed: it is paid, or over.
    """
    with unit_of_work() as work:
        order = Orders.of(work).lock(order_id)
        if order.user_id != user_id:
            raise NotFound(_("There is no such order."))
        if order.status != OrderStatus.CANCELED and not order.cancel():
            raise OrderClosed
    with read_session() as session:
        return find_order(session, user_id, order_id)


def close_account(current_user: CurrentUser, user_id: str) -> None:
    """Cancel the open orders of the current user's own account, close it, and end its sessions.

    Its orders stay as records; a payment that still comes is granted, and flagged for staff.

    Raises:
        NotYours: `user_id` is another user's.
    """
    with unit_of_work() as work:
        accounts.lock_own_account(work, current_user, user_id)
        orders = Orders.of(work)
        orders.lock_all(work.execute(sql.OPEN_ORDERS_OF_USER, {"user_id_": user_id}).scalars())
        for order in orders.locked.values():
            order.cancel()
        accounts.close_account(work, user_id)
