"""`python -m benchmarks.place_orders USERS ORDERS_EACH` writes users and open orders, and prints them as JSON.

It runs in a process of its own with a store's settings, and uses the store's own services.
"""

import json
import sys
from datetime import timedelta
from uuid import uuid4

from sqlmodel import select

from store_app.db.unit_of_work import unit_of_work
from store_app.models import Item, User
from store_app.orders import lifecycle
from store_app.orders.locked_order import lock

SKU = "health-potion"


def place(users: int, orders_each: int) -> list[list[str]]:
    """Place the orders; return [order id, user id, SKU, total in major units, provider's order id] of each."""
    placed = []
    for _ in range(users):
        with unit_of_work() as session:
            item = session.exec(select(Item).where(Item.sku == SKU)).one()
            name = f"bench-{uuid4().hex[:16]}"
            user = User(username=name, username_key=name, password="")
            session.add(user)
            session.flush()
            for _ in range(orders_each):
                order = lifecycle.place(session, user.id, [lifecycle.NewLine(item, 1)], timedelta(days=1))
                provider_order_id = str(uuid4().int % 10**15)
                lifecycle.start_attempt(
                    session, lock(session, order.id), "xsolla", provider_order_id, "http://provider.test/"
                )
                placed.append([order.id, user.id, SKU, f"{order.total / 100:.2f}", provider_order_id])
    return placed


if __name__ == "__main__":
    print(json.dumps(place(int(sys.argv[1]), int(sys.argv[2]))))
