"""All orders, transactions and notifications of the simulator, in memory."""

import json
import secrets
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, islice
from typing import Any

from simulator.amounts import as_number
from simulator.records import (
    Clock,
    DeliveryOptions,
    Notification,
    NotificationStatus,
    Order,
    Sale,
    Transaction,
    TransactionStatus,
)

_TOKEN_LIFETIME = timedelta(hours=24)
_DEFAULT_OPTIONS = DeliveryOptions()
_ID_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Repository:
    """Stores orders, transactions and notifications, and finds orders by their various ids."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.orders: dict[int, Order] = {}
        self.notifications: list[Notification] = []
        self._by_token: dict[str, Order] = {}
        self._by_store_id: defaultdict[str, list[Order]] = defaultdict(list)
        self._by_transaction: dict[int, Order] = {}
        # Ids start at the milliseconds since a fixed date. A restarted simulator has forgotten its orders, but
        # must not reuse their ids, because the store has kept them.
        self._ids = count((clock() - _ID_EPOCH) // timedelta(milliseconds=1))

    def create_order(self, sale: Sale) -> Order:
        """Create an order with its own payment token."""
        order = self.unsaved_order(sale)
        self.orders[order.id] = order
        self._by_token[order.token] = order
        for store_id in {sale.store_order_id, sale.external_id} - {None}:
            self._by_store_id[str(store_id)].append(order)
        return order

    def by_token(self, token: str) -> Order | None:
        """Find the order of a payment token."""
        return self._by_token.get(token)

    def by_transaction(self, transaction_id: int) -> Order | None:
        """Find the order that a transaction belongs to."""
        return self._by_transaction.get(transaction_id)

    def by_external_id(self, external_id: str) -> list[Order]:
        """Find the orders whose token request had this external id."""
        return [o for o in self._by_store_id.get(external_id, []) if o.sale.external_id == external_id]

    def find(self, reference: str) -> Order | None:
        """Find an order by its id here or by the store's id.

        The store may have opened several payment pages for one order: then the paid one is returned, or else
        the latest.
        """
        if reference.isascii() and reference.isdigit() and len(reference) < 20:
            order = self.orders.get(int(reference))
            if order is not None:
                return order
        payment_attempts = self._by_store_id.get(reference, [])
        latest = payment_attempts[-1] if payment_attempts else None
        return next((o for o in reversed(payment_attempts) if o.payment), latest)

    def latest(self, limit: int) -> list[Order]:
        """Return the latest orders, newest first."""
        return list(islice(reversed(self.orders.values()), limit))

    def record_payment(self, order: Order) -> Transaction:
        """Add a transaction that took the money."""
        return self._add_transaction(order, TransactionStatus.DONE)

    def record_decline(self, order: Order) -> Transaction:
        """Add a transaction that the payment system declined."""
        return self._add_transaction(order, TransactionStatus.ERROR)

    def record_refund(self, order: Order, transaction: Transaction, amount: Decimal) -> None:
        """Record that an amount was refunded."""
        transaction.refunded += amount
        transaction.refunded_at = self._later_than(transaction.refunded_at)
        in_full = transaction.refunded >= order.sale.total
        transaction.status = TransactionStatus.REFUNDED if in_full else TransactionStatus.PARTIALLY_REFUNDED

    def record_chargeback(self, order: Order, transaction: Transaction) -> None:
        """Record that the bank took back the rest of the payment."""
        self.record_refund(order, transaction, order.sale.total - transaction.refunded)
        transaction.status = TransactionStatus.CANCELED

    def unsaved_payment(self) -> Transaction:
        """Return a payment that never happened: it has an id of its own but is not stored."""
        return Transaction(next(self._ids), self.clock(), TransactionStatus.DONE)

    def unsaved_order(self, sale: Sale) -> Order:
        """Return an order that was never placed: it has an id of its own but is not stored."""
        now = self.clock()
        return Order(next(self._ids), secrets.token_urlsafe(24), sale, now, now + _TOKEN_LIFETIME)

    def add_notification(
        self, order: Order, payload: dict[str, Any], options: DeliveryOptions = _DEFAULT_OPTIONS
    ) -> Notification:
        """Add a notification that is to be delivered."""
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), default=as_number).encode()
        return self._add_notification(order, payload["notification_type"], body, options)

    def add_unsent_notification(self, order: Order, payload: dict[str, Any]) -> Notification:
        """Add a notification that is not delivered unless somebody sends it again."""
        notification = self.add_notification(order, payload)
        notification.finish(NotificationStatus.NEVER_SENT)
        return notification

    def copy_notification(self, order: Order, original: Notification) -> Notification:
        """Add a repeat of a notification with the same bytes; no delivery is aborted and no response is lost."""
        options = replace(original.options, aborted_deliveries=0, lose_responses=False)
        return self._add_notification(order, original.type, original.body, options)

    def _later_than(self, previous: datetime | None) -> datetime:
        """Return the current time, but at least a second after the previous one.

        Two equal partial refunds would otherwise have the same date and look like one that is repeated.
        """
        now = self.clock()
        return now if previous is None else max(now, previous + timedelta(seconds=1))

    def _add_transaction(self, order: Order, status: TransactionStatus) -> Transaction:
        transaction = Transaction(next(self._ids), self.clock(), status)
        order.transactions.append(transaction)
        self._by_transaction[transaction.id] = order
        return transaction

    def _add_notification(
        self, order: Order, notification_type: str, body: bytes, options: DeliveryOptions
    ) -> Notification:
        notification_id = len(self.notifications) + 1
        notification = Notification(notification_id, order.id, notification_type, body, self.clock(), options)
        self.notifications.append(notification)
        order.notifications.append(notification)
        return notification
