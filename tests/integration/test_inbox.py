"""The inbox and its commands: list, show, replay and its dry run, prune; floods of bad signatures."""

from datetime import timedelta

import pytest

from store_app.db.unit_of_work import unit_of_work
from store_app.models import Verdict, WebhookDelivery, utc_now
from store_app.orders.__main__ import main as orders_command
from tests.integration.shop import Shop, order_paid
from tests.support.invariants import check
from webhook import inbox
from webhook.inbox.__main__ import main
from webhook.intake import receive


def _last_id(shop: Shop) -> int:
    return int(shop.rows("SELECT max(id) FROM webhook_deliveries")[0][0])


def test_an_unmatched_payment_can_be_replayed_once_its_order_is_there(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    paid = order_paid(order)
    paid["custom_parameters"]["order_id"] = ""
    paid["billing"]["transaction"]["external_id"] = ""
    paid["order"]["id"] = 4711
    assert shop.tell(paid).verdict is Verdict.UNMATCHED
    delivery = _last_id(shop)
    assert orders_command(["needs-attention"]) == 0
    assert f"delivery {delivery} (order_paid)" in capsys.readouterr().out

    shop.change("UPDATE payment_attempts SET provider_order_id = '4711' WHERE order_id = :id", id=order.id)
    assert main(["replay", str(delivery), "--dry-run"]) == 0
    assert "+ payment" in (output := capsys.readouterr().out)
    assert "dry run" in output
    assert shop.read(order.id).status == "pending"

    assert main(["replay", str(delivery)]) == 0
    assert shop.purchases(order.id) == ["granted"]
    capsys.readouterr()
    assert main(["replay", str(delivery)]) == 0
    assert "nothing changes" in capsys.readouterr().out
    check(shop.engine)


def test_deliveries_are_listed_and_shown(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    order = shop.paid_order(shop.player(), shop.item(1000))
    assert main(["list", "--order", order.id]) == 0
    assert "order_paid" in capsys.readouterr().out
    assert main(["list", "--verdict", "failed"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["show", str(_last_id(shop))]) == 0
    assert '"notification_type": "order_paid"' in capsys.readouterr().out
    assert main(["show", "999999"]) == 1


def test_a_delivery_with_a_bad_signature_cannot_be_replayed(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(b"{}", b"Signature " + b"0" * 40, {})
    assert main(["replay", str(_last_id(shop))]) == 1
    assert "signature was wrong" in capsys.readouterr().err


def test_a_flood_of_bad_signatures_stays_bounded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "UNVERIFIED_KEPT", 20)
    order = shop.paid_order(shop.player(), shop.item(1000))
    for _ in range(150):
        receive(b"x" * 10_000, b"Signature " + b"0" * 40, {})
    kept = shop.rows("SELECT count(*), max(length(body)) FROM webhook_deliveries WHERE verdict = 'bad_signature'")
    assert kept[0][0] <= 20 + inbox._PRUNED_EVERY
    assert kept[0][1] == inbox.UNVERIFIED_BODY_KEPT
    assert shop.rows("SELECT count(*) FROM webhook_deliveries WHERE order_id = :id", id=order.id) == [(1,)]


def test_old_deliveries_are_pruned(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.paid_order(shop.player(), shop.item(1000))
    shop.paid_order(shop.player(), shop.item(1000))
    with unit_of_work() as session:
        row = session.get(WebhookDelivery, _last_id(shop))
        assert row is not None
        row.received_at = utc_now() - inbox.KEPT_FOR - timedelta(days=1)
    assert main(["prune"]) == 0
    assert "1 deliveries forgotten" in capsys.readouterr().out
