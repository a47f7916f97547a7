"""The store and its model: what happens to one is applied to the other, then they are compared."""

import asyncio
import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import count

from sqlalchemy import delete
from sqlmodel import SQLModel

from store_app.accounts.service import CurrentUser
from store_app.checkout.reconcile import reconcile_due
from store_app.checkout.service import open_payment_page
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import AlreadyOwned, InOpenOrder, OrderClosed, OrderNotPayable
from store_app.models import AttemptKind, Item
from store_app.orders import service
from store_app.orders.ledger import standing
from store_app.orders.order import NewLine, Orders
from tests.crash.fork_server import ForkServer, client_of
from tests.crash.model import Attempt, Model, ModelItem, ModelOrder
from tests.crash.notifications import Notification, provider_state, reconcile
from tests.integration.shop import AnyOrder, Shop, sign
from tests.support.deliveries import receive
from tests.support.invariants import check
from webhook.inbox.replay import replay
from webhook.intake import catch_up

DAY = timedelta(days=1)
IN_THE_PAST = "2020-01-01 00:00:00+00:00"


@dataclass(frozen=True)
class OrderSnapshot:
    """What the store or the model knows of an order."""

    status: str
    purchases: dict[str, str]
    standing: frozenset[str]
    left: int
    attempts: dict[int, str]
    timeline: list[str]
    messages: list[str]
    flags: set[str]


class StoreAndModel:
    """A store without users, items or orders yet, and the model of it."""

    def __init__(self, shop: Shop, fork_server: ForkServer) -> None:
        """Use this store, after deleting everything that is in it."""
        self.shop, self.fork_server, self.model = shop, fork_server, Model()
        self._delete_everything()
        self.current_users: dict[str, CurrentUser] = {}
        self._items: dict[ModelItem, Item] = {}
        self.accepted: list[bytes] = []
        self.unanswered: list[Notification] = []
        # Apart from the numbers that the shop's own provider uses.
        self._provider_order_ids = count(100_001)

    def _delete_everything(self) -> None:
        with unit_of_work() as session:
            for table in reversed(SQLModel.metadata.sorted_tables):
                session.execute(delete(table))

    def register(self, name: str) -> None:
        """Create a user."""
        self.current_users[name] = self.shop.user(username=name, username_key=name)

    def close_account(self, name: str) -> None:
        """Close a user's account; somebody else takes the name."""
        closed = self.current_users[name]
        service.close_account(closed, closed.user_id)
        self.model.close_account(closed.user_id)
        self.register(name)

    def add_item(self, item: ModelItem) -> None:
        """Put an item on sale."""
        self._items[item] = self.shop.item(item.price, consumable=not item.owned_once, sku=item.sku)
        self.model.prices[item] = item.price

    def change_price(self, item: ModelItem, price: int) -> None:
        """Sell an item at another price from now on."""
        self.shop.change("UPDATE items SET price = :price WHERE sku = :sku", price=price, sku=item.sku)
        self._items[item].price = self.model.prices[item] = price

    # --- orders

    def place(self, name: str, items: set[ModelItem], *, by_merchant_token: bool) -> ModelOrder:
        """Place an order without the checks of the checkout."""
        user_id = self.current_users[name].user_id
        lines = [NewLine(self._items[item], 1) for item in sorted(items, key=lambda item: item.sku)]
        with unit_of_work() as work:
            row = Orders.of(work).place(user_id, lines, DAY)
        return self.record_order(row, dict.fromkeys(items, 1), by_merchant_token=by_merchant_token)

    def record_order(
        self, row: AnyOrder, quantities: dict[ModelItem, int], *, by_merchant_token: bool = False
    ) -> ModelOrder:
        """Add an order that the store has placed to the model."""
        prices = {item: self.model.prices[item] for item in quantities}
        order = ModelOrder(row.id, row.user_id, quantities, prices, by_merchant_token)
        self.model.orders.append(order)
        return order

    def buy(self, name: str, quantities: dict[ModelItem, int]) -> AnyOrder | str:
        """Check out as a user does; return the order, or the name of the refusal."""
        wanted = {item.sku: quantity for item, quantity in quantities.items()}
        try:
            return self.shop.read(self.shop.buy(self.current_users[name], wanted).order_id)
        except (AlreadyOwned, InOpenOrder, OrderNotPayable) as refusal:
            return type(refusal).__name__

    def open_payment_page_again(self, order: ModelOrder) -> str:
        """Open an order's payment page as its user does; return the name of the refusal, if it is refused."""
        current_user = CurrentUser(order.user_id, "-", "-")
        try:
            asyncio.run(open_payment_page(current_user, order.id, self.shop.provider.client()))
        except (OrderClosed, OrderNotPayable) as refusal:
            return type(refusal).__name__
        self.record_new_attempt(order)
        return ""

    def record_new_attempt(self, order: ModelOrder) -> None:
        """Add the attempt that the store made to the model, unless it offered an earlier page again."""
        query = "SELECT number, provider_order_id FROM payment_attempts WHERE order_id = :id ORDER BY number"
        attempts = self.shop.rows(query, id=order.id)
        assert len(attempts) == len(order.attempts) + (not order.has_payable_attempt())
        if not order.has_payable_attempt():
            number, provider_order_id = attempts[-1]
            order.attempts.append(Attempt(order, number, provider_order_id))
            self.model.open_attempt(order.attempts[-1])

    def start_attempt(self, order: ModelOrder, *, opened: bool) -> None:
        """Open a payment page; not `opened`: the store died before it could write down the provider's response."""
        provider_order_id = "" if order.by_merchant_token else str(next(self._provider_order_ids))
        attempt = Attempt(order, len(order.attempts) + 1, provider_order_id)
        order.attempts.append(attempt)
        kind = AttemptKind.AMOUNT if order.by_merchant_token else AttemptKind.CATALOGUE
        with unit_of_work() as work:
            locked = Orders.of(work).lock(order.id)
            assert locked.start_attempt("xsolla", kind).number == attempt.number
            if opened:
                locked.open_attempt(attempt.number, provider_order_id or None, "http://provider.test/?token=one")
        if opened:
            self.model.open_attempt(attempt)

    def cancel(self, order: ModelOrder) -> bool:
        """Cancel an order as its user does; return False when it is closed."""
        try:
            service.cancel(order.user_id, order.id)
        except OrderClosed:
            return False
        return True

    def expire(self, order: ModelOrder) -> None:
        """Let an order expire."""
        self.shop.age(order.id)
        with unit_of_work() as work:
            Orders.of(work).expire_due()
        self.model.expire(order)

    # --- deliveries

    def deliver(self, notification: Notification) -> None:
        """Deliver a notification and check the response."""
        body = notification.body
        outcome = receive(body, sign(body), {"content-type": "application/json"})
        self._check_response(notification, outcome.status)
        self._catch_up()

    def _catch_up(self) -> None:
        """Apply what named only a transaction, when that is known by now, as the store does regularly."""
        catch_up()
        self.model.catch_up()

    def deliver_and_crash(self, notification: Notification, failpoint: str) -> None:
        """Deliver a notification to a process that dies at a failpoint: either all it did is kept, or nothing."""
        body, before = notification.body, len(self.deliveries(notification))
        status = self.fork_server.run(failpoint, body=body.decode(), signature=sign(body).decode())
        if status is not None:
            self._check_response(notification, status)
        else:
            self.unanswered.append(notification)
            if len(self.deliveries(notification)) > before:
                notification.apply_to_model()
        self._catch_up()

    def _check_response(self, notification: Notification, status: int) -> None:
        expected = notification.apply_to_model()
        assert status == expected, f"the response to {notification} was {status}, not {expected}"
        if status < 300:
            self.accepted.append(notification.body)

    def deliveries(self, notification: Notification) -> list[int]:
        """Return the ids of a notification's deliveries in the inbox."""
        query = "SELECT id FROM webhook_deliveries WHERE body = :body ORDER BY id"
        return [row[0] for row in self.shop.rows(query, body=notification.body)]

    def redeliver(self) -> None:
        """Deliver the notifications that got no response again, as the provider does."""
        unanswered, self.unanswered = self.unanswered, []
        for notification in unanswered:
            self.deliver(notification)

    def replay(self, notification: Notification, *, dry_run: bool) -> None:
        """Replay the newest delivery of a notification, as staff do."""
        for delivery_id in self.deliveries(notification)[-1:]:
            replay(delivery_id, dry_run=dry_run)
            if not dry_run:
                notification.apply_to_model()
                self._catch_up()

    def reconcile(self, order: ModelOrder, failpoint: str) -> None:
        """Ask the provider about an order; at a failpoint the process dies before it can change the order."""
        self.shop.change("UPDATE orders SET next_check_at = :then WHERE id = :id", then=IN_THE_PAST, id=order.id)
        if not failpoint:
            asyncio.run(reconcile_due(client_of(provider_state(self.model))))
        elif self.fork_server.run(failpoint, reconcile=provider_state(self.model)) is None:
            return
        reconcile(self.model, order)
        self._catch_up()
        if sum(len(attempt.transactions) + attempt.canceled_by_provider for attempt in order.attempts) > 1:
            # The provider was asked about several attempts and payments at once, and answers in any order.
            order.timeline, order.messages = self._timelines()[order.id], self._messages()[order.id]

    # --- comparing

    def check(self) -> None:
        """Check the invariants, that no acknowledged delivery is missing, and that store and model are equal."""
        check(self.shop.engine, self.accepted)
        found, expected = self._found(), {order.id: _expected(order) for order in self.model.orders}
        assert set(found) == set(expected)
        for order in self.model.orders:
            differences = {
                name: (value, asdict(expected[order.id])[name])
                for name, value in asdict(found[order.id]).items()
                if value != asdict(expected[order.id])[name]
            }
            assert not differences, f"not as expected (found, expected): {differences} of {order.id}"

    def _found(self) -> dict[str, OrderSnapshot]:
        orders = self.shop.rows("SELECT id, status FROM orders")
        with unit_of_work() as work:
            parts = Orders.of(work)
            parts.lock_all([id_ for id_, _ in orders])
            ledgers = {id_: standing(parts.locked[id_].facts) for id_, _ in orders}
        purchases, attempts, flags = self._purchases(), self._attempts(), self._flags()
        messages, timelines = self._messages(), self._timelines()
        return {
            id_: OrderSnapshot(
                status,
                purchases[id_],
                frozenset(payment.transaction_id for payment in ledgers[id_].payments if payment.stands),
                ledgers[id_].left,
                attempts[id_],
                timelines[id_],
                messages[id_],
                flags[id_],
            )
            for id_, status in orders
        }

    def _attempts(self) -> defaultdict[str, dict[int, str]]:
        found: defaultdict[str, dict[int, str]] = defaultdict(dict)
        for order_id, number, state in self.shop.rows("SELECT order_id, number, state FROM payment_attempts"):
            found[order_id][number] = state
        return found

    def _flags(self) -> defaultdict[str, set[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        query = "SELECT order_id, reason FROM attention_flags WHERE settled_at IS NULL AND order_id IS NOT NULL"
        for order_id, reason in self.shop.rows(query):
            found[order_id].add(reason)
        return found

    def _purchases(self) -> defaultdict[str, dict[str, str]]:
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        query = "SELECT p.order_id, i.sku, p.status FROM purchases p JOIN items i ON i.id = p.item_id"
        for order_id, sku, status in self.shop.rows(query):
            found[order_id][sku] = status
        return found

    def _timelines(self) -> defaultdict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for order_id, kind in self.shop.rows("SELECT order_id, kind FROM order_events ORDER BY id"):
            found[order_id].append("pending" if kind == "placed" else kind)
        return found

    def _messages(self) -> defaultdict[str, list[str]]:
        """Return the messages about each order, without those that only flag it for staff."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for (payload,) in self.shop.rows("SELECT payload FROM outbox ORDER BY id"):
            message = json.loads(payload)
            if message.get("order_id") and message["event"] != "order_flagged":
                found[message["order_id"]].append(message["event"])
        return found


def _expected(order: ModelOrder) -> OrderSnapshot:
    return OrderSnapshot(
        order.status,
        {item.sku: status for item, status in order.purchases.items()},
        order.money.standing,
        order.money.left,
        {attempt.number: attempt.state for attempt in order.attempts},
        order.timeline,
        order.messages,
        order.open_flags,
    )
