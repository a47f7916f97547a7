"""The mutations that `tests.mutation.runner` applies, and the tests that must fail for each."""

from dataclasses import dataclass

PAYMENT_EVENTS, LIFECYCLE = "store_app/orders/payment_events.py", "store_app/orders/lifecycle.py"
BOOKKEEPING, GROUP_COMMIT_TESTS = "store_app/orders/bookkeeping.py", "tests/integration/test_group_commit.py"
INTAKE, CHECKOUT_SERVICE = "webhook/intake.py", "store_app/checkout/service.py"
WEBHOOK_TESTS, ORDER_TESTS = "tests/integration/test_webhook.py", "tests/integration/test_orders.py"
CHECKOUT_TESTS, ARRIVAL_TESTS = "tests/integration/test_checkout.py", "tests/integration/test_sequences.py"
CRASH_TESTS = "tests/crash/test_webhook_crashes.py"


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
        "if paid != order.total:",
        "if paid < 0:",
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
        "store_app/payments/xsolla/notifications.py",
        'return (_identifier(said[0]) or UNREADABLE) if said else ""',
        'return _identifier(said[0]) if said else ""',
        ("tests/unit/test_notifications.py",),
    ),
    Mutation(
        "a long amount is truncated",
        "store_app/payments/xsolla/notifications.py",
        'return text if len(text) <= _MAX_AMOUNT_LENGTH else ""',
        "return text[:_MAX_AMOUNT_LENGTH]",
        ("tests/unit/test_notifications.py",),
    ),
    Mutation(
        "a JSON object may have duplicate keys",
        "store_app/payments/xsolla/notifications.py",
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
        "store_app/payments/xsolla/signature.py",
        "return sum(hmac.compare_digest(match[1], digest) for digest in expected) > 0",
        "return bool(expected)",
        ("tests/unit/test_signature.py",),
    ),
    Mutation(
        "signatures are compared with ==, which is not constant time",
        "store_app/payments/xsolla/signature.py",
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
        "store_app/orders/locked_order.py",
        "return columns.with_for_update(key_share=True, skip_locked=skip_locked)",
        "return columns",
        ("tests/integration/test_mutations.py",),
    ),
    Mutation(
        "a payment is booked twice",
        BOOKKEEPING,
        '"provider_id": provider_id,',
        '"provider_id": provider_id + str(utc_now().timestamp()),',
        (ORDER_TESTS,),
    ),
    Mutation(
        "the response to a repeat is 409",
        "store_app/payments/xsolla/response.py",
        "    silent = outcome.refusal in",
        '    if outcome.verdict == "repeat":\n        return Response(409)\n    silent = outcome.refusal in',
        (ORDER_TESTS,),
    ),
    Mutation(
        "the order is committed before the delivery is kept",
        INTAKE,
        "    keep(session, delivery, outcome, event.transaction_id, number)",
        '    session.connection().exec_driver_sql("COMMIT")\n    session.connection().exec_driver_sql("BEGIN")\n'
        "    keep(session, delivery, outcome, event.transaction_id, number)",
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
        "a batch gets its responses before it is committed",
        INTAKE,
        '        failpoint("webhook: before commit")\n',
        '        failpoint("webhook: before commit")\n        session.rollback()\n',
        (WEBHOOK_TESTS,),
    ),
    Mutation(
        "another provider's transaction of the same id takes a payment back",
        "store_app/orders/ledger.py",
        "return [row for row in ledger if row.provider == provider]",
        "return list(ledger)",
        ("tests/integration/test_two_providers.py",),
    ),
    Mutation(
        "another provider's order of the same id is paid",
        PAYMENT_EVENTS,
        '    PaymentAttempt.provider == bindparam("provider"),\n',
        '    bindparam("provider") != "",\n',
        ("tests/integration/test_two_providers.py",),
    ),
    Mutation(
        "in a batch, another provider's order of the same id is paid",
        PAYMENT_EVENTS,
        "found = {(row.provider, row.provider_order_id): row.order_id for row in rows}",
        "found = {(event.provider, row.provider_order_id): row.order_id for row in rows for event in events}",
        ("tests/integration/test_two_providers.py",),
    ),
    Mutation(
        "a message overtakes one that could not be sent",
        "store_app/db/outbox.py",
        "if row.must_wait and in_order:",
        "if not in_order:",
        ("tests/integration/test_outbox.py",),
    ),
    Mutation(
        "a refund revokes purchases by item and not by order",
        "store_app/orders/sql.py",
        "REVOKE = update(Purchase).where(col(Purchase.order_id) == _ORDER)",
        "_MINE = select(col(Purchase.item_id)).where(col(Purchase.order_id) == _ORDER)\n"
        "REVOKE = update(Purchase).where(col(Purchase.item_id).in_(_MINE))",
        (ORDER_TESTS,),
    ),
    Mutation(
        "a refund that arrives before its payment is lost",
        LIFECYCLE,
        "    left = payment.amount - returned(ledger, transaction) if payment else 0\n",
        "    if payment is None:\n        return False\n"
        "    left = payment.amount - returned(ledger, transaction)\n",
        (ORDER_TESTS, ARRIVAL_TESTS),
    ),
    Mutation(
        "a cancellation without a transaction has no effect",
        "store_app/orders/ledger.py",
        "row.provider_order_id == provider_order_id",
        "not provider_order_id",
        (ARRIVAL_TESTS,),
    ),
    Mutation(
        "a partial refund before its payment keeps the amount 0",
        BOOKKEEPING,
        '"amount": -(value or 0)}',
        '"amount": 0}',
        (ARRIVAL_TESTS,),
    ),
    Mutation(
        "a payment of an expired order does not grant",
        LIFECYCLE,
        "    if status is None or status == order.status:",
        '    if status is None or order.status in {status, "expired"}:',
        (ORDER_TESTS,),
    ),
    Mutation(
        "paid items stay in the cart",
        LIFECYCLE,
        "    _run(session, sql.EMPTY_CART, order_id_=order.id, user_id_=order.user_id)\n",
        "",
        (ORDER_TESTS,),
    ),
    Mutation(
        "two concurrent clicks place two orders",
        CHECKOUT_SERVICE,
        "session.exec(select(User.id).where(User.id == user_id).with_for_update(key_share=True)).one()",
        "session.exec(select(User.id).where(User.id == user_id)).one()",
        (CHECKOUT_TESTS,),
    ),
    Mutation(
        "an owned item is sold again",
        CHECKOUT_SERVICE,
        "        _refuse_owned(session, user_id, lines)\n",
        "",
        (CHECKOUT_TESTS,),
    ),
    Mutation(
        "a payment page opens for an order that was closed meanwhile",
        CHECKOUT_SERVICE,
        "        order = lock(session, order_id)\n        if order.status not in OPEN:\n",
        "        order = lock(session, order_id)\n        if not order:\n",
        (CHECKOUT_TESTS,),
    ),
    Mutation(
        "messages of a dead process are never sent",
        "store_app/db/outbox.py",
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
        (CHECKOUT_TESTS,),
    ),
    Mutation(
        "a user cancels the order of another user",
        "store_app/orders/service.py",
        "if order.user_id != user_id:",
        "if order.user_id == '':",
        ("tests/integration/test_mutations.py",),
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
)
