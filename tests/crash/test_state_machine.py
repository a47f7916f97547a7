"""Everything that can happen to orders, in any sequence, with crashes in between: store and model stay equal.

Hypothesis composes the steps. After each step the rules in SQL hold, every acknowledged delivery is in the inbox,
and orders, purchases and money are what `model` says. A failure prints the shortest steps that Hypothesis found,
and the seed: `HYPOTHESIS_SEED=... pytest tests/crash/test_state_machine.py` repeats the run,
`@reproduce_failure(...)` (printed too) above `StoreMachine` repeats the one example.
`HYPOTHESIS_EXAMPLES=2000` runs longer. Finding the shortest steps takes up to five minutes.
"""

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.crash.crashing_store import failpoints_of
from tests.crash.fork_server import ForkServer
from tests.crash.model import NEW_ORDER, OPEN, ModelItem, ModelOrder, Transaction
from tests.crash.notifications import CHARGEBACK, REFUND, Notification, NotificationFactory, Reversal
from tests.crash.store_and_model import StoreAndModel
from tests.integration.shop import Shop

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "20"))
STEPS = 40
MAX_ORDERS = 5
ITEMS = (
    ModelItem("map", 350, owned_once=True),
    ModelItem("potion", 101, owned_once=False),
    ModelItem("sword", 999, owned_once=True),
)
# The status of the response when the store does not know the user, and when it does.
ABOUT_USERS = {
    "user_validation": (400, 204),
    "user_search": (400, 200),
    "payment_account_add": (204, 204),
    "payment_account_remove": (204, 204),
    "afs_black_list": (204, 204),
    "something_new": (204, 204),
}
MISMATCHED_FIELDS = {"total", "currency", "user_id", "id"}

USERS = ("ann", "ben")
# This user pays by merchant tokens, for which the provider has no order of its own.
MERCHANT_TOKEN_USER = "mia"
ALL_USERS = (*USERS, MERCHANT_TOKEN_USER)

some_items = st.sets(st.sampled_from(ITEMS), min_size=1)
# One user is drawn more often: owning an item once matters most where a user has several orders.
any_user = st.sampled_from(("ann", *ALL_USERS))
small_index, notification_index = st.integers(0, 3), st.integers(0, 15)
# What is charged for a price of 100; None: the notification does not say it.
taxes = st.sampled_from([None, 100, 119, 125])
kinds_about_users = st.sampled_from(sorted(ABOUT_USERS))
kinds_of_declines = st.sampled_from(["ps_declined", "afs_reject"])
flag_reasons = st.sampled_from(["total", "currency", "user_id", "id", "transaction", "dispute"])
refund_codes = st.sampled_from([REFUND, CHARGEBACK])
# Percent of what was charged; None: the notification does not say it.
refunded_shares = st.sampled_from([1, 30, 50, 70, 99, 100, None])
LATER, NOW = "later", "now"
# When a notification is delivered; a failpoint: now, to a process that dies there.
moments = st.sampled_from([LATER, LATER, LATER, NOW, NOW, NOW, NOW, *failpoints_of("webhook")])
# An order to begin with: user, items, tax, whether the notifications are separate, when they are delivered.
FirstOrder = tuple[str, set[ModelItem], int | None, bool, str]
first_orders = st.lists(st.tuples(any_user, some_items, taxes, st.booleans(), moments), min_size=1, max_size=3)


def has_few_orders(machine: "StoreMachine") -> bool:
    """Whether another order may be placed; with many orders, little happens to each."""
    return len(machine.model.orders) < MAX_ORDERS


class StoreMachine(RuleBasedStateMachine):
    """Steps of users, the provider, the network, staff and the clock, and crashes."""

    shop: ClassVar[Shop]
    fork_server: ClassVar[ForkServer]
    done: ClassVar[Counter[str]]

    def __init__(self) -> None:
        """Begin with an empty store."""
        super().__init__()
        self.both = StoreAndModel(self.shop, self.fork_server)
        self.model = self.both.model
        self.factory = NotificationFactory(self.model)
        self.payments: list[Transaction] = []
        self.notifications: list[Notification] = []
        self.checked = self.account_closed = False

    @initialize(orders=first_orders)
    def the_store_opens(self, orders: list[FirstOrder]) -> None:
        """Put items on sale, create users, and place orders that are paid."""
        for item in ITEMS:
            self.both.add_item(item)
        for name in ALL_USERS:
            self.both.register(name)
        self.done["examples"] += 1
        for number, (user, items, tax, separate, moment) in enumerate(orders):
            self.a_user_orders_concurrently(user, items, 1)
            self.a_user_pays(number, 0, tax, separate, moment)

    def _order(self, which: int) -> ModelOrder:
        return self.model.orders[which % len(self.model.orders)]

    def _payment(self, which: int) -> Transaction:
        return self.payments[which % len(self.payments)]

    def _notification(self, which: int) -> Notification:
        return self.notifications[which % len(self.notifications)]

    def _send(self, notification: Notification, moment: str) -> None:
        note(f"# {moment}: {notification}")
        self.done[moment] += 1
        if notification not in self.notifications:
            self.notifications.append(notification)
        if moment == NOW:
            self.both.deliver(notification)
        elif moment != LATER:
            self.both.deliver_and_crash(notification, moment)

    # --- users

    @precondition(has_few_orders)
    @rule(user=st.sampled_from(USERS), items=some_items, quantity=st.integers(1, 2))
    def a_user_buys(self, user: str, items: set[ModelItem], quantity: int) -> None:
        """The store refuses an item that is owned or in another open order, and offers an equal order again."""
        quantities = {item: 1 if item.owned_once else quantity for item in ITEMS if item in items}
        expected = self.model.expected_checkout(self.both.current_users[user].user_id, quantities)
        bought = self.both.buy(user, quantities)
        if isinstance(bought, str):
            assert bought == expected
            return
        if expected == NEW_ORDER:
            expected = self.both.record_order(bought, quantities)
        assert isinstance(expected, ModelOrder)
        assert bought.id == expected.id
        self.both.record_new_attempt(expected)

    @precondition(has_few_orders)
    @rule(user=any_user, items=some_items, attempts=small_index)
    def a_user_orders_concurrently(self, user: str, items: set[ModelItem], attempts: int) -> None:
        """The order is placed without a check whether the user owns the items or has another order for them."""
        by_merchant_token = user == MERCHANT_TOKEN_USER
        order = self.both.place(user, items, by_merchant_token=by_merchant_token)
        for _ in range(max(attempts, by_merchant_token)):
            self.both.start_attempt(order, opened=True)

    @rule(which=small_index, opened=st.booleans(), concurrently=st.booleans())
    def a_user_tries_to_pay_again(self, which: int, opened: bool, concurrently: bool) -> None:
        """A payable page is offered again; `concurrently`: a second one is opened at the same moment.

        Only the provider knows which page was opened in an attempt that is not `opened`, because the store died.
        """
        order = self._order(which)
        if concurrently and order.status in OPEN:
            self.both.start_attempt(order, opened=opened)
        elif not order.by_merchant_token:
            closed = "" if order.status in OPEN else "OrderClosed"
            refusal = closed or ("OrderNotPayable" if self.model.obstructs(order) else "")
            assert self.both.open_payment_page_again(order) == refusal

    @rule(which=small_index, by_user=st.booleans())
    def an_order_is_canceled_or_expires(self, which: int, by_user: bool) -> None:
        """An order that is paid or closed stays as it is."""
        order = self._order(which)
        if by_user:
            assert self.both.cancel(order) == (order.status in OPEN | {"canceled"})
            self.model.close(order, "canceled")
        else:
            self.both.expire(order)

    @rule(name=st.sampled_from(USERS))
    def a_user_closes_the_account(self, name: str) -> None:
        """The open orders are canceled; a payment that still comes is granted, and flagged."""
        # One for each history: most of it would else happen to closed accounts.
        if not self.account_closed:
            self.account_closed = True
            self.done["accounts closed"] += 1
            self.both.close_account(name)

    @rule(item=st.sampled_from(ITEMS), price=st.sampled_from([0, 10]))
    def the_store_changes_a_price(self, item: ModelItem, price: int) -> None:
        """An order that was placed before at another price can no longer be paid."""
        self.both.change_price(item, item.price + price)

    # --- the provider

    @rule(which=small_index, page=small_index, tax=taxes, separate=st.booleans(), moment=moments)
    def a_user_pays(self, which: int, page: int, tax: int | None, separate: bool, moment: str) -> None:
        """The provider sends one notification, or two in separate mode."""
        order = self._order(which)
        if new := order.new_attempts():
            attempt = new[page % len(new)]
            paid = Transaction(attempt, self.factory.new_transaction(), order.total * (tax or 0) // 100)
            attempt.transactions.append(paid)
            self.payments.append(paid)
            for notification in self.factory.payment(paid, separate=separate):
                self._send(notification, moment)

    @rule(which=small_index, tax=taxes, separate=st.booleans(), moment=moments)
    def a_user_pays_again_on_the_same_page(self, which: int, tax: int | None, separate: bool, moment: str) -> None:
        """The provider takes a second payment for one of its orders, in another transaction."""
        attempt = self._payment(which).attempt
        if len(attempt.transactions) == 1:
            charged = attempt.order.total * (tax or 0) // 100
            paid = Transaction(attempt, self.factory.new_transaction(), charged)
            attempt.transactions.append(paid)
            self.payments.append(paid)
            for notification in self.factory.payment(paid, separate=separate):
                self._send(notification, moment)

    @rule(which=small_index, code=refund_codes, how=st.sampled_from(Reversal), moment=moments)
    def a_payment_is_reversed(self, which: int, code: int, how: Reversal, moment: str) -> None:
        """The provider refunds a whole payment, or the bank charges it back."""
        payment = self._payment(which)
        payment.status = "refunded"
        self._send(self.factory.reversal(payment, code, how), moment)

    @rule(which=small_index, share=refunded_shares, by_transaction_only=st.booleans(), moment=moments)
    def a_part_is_refunded(self, which: int, share: int | None, by_transaction_only: bool, moment: str) -> None:
        """The provider refunds a part of a payment, with its share of the tax."""
        payment = self._payment(which)
        part = None if share is None else (payment.charged or payment.attempt.order.total) * share // 100
        if payment.status == "done":
            payment.status = "partiallyRefunded"
        notification = self.factory.partial_refund(payment, part, by_transaction_only=by_transaction_only)
        self._send(notification, moment)

    @rule(which=small_index, page=small_index, without_payment=st.booleans(), moment=moments)
    def the_provider_cancels_an_unpaid_order(
        self, which: int, page: int, without_payment: bool, moment: str
    ) -> None:
        """The notification names the provider's own order, or does not say which of the attempts it means."""
        order = self._order(which)
        new = order.new_attempts()
        if without_payment:
            self._send(self.factory.cancellation_without_payment(order), moment)
        elif new and not order.by_merchant_token:
            attempt = new[page % len(new)]
            attempt.canceled_by_provider = True
            self._send(self.factory.cancellation_of_unpaid(attempt), moment)

    @rule(which=small_index, number=st.sampled_from([1, 2, 3, None]), kind=kinds_of_declines, moment=moments)
    def the_provider_declines(self, which: int, number: int | None, kind: str, moment: str) -> None:
        """The notification names one attempt, or does not say which."""
        self._send(self.factory.declined(self._order(which), number, kind), moment)

    @rule(kind=kinds_about_users, known=st.booleans(), moment=moments)
    def the_provider_asks_about_a_user(self, kind: str, known: bool, moment: str) -> None:
        """Some of these notifications are of types that the store ignores."""
        user_id = self.both.current_users["ann"].user_id
        user = {"id": user_id, "public_id": "ANN"} if known else {"id": "-"}

        def respond() -> int:
            # Somebody else has the name of a closed account.
            is_known = known and (kind != "user_validation" or user_id not in self.model.closed_users)
            return ABOUT_USERS[kind][is_known]

        self._send(self.factory.about_user(kind, user, respond), moment)

    @rule(which=small_index, other=small_index, reason=flag_reasons, separate=st.booleans(), moment=moments)
    def an_order_is_flagged(self, which: int, other: int, reason: str, separate: bool, moment: str) -> None:
        """By a mismatched payment, by a transaction that has paid another order, or by a dispute."""
        payment, order = self._payment(which), self._order(other)
        if reason in MISMATCHED_FIELDS:
            self._send(self.factory.mismatched_payment(order, reason, separate=separate), moment)
        elif reason == "transaction" and self._is_paid(payment) and payment.attempt.order is not order:
            self._send(self.factory.reused_transaction(payment, order), moment)
        else:
            self._send(self.factory.dispute(payment), moment)

    def _is_paid(self, payment: Transaction) -> bool:
        """Whether the store knows that it paid its order."""
        return any(
            fact.kind == "payment" and fact.transaction == payment.id for fact in payment.attempt.order.facts
        )

    # --- the network, and staff

    @rule(which=st.lists(notification_index, min_size=1, max_size=3), moment=moments)
    def notifications_are_delivered(self, which: list[int], moment: str) -> None:
        """Each for the first time, or as a repeat."""
        for number in which:
            self._send(self._notification(number), NOW if moment == LATER else moment)

    @rule()
    def unanswered_notifications_are_delivered_again(self) -> None:
        """The provider repeats a notification until it gets a response."""
        self.both.redeliver()

    @rule(which=notification_index, dry_run=st.booleans())
    def staff_replay_a_delivery(self, which: int, dry_run: bool) -> None:
        """A delivery of the inbox is processed again."""
        self.both.replay(self._notification(which), dry_run=dry_run)

    @rule(which=small_index, failpoint=st.sampled_from(["", "", *failpoints_of("reconciliation")]))
    def the_store_reconciles_an_order(self, which: int, failpoint: str) -> None:
        """The store asks the provider about an order of which no notification came."""
        self.done["reconciliations"] += 1
        self.both.reconcile(self._order(which), failpoint)

    @invariant()
    def store_and_model_are_equal(self) -> None:
        """See `StoreAndModel.check`."""
        self.both.check()
        self.done["steps"] += 1
        self.checked = True

    def teardown(self) -> None:
        """Let the provider deliver the notifications that still have no response."""
        if self.checked:
            self.both.redeliver()
            self.both.check()
            self.done.update(order.status for order in self.model.orders)


@pytest.fixture
def machine(shop: Shop) -> Iterator[type[StoreMachine]]:
    """Return the machine, on a database of the test's own."""
    with ForkServer() as fork_server:
        StoreMachine.shop, StoreMachine.fork_server, StoreMachine.done = shop, fork_server, Counter()
        yield StoreMachine
    print(dict(StoreMachine.done))


def test_store_and_model_stay_equal_whatever_happens(machine: type[StoreMachine]) -> None:
    number = int(os.environ.get("HYPOTHESIS_SEED") or secrets.randbelow(2**32))
    print(f"HYPOTHESIS_SEED={number}")
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            # The explain phase repeats a failure many times, and each run takes long.
            phases=set(Phase) - {Phase.explain},
            suppress_health_check=list(HealthCheck),
        ),
    )
