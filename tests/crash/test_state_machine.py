"""Everything that can happen to orders, in any order, with the process dying in between: the model is right.

Hypothesis puts the steps together. After each the rules in SQL hold, whatever was answered with success is in the
inbox, and orders, purchases and money are what `model` says they must be. When it fails it prints the shortest
steps that it found, and the seed: `HYPOTHESIS_SEED=... pytest tests/crash/test_state_machine.py` repeats the run,
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
from tests.crash.fork_server import Zygote
from tests.crash.model import NEW_ORDER, OPEN, Attempt, PlacedOrder, Thing
from tests.crash.notifications import CHARGEBACK, REFUND, Message, Provider, Undone
from tests.crash.store_and_model import Stage
from tests.integration.shop import Shop

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "20"))
STEPS = 40
MAX_ORDERS = 5
THINGS = (Thing("map", 350, once=True), Thing("potion", 101, once=False), Thing("sword", 999, once=True))
PLAYERS = ("ann", "ben")
# What the store answers when it does not know the user, and when it does.
ABOUT_USERS = {
    "user_validation": (400, 204),
    "user_search": (400, 200),
    "payment_account_add": (204, 204),
    "payment_account_remove": (204, 204),
    "afs_black_list": (204, 204),
    "something_new": (204, 204),
}

# She pays by merchant tokens, with which the provider knows no order of its own.
BY_TOKEN = "mia"
ALL = (*PLAYERS, BY_TOKEN)

some_things = st.sets(st.sampled_from(THINGS), min_size=1)
# What is owned once matters most where one player has several orders.
anybody = st.sampled_from(("ann", *ALL))
which, any_message = st.integers(0, 3), st.integers(0, 15)
# What a buyer is charged for a price of 100; None: the notification does not say.
taxes = st.sampled_from([None, 100, 119, 125])
noises = st.sampled_from(sorted(ABOUT_USERS))
declines = st.sampled_from(["ps_declined", "afs_reject"])
wrongs = st.sampled_from(["total", "currency", "user_id", "id", "transaction", "dispute"])
codes = st.sampled_from([REFUND, CHARGEBACK])
# Of what was charged: 100 is as much as the whole, None is not told.
shares = st.sampled_from([1, 30, 50, 70, 99, 100, None])
LATER, NOW = "later", "now"
# When a notification is delivered; a failpoint: now, to a process that dies there.
moments = st.sampled_from([LATER, LATER, LATER, NOW, NOW, NOW, NOW, *failpoints_of("webhook")])
# Who orders what, its tax, whether the notifications are separate, and when they are delivered.
Beginning = tuple[str, set[Thing], int | None, bool, str]
beginning = st.tuples(anybody, some_things, taxes, st.booleans(), moments)


def few_orders(machine: "StoreMachine") -> bool:
    """Whether there is room for another order; with many, little happens to each."""
    return len(machine.world.orders) < MAX_ORDERS


class StoreMachine(RuleBasedStateMachine):
    """Players, the provider, the network, the clock and death."""

    shop: ClassVar[Shop]
    zygote: ClassVar[Zygote]
    done: ClassVar[Counter[str]]

    def __init__(self) -> None:
        """Begin with an empty store."""
        super().__init__()
        self.stage = Stage(self.shop, self.zygote)
        self.world = self.stage.world
        self.provider = Provider(self.world)
        self.payments: list[Attempt] = []
        self.messages: list[Message] = []
        self.checked = False

    @initialize(beginnings=st.lists(beginning, min_size=1, max_size=3))
    def the_store_opens(self, beginnings: list[Beginning]) -> None:
        """Have things on sale, players, and orders that are paid."""
        for thing in THINGS:
            self.stage.sell(thing)
        for name in ALL:
            self.stage.join(name)
        self.done["examples"] += 1
        for number, (player, things, tax, separate, moment) in enumerate(beginnings):
            self.a_player_orders_twice_at_once(player, things, 1)
            self.a_player_pays(number, 0, tax, separate, moment)

    def _order(self, which: int) -> PlacedOrder:
        return self.world.orders[which % len(self.world.orders)]

    def _payment(self, which: int) -> Attempt:
        return self.payments[which % len(self.payments)]

    def _message(self, which: int) -> Message:
        return self.messages[which % len(self.messages)]

    def _send(self, message: Message, moment: str) -> None:
        note(f"# {moment}: {message}")
        self.done[moment] += 1
        if message not in self.messages:
            self.messages.append(message)
        if moment == NOW:
            self.stage.deliver(message)
        elif moment != LATER:
            self.stage.deliver_and_die(message, moment)

    # --- players

    @precondition(few_orders)
    @rule(player=st.sampled_from(PLAYERS), things=some_things, quantity=st.integers(1, 2))
    def a_player_buys(self, player: str, things: set[Thing], quantity: int) -> None:
        """What is owned, or waits in another order, is refused; an order for the same is offered again."""
        quantities = {thing: 1 if thing.once else quantity for thing in THINGS if thing in things}
        expected = self.world.expects(self.stage.current_users[player].user_id, quantities)
        bought = self.stage.buy(player, quantities)
        if isinstance(bought, str):
            assert bought == expected
            return
        if expected == NEW_ORDER:
            expected = self.stage.note_order(bought, quantities)
        assert isinstance(expected, PlacedOrder)
        assert bought.id == expected.id
        self.stage.note_page(expected)

    @precondition(few_orders)
    @rule(player=anybody, things=some_things, pages=which)
    def a_player_orders_twice_at_once(self, player: str, things: set[Thing], pages: int) -> None:
        """Nobody looks whether the player owns it, or has another order for it."""
        by_token = player == BY_TOKEN
        order = self.stage.place(player, things, merchant=by_token)
        for _ in range(max(pages, by_token)):
            self.stage.open_page(order, noted=True)

    @rule(which=which, noted=st.booleans(), at_once=st.booleans())
    def a_player_tries_to_pay_again(self, which: int, noted: bool, at_once: bool) -> None:
        """A page that can still be paid is offered again; `at_once`: two are opened at the same moment.

        Of one that is not noted, because the store died, only the provider knows.
        """
        order = self._order(which)
        if at_once and order.status in OPEN:
            self.stage.open_page(order, noted=noted or order.merchant)
        elif not order.merchant:
            assert self.stage.return_to_pay(order) == (order.status in OPEN)

    @rule(which=which, by_player=st.booleans())
    def an_order_ends(self, which: int, by_player: bool) -> None:
        """It is canceled, or its time is over; what is paid, or over, stays so."""
        order = self._order(which)
        if by_player:
            assert self.stage.cancel(order) == (order.status in OPEN | {"canceled"})
            self.world.close(order, "canceled")
        else:
            self.stage.expire(order)

    # --- the provider

    @rule(which=which, page=which, tax=taxes, separate=st.booleans(), moment=moments)
    def a_player_pays(self, which: int, page: int, tax: int | None, separate: bool, moment: str) -> None:
        """It is told of in one notification, or in two (separate mode)."""
        order = self._order(which)
        if unpaid := order.unpaid_attempts():
            attempt = unpaid[page % len(unpaid)]
            attempt.transaction, attempt.status = self.provider.new_transaction(), "paid"
            attempt.charged = order.total * (tax or 0) // 100
            self.payments.append(attempt)
            for message in self.provider.payment(attempt, separate=separate):
                self._send(message, moment)

    @rule(which=which, code=codes, how=st.sampled_from(Undone), moment=moments)
    def money_goes_back(self, which: int, code: int, how: Undone, moment: str) -> None:
        """Or the bank takes it back."""
        payment = self._payment(which)
        payment.status = "canceled"
        self._send(self.provider.undone(payment, code, how), moment)

    @rule(which=which, share=shares, anonymous=st.booleans(), moment=moments)
    def a_part_goes_back(self, which: int, share: int | None, anonymous: bool, moment: str) -> None:
        """With its part of the tax."""
        payment = self._payment(which)
        part = None if share is None else (payment.charged or payment.order.total) * share // 100
        self._send(self.provider.part_refunded(payment, part, anonymous=anonymous), moment)

    @rule(which=which, page=which, nameless=st.booleans(), moment=moments)
    def it_cancels_an_unpaid_order(self, which: int, page: int, nameless: bool, moment: str) -> None:
        """By the provider's own order, or without saying which."""
        order = self._order(which)
        unpaid = order.unpaid_attempts()
        if nameless:
            self._send(self.provider.nameless_cancel(order), moment)
        elif unpaid and not order.merchant:
            attempt = unpaid[page % len(unpaid)]
            attempt.status = "canceled"
            self._send(self.provider.undone(attempt, REFUND, Undone.ORDER_CANCELED), moment)

    @rule(which=which, number=st.sampled_from([1, 2, 3, None]), kind=declines, moment=moments)
    def it_declines(self, which: int, number: int | None, kind: str, moment: str) -> None:
        """One attempt, or it does not say which."""
        self._send(self.provider.declined(self._order(which), number, kind), moment)

    @rule(noise=noises, known=st.booleans(), moment=moments)
    def it_speaks_of_users(self, noise: str, known: bool, moment: str) -> None:
        """Or of things that the store has no use for."""
        user = {"id": self.stage.current_users["ann"].user_id, "public_id": "ANN"} if known else {"id": "-"}
        self._send(self.provider.about_user(noise, user, ABOUT_USERS[noise][known]), moment)

    @rule(which=which, other=which, wrong=wrongs, separate=st.booleans(), moment=moments)
    def a_person_must_look(self, which: int, other: int, wrong: str, separate: bool, moment: str) -> None:
        """At a payment that does not fit, at a transaction that has paid another order, at a dispute."""
        payment, order = self._payment(which), self._order(other)
        if wrong in {"total", "currency", "user_id", "id"}:
            self._send(self.provider.wrongly_paid(order, wrong, separate=separate), moment)
        elif payment.paid and payment.order is not order:
            self._send(self.provider.paid_before(payment, order), moment)
        else:
            self._send(self.provider.disputed(payment), moment)

    # --- the network, and people

    @rule(which=st.lists(any_message, min_size=1, max_size=3), moment=moments)
    def some_are_delivered(self, which: list[int], moment: str) -> None:
        """For the first time, or again."""
        for number in which:
            self._send(self._message(number), NOW if moment == LATER else moment)

    @rule()
    def what_was_not_answered_is_delivered_again(self) -> None:
        """The provider repeats a notification until it is answered."""
        self.stage.redeliver()

    @rule(which=any_message, dry_run=st.booleans())
    def somebody_replays(self, which: int, dry_run: bool) -> None:
        """A delivery of the inbox is processed again."""
        self.stage.replay(self._message(which), dry_run=dry_run)

    @rule(which=which, failpoint=st.sampled_from(["", "", *failpoints_of("repair")]))
    def the_provider_is_asked(self, which: int, failpoint: str) -> None:
        """About an order of which no notification came."""
        self.done["repair"] += 1
        self.stage.repair(self._order(which), failpoint)

    @invariant()
    def the_store_is_as_it_must_be(self) -> None:
        """See `Stage.check`."""
        self.stage.check()
        self.done["steps"] += 1
        self.checked = True

    def teardown(self) -> None:
        """Let the provider deliver what is still unanswered."""
        if self.checked:
            self.stage.redeliver()
            self.stage.check()
            self.done.update(order.status for order in self.world.orders)


@pytest.fixture
def machine(shop: Shop) -> Iterator[type[StoreMachine]]:
    """Return the machine, on a database of the test's own."""
    with Zygote() as zygote:
        StoreMachine.shop, StoreMachine.zygote, StoreMachine.done = shop, zygote, Counter()
        yield StoreMachine
    print(dict(StoreMachine.done))


def test_whatever_happens_the_store_is_what_the_model_says(machine: type[StoreMachine]) -> None:
    number = int(os.environ.get("HYPOTHESIS_SEED") or secrets.randbelow(2**32))
    print(f"HYPOTHESIS_SEED={number}")
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            # RefusalMixin runs a failure many times more, and each run takes its time.
            phases=set(Phase) - {Phase.explain},
            suppress_health_check=list(HealthCheck),
        ),
    )
