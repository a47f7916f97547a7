"""The mistakes that `tests.mutation.runner` makes on purpose, and the tests that must notice each."""

from dataclasses import dataclass

CLAIMS, LIFECYCLE = "store_app/orders/payment_events.py", "store_app/orders/lifecycle.py"
BOOKKEEPING, BATCHES = "store_app/orders/bookkeeping.py", "tests/integration/test_batches.py"
PROCESSING, SERVICE = "webhook/intake.py", "store_app/checkout/service.py"
WEBHOOK, ORDERS = "tests/integration/test_webhook.py", "tests/integration/test_orders.py"
CHECKOUT, ARRIVALS = "tests/integration/test_checkout.py", "tests/integration/test_arrivals.py"
CRASHES = "tests/crash/test_webhook_crashes.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: `text`, which is in `file` once, becomes `instead`; `tests` must notice."""

    name: str
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "the amount is not checked",
        CLAIMS,
        "return None if paid == order.total else",
        "return None if paid >= 0 else",
        (WEBHOOK,),
    ),
    Mutant("the currency is not checked", CLAIMS, "if event.currency != order.currency:", "if False:", (WEBHOOK,)),
    Mutant(
        "the user is not checked",
        CLAIMS,
        "if event.user_id and event.user_id != order.user_id:",
        "if False:",
        (WEBHOOK,),
    ),
    Mutant(
        "a user that cannot be read passes for none",
        "store_app/payments/xsolla/notifications.py",
        'return (_identifier(said[0]) or UNREADABLE) if said else ""',
        'return _identifier(said[0]) if said else ""',
        ("tests/unit/test_notifications.py",),
    ),
    Mutant(
        "an amount is cut to what is read",
        "store_app/payments/xsolla/notifications.py",
        'return text if len(text) <= _MAX_AMOUNT_LENGTH else ""',
        "return text[:_MAX_AMOUNT_LENGTH]",
        ("tests/unit/test_notifications.py",),
    ),
    Mutant(
        "a name may stand twice",
        "store_app/payments/xsolla/notifications.py",
        "if len(found) < len(members):",
        "if len(found) > len(members):",
        ("tests/unit/test_notifications.py",),
    ),
    Mutant(
        "a test payment counts in live mode",
        CLAIMS,
        "if event.sandbox not in {None, get_settings().xsolla_sandbox}:",
        "if event.sandbox is False and get_settings().xsolla_sandbox:",
        (WEBHOOK,),
    ),
    Mutant(
        "any signature will do",
        "store_app/payments/xsolla/signature.py",
        "return sum(hmac.compare_digest(match[1], one) for one in expected) > 0",
        "return bool(expected)",
        ("tests/unit/test_signature.py",),
    ),
    Mutant(
        "signatures are compared with ==, whose time tells how far they agree",
        "store_app/payments/xsolla/signature.py",
        "hmac.compare_digest(match[1], one) for one",
        "match[1] == one for one",
        ("tests/unit/test_signature.py",),
    ),
    Mutant(
        "the signature is checked over JSON written again",
        PROCESSING,
        "        return cls(Delivery.of(body, headers), is_valid(body,",
        "        import json\n\n"
        '        again = json.dumps(json.loads(body)).encode() if body[:1] == b"{" else body\n'
        "        return cls(Delivery.of(body, headers), is_valid(again,",
        (WEBHOOK,),
    ),
    Mutant(
        "the order's row is not locked",
        "store_app/orders/locked_order.py",
        "return columns.with_for_update(key_share=True, skip_locked=skip_locked)",
        "return columns",
        ("tests/integration/test_mutants.py",),
    ),
    Mutant(
        "a payment that was booked is booked again",
        BOOKKEEPING,
        '"provider_id": provider_id,',
        '"provider_id": provider_id + str(utc_now().timestamp()),',
        (ORDERS,),
    ),
    Mutant(
        "a repeat is answered 409",
        PROCESSING,
        "400 if refused else 204,",
        "400 if refused else 409 if judgement.verdict is Verdict.REPEAT else 204,",
        (ORDERS,),
    ),
    Mutant(
        "the order is committed before the delivery is kept",
        PROCESSING,
        "    keep(session, delivery, read.kind,",
        '    session.connection().exec_driver_sql("COMMIT")\n    session.connection().exec_driver_sql("BEGIN")\n'
        "    keep(session, delivery, read.kind,",
        (CRASHES,),
    ),
    Mutant(
        "an exception is swallowed and answered 204",
        PROCESSING,
        "        raise\n",
        "        return [Outcome(Verdict.DONE)] * len(arrivals)\n",
        (WEBHOOK,),
    ),
    Mutant(
        "a delivery that failed is not kept",
        PROCESSING,
        "            _keep_failed(arrivals[0].delivery, error)\n",
        "            pass\n",
        (WEBHOOK,),
    ),
    Mutant(
        "one delivery that fails takes its whole batch down",
        "webhook/group_commit.py",
        "if len(batch) > 1 and not cannot_be_reached(error):",
        "if len(batch) > 99:",
        (BATCHES,),
    ),
    Mutant(
        "a forged delivery that fails is kept as a genuine one",
        PROCESSING,
        "if len(arrivals) == 1 and arrivals[0].signature_valid:",
        "if len(arrivals) == 1:",
        (BATCHES,),
    ),
    Mutant(
        "a batch is answered before it is committed",
        PROCESSING,
        '        failpoint("webhook: before commit")\n',
        '        failpoint("webhook: before commit")\n        session.rollback()\n',
        (WEBHOOK,),
    ),
    Mutant(
        "a message overtakes one that could not be sent",
        "store_app/db/outbox.py",
        "if row.held_up and one.in_order:",
        "if not one.in_order:",
        ("tests/integration/test_outbox.py",),
    ),
    Mutant(
        "a refund takes back by user and item",
        "store_app/orders/sql.py",
        "REVOKE = update(Purchase).where(col(Purchase.order_id) == _ORDER)",
        "_MINE = select(col(Purchase.item_id)).where(col(Purchase.order_id) == _ORDER)\n"
        "REVOKE = update(Purchase).where(col(Purchase.item_id).in_(_MINE))",
        (ORDERS,),
    ),
    Mutant(
        "a refund before its payment is forgotten",
        LIFECYCLE,
        "    left = payment.amount - returned(ledger, transaction) if payment else 0\n",
        "    if payment is None:\n        return False\n"
        "    left = payment.amount - returned(ledger, transaction)\n",
        (ORDERS, ARRIVALS),
    ),
    Mutant(
        "a cancelation that names no transaction undoes nothing",
        "store_app/orders/ledger.py",
        "row.provider_order_id == provider_order_id",
        "not provider_order_id",
        (ARRIVALS,),
    ),
    Mutant(
        "a part that came before its payment is never valued",
        BOOKKEEPING,
        '"amount": -(value or 0)}',
        '"amount": 0}',
        (ARRIVALS,),
    ),
    Mutant(
        "an order that expired is not granted when it is paid",
        LIFECYCLE,
        "    if status is None or status == order.status:",
        '    if status is None or order.status in {status, "expired"}:',
        (ORDERS,),
    ),
    Mutant(
        "the cart keeps what was paid",
        LIFECYCLE,
        "    _run(session, sql.EMPTY_CART, order_id_=order.id, user_id_=order.user_id)\n",
        "",
        (ORDERS,),
    ),
    Mutant(
        "two clicks are two orders",
        SERVICE,
        "session.exec(select(User.id).where(User.id == user_id).with_for_update(key_share=True)).one()",
        "session.exec(select(User.id).where(User.id == user_id)).one()",
        (CHECKOUT,),
    ),
    Mutant(
        "what is owned is sold again",
        SERVICE,
        "        _refuse_owned(session, user_id, lines)\n",
        "",
        (CHECKOUT,),
    ),
    Mutant(
        "an order that closed while the provider was asked is paid for",
        SERVICE,
        "        order = lock(session, order_id)\n        if order.status not in OPEN:\n",
        "        order = lock(session, order_id)\n        if not order:\n",
        (CHECKOUT,),
    ),
    Mutant(
        "what a dead process left in the outbox is never sent",
        "store_app/db/outbox.py",
        "overdue = col(OutboxMessage.leased_until) < now",
        "overdue = col(OutboxMessage.leased_until) == now",
        ("tests/crash/test_outbox_crashes.py",),
    ),
    Mutant(
        "//evil.example is a page of our own",
        "store_app/routes.py",
        'if parts.scheme or parts.netloc or strange or not path.startswith("/") or path.startswith("//"):',
        'if parts.scheme or strange or not path.startswith("/"):',
        ("tests/unit/test_routes.py",),
    ),
    Mutant(
        "anybody's order is shown",
        "store_app/orders/queries.py",
        "if order is None or order.user_id != user_id:",
        "if order is None:",
        (CHECKOUT,),
    ),
    Mutant(
        "anybody cancels an order",
        LIFECYCLE,
        "    if order.user_id != user_id:\n",
        "    if order.user_id == '':\n",
        ("tests/integration/test_mutants.py",),
    ),
    Mutant(
        "an event handler believes whose order it is",
        "store_app/web/orders/state.py",
        "    async def cancel(self) -> EventSpec | None:\n"
        '        """Cancel the order."""\n'
        '        self.problem = ""\n'
        "        try:\n"
        "            current_user = await self._require_user()\n"
        "            self._show(await in_database_thread(service.cancel, current_user.user_id,",
        "    async def cancel(self, user_id: str | None = None) -> EventSpec | None:\n"
        '        """Cancel the order."""\n'
        '        self.problem = ""\n'
        "        try:\n"
        "            current_user = await self._require_user()\n"
        "            self._show(await in_database_thread(service.cancel, user_id or current_user.user_id,",
        ("tests/security/test_allow_list.py::test_no_handler_takes_more_than_it_needs",),
    ),
)
