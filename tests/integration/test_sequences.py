"""An order ends in one state, whatever the sequence in which its notifications arrive, alone or several at once.

The end state is what `tests.support.order_model` says of the set of notifications. By default a random sample of
the sequences is tried; `SEQUENCES=all` tries every sequence of up to six different notifications of each case,
`SEQUENCES=2000` a larger sample. The seed is printed; `SEQUENCES_SEED=...` repeats a run.
"""

import json
import os
import random
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import chain, islice, permutations
from math import perm
from typing import Any

import pytest

from store_app.accounts.service import CurrentUser
from store_app.db.unit_of_work import unit_of_work
from store_app.models import AttemptKind, Item
from store_app.orders.ledger import standing
from store_app.orders.order import NEVER_PAID, LockedOrder, NewLine, Orders
from tests.integration.shop import (
    Json,
    Shop,
    declined,
    order_canceled,
    order_paid,
    payment,
    refund,
    sign,
)
from tests.support.deliveries import delivery
from tests.support.invariants import check
from tests.support.order_model import Closing, Fact, attempts_after, money_of, status_before_payment
from webhook.inbox import Delivery
from webhook.intake import catch_up, receive_all

ALL = os.environ.get("SEQUENCES") == "all"
SAMPLE = int(os.environ.get("SEQUENCES", "150") if not ALL else 0)
SEED = int(os.environ.get("SEQUENCES_SEED") or secrets.randbelow(2**32))
LONGEST = 6
ORDERS_AT_ONCE = 40
DAY = timedelta(days=1)
# With tax 249 (248.75), of which 75 and 174 are parts, and a third one more than all of it.
PRICE, CHARGED = 199, 249


@dataclass(slots=True)
class Subject:
    """The order that a sequence is about."""

    order: LockedOrder
    # The provider's own orders of its attempts.
    provider_orders: list[str]

    def unique(self, id_: str) -> str:
        """Return an id of this order's own, for one that all orders of a case share."""
        return f"{id_}-{self.order.id[:20]}" if id_ else ""


@dataclass(frozen=True, slots=True)
class Step:
    """A notification, and what it says to the model, with ids that all orders share ("T1", "P1")."""

    notification: Callable[[LockedOrder], Json]
    facts: tuple[Fact, ...] = ()
    closing: Closing | None = None
    # The attempts that it closes.
    attempts: tuple[int, ...] = (1,)
    # It names neither the order nor an attempt.
    only_transaction: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """Notifications that arrive in every sequence."""

    steps: dict[str, Step]
    kind: AttemptKind = AttemptKind.CATALOGUE
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class EndState:
    """What an order must end in, whatever the sequence."""

    status: str
    purchases: tuple[str, ...]
    doubts: frozenset[str]
    attempts: tuple[tuple[int, str], ...]
    standing: frozenset[str]
    left: int


# --- notifications


def _taxed(notification: Json, charged: int | None = CHARGED) -> Json:
    if charged is None:
        return notification
    details = {"payment": {"currency": "USD", "amount": f"{charged / 100:.2f}"}}
    section = notification.get("billing", notification)
    section["payment_details"] = details
    return notification


def _without_billing(notification: Json) -> Json:
    """Return a notification of separate mode: another one says what is in this one's `billing`."""
    return {name: value for name, value in notification.items() if name != "billing"}


def _only_transaction(notification: Json) -> Json:
    del notification["custom_parameters"], notification["transaction"]["external_id"]
    return notification


def _paid(transaction: str, attempt: int = 1, *, taxed: bool = True) -> Step:
    def notification(order: LockedOrder) -> Json:
        paid = order_paid(order, transaction, attempt)
        return _taxed(paid) if taxed else _without_billing(paid)

    return Step(notification, (Fact("payment", transaction, f"P{attempt}", CHARGED if taxed else None),))


def _taken(transaction: str, *, grants: bool = False) -> Step:
    fact = Fact("payment" if grants else "charge", transaction, charged=CHARGED)
    return Step(lambda order: _taxed(payment(order, transaction)), (fact,))


def _refund(transaction: str, *, chargeback: bool = False, only_transaction: bool = False) -> Step:
    def notification(order: LockedOrder) -> Json:
        body = refund(order, transaction, code=2 if chargeback else 1)
        return _only_transaction(body) if only_transaction else body

    fact = Fact("chargeback" if chargeback else "refund", transaction)
    return Step(notification, (fact,), "canceled", only_transaction=only_transaction)


def _canceled(transaction: str | None, attempt: int = 1, *, separate: bool = False) -> Step:
    def notification(order: LockedOrder) -> Json:
        body = order_canceled(order, transaction, attempt)
        return _without_billing(body) if separate or transaction is None else body

    return Step(notification, (Fact("refund", transaction or "", f"P{attempt}"),), "canceled", (attempt,))


def _part(name: str, charged: int | None, transaction: str = "T1", *, only_transaction: bool = False) -> Step:
    def notification(order: LockedOrder) -> Json:
        body = refund(order, transaction) | {"notification_type": "partial_refund", "part": name}
        return _taxed(_only_transaction(body) if only_transaction else body, charged)

    return Step(notification, (Fact("part", transaction, "", charged, name),), only_transaction=only_transaction)


def _declined(attempt: int = 1) -> Step:
    return Step(lambda order: declined(order, attempt), (), "declined", (attempt,))


PARTS = {"a part": _part("a", 75), "the other part": _part("b", 174)}
CASES = {
    "combined": Case(
        {
            "order_paid": _paid("T1"),
            "paid again": _paid("T2"),
            "refund": _refund("T1"),
            "order_canceled": _canceled("T1"),
            "chargeback": _refund("T1", chargeback=True),
            "ps_declined": _declined(),
            **PARTS,
        }
    ),
    "separate": Case(
        {
            "payment": _taken("T1"),
            "order_paid": _paid("T1", taxed=False),
            "paid again": _paid("T2", taxed=False),
            "refund": _refund("T1"),
            "order_canceled": _canceled("T1", separate=True),
            "chargeback": _refund("T1", chargeback=True),
            "ps_declined": _declined(),
            **PARTS,
        }
    ),
    "without transactions": Case(
        {
            "order_paid": _paid("T1"),
            "paid again": _paid("T2"),
            "refund of the second": _refund("T2"),
            "refund that names only the transaction": _refund("T1", only_transaction=True),
            "canceled without a transaction": _canceled(None),
            "canceled with another transaction": _canceled("T3"),
            "canceled with a third transaction": _canceled("T4"),
            "part that names only the transaction": _part("a", 75, only_transaction=True),
        }
    ),
    "parts": Case(
        {
            "payment": _taken("T1"),
            "order_paid": _paid("T1", taxed=False),
            "too much": _part("c", 180),
            "without an amount": _part("d", None),
            "part of no payment": _part("e", 75, "T9"),
            "refund": _refund("T1"),
            **PARTS,
        }
    ),
    "payment pages for an amount": Case(
        {
            "payment": _taken("T1", grants=True),
            "paid again": _taken("T2", grants=True),
            "refund": _refund("T1"),
            "refund of the second": _refund("T2"),
            "chargeback that names only the transaction": _refund("T1", chargeback=True, only_transaction=True),
            "ps_declined": _declined(),
            **PARTS,
        },
        AttemptKind.AMOUNT,
    ),
    "two attempts": Case(
        {
            "first paid": _paid("T1", 1),
            "second paid": _paid("T2", 2),
            "first canceled": _canceled(None, 1),
            "second canceled": _canceled("T2", 2),
            "first refunded": _refund("T1"),
            "first declined": _declined(1),
            "second declined": _declined(2),
        },
        attempts=2,
    ),
}


# --- the model


@cache
def _expected(case_name: str, names: frozenset[str]) -> EndState:
    case = CASES[case_name]
    steps = [case.steps[name] for name in names]
    # What names only a transaction waits until another notification says which order that is of.
    known = {fact.transaction for step in steps if not step.only_transaction for fact in step.facts}
    found = [step for step in steps if not step.only_transaction or known & {f.transaction for f in step.facts}]
    money = money_of(PRICE, chain.from_iterable(step.facts for step in found))
    attempts = attempts_after(
        range(1, case.attempts + 1),
        [(step.closing, number) for step in found if step.closing for number in step.attempts],
    )
    bought = {"": (), "paid": ("granted",), "partially_refunded": ("granted",)}
    status = money.status or status_before_payment(attempts)
    never_paid = {NEVER_PAID} if money.charges and status not in {"pending", "failed"} else set()
    return EndState(
        status,
        bought.get(money.status, ("refunded",)),
        money.doubts | never_paid,
        tuple(attempts.items()),
        money.standing,
        money.left,
    )


# --- the store


@dataclass(slots=True)
class Run:
    """Delivers sequences to the store, those of several orders at once."""

    shop: Shop
    case_name: str
    random: random.Random
    user: CurrentUser = field(init=False)
    item: Item = field(init=False)
    # Apart from the numbers that the shop itself uses.
    next_provider_order: int = 1
    number: int = 0

    def __post_init__(self) -> None:
        self.user, self.item = self.shop.user(), self.shop.item(PRICE, consumable=True)

    @property
    def case(self) -> Case:
        return CASES[self.case_name]

    def run(self, sequences: Iterable[tuple[str, ...]]) -> None:
        """Deliver each sequence to an order of its own, and compare what the orders end in with the model."""
        waiting = iter(sequences)
        while together := list(islice(waiting, ORDERS_AT_ONCE)):
            divided = [self._divided(names) for names in together]
            subjects = self._place(len(together))
            for deliveries in _interleaved(map(self._deliveries, subjects, divided)):
                outcomes = receive_all(deliveries)
                assert len(outcomes) == len(deliveries)
            _catch_up()
            found = self._end_states([subject.order.id for subject in subjects])
            for subject, portions in zip(subjects, divided, strict=True):
                expected = _expected(self.case_name, frozenset(chain.from_iterable(portions)))
                assert found[subject.order.id] == expected, f"{self.case_name}: {portions}"
            self.number += len(together)

    def _place(self, orders: int) -> list[Subject]:
        with unit_of_work() as work:
            return [self._place_one(Orders.of(work)) for _ in range(orders)]

    def _place_one(self, orders: Orders) -> Subject:
        order = orders.place(self.user.user_id, [NewLine(self.item, 1)], DAY)
        subject = Subject(order, [])
        for _ in range(self.case.attempts):
            attempt = order.start_attempt("xsolla", self.case.kind)
            has_order = self.case.kind == AttemptKind.CATALOGUE
            subject.provider_orders.append(str(self.next_provider_order) if has_order else "")
            order.open_attempt(attempt.number, subject.provider_orders[-1] or None, "http://provider.test/")
            self.next_provider_order += 1
        return subject

    def _divided(self, names: Sequence[str]) -> list[list[str]]:
        """Divide a sequence into the portions that arrive at once."""
        portions, rest = [], list(names)
        while rest:
            size = self.random.choice([1, 1, 2, 3, len(rest)])
            portions.append(rest[:size])
            rest = rest[size:]
        return portions

    def _deliveries(self, subject: Subject, portions: Iterable[Sequence[str]]) -> list[list[Delivery]]:
        return [[self._delivery(subject, name) for name in portion] for portion in portions]

    def _delivery(self, subject: Subject, name: str) -> Delivery:
        notification = self.case.steps[name].notification(subject.order)
        for section in (notification.get("transaction"), notification.get("billing", {}).get("transaction")):
            if section and section["id"]:
                section["id"] = subject.unique(section["id"])
        if order := notification.get("order"):
            number = next(iter(self.case.steps[name].facts)).provider_order.removeprefix("P")
            order["id"] = int(subject.provider_orders[int(number) - 1])
            order["invoice_id"] = subject.unique(order["invoice_id"] or "") or None
        body = json.dumps(notification).encode()
        return delivery(body, sign(body))

    def _end_states(self, ids: Sequence[str]) -> dict[str, EndState]:
        with unit_of_work() as work:
            orders = Orders.of(work)
            orders.lock_all(ids)
            ledgers = {id_: standing(orders.locked[id_].facts) for id_ in ids}
        statuses = dict(self._rows("SELECT id, status FROM orders", ids, "id"))
        purchases = self._grouped("SELECT order_id, status FROM purchases", ids)
        flags = self._grouped("SELECT order_id, reason FROM attention_flags", ids, " AND settled_at IS NULL")
        attempts = self._grouped("SELECT order_id, number, state FROM payment_attempts", ids, " ORDER BY number")
        return {
            id_: EndState(
                statuses[id_],
                tuple(status for (status,) in purchases[id_]),
                frozenset(reason for (reason,) in flags[id_]),
                tuple((number, state) for number, state in attempts[id_]),
                frozenset(paid.transaction_id.partition("-")[0] for paid in ledgers[id_].payments if paid.stands),
                ledgers[id_].left,
            )
            for id_ in ids
        }

    def _grouped(self, query: str, ids: Sequence[str], end: str = "") -> defaultdict[str, list[tuple[Any, ...]]]:
        found: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for order_id, *values in self._rows(query, ids, "order_id", end):
            found[order_id].append(tuple(values))
        return found

    def _rows(self, query: str, ids: Sequence[str], column: str, end: str = "") -> list[Any]:
        listed = ", ".join(f"'{id_}'" for id_ in ids)
        return self.shop.rows(f"{query} WHERE {column} IN ({listed}){end}")


def _interleaved(portions: Iterable[Sequence[Sequence[Delivery]]]) -> Iterator[list[Delivery]]:
    """Yield the deliveries that arrive at once: the next portion of each order."""
    waiting = [list(of_order) for of_order in portions]
    while waiting := [of_order for of_order in waiting if of_order]:
        yield list(chain.from_iterable(of_order.pop(0) for of_order in waiting))


def _catch_up() -> None:
    for _ in range(1 + ORDERS_AT_ONCE * LONGEST // 100):
        catch_up()


def _all_sequences(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    names = sorted(names)
    return chain.from_iterable(permutations(names, length) for length in range(1, LONGEST + 1))


def _some_sequences(names: Iterable[str], drawn: random.Random, number: int) -> Iterator[tuple[str, ...]]:
    """Yield long sequences with some repeats."""
    names = sorted(names)
    for _ in range(number):
        chosen = drawn.sample(names, drawn.choice([2, 3, 4, 5, LONGEST, LONGEST, LONGEST]))
        repeats = drawn.sample(chosen, drawn.choice([0, 0, 1, 2]))
        for name in repeats:
            chosen.insert(drawn.randrange(len(chosen) + 1), name)
        yield tuple(chosen)


@pytest.mark.parametrize("case_name", CASES)
def test_every_sequence_ends_in_the_state_that_the_model_says(shop: Shop, case_name: str) -> None:
    drawn = random.Random(f"{SEED} {case_name}")
    run = Run(shop, case_name, drawn)
    names = run.case.steps
    print(f"SEQUENCES_SEED={SEED}")
    try:
        run.run(_all_sequences(names) if ALL else _some_sequences(names, drawn, SAMPLE))
    finally:
        print(f"{case_name}: {run.number} sequences on {shop.dialect}")
    assert not ALL or run.number == sum(perm(len(names), length) for length in range(1, LONGEST + 1))
    check(shop.engine)


TWO_ORDERS = (("paid", 0), ("paid", 1), ("refund", 0), ("refund", 1))


def test_of_two_orders_for_an_item_owned_once_one_is_granted_in_every_sequence(shop: Shop) -> None:
    sequences = list(chain.from_iterable(permutations(TWO_ORDERS, length) for length in range(1, 5)))
    for sequence in sequences:
        user, item = shop.user(), shop.item()
        orders = [shop.order(user, item), shop.order(user, item)]
        for kind, number in sequence:
            order = orders[number]
            about = order_paid if kind == "paid" else refund
            assert shop.notify(about(order, f"T-{order.id[:20]}")).status == 204
        standing_orders = [
            order
            for number, order in enumerate(orders)
            if ("paid", number) in sequence and ("refund", number) not in sequence
        ]
        found = sorted(status for order in standing_orders for status in shop.purchases(order.id))
        assert found == ["granted", "held"][: len(standing_orders)], sequence
    check(shop.engine)


@pytest.mark.parametrize("together", [True, False])
def test_a_transaction_pays_the_order_that_it_named_first(shop: Shop, together: bool) -> None:
    for first, second in permutations(range(2)):
        user, item = shop.user(), shop.item(consumable=True)
        orders = [shop.order(user, item), shop.order(user, item)]
        transaction = f"T-{orders[0].id[:20]}"
        bodies = [json.dumps(order_paid(orders[number], transaction)).encode() for number in (first, second)]
        deliveries = [delivery(body, sign(body)) for body in bodies]
        for portion in [deliveries] if together else [[one] for one in deliveries]:
            receive_all(portion)
        assert shop.read(orders[first].id).status == "paid"
        assert shop.read(orders[second].id).status == "pending"
        reason = f"the transaction paid another order before: transaction {transaction}"
        assert shop.flags(orders[second].id) == [reason]
    check(shop.engine)
