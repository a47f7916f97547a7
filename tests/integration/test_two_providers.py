"""Two providers at once: an id of one is nothing to the other, whatever it is."""

import json
import time
from collections.abc import Iterator

import pytest

from store_app.db.unit_of_work import unit_of_work
from store_app.models import Order, Verdict
from store_app.orders import lifecycle
from store_app.orders.locked_order import lock
from store_app.payments import registry
from store_app.payments.provider import Outcome
from tests.integration.shop import Json, Shop, order_paid, sign
from tests.provider_contract.acme import provider as acme
from tests.support.deliveries import delivery
from tests.support.invariants import check
from webhook.inbox import Delivery
from webhook.intake import receive_all

SECRET = "acme-signing-secret"
SETTINGS = {"URL": "http://acme.test", "KEY": "key", "SIGNING_SECRET": SECRET, "RETURN_URL": "http://shop.test"}


@pytest.fixture(autouse=True)
def with_acme(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(registry.PROVIDERS, "acme", "tests.provider_contract.acme.provider")
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"ACME_{name}", value)
    registry.get_provider.cache_clear()
    yield
    registry.get_provider.cache_clear()


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
    user = shop.player()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    shop.tell(order_paid(first, "T1"))
    assert _tell(_happening("charge.settled", second, "T1")).verdict is Verdict.DONE
    assert [shop.read(order.id).status for order in (first, second)] == ["paid", "paid"]
    assert [shop.read(order.id).needs_attention for order in (first, second)] == ["", ""]
    check(shop.engine)


def test_a_refund_takes_back_only_the_payment_of_its_own_provider(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    shop.tell(order_paid(order, "T1"))
    # It is remembered, as a refund that came before its payment: Acme's own T1.
    _tell(_happening("charge.reversed", order, "T1"))
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("paid", ["granted"])
    check(shop.engine)


def test_a_part_of_a_refund_is_valued_by_the_payment_of_its_own_provider(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    shop.tell(order_paid(order, "T1"))
    part = _happening("charge.trimmed", order, "T1")
    part["sum"] = {"minor": 400, "ccy": "USD"}
    _tell(part)
    assert shop.rows("SELECT provider, amount FROM payments ORDER BY id") == [("xsolla", 1000), ("acme", 0)]
    assert shop.read(order.id).status == "paid"
    check(shop.engine)


@pytest.mark.parametrize("batched", [False, True])
def test_one_provider_order_id_may_stand_for_two_orders(shop: Shop, batched: bool) -> None:
    user = shop.player()
    ours, theirs = (shop.order(user, shop.item(), attempts=0) for _ in range(2))
    with unit_of_work() as session:
        lifecycle.start_attempt(session, lock(session, ours.id), "xsolla", "4711", "http://provider.test/1")
        lifecycle.start_attempt(session, lock(session, theirs.id), "acme", "4711", "http://acme.test/1")
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
    order = shop.order(shop.player(), shop.item(1000))
    shop.tell(order_paid(order, "T1"))
    _tell(_happening("charge.settled", order, "C1"))
    assert "paid twice" in shop.read(order.id).needs_attention
    _tell(_happening("charge.reversed", order, "C1"))
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("paid", ["granted"])
    check(shop.engine)


def test_several_events_of_one_delivery_are_all_applied(shop: Shop) -> None:
    user = shop.player()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    outcome = _tell(_happening("charge.settled", first, "C1"), _happening("charge.settled", second, "C2"))
    assert outcome.verdict is Verdict.DONE
    assert [shop.read(order.id).status for order in (first, second)] == ["paid", "paid"]
    check(shop.engine)


def test_of_several_events_the_refused_one_is_answered_and_the_other_is_done(shop: Shop) -> None:
    user = shop.player()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    wrong = _happening("charge.settled", second, "C2")
    wrong["sum"] = {"minor": 1, "ccy": "USD"}
    outcome = _tell(_happening("charge.settled", first, "C1"), wrong)
    assert (outcome.verdict, outcome.order_id) == (Verdict.REFUSED, second.id)
    assert [shop.read(order.id).status for order in (first, second)] == ["paid", "pending"]
    check(shop.engine)
