"""The mutations that `tests.mutation.runner` applies, and the tests that must fail for each."""

from dataclasses import dataclass

PAYMENT_EVENTS, NOTIFICATIONS = "store_app/orders/payment_events.py", "store_app/payments/xsolla/notifications.py"
LEDGER, ORDER, SQL = "store_app/orders/ledger.py", "store_app/orders/order.py", "store_app/orders/sql.py"
INTAKE, CHECKOUT_SERVICE = "webhook/intake.py", "store_app/checkout/service.py"
WEBHOOK_TESTS, ORDER_TESTS = "tests/integration/test_webhook.py", "tests/integration/test_orders.py"
CHECKOUT_TESTS, ARRIVAL_TESTS = "tests/integration/test_checkout.py", "tests/integration/test_sequences.py"
MONEY_TESTS, LEDGER_TESTS = "tests/integration/test_money_defects.py", "tests/unit/test_ledger.py"
TWO_PROVIDERS_TESTS = "tests/integration/test_two_providers.py"
GROUP_COMMIT_TESTS, CRASH_TESTS = "tests/integration/test_group_commit.py", "tests/crash/test_webhook_crashes.py"
# For what depends on races, which the other tests notice only most of the time.
RACE_TESTS = "tests/integration/test_mutations.py"


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mutation: `text`, which is in `file` exactly once, becomes `instead`; one of `tests` must fail."""

    name: str
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "the amount is not checked",
        PAYMENT_EVENTS,
        'return "" if paid == order.total else',
        'return "" if paid >= 0 else',
        (WEBHOOK_TESTS,),
    ),
    Mutation(
        "the currency is not checked",
        PAYMENT_EVENTS,
        "if event.currency != order.currency:",
        "if False:",
        (WEBHOOK_TESTS,),
    ),
    Mutation(
        "the user is not checked",
        PAYMENT_EVENTS,
        "if event.user_id and event.user_id != order.user_id:",
        "if False:",
        (WEBHOOK_TESTS,),
    ),
    Mutation(
        "an unreadable user counts as a missing one",
        NOTIFICATIONS,
        'return (_identifier(said[0]) or UNREADABLE) if said else ""',
        'return _identifier(said[0]) if said else ""',
        ("tests/unit/test_notifications.py",),
    ),
    Mutation(
        "a long amount is truncated",
        NOTIFICATIONS,
        'return text if len(text) <= _MAX_AMOUNT_LENGTH else ""',
        "return text[:_MAX_AMOUNT_LENGTH]",
        ("tests/unit/test_notifications.py",),
    ),
    Mutation(
        "a JSON object may have duplicate keys",
        NOTIFICATIONS,
        "if len(found) < len(members):",
        "if len(found) > len(members):",
        ("tests/unit/test_notifications.py",),
    ),
    Mutation(
        "a sandbox payment counts in live mode",
        PAYMENT_EVENTS,
        "if event.wrong_mode:",
        "if False:",
        (WEBHOOK_TESTS,),
    ),
    Mutation(
        "any signature is valid",
        NOTIFICATIONS,
        "return sum(hmac.compare_digest(match[1], digest) for digest in expected) > 0",
        "return bool(expected)",
        ("tests/unit/test_signature.py",),
    ),
    Mutation(
        "signatures are compared with ==, which is not constant time",
        NOTIFICATIONS,
        "hmac.compare_digest(match[1], digest) for digest",
        "match[1] == digest for digest",
        ("tests/unit/test_signature.py",),
    ),
    Mutation(
        "the signature is checked over re-encoded JSON",
        "webhook/inbox/__init__.py",
        "provider.verify(body, headers))",
        'provider.verify(json.dumps(json.loads(body)).encode() if body[:1] == b"{" else body, headers))',
        (WEBHOOK_TESTS,),
    ),
    Mutation(
        "the order's row is not locked",
        SQL,
        "    .with_for_update(key_share=True, of=[User, Order])\n",
        "    .with_for_update(key_share=True, of=[User])\n",
        ("tests/integration/test_mutations.py",),
    ),
    Mutation(
        "payments of one user do not wait for each other",
        SQL,
        "    .with_for_update(key_share=True, of=[User, Order])\n",
        "    .with_for_update(key_share=True, of=[Order])\n",
        (MONEY_TESTS,),
    ),
    Mutation(
        "a payment is booked twice",
        PAYMENT_EVENTS,
        "    return Fact(kind, key[:_MAX_KEY_LENGTH], event.provider,",
        '    return Fact(kind, f"{key}{len(order.facts)}", event.provider,',
        (ORDER_TESTS,),
    ),
    Mutation(
        "the response to a repeat is 409",
        NOTIFICATIONS,
        "        silent = outcome.refusal in",
        '        if outcome.verdict == "repeat":\n            return Response(409)\n'
        "        silent = outcome.refusal in",
        (ORDER_TESTS,),
    ),
    Mutation(
        "the order is committed before the delivery is kept",
        INTAKE,
        "            keep(work, delivery, outcome, transaction_id, number)\n",
        '            work.connection().exec_driver_sql("COMMIT")\n'
        '            work.connection().exec_driver_sql("BEGIN")\n'
        "            keep(work, delivery, outcome, transaction_id, number)\n",
        (CRASH_TESTS,),
    ),
    Mutation(
        "an exception is swallowed and the response is 204",
        INTAKE,
        "        raise\n",
        "        return [Outcome(Verdict.DONE)] * len(deliveries)\n",
        (WEBHOOK_TESTS,),
    ),
    Mutation(
        "a delivery that failed is not kept",
        INTAKE,
        "            _keep_failed(deliveries[0], error)\n",
        "            pass\n",
        (WEBHOOK_TESTS,),
    ),
    Mutation(
        "a delivery that fails makes its whole batch fail",
        "webhook/group_commit.py",
        "if len(batch) > 1 and not cannot_be_reached(error):",
        "if len(batch) > 99:",
        (GROUP_COMMIT_TESTS,),
    ),
    Mutation(
        "a failed delivery with a bad signature is kept as a valid one",
        INTAKE,
        "if len(deliveries) == 1 and deliveries[0].signature_valid:",
        "if len(deliveries) == 1:",
        (GROUP_COMMIT_TESTS,),
    ),
    Mutation(
        "a batch gets its responses and is never committed",
        INTAKE,
        '    with unit_of_work() as work:\n        failpoint("webhook: transaction begun")\n',
        "    from store_app.db.unit_of_work import dry_run_session\n\n"
        '    with dry_run_session() as work:\n        failpoint("webhook: transaction begun")\n',
        (WEBHOOK_TESTS,),
    ),
    Mutation(
        "another provider's transaction of the same id takes a payment back",
        LEDGER,
        "    for provider in sorted({fact.provider for fact in facts}):\n"
        "        of_provider = sorted(\n"
        "            (fact for fact in facts if fact.provider == provider),",
        "    for _ in range(1):\n        of_provider = sorted(\n            facts,",
        (
            LEDGER_TESTS,
            TWO_PROVIDERS_TESTS,
        ),
    ),
    Mutation(
        "another provider's order of the same id is paid",
        ORDER,
        'self.by_provider_order.get((event.provider, event.provider_order_id), ""),',
        '{id_: order for (_, id_), order in self.by_provider_order.items()}.get(event.provider_order_id, ""),',
        (TWO_PROVIDERS_TESTS,),
    ),
    Mutation(
        "another provider's transaction of the same id names an order",
        ORDER,
        'self.by_transaction.get((event.provider, event.transaction_id), "")',
        '{id_: order for (_, id_), order in self.by_transaction.items()}.get(event.transaction_id, "")',
        (TWO_PROVIDERS_TESTS,),
    ),
    Mutation(
        "a refund revokes purchases by item and not by order",
        SQL,
        "REVOKE = update(Purchase).where(col(Purchase.order_id) == _ORDER)",
        "_MINE = select(col(Purchase.item_id)).where(col(Purchase.order_id) == _ORDER)\n"
        "REVOKE = update(Purchase).where(col(Purchase.item_id).in_(_MINE))",
        (ORDER_TESTS,),
    ),
    Mutation(
        "a refund that arrives before its payment is lost",
        ORDER,
        "        if self._knows(fact):\n",
        '        if self._knows(fact) or not (fact.kind == "payment" or self.facts):\n',
        (
            ORDER_TESTS,
            ARRIVAL_TESTS,
        ),
    ),
    Mutation(
        "a cancellation without a transaction has no effect",
        LEDGER,
        "            elif fact.transaction_id not in charged:\n                loose[",
        "            elif fact.transaction_id:\n                loose[",
        (
            LEDGER_TESTS,
            ARRIVAL_TESTS,
        ),
    ),
    Mutation(
        "a partial refund before its payment keeps no amount",
        PAYMENT_EVENTS,
        "charged = charged if charged and charged > 0 else None",
        "charged = charged if charged and (kind is not PaymentKind.PARTIAL_REFUND or order.facts) else None",
        (ARRIVAL_TESTS,),
    ),
    Mutation(
        "a payment of an expired order does not grant",
        ORDER,
        "if after.status is None or after.status == self.status:",
        'if after.status is None or self.status in {after.status, "expired"}:',
        (ORDER_TESTS,),
    ),
    Mutation(
        "paid items stay in the cart",
        ORDER,
        "        self._run(sql.EMPTY_CART, order_id_=self.id, user_id_=self.user_id)\n",
        "",
        (ORDER_TESTS,),
    ),
    Mutation(
        "two concurrent clicks place two orders",
        CHECKOUT_SERVICE,
        '.where(User.id == bindparam("user_id_")).with_for_update(key_share=True)',
        '.where(User.id == bindparam("user_id_"))',
        (RACE_TESTS,),
    ),
    Mutation(
        "an owned item is sold again",
        CHECKOUT_SERVICE,
        "        _refuse_owned(work, user_id, lines)\n",
        "",
        (CHECKOUT_TESTS,),
    ),
    Mutation(
        "what is owned joins the cart",
        "store_app/checkout/cart.py",
        "if sku in owned or (",
        "if (",
        ("tests/integration/test_guest_cart.py",),
    ),
    Mutation(
        "an item of both carts has the smaller quantity",
        "store_app/checkout/cart.py",
        "            _raise_quantity(session, user_id, line)\n",
        "",
        ("tests/integration/test_guest_cart.py",),
    ),
    Mutation(
        "a line in another open order is ordered again",
        "store_app/checkout/cart.py",
        "if line.obstacle or not line.is_owned_once or line.item.id not in order_of:",
        "if order_of is not None:",
        ("tests/unit/test_cart_obstacles.py",),
    ),
    Mutation(
        "a payment page opens for an order that was closed meanwhile",
        CHECKOUT_SERVICE,
        "        order = Orders.of(work).lock(request.order_id)\n        if order.status not in OPEN:\n",
        "        order = Orders.of(work).lock(request.order_id)\n        if not order:\n",
        (CHECKOUT_TESTS,),
    ),
    Mutation(
        "messages of a dead process are never sent",
        "store_app/db/outbox_queue.py",
        "overdue = col(OutboxMessage.leased_until) < now",
        "overdue = col(OutboxMessage.leased_until) == now",
        ("tests/crash/test_outbox_crashes.py",),
    ),
    Mutation(
        "//evil.example counts as a path of the store",
        "store_app/routes.py",
        'if parts.scheme or parts.netloc or ambiguous or not path.startswith("/") or path.startswith("//"):',
        'if parts.scheme or ambiguous or not path.startswith("/"):',
        ("tests/unit/test_routes.py",),
    ),
    Mutation(
        "an order is shown to another user",
        "store_app/orders/queries.py",
        "if order is None or order.user_id != user_id:",
        "if order is None:",
        ("tests/integration/test_api_orders.py",),
    ),
    Mutation(
        "a user cancels the order of another user",
        "store_app/orders/service.py",
        "if order.user_id != user_id:",
        "if order.user_id == '':",
        (RACE_TESTS,),
    ),
    Mutation(
        "an event handler trusts a user id from the browser",
        "store_app/web/orders/state.py",
        "    async def cancel(self) -> None:\n"
        '        """Cancel the order."""\n'
        "        current_user = await self._require_user()\n"
        "        self._show(await in_database_thread(service.cancel, current_user.user_id,",
        "    async def cancel(self, user_id: str | None = None) -> None:\n"
        '        """Cancel the order."""\n'
        "        current_user = await self._require_user()\n"
        "        self._show(await in_database_thread(service.cancel, user_id or current_user.user_id,",
        ("tests/security/test_allow_list.py::test_no_handler_takes_more_than_it_needs",),
    ),
    Mutation(
        "a doubtful refund takes back a second payment",
        LEDGER,
        "    if not reversed_:\n",
        "    if payments:\n",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a cancellation without a transaction is no doubt",
        LEDGER,
        "if self.transaction_id and self.reversed_by and not any(",
        "if not self.transaction_id and self.reversed_by and not any(",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "money that was taken for an order that is over is not flagged",
        ORDER,
        "never_paid = {NEVER_PAID} if found.charges and self.status not in OPEN else set()",
        "never_paid = set()",
        (MONEY_TESTS,),
    ),
    Mutation(
        "one doubtful refund takes every payment back",
        LEDGER,
        "in zip(payments, sorted(of_transaction), strict=False):",
        "in ((payment, kind) for payment in payments for kind in kinds):",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a refund of an unknown payment raises no doubt",
        LEDGER,
        "    return bool(of_transaction)\n",
        "    return False\n",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a payment reported with and without its transaction is two",
        LEDGER,
        '[fact for fact in paid if fact.transaction_id or fact.provider_order_id not in named - {""}]',
        "paid if named else []",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a part is taken off the price with its tax",
        LEDGER,
        "sum((2 * part * self.amount + whole) // (2 * whole) for part in charged)",
        "sum(charged)",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "rounded taxes are not tolerated",
        LEDGER,
        "rounding = len(charged) + 1 if len(charged) > 1 and whole != self.amount else 0",
        "rounding = 0",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a part as large as its payment is a known part",
        LEDGER,
        "not 0 < part.charged < self.charged",
        "not 0 < part.charged <= self.charged",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a summary counts beside the known parts",
        LEDGER,
        "[part for part in payment.parts if not _is_summary(part)] or payment.parts[:1]",
        "payment.parts",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a payment that went back in parts stands",
        LEDGER,
        "return not self.reversed_by and (self.left > 0 or self.amount == 0)",
        "return not self.reversed_by",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a free order is never paid",
        LEDGER,
        "(self.left > 0 or self.amount == 0)",
        "self.left > 0",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a refunded payment counts as paid twice",
        LEDGER,
        "    if len(standing_) > 1:\n",
        "    if len(payments) > 1:\n",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a chargeback after a refund is a refund",
        LEDGER,
        "OrderStatus.CHARGED_BACK if PaymentKind.CHARGEBACK in reversals",
        "OrderStatus.CHARGED_BACK if {PaymentKind.CHARGEBACK} == reversals",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "of two reported taxes the larger counts",
        LEDGER,
        "            min(charged[",
        "            max(charged[",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a part of one of two payments is taken off the first",
        LEDGER,
        "for part in parts if len(same) == 1 else ():",
        "for part in parts if same else ():",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "the provider's order counts only where the payment names it",
        LEDGER,
        "            provider_orders.get(fact.transaction_id) or fact.provider_order_id,\n",
        "            fact.provider_order_id,\n",
        (LEDGER_TESTS,),
    ),
    Mutation(
        "a consumable that is owned is held",
        SQL,
        "            col(_OTHER.owned_once),\n"
        "            col(_OTHER.status) == PurchaseStatus.GRANTED,\n        )\n"
        "        .correlate(line)\n        .exists()\n    )\n"
        "    return case((and_(line.owned_once, owned)",
        "            col(_OTHER.status) == PurchaseStatus.GRANTED,\n        )\n"
        "        .correlate(line)\n        .exists()\n    )\n    return case((and_(owned)",
        (ORDER_TESTS,),
    ),
    Mutation(
        "what was refunded counts as owned",
        SQL,
        "col(_OTHER.status) == PurchaseStatus.GRANTED,",
        "col(_OTHER.status) != PurchaseStatus.HELD,",
        (ORDER_TESTS,),
    ),
    Mutation(
        "what another user owns is held",
        SQL,
        "            col(_OTHER.user_id) == line.user_id,\n",
        "",
        (ORDER_TESTS,),
    ),
    Mutation(
        "an item is granted again without asking who owns it",
        SQL,
        "    .values(status=_granted_or_held(Purchase))\n",
        "    .values(status=PurchaseStatus.GRANTED)\n",
        (ORDER_TESTS,),
    ),
    Mutation(
        "a payment that went back already grants",
        SQL,
        "_granted_or_held(PendingPurchase) if granting else",
        "_granted_or_held(PendingPurchase) if True else",
        (ORDER_TESTS,),
    ),
    Mutation(
        "a line held by a refunded order stays held",
        SQL,
        "REVOKE = update(Purchase).where(col(Purchase.order_id) == _ORDER)",
        "REVOKE = update(Purchase).where(col(Purchase.order_id) == _ORDER, col(Purchase.status) != 'held')",
        (ORDER_TESTS,),
    ),
    Mutation(
        "the newest held line is granted and not the oldest",
        SQL,
        "select(func.min(_WAITING.id))",
        "select(func.max(_WAITING.id))",
        (MONEY_TESTS,),
    ),
    Mutation(
        "a held line is granted while another order grants its item",
        SQL,
        "                _granted_or_held(_WAITING) == PurchaseStatus.GRANTED.value,\n",
        "",
        (ORDER_TESTS,),
    ),
    Mutation(
        "a refund leaves held lines held",
        ORDER,
        "        for row in self._run(sql.GRANT_HELD, order_id_=self.id, user_id_=self.user_id):\n",
        "        for row in ():\n",
        (MONEY_TESTS,),
    ),
    Mutation(
        "a flag is settled while another line is held",
        ORDER,
        "            if not self._run(sql.HELD_LINES, order_id_=order_id).scalar():\n",
        "            if order_id:\n",
        (ORDER_TESTS,),
    ),
    Mutation(
        "a flag stays open when its line is granted",
        ORDER,
        "                self._settle_flags([OWNED_ALREADY], order_id)\n",
        "                pass\n",
        (MONEY_TESTS,),
    ),
    Mutation(
        "a flag stays open when its held line is refunded",
        ORDER,
        "        self._settle_flags([OWNED_ALREADY])\n",
        "",
        (ORDER_TESTS,),
    ),
    Mutation(
        "an order refunded and paid again is not granted",
        ORDER,
        "elif granting and self.status not in _GRANTING:",
        "elif granting and self.status in _GRANTING:",
        (ORDER_TESTS,),
    ),
    Mutation(
        "a payment of a closed account is not flagged",
        ORDER,
        "        if granting and self.status not in _GRANTING and self.buyer_is_closed:\n",
        "        if not granting and self.buyer_is_closed:\n",
        (MONEY_TESTS,),
    ),
    Mutation(
        "a doubt that no longer applies stays flagged",
        ORDER,
        "        self._settle_flags(before - after)\n",
        "",
        (MONEY_TESTS,),
    ),
    Mutation(
        "one settled doubt settles every flag of the order",
        SQL,
        "        col(AttentionFlag.reason).in_(_REASONS),\n",
        "        col(AttentionFlag.reason).in_(_REASONS) | col(AttentionFlag.reason).is_not(None),\n",
        (MONEY_TESTS,),
    ),
    Mutation(
        "a flag that staff settled stays settled when its reason arises again",
        SQL,
        "        where=col(AttentionFlag.settled_at).is_not(None),\n",
        '        where=col(AttentionFlag.settled_by) == "store",\n',
        (MONEY_TESTS,),
    ),
    Mutation(
        "an attempt closes the order while another is open",
        ORDER,
        "        if self.payable_attempt:\n",
        "        if not self.attempts:\n",
        (ORDER_TESTS,),
    ),
    Mutation(
        "a canceled attempt is declined afterwards",
        ORDER,
        "if attempt.state not in {AttemptState.CANCELED, state}:",
        "if attempt.state != state:",
        (ARRIVAL_TESTS,),
    ),
    Mutation(
        "a notification that names two orders changes the first",
        PAYMENT_EVENTS,
        "    if len(found) > 1:\n",
        "    if len(found) > 9:\n",
        (MONEY_TESTS,),
    ),
    Mutation(
        "a page with another price is opened",
        CHECKOUT_SERVICE,
        "if page.price and not _charges(page, order):",
        "if page.price and not page.currency:",
        (MONEY_TESTS,),
    ),
    Mutation(
        "a price in another currency is the same price",
        CHECKOUT_SERVICE,
        "page.currency == order.currency and money",
        "money",
        (MONEY_TESTS,),
    ),
    Mutation(
        "an unmatched refund is settled without being applied",
        INTAKE,
        "    (outcome,) = payment_events.apply(work, [event])\n",
        "    outcome = Outcome(Verdict.DONE)\n",
        (MONEY_TESTS,),
    ),
    Mutation(
        "a delivery that was applied late stays flagged",
        INTAKE,
        "    settle(work, delivery_id)\n",
        "    pass\n",
        (MONEY_TESTS,),
    ),
    Mutation(
        "messages are sent before their commit",
        "store_app/db/unit_of_work.py",
        "            messages = work.write_deferred()\n"
        "        for listener in outbox.listeners if messages else ():\n"
        "            listener(messages)\n",
        "            messages = work.write_deferred()\n"
        "            for listener in outbox.listeners if messages else ():\n"
        "                listener(messages)\n",
        ("tests/integration/test_outbox.py",),
    ),
)
