"""Two providers at once: equal ids of two providers are never confused."""

import asyncio
import json
import re
import time
from collections.abc import Iterator

import pytest

from store_app.checkout import reconcile
from store_app.db.unit_of_work import unit_of_work
from store_app.models import AttemptKind, Order, Verdict
from store_app.orders.ledger import PAID_TWICE, PAYMENT_UNKNOWN, Fact
from store_app.orders.order import Orders
from store_app.payments import registry
from store_app.payments.provider import Outcome, RefusalReason
from store_app.settings import BadSettings, get_settings
from tests.integration.shop import Json, Shop, order_paid, refund, sign
from tests.provider_contract.acme import provider as acme
from tests.support.deliveries import delivery
from tests.support.invariants import check
from webhook.inbox import Delivery
from webhook.inbox.replay import replay
from webhook.intake import catch_up, receive_all

SECRET = "acme-signing-secret"
SETTINGS = {"URL": "http://acme.test", "KEY": "key", "SIGNING_SECRET": SECRET, "RETURN_URL": "http://shop.test"}


@pytest.fixture(autouse=True)
def with_acme(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(registry.PROVIDERS, "acme", "tests.provider_contract.acme.provider")
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"ACME_{name}", value)
    _forget_providers()
    yield
    _forget_providers()


def _forget_providers() -> None:
    registry.get_provider.cache_clear()
    registry.configured_providers.cache_clear()


def _happening(what: str, order: Order, charge: str, checkout: str = "") -> Json:
    return {
        "happening": f"h-{charge}",
        "what": what,
        "checkout": checkout,
        "charge": charge,
        "reference": f"{order.id}-1",
        "buyer": order.user_id,
        "sum": {"minor": order.total, "ccy": order.currency},
    }


def _from_acme(*happenings: Json) -> Delivery:
    body = json.dumps({"happenings": happenings}).encode()
    signed = {"x-acme-signature": acme.sign(body, SECRET, int(time.time()))}
    return Delivery.of(registry.get_provider("acme"), body, signed)


def _from_xsolla(notification: Json) -> Delivery:
    body = json.dumps(notification).encode()
    return delivery(body, sign(body))


def _tell(*happenings: Json) -> Outcome:
    return receive_all([_from_acme(*happenings)])[0]


def test_both_may_use_one_transaction_id_for_two_orders(shop: Shop) -> None:
    user = shop.user()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    shop.notify(order_paid(first, "T1"))
    assert _tell(_happening("charge.settled", second, "T1")).verdict is Verdict.DONE
    assert [shop.read(order.id).status for order in (first, second)] == ["paid", "paid"]
    assert [shop.flags(order.id) for order in (first, second)] == [[], []]
    check(shop.engine)


def test_a_refund_takes_back_only_the_payment_of_its_own_provider(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(order_paid(order, "T1"))
    # It is remembered, as a refund that came before its payment: Acme's own T1.
    _tell(_happening("charge.reversed", order, "T1"))
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("paid", ["granted"])
    check(shop.engine)


def test_a_partial_refund_is_valued_by_the_payment_of_its_own_provider(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(order_paid(order, "T1"))
    part = _happening("charge.trimmed", order, "T1")
    part["sum"] = {"minor": 400, "ccy": "USD"}
    _tell(part)
    assert (shop.standing(order.id).left, shop.flags(order.id)) == (1000, [PAYMENT_UNKNOWN])
    assert shop.read(order.id).status == "paid"
    check(shop.engine)


def test_a_transaction_alone_names_the_order_of_its_own_provider(shop: Shop) -> None:
    user = shop.user()
    ours, theirs = shop.order(user, shop.item()), shop.order(user, shop.item())
    shop.notify(order_paid(ours, "T1"))
    _tell(_happening("charge.settled", theirs, "T1"))
    only_transaction = refund(ours, "T1")
    del only_transaction["custom_parameters"], only_transaction["transaction"]["external_id"]
    assert shop.notify(only_transaction).verdict is Verdict.DONE
    assert [shop.read(order.id).status for order in (ours, theirs)] == ["refunded", "paid"]
    assert _tell(_without_order("charge.reversed", theirs, "T1")).verdict is Verdict.DONE
    assert [shop.read(order.id).status for order in (ours, theirs)] == ["refunded", "refunded"]


@pytest.mark.parametrize("batched", [False, True])
def test_one_provider_order_id_may_stand_for_two_orders(shop: Shop, batched: bool) -> None:
    user = shop.user()
    ours, theirs = (shop.order(user, shop.item(), attempts=0) for _ in range(2))
    shop.attempt(ours, "xsolla", "4711")
    shop.attempt(theirs, "acme", "4711")
    paid = order_paid(ours, "T1")
    # Only the provider's own order says which order it is.
    paid["order"]["id"], paid["custom_parameters"]["order_id"] = 4711, ""
    paid["billing"]["transaction"]["external_id"] = ""
    settled = _happening("charge.settled", theirs, "C1", "4711") | {"reference": ""}
    batches = (
        [[_from_acme(settled), _from_xsolla(paid)]] if batched else [[_from_acme(settled)], [_from_xsolla(paid)]]
    )
    outcomes = [outcome for batch in batches for outcome in receive_all(batch)]
    assert [(outcome.verdict, outcome.order_id) for outcome in outcomes] == [
        (Verdict.DONE, theirs.id),
        (Verdict.DONE, ours.id),
    ]
    assert [shop.read(order.id).status for order in (ours, theirs)] == ["paid", "paid"]
    check(shop.engine)


def test_an_order_paid_at_both_is_flagged_and_one_refund_leaves_it_granted(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(order_paid(order, "T1"))
    _tell(_happening("charge.settled", order, "C1"))
    assert shop.flags(order.id) == [PAID_TWICE]
    _tell(_happening("charge.reversed", order, "C1"))
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("paid", ["granted"])
    check(shop.engine)


def test_several_events_of_one_delivery_are_all_applied(shop: Shop) -> None:
    user = shop.user()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    outcome = _tell(_happening("charge.settled", first, "C1"), _happening("charge.settled", second, "C2"))
    assert outcome.verdict is Verdict.DONE
    assert [shop.read(order.id).status for order in (first, second)] == ["paid", "paid"]
    check(shop.engine)


def test_of_several_events_the_refused_one_is_answered_and_the_other_is_done(shop: Shop) -> None:
    user = shop.user()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    wrong = _happening("charge.settled", second, "C2")
    wrong["sum"] = {"minor": 1, "ccy": "USD"}
    outcome = _tell(_happening("charge.settled", first, "C1"), wrong)
    assert (outcome.verdict, outcome.order_id) == (Verdict.REFUSED, second.id)
    assert [shop.read(order.id).status for order in (first, second)] == ["paid", "pending"]
    check(shop.engine)


# --- deliveries of several events, of which some fit no order yet


def _without_order(what: str, order: Order, charge: str) -> Json:
    return _happening(what, order, charge) | {"reference": "", "buyer": ""}


def test_a_refund_before_its_payment_in_one_delivery_takes_it_back(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    _tell(_without_order("charge.reversed", order, "C1"), _happening("charge.settled", order, "C1"))
    assert catch_up() == 1
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("refunded", ["refunded"])
    check(shop.engine)


def test_an_unmatched_event_among_others_is_applied_when_its_payment_arrives(shop: Shop) -> None:
    user = shop.user()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    _tell(_happening("charge.settled", first, "C1"), _without_order("charge.reversed", second, "C9"))
    assert shop.rows("SELECT verdict, transaction_id FROM webhook_deliveries ORDER BY event_number") == [
        ("done", "C1"),
        ("unmatched", "C9"),
    ]
    _tell(_happening("charge.settled", second, "C9"))
    assert catch_up() == 1
    assert [shop.read(order.id).status for order in (first, second)] == ["paid", "refunded"]
    check(shop.engine)


def test_a_refused_event_hides_no_unmatched_one(shop: Shop) -> None:
    user = shop.user()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    wrong = _happening("charge.settled", first, "C1")
    wrong["sum"] = {"minor": 1, "ccy": "USD"}
    outcome = _tell(wrong, _without_order("charge.reversed", second, "C2"))
    assert outcome.refusal is not None
    verdicts = {verdict for (verdict,) in shop.rows("SELECT verdict FROM webhook_deliveries")}
    assert verdicts == {"refused", "unmatched"}


def test_a_refusal_with_a_reason_for_the_provider_takes_precedence(shop: Shop) -> None:
    user = shop.user()
    first, second, third = (shop.order(user, shop.item()) for _ in range(3))
    _tell(_happening("charge.settled", first, "C1"))
    wrong = _happening("charge.settled", third, "C3")
    wrong["sum"] = {"minor": 1, "ccy": "USD"}
    # The transaction paid another order before: refused, without a reason for the provider.
    outcome = _tell(_happening("charge.settled", second, "C1"), wrong)
    assert outcome.refusal is RefusalReason.WRONG_AMOUNT


def test_replaying_an_event_of_a_delivery_leaves_the_others_alone(shop: Shop) -> None:
    user = shop.user()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    wrong = _happening("charge.settled", second, "C2")
    wrong["sum"] = {"minor": 1, "ccy": "USD"}
    _tell(_happening("charge.settled", first, "C1"), wrong)
    shop.change("UPDATE orders SET total = 1 WHERE id = :id", id=second.id)
    shop.change("UPDATE pending_purchases SET unit_price = 1 WHERE order_id = :id", id=second.id)
    ((delivery_id,),) = shop.rows("SELECT id FROM webhook_deliveries WHERE event_number = 1")
    assert replay(delivery_id, dry_run=False).outcome.verdict is Verdict.DONE
    assert len(shop.rows("SELECT id FROM webhook_deliveries WHERE event_number = 0")) == 1
    check(shop.engine)


# --- one provider does not disturb another


def test_a_decline_leaves_the_open_payment_page_of_another_provider(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=0)
    shop.attempt(order, "xsolla", "4711")
    shop.attempt(order, "acme", "chk_1")
    failed = _happening("charge.failed", order, "C1", "chk_1") | {"reference": order.id + "-"}
    assert _tell(failed).verdict is Verdict.REPEAT
    declined = shop.rows("SELECT provider FROM payment_attempts WHERE state = 'declined'")
    assert (declined, shop.read(order.id).status) == ([("acme",)], "pending")


def test_reconciliation_goes_on_when_a_provider_is_not_configured(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = shop.user()
    for _ in range(2):
        with_acme, with_xsolla = shop.order(user, shop.item(), attempts=0), shop.order(user, shop.item())
        shop.attempt(with_acme, "acme", None, AttemptKind.AMOUNT)
        shop.change("UPDATE orders SET next_check_at = :then", then="2020-01-01 00:00:00+00:00")
        monkeypatch.delenv("ACME_KEY", raising=False)
        _forget_providers()
        assert asyncio.run(reconcile.reconcile_due()) >= 2
        checks = dict(shop.rows("SELECT id, checks FROM orders"))
        assert checks[with_acme.id] >= 1
        assert checks[with_xsolla.id] >= 1


def test_unmatched_deliveries_of_a_removed_provider_keep_no_other_waiting(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    for number in range(101):
        _tell(_without_order("charge.reversed", order, f"C{number}"))
    without_order = refund(order, "T1")
    del without_order["custom_parameters"], without_order["transaction"]["external_id"]
    assert shop.notify(without_order).verdict is Verdict.UNMATCHED
    with unit_of_work() as work:
        locked = Orders.of(work).lock(order.id)
        for number in range(101):
            locked.record(Fact("payment", f"C{number}", "acme", f"C{number}", amount=1000))
        locked.record(Fact("payment", "T1", "xsolla", "T1", amount=1000))
    monkeypatch.delitem(registry.PROVIDERS, "acme")
    _forget_providers()
    assert catch_up() == 1
    ((verdict,),) = shop.rows("SELECT verdict FROM webhook_deliveries WHERE provider = 'xsolla'")
    assert verdict == "done"


def test_an_event_of_another_provider_is_kept_as_failed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order = shop.paid_order(shop.user(), shop.item(1000))
    monkeypatch.setattr(acme, "NAME", "xsolla")
    with pytest.raises(ValueError, match="returned an event of another provider"):
        _tell(_happening("charge.reversed", order, f"T{order.id[:12]}"))
    assert shop.read(order.id).status == "paid"
    assert shop.rows("SELECT verdict FROM webhook_deliveries WHERE provider = 'acme'") == [("failed",)]


def test_no_credential_of_a_delivery_is_kept() -> None:
    secrets = {"x-acme-signature": "s", "x-api-key": "k", "x-webhook-token": "t", "x-shared-secret": "x"}
    kept = Delivery.of(registry.get_provider("acme"), b"{}", {"user-agent": "acme", **secrets}).headers
    assert json.loads(kept) == {"user-agent": "acme"}


@pytest.mark.parametrize("name", registry.PROVIDERS)
def test_a_provider_has_its_registered_name_which_fits_into_its_column(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XSOLLA_WEBHOOK_SECRET", "secret")
    get_settings.cache_clear()
    assert re.fullmatch(r"[a-z0-9-]{1,32}", name)
    assert name != "payment", "that is the address of all providers"
    assert registry.get_provider(name).name == name


def test_a_provider_that_calls_itself_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.PROVIDERS, "other", "tests.provider_contract.acme.provider")
    with pytest.raises(BadSettings, match="says that its name is 'acme'"):
        registry.get_provider("other")


def test_only_configured_providers_are_asked_and_the_default_one_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSOLLA_WEBHOOK_SECRET", "secret")
    get_settings.cache_clear()
    assert [provider.name for provider in registry.configured_providers()] == ["xsolla", "acme"]
    monkeypatch.setenv("PAYMENT_PROVIDER", "acme")
    get_settings.cache_clear()
    _forget_providers()
    assert [provider.name for provider in registry.configured_providers()] == ["acme", "xsolla"]
    monkeypatch.setenv("XSOLLA_WEBHOOK_SECRET", "")
    get_settings.cache_clear()
    _forget_providers()
    assert [provider.name for provider in registry.configured_providers()] == ["acme"]
    get_settings.cache_clear()
