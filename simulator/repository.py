"""The simulator's books, in memory: what was ordered, paid and sent, to be compared with the store's."""

import json
import secrets
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from simulator.amounts import as_number
from simulator.records import Clock, Delivery, Manner, Order, Outcome, Sale, Transaction, TransactionStatus

TOKEN_LIFE = timedelta(hours=24)
_ORDINARY = Manner()
_FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Books:
    """Orders, transactions and deliveries, with the ways they are looked up."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.orders: dict[int, Order] = {}
        self.deliveries: list[Delivery] = []
        self._by_token: dict[str, Order] = {}
        self._by_store_order: defaultdict[str, list[Order]] = defaultdict(list)
        self._by_transaction: dict[int, Order] = {}
        # Numbers begin at the milliseconds since a fixed day: a restarted simulator forgets its orders,
        # but must not give their numbers away again, for the store remembers them.
        self._numbers = count((clock() - _FIRST_DAY) // timedelta(milliseconds=1))

    def open_order(self, sale: Sale) -> Order:
        """Write a new order with a token of its own."""
        now = self.clock()
        order = Order(next(self._numbers), secrets.token_urlsafe(24), sale, now, now + TOKEN_LIFE)
        self.orders[order.id] = order
        self._by_token[order.token] = order
        for name in {sale.store_order, sale.external_id} - {None}:
            self._by_store_order[str(name)].append(order)
        return order

    def by_token(self, token: str) -> Order | None:
        """Find the order of a payment token."""
        return self._by_token.get(token)

    def by_transaction(self, transaction_id: int) -> Order | None:
        """Find the order that a transaction belongs to."""
        return self._by_transaction.get(transaction_id)

    def by_external_id(self, external_id: str) -> list[Order]:
        """Find the orders whose token was asked for with this external id."""
        return [o for o in self._by_store_order.get(external_id, []) if o.sale.external_id == external_id]

    def find(self, reference: str) -> Order | None:
        """Find an order by our number or by the store's name for it.

        The store may have tried one order several times: then the paid try is meant, else the newest.
        """
        if reference.isascii() and reference.isdigit() and len(reference) < 20:
            order = self.orders.get(int(reference))
            if order is not None:
                return order
        tries = self._by_store_order.get(reference, [])
        return next((o for o in reversed(tries) if o.payment), tries[-1] if tries else None)

    def latest(self, limit: int) -> list[Order]:
        """Give the newest orders first."""
        return list(reversed(self.orders.values()))[:limit]

    def book_payment(self, order: Order) -> Transaction:
        """Write a transaction that took the money."""
        return self._book(order, TransactionStatus.DONE)

    def book_decline(self, order: Order) -> Transaction:
        """Write a transaction that the payment system declined."""
        return self._book(order, TransactionStatus.ERROR)

    def book_return(self, order: Order, transaction: Transaction, amount: Decimal) -> None:
        """Write money given back."""
        transaction.returned += amount
        transaction.returned_at = self._later_than(transaction.returned_at)
        in_full = transaction.returned >= order.sale.total
        transaction.status = TransactionStatus.REFUNDED if in_full else TransactionStatus.PARTIALLY_REFUNDED

    def book_chargeback(self, order: Order, transaction: Transaction) -> None:
        """Write that the bank took back all that was left."""
        self.book_return(order, transaction, order.sale.total - transaction.returned)
        transaction.status = TransactionStatus.CANCELED

    def imagine_payment(self) -> Transaction:
        """Make a payment that never was: it has a number of its own and is in no book."""
        return Transaction(next(self._numbers), self.clock(), TransactionStatus.DONE)

    def imagine_order(self, sale: Sale) -> Order:
        """Make an order that nobody placed: it has a number of its own and is in no book."""
        now = self.clock()
        return Order(next(self._numbers), secrets.token_urlsafe(24), sale, now, now + TOKEN_LIFE)

    def write_delivery(self, order: Order, payload: dict[str, Any], manner: Manner = _ORDINARY) -> Delivery:
        """Write a notification that has to go out."""
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), default=as_number).encode()
        return self._enter(order, payload["notification_type"], body, manner)

    def withhold_delivery(self, order: Order, payload: dict[str, Any]) -> Delivery:
        """Write a notification that will not go out by itself."""
        delivery = self.write_delivery(order, payload)
        delivery.settle(Outcome.NEVER_SENT)
        return delivery

    def copy_delivery(self, order: Order, original: Delivery) -> Delivery:
        """Write a repeat of a notification, byte for byte; it is carried without hindrance."""
        manner = replace(original.manner, abandoned=0, deaf=False)
        return self._enter(order, original.type, original.body, manner)

    def _later_than(self, before: datetime | None) -> datetime:
        """Give the present, in a later second than before: two equal returns must not look like one repeated."""
        now = self.clock()
        return now if before is None else max(now, before + timedelta(seconds=1))

    def _book(self, order: Order, status: TransactionStatus) -> Transaction:
        transaction = Transaction(next(self._numbers), self.clock(), status)
        order.transactions.append(transaction)
        self._by_transaction[transaction.id] = order
        return transaction

    def _enter(self, order: Order, kind: str, body: bytes, manner: Manner) -> Delivery:
        delivery = Delivery(len(self.deliveries) + 1, order.id, kind, body, self.clock(), manner)
        self.deliveries.append(delivery)
        order.deliveries.append(delivery)
        return delivery
