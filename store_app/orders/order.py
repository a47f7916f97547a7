"""The order: the only module that changes an order's status or writes a purchase.

An order is loaded with its row locked, decides, and writes. Once anything was paid, its ledger decides the status
(`ledger.standing`). Always lock in the order user, order, payment, purchase, to avoid deadlocks.
"""

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from sqlalchemy import CursorResult, Executable, Row, Select

from store_app.db.unit_of_work import UnitOfWork
from store_app.errors import NotFound
from store_app.languages import gettext as _
from store_app.models import (
    OPEN,
    AttemptKind,
    AttemptState,
    Item,
    ItemKind,
    OrderStatus,
    PaymentAttempt,
    PurchaseStatus,
    utc_now,
)
from store_app.orders import sql
from store_app.orders.ledger import Fact, Standing, standing
from store_app.orders.transitions import MESSAGES, TRANSITIONS, Event
from store_app.payments.provider import EventKind, PaymentEvent

FIRST_CHECK_AFTER, PAID_CHECK_AFTER = timedelta(minutes=2), timedelta(days=1)
OWNED_ALREADY = "paid for something owned already"
PRICE_DIFFERS = "the payment provider would charge another price: its catalogue must be updated"
NEVER_PAID = "money was taken, but the provider never said that the order was paid"
BUYER_CLOSED = "paid after the buyer's account was closed"
# Without 0, 1, I and O, which are easily confused.
_NUMBER_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
# Statuses in which the order's lines are granted.
_GRANTING = {OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED}
_Row = Row[*tuple[Any, ...]]


class LineItem(NamedTuple):
    """An item of a locked order: what its rules, its messages and its provider need of it."""

    item_id: int
    sku: str
    name: str
    quantity: int
    # Minor units of the order's currency.
    unit_price: int


class TransactionUsed(Exception):
    """The transaction of a payment has paid another order."""


@dataclass(frozen=True, slots=True)
class NewLine:
    """An item to be bought, and how many of it."""

    item: Item
    quantity: int


@dataclass(slots=True)
class LockedOrder:
    """An order whose row is locked until the unit of work ends: what was read of it stays true."""

    work: UnitOfWork
    id: str
    number: str
    user_id: str
    status: str
    # Minor units of `currency`.
    total: int
    currency: str
    buyer_is_closed: bool = False
    # Read when they are first used.
    known_facts: list[Fact] | None = None
    known_pending: Sequence[LineItem] = ()
    known_attempts: list[PaymentAttempt] | None = None

    @property
    def facts(self) -> list[Fact]:
        """Its rows of the ledger."""
        if self.known_facts is None:
            Orders.of(self.work).read_ledgers()
        return self.known_facts or []

    @property
    def pending(self) -> Sequence[LineItem]:
        """Its lines, until they are paid."""
        if self.known_facts is None:
            Orders.of(self.work).read_ledgers()
        return self.known_pending

    def _run(self, statement: Executable, **values: object) -> CursorResult[*tuple[Any, ...]]:
        # On the connection itself: a session would search for changed objects to flush before each statement.
        return self.work.connection().execute(statement, values)

    # --- payments

    def record(self, fact: Fact) -> bool:
        """Write a fact into the ledger, and give the order the status that follows. False when it was there.

        Raises:
            TransactionUsed: it is a payment by a transaction that paid another order.
        """
        if self._knows(fact):
            return False
        row = {"order_id": self.id, "currency": self.currency, "at": utc_now(), **asdict(fact)}
        if not self._run(sql.add_fact(self.work.dialect), **row).rowcount:
            raise TransactionUsed
        before = standing(self.facts) if self.facts else Standing()
        self.known_facts = [*self.facts, fact]
        self._settle(before, standing(self.facts))
        return True

    def _knows(self, fact: Fact) -> bool:
        known = (known for known in self.facts if (known.provider, known.kind) == (fact.provider, fact.kind))
        return any(one.key == fact.key for one in known)

    def _settle(self, before: Standing, after: Standing) -> None:
        doubts = self._doubts(before)
        self._follow(after)
        self._review(doubts, self._doubts(after))

    def _doubts(self, found: Standing) -> set[str]:
        # While the order is open, the notification that it is paid may still come.
        never_paid = {NEVER_PAID} if found.charges and self.status not in OPEN else set()
        return never_paid | found.doubts

    def _review(self, before: set[str], after: set[str]) -> None:
        for reason in sorted(after - before):
            self._flag(reason)
        self._settle_flags(before - after)

    def _follow(self, after: Standing) -> None:
        """Take the status that the ledger says."""
        if after.status is None or after.status == self.status:
            return
        lines, granting = self.pending or self._purchased(self.id), after.status in _GRANTING
        if self.pending:
            self._move_lines(granting=granting)
        elif granting and self.status not in _GRANTING:
            self._flag_held(self._run(sql.GRANT_AGAIN, order_id_=self.id).scalars())
        elif not granting:
            self._revoke()
        if granting and self.status not in _GRANTING and self.buyer_is_closed:
            self._flag(BUYER_CLOSED)
        # Whether the money went back, reconciliation asks later.
        next_check_at = utc_now() + PAID_CHECK_AFTER if granting else None
        self._change_status(TRANSITIONS[self.status, Event(after.status)], next_check_at=next_check_at)
        self._announce(MESSAGES[after.status], lines)

    def _move_lines(self, *, granting: bool) -> None:
        statement = sql.move_lines(granting=granting)
        statuses = self._run(statement, order_id_=self.id, at_=utc_now()).scalars().all()
        self._run(sql.FORGET_PENDING, order_id_=self.id)
        self._flag_held(statuses)
        self.known_pending = ()
        self._run(sql.EMPTY_CART, order_id_=self.id, user_id_=self.user_id)

    def _flag_held(self, statuses: Iterable[str]) -> None:
        if PurchaseStatus.HELD in statuses:
            self._flag(OWNED_ALREADY)

    def _revoke(self) -> None:
        # By order, never by user and item: another order may have granted the same item.
        self._run(sql.REVOKE, order_id_=self.id)
        self._settle_flags([OWNED_ALREADY])
        granted = defaultdict(set)
        for row in self._run(sql.GRANT_HELD, order_id_=self.id, user_id_=self.user_id):
            granted[row.order_id].add(row.item_id)
        for order_id, item_ids in sorted(granted.items()):
            lines = [line for line in self._purchased(order_id) if line.item_id in item_ids]
            self._announce(MESSAGES[OrderStatus.PAID], lines, order_id)
            if not self._run(sql.HELD_LINES, order_id_=order_id).scalar():
                self._settle_flags([OWNED_ALREADY], order_id)

    def _purchased(self, order_id: str) -> Sequence[LineItem]:
        rows = self._run(sql.PURCHASED_LINES, order_ids_=[order_id])
        return [LineItem(*row[1:]) for row in rows]

    # --- payment attempts

    @property
    def attempts(self) -> list[PaymentAttempt]:
        """The payment attempts, oldest first."""
        if self.known_attempts is None:
            rows = self._run(sql.ATTEMPTS, order_id_=self.id).mappings()
            self.known_attempts = [PaymentAttempt(order_id=self.id, **row) for row in rows]
        return self.known_attempts

    @property
    def payable_attempt(self) -> PaymentAttempt | None:
        """The newest attempt on whose page the user can still pay."""
        now = utc_now()
        return next((attempt for attempt in reversed(self.attempts) if attempt.is_open(now)), None)

    def start_attempt(self, provider: str, kind: AttemptKind) -> PaymentAttempt:
        """Write a payment attempt, before the provider is asked."""
        number = max((attempt.number for attempt in self.attempts), default=0) + 1
        attempt = PaymentAttempt(order_id=self.id, number=number, provider=provider, kind=kind)
        self._run(sql.ADD_ATTEMPT, **attempt.model_dump(exclude={"id"}))
        self.attempts.append(attempt)
        return attempt

    def open_attempt(self, number: int, provider_order_id: str | None, payment_url: str) -> None:
        """Record the payment page of an attempt; a failed order becomes pending."""
        attempt = next(attempt for attempt in self.attempts if attempt.number == number)
        attempt.provider_order_id, attempt.payment_url = provider_order_id, payment_url
        self._change_attempt(attempt, AttemptState.OPEN)
        # If no notification comes, `checkout.reconcile` asks the provider.
        self._run(sql.START_CHECKS, order_id_=self.id, next_check_at=utc_now() + FIRST_CHECK_AFTER)
        # An earlier attempt may have found another price.
        if number > 1:
            self._settle_flags([PRICE_DIFFERS])
        self._transition(Event.RETRIED)

    def close_attempts(self, attempts: Iterable[PaymentAttempt], state: AttemptState) -> bool:
        """Close attempts that were declined or canceled; with the last open one the order fails or is canceled.

        False when the order keeps its status: it is paid or closed, or another attempt is open.
        """
        attempts = list(attempts)
        if self.attempts and not attempts:
            # An attempt that is not known, or whose page is just being opened.
            return False
        for attempt in attempts:
            # A canceled attempt stays canceled, so that the sequence of the notifications does not matter.
            if attempt.state not in {AttemptState.CANCELED, state}:
                self._change_attempt(attempt, state)
        if self.payable_attempt:
            return False
        states = {state, *(attempt.state for attempt in self.attempts)}
        return self._transition(Event.CANCELED if AttemptState.CANCELED in states else Event.DECLINED)

    def _change_attempt(self, attempt: PaymentAttempt, state: AttemptState) -> None:
        attempt.state = state
        page = {"provider_order_id": attempt.provider_order_id, "payment_url": attempt.payment_url}
        self._run(sql.CHANGE_ATTEMPT, order_id_=self.id, number_=attempt.number, state=state, **page)

    # --- the rest of its life

    def cancel(self) -> bool:
        """Cancel the order, if it is open. False when nothing changes."""
        return self._transition(Event.CANCELED)

    def expire(self) -> bool:
        """Expire the order, if it is open. False when nothing changes."""
        return self._transition(Event.EXPIRED)

    def flag(self, reason: str, *, announce: bool = True) -> None:
        """Tell staff to look at the order and, with `announce`, its user that it is being checked."""
        self._flag(reason)
        if announce:
            self._announce("order_flagged", [])

    def _flag(self, reason: str) -> None:
        row = {"order_id": self.id, "reason": reason[:300], "at": utc_now(), "settled_by": "", "note": ""}
        self._run(sql.raise_flag(self.work.dialect), **row)

    def _settle_flags(self, reasons: Collection[str], order_id: str = "") -> None:
        if reasons:
            self._run(sql.SETTLE_FLAGS, order_id_=order_id or self.id, reasons_=list(reasons), at_=utc_now())

    def _transition(self, event: Event) -> bool:
        after = TRANSITIONS.get((self.status, event))
        if after is None:
            return False
        found = Standing() if after in OPEN else standing(self.facts)
        doubts = self._doubts(found)
        self._change_status(after)
        self._review(doubts, self._doubts(found))
        self._announce(MESSAGES[after], [])
        return True

    def _change_status(self, status: OrderStatus, **change: object) -> None:
        now = utc_now()
        self.status = status
        statement = sql.SETTLE_STATUS if change else sql.CHANGE_STATUS
        self._run(statement, order_id_=self.id, status=status, updated_at=now, **change)
        self.work.at_end[sql.ADD_EVENT].append({"order_id": self.id, "kind": status, "at": now})

    def _announce(self, event: str, lines: Sequence[LineItem], order_id: str = "") -> None:
        message = {
            "event": event,
            "order_id": order_id or self.id,
            "items": [{"sku": line.sku, "name": line.name, "quantity": line.quantity} for line in lines],
            "timestamp": utc_now().isoformat(timespec="milliseconds"),
        }
        self.work.messages.append((self.user_id, message))


class Orders:
    """The locked orders of one unit of work: each is read once."""

    def __init__(self, work: UnitOfWork) -> None:
        """Lock none yet; use `Orders.of(work)`."""
        self._work = work
        self.locked: dict[str, LockedOrder] = {}
        # (provider, id of its order or of a transaction) -> the order's id, as far as an event named it.
        self.by_provider_order: dict[tuple[str, str], str] = {}
        self.by_transaction: dict[tuple[str, str], str] = {}

    @classmethod
    def of(cls, work: UnitOfWork) -> Self:
        """Return the orders of a unit of work."""
        if cls not in work.parts:
            work.parts[cls] = cls(work)
        orders: Self = work.parts[cls]
        return orders

    def lock_named(self, events: Sequence[PaymentEvent]) -> None:
        """Look up the orders that events name, and lock them, all at once: see `sql.LOCK`."""
        self._look_up(sql.BY_PROVIDER_ORDER, {event.provider_order_id for event in events}, self.by_provider_order)
        # The transaction of a payment is new, as a rule, and its order is known.
        transactions = {
            event.transaction_id
            for event in events
            if event.kind is not EventKind.PAID
            or (event.provider, event.provider_order_id) not in self.by_provider_order
        }
        self._look_up(sql.BY_TRANSACTION, transactions, self.by_transaction)
        self.lock_all(name for event in events for name in self._names(event))

    def _look_up(self, statement: Select[Any], ids: Set[str], found: dict[tuple[str, str], str]) -> None:
        if named := list(ids - {""}):
            found.update(
                {(provider, id_): order_id for provider, id_, order_id in self._run(statement, ids_=named)}
            )

    def named(self, event: PaymentEvent) -> tuple[list[LockedOrder], bool]:
        """Return the locked orders that an event names, and whether it also names one that does not exist."""
        names = self._names(event)
        found = [self.locked[name] for name in names if name in self.locked]
        return found, len(found) < len(names)

    def _names(self, event: PaymentEvent) -> list[str]:
        """Return the ids of the orders that an event names, in each of the ways in which it can."""
        names = [
            self.by_provider_order.get((event.provider, event.provider_order_id), ""),
            event.order_id,
            event.external_id.rpartition("-")[0],
        ]
        # Whether the transaction of a payment has paid another order shows when it is recorded.
        if event.kind is not EventKind.PAID or self.locked.keys().isdisjoint(names):
            names.append(self.by_transaction.get((event.provider, event.transaction_id), ""))
        return [name for name in dict.fromkeys(names) if name]

    def lock(self, order_id: str) -> LockedOrder:
        """Return an order, locked.

        Raises:
            NotFound: there is no such order.
        """
        self.lock_all([order_id])
        if order_id not in self.locked:
            raise NotFound(_("There is no such order."))
        return self.locked[order_id]

    def lock_all(self, order_ids: Iterable[str]) -> None:
        """Lock orders, as far as they exist, and their users."""
        new = {order_id for order_id in order_ids if order_id.isprintable() and order_id not in self.locked}
        for row in self._run(sql.LOCK, order_ids_=list(new)) if new else ():
            self.locked[row.id] = LockedOrder(self._work, *row)

    def read_ledgers(self) -> None:
        """Read what paying the locked orders needs, with one query each, as far as it is not known."""
        unread = [order for order in self.locked.values() if order.known_facts is None]
        facts, pending = self._by_order(sql.FACTS, unread), self._by_order(sql.PENDING_LINES, unread)
        for order in unread:
            order.known_facts = [Fact(*fact[1:]) for fact in facts[order.id]]
            order.known_pending = [LineItem(*line[1:]) for line in pending[order.id]]

    def _run(self, statement: Executable, **values: object) -> CursorResult[*tuple[Any, ...]]:
        return self._work.connection().execute(statement, values)

    def _by_order(self, statement: Select[Any], orders: Sequence[LockedOrder]) -> dict[str, list[_Row]]:
        found: dict[str, list[_Row]] = {order.id: [] for order in orders}
        for row in self._run(statement, order_ids_=list(found)):
            found[row.order_id].append(row)
        return found

    def place(self, user_id: str, lines: Sequence[NewLine], expires_in: timedelta) -> LockedOrder:
        """Write a pending order with its lines, at the current prices. The caller has checked the lines."""
        now, currency = utc_now(), lines[0].item.currency
        total = sum(line.item.price * line.quantity for line in lines)
        order = LockedOrder(
            self._work, secrets.token_hex(16), _short_number(), user_id, OrderStatus.PENDING, total, currency
        )
        names = ("id", "number", "user_id", "status", "total", "currency")
        row = {name: getattr(order, name) for name in names}
        self._run(sql.ADD_ORDER, **row, created_at=now, updated_at=now, expires_at=now + expires_in, checks=0)
        # Sorted as they will be granted (`sql.move_lines`), so that pages show them alike before and afterwards.
        lines = sorted(lines, key=lambda line: line.item.id)
        self._work.connection().execute(sql.ADD_LINES, [_pending_line(order, line, now) for line in lines])
        self._work.at_end[sql.ADD_EVENT].append({"order_id": order.id, "kind": "placed", "at": now})
        order.known_facts, order.known_attempts = [], []
        order.known_pending = [
            LineItem(line.item.id, line.item.sku, line.item.name, line.quantity, line.item.price) for line in lines
        ]
        self.locked[order.id] = order
        return order

    def expire_due(self, limit: int = 100) -> int:
        """Expire open orders whose time is over; return how many."""
        due = self._run(sql.DUE, now_=utc_now(), limit_=limit).scalars().all()
        self.lock_all(due)
        return sum(self.locked[order_id].expire() for order_id in due)


def _pending_line(order: LockedOrder, line: NewLine, at: datetime) -> Mapping[str, object]:
    return {
        "order_id": order.id,
        "user_id": order.user_id,
        "item_id": line.item.id,
        "quantity": line.quantity,
        "unit_price": line.item.price,
        "currency": order.currency,
        "owned_once": line.item.kind == ItemKind.NON_CONSUMABLE,
        "timestamp": at,
    }


def _short_number() -> str:
    letters = "".join(secrets.choice(_NUMBER_ALPHABET) for _number in range(8))
    return f"{letters[:4]}-{letters[4:]}"
