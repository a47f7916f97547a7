"""The store and its model, side by side: what happens to one is told to the other, and then they are compared."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from sqlalchemy import delete
from sqlmodel import SQLModel

from store_app.accounts.service import CurrentUser
from store_app.checkout.reconcile import reconcile_due
from store_app.checkout.service import open_payment_page
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import AlreadyOwned, InOpenOrder, OrderClosed
from store_app.models import Item
from store_app.orders import lifecycle, service
from store_app.orders.lifecycle import NewLine
from store_app.orders.locked_order import lock
from tests.crash.fork_server import Zygote, client_of
from tests.crash.model import TOLD, Attempt, PlacedOrder, Thing, World
from tests.crash.notifications import Message, answers
from tests.integration.shop import AnyOrder, Shop, sign
from tests.support.invariants import check
from webhook.inbox.replay import replay
from webhook.intake import catch_up, receive

DAY = timedelta(days=1)
LONG_AGO = "2020-01-01 00:00:00+00:00"


@dataclass(frozen=True)
class Standing:
    """How an order stands, by the store or by the model."""

    status: str
    purchases: dict[str, str]
    money: int
    payments: int
    history: list[str]
    told: list[str]
    flagged: bool


class Stage:
    """A store without players, things or orders yet, and the model of it."""

    def __init__(self, shop: Shop, zygote: Zygote) -> None:
        """Use this store, forgetting everything that is in it."""
        self.shop, self.zygote, self.world = shop, zygote, World()
        self._empty()
        self.current_users: dict[str, CurrentUser] = {}
        self._items: dict[Thing, Item] = {}
        self.accepted: list[bytes] = []
        self.unanswered: list[Message] = []
        # Beside those of the shop's own provider.
        self._provider_orders = count(100_001)

    def _empty(self) -> None:
        with unit_of_work() as session:
            for table in reversed(SQLModel.metadata.sorted_tables):
                session.execute(delete(table))

    def join(self, name: str) -> None:
        """Let a player join."""
        self.current_users[name] = self.shop.player(username=name, username_key=name)

    def sell(self, thing: Thing) -> None:
        """Put a thing on sale."""
        self._items[thing] = self.shop.item(thing.price, consumable=not thing.once, sku=thing.sku)

    # --- orders

    def place(self, player: str, things: set[Thing], *, merchant: bool) -> PlacedOrder:
        """Write an order without asking whether the player may have one."""
        user_id = self.current_users[player].user_id
        lines = [NewLine(self._items[thing], 1) for thing in sorted(things, key=lambda thing: thing.sku)]
        with unit_of_work() as session:
            row = lifecycle.place(session, user_id, lines, DAY)
        return self.note_order(row, dict.fromkeys(things, 1), merchant=merchant)

    def note_order(self, row: AnyOrder, quantities: dict[Thing, int], *, merchant: bool = False) -> PlacedOrder:
        """Tell the model of an order that the store has placed."""
        order = PlacedOrder(row.id, row.user_id, quantities, merchant)
        self.world.orders.append(order)
        return order

    def buy(self, player: str, quantities: dict[Thing, int]) -> AnyOrder | str:
        """Order things as a player does; returns the order, or the name of the refusal."""
        wanted = {thing.sku: quantity for thing, quantity in quantities.items()}
        try:
            return self.shop.buy(self.current_users[player], wanted).order
        except (AlreadyOwned, InOpenOrder) as refusal:
            return type(refusal).__name__

    def return_to_pay(self, order: PlacedOrder) -> bool:
        """Let a player open an order's payment page; False when the order is over."""
        current_user = next(one for one in self.current_users.values() if one.user_id == order.player)
        try:
            asyncio.run(open_payment_page(current_user, order.id, self.shop.provider.client()))
        except OrderClosed:
            return False
        self.note_page(order)
        return True

    def note_page(self, order: PlacedOrder) -> None:
        """Tell the model of the page that the store opened, unless it offered an earlier one again."""
        query = "SELECT number, provider_order_id FROM payment_attempts WHERE order_id = :id ORDER BY number"
        pages = self.shop.rows(query, id=order.id)
        assert len(pages) == len(order.noted) + (not order.newest_page_is_live())
        for number, provider_order in pages:
            if number not in order.noted:
                order.attempts.append(Attempt(order, number, provider_order))
                self.world.open_page(order.attempts[-1])

    def open_page(self, order: PlacedOrder, *, noted: bool) -> None:
        """Open a payment page; not `noted`: the store dies before it can write down that it did."""
        name = "" if order.merchant else str(next(self._provider_orders))
        attempt = Attempt(order, max(order.noted, default=0) + 1, name)
        order.attempts.append(attempt)
        if noted:
            with unit_of_work() as session:
                row = lock(session, order.id)
                lifecycle.start_attempt(session, row, name or None, "http://provider.test/?token=one")
            self.world.open_page(attempt)

    def cancel(self, order: PlacedOrder) -> bool:
        """Let a player cancel an order; False when it is over."""
        try:
            service.cancel(order.player, order.id)
        except OrderClosed:
            return False
        return True

    def expire(self, order: PlacedOrder) -> None:
        """Let an order's time be over."""
        self.shop.age(order.id)
        with unit_of_work() as session:
            lifecycle.expire_due(session)
        self.world.close(order, "expired")

    # --- deliveries

    def deliver(self, message: Message) -> None:
        """Deliver a notification and have it answered."""
        body = message.body
        self._answered(message, receive(body, sign(body), {"content-type": "application/json"}).status)

    def deliver_and_die(self, message: Message, failpoint: str) -> None:
        """Deliver a notification to a process that dies at a failpoint: all that it did is there, or nothing."""
        body, before = message.body, self._kept(message)
        answer = self.zygote.do(failpoint, body=body.decode(), signature=sign(body).decode())
        if answer is not None:
            self._answered(message, answer)
            return
        self.unanswered.append(message)
        if self._kept(message) > before:
            message.hear()

    def _answered(self, message: Message, status: int) -> None:
        expected = message.hear()
        assert status == expected, f"{message} was answered {status}, not {expected}"
        if status < 300:
            self.accepted.append(message.body)

    def _kept(self, message: Message) -> int:
        return len(self.deliveries(message))

    def deliveries(self, message: Message) -> list[int]:
        """Return the ids of a notification's deliveries in the inbox."""
        query = "SELECT id FROM webhook_deliveries WHERE body = :body ORDER BY id"
        return [row[0] for row in self.shop.rows(query, body=message.body)]

    def redeliver(self) -> None:
        """Deliver again what was not answered, as the provider does."""
        unanswered, self.unanswered = self.unanswered, []
        for message in unanswered:
            self.deliver(message)

    def replay(self, message: Message, *, dry_run: bool) -> None:
        """Let a person process a kept delivery again."""
        for delivery_id in self.deliveries(message)[-1:]:
            replay(delivery_id, dry_run=dry_run)
            if not dry_run:
                message.hear()

    def repair(self, order: PlacedOrder, failpoint: str) -> None:
        """Ask the provider about an order; at a failpoint the process dies first, without having moved it."""
        self.shop.change("UPDATE orders SET next_check_at = :then WHERE id = :id", then=LONG_AGO, id=order.id)
        if not failpoint:
            asyncio.run(reconcile_due(client_of(answers(self.world))))
        elif self.zygote.do(failpoint, repair=answers(self.world)) is None:
            return
        self.world.repair(order)
        # As the store does now and then: what waited for a payment finds one that was repaired.
        catch_up()
        for attempt in order.attempts:
            if attempt.paid:
                self.world.catch_up(attempt)
        if len([attempt for attempt in order.noted.values() if attempt.status != "new"]) > 1:
            # It was asked about several payments at once: which answer came first cannot be known.
            order.history = self._timelines()[order.id]

    # --- comparing

    def check(self) -> None:
        """Check the rules in SQL, that nothing answered with success is missing, and the model."""
        check(self.shop.engine, self.accepted)
        found, expected = self._found(), {order.id: _expected(order) for order in self.world.orders}
        assert set(found) == set(expected)
        for order in self.world.orders:
            assert found[order.id] == expected[order.id], f"{found[order.id]} is not as expected: {order}"

    def _found(self) -> dict[str, Standing]:
        orders = self.shop.rows("SELECT id, status, needs_attention FROM orders")
        purchases, money, told, timelines = self._purchases(), self._money(), self._told(), self._timelines()
        return {
            id_: Standing(status, purchases[id_], *money.get(id_, (0, 0)), timelines[id_], told[id_], bool(reason))
            for id_, status, reason in orders
        }

    def _purchases(self) -> defaultdict[str, dict[str, str]]:
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        query = "SELECT p.order_id, i.sku, p.status FROM purchases p JOIN items i ON i.id = p.item_id"
        for order_id, sku, status in self.shop.rows(query):
            found[order_id][sku] = status
        return found

    def _money(self) -> dict[str, tuple[int, int]]:
        payments = "SUM(CASE WHEN kind = 'payment' THEN 1 ELSE 0 END)"
        rows = self.shop.rows(f"SELECT order_id, SUM(amount), {payments} FROM payments GROUP BY order_id")
        return {row[0]: (int(row[1]), int(row[2])) for row in rows}

    def _timelines(self) -> defaultdict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for order_id, kind in self.shop.rows("SELECT order_id, kind FROM order_events ORDER BY id"):
            found[order_id].append("pending" if kind == "placed" else kind)
        return found

    def _told(self) -> defaultdict[str, list[str]]:
        """Return the messages on each order, flags for staff aside."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for (payload,) in self.shop.rows("SELECT payload FROM outbox ORDER BY id"):
            message = json.loads(payload)
            if message["event"] != "order_flagged":
                found[message["order_id"]].append(message["event"])
        return found


def _expected(order: PlacedOrder) -> Standing:
    return Standing(
        order.status,
        {thing.sku: status for thing, status in order.purchases.items()},
        order.money,
        order.payments,
        order.history,
        # Nobody is told that an order was placed.
        [TOLD[status] for status in order.history[1:]],
        order.flagged,
    )
