"""`python -m benchmarks.place_orders USERS ORDERS_EACH` writes users and open orders, and prints them as JSON.

It runs in a process of its own with a store's settings, and uses the store's own services.
"""

import json
import sys
from datetime import timedelta
from uuid import uuid4

from sqlmodel import select

from store_app.db.unit_of_work import unit_of_work
from store_app.models import AttemptKind, Item, User
from store_app.orders.order import NewLine, Orders

SKU = "health-potion"


def place(users: int, orders_each: int) -> list[list[str]]:
    """Place the orders; return [order id, user id, SKU, total in major units, provider's order id] of each."""
    placed = []
    for _ in range(users):
        with unit_of_work() as work:
            item = work.exec(select(Item).where(Item.sku == SKU)).one()
            name = f"bench-{uuid4().hex[:16]}"
            user = User(username=name, username_key=name, password="")
            work.add(user)
            work.flush()
            for _ in range(orders_each):
                order = Orders.of(work).place(user.id, [NewLine(item, 1)], timedelta(days=1))
                provider_order_id = str(uuid4().int % 10**15)
                attempt = order.start_attempt("xsolla", AttemptKind.CATALOGUE)
                order.open_attempt(attempt.number, provider_order_id, "http://provider.test/")
                placed.append([order.id, user.id, SKU, f"{order.total / 100:.2f}", provider_order_id])
    return placed


if __name__ == "__main__":
    print(json.dumps(place(int(sys.argv[1]), int(sys.argv[2]))))
