"""The inbox and its commands: list, show, replay and its dry run, prune; floods of bad signatures."""

from datetime import timedelta

import pytest

from store_app.db.unit_of_work import unit_of_work
from store_app.models import Verdict, WebhookDelivery, utc_now
from tests.integration.shop import Shop, order_paid
from tests.support.commands import run_command
from tests.support.deliveries import receive
from tests.support.invariants import check
from webhook import inbox


def _last_id(shop: Shop) -> int:
    return int(shop.rows("SELECT max(id) FROM webhook_deliveries")[0][0])


def test_an_unmatched_payment_can_be_replayed_once_its_order_is_there(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    paid = order_paid(order)
    paid["custom_parameters"]["order_id"] = ""
    paid["billing"]["transaction"]["external_id"] = ""
    paid["order"]["id"] = 4711
    assert shop.notify(paid).verdict is Verdict.UNMATCHED
    delivery = str(_last_id(shop))

    shop.change("UPDATE payment_attempts SET provider_order_id = '4711' WHERE order_id = :id", id=order.id)
    tried = run_command("inbox", "replay", delivery, "--dry-run")
    assert tried.exit_code == 0
    assert "+ payment" in tried.stdout
    assert "dry run" in tried.stdout
    assert shop.read(order.id).status == "pending"

    assert run_command("inbox", "replay", delivery).exit_code == 0
    assert shop.purchases(order.id) == ["granted"]
    assert "nothing changes" in run_command("inbox", "replay", delivery).stdout
    check(shop.engine)


def test_deliveries_are_listed_and_shown(shop: Shop) -> None:
    order = shop.paid_order(shop.user(), shop.item(1000))
    assert "order_paid" in run_command("inbox", "list", "--order", order.id).stdout
    assert "order_paid" in run_command("inbox", "list", "--verdict", "done").stdout
    assert run_command("inbox", "list", "--verdict", "failed").stdout == "No delivery matches.\n"
    shown = run_command("inbox", "show", str(_last_id(shop)))
    assert '"notification_type": "order_paid"' in shown.stdout


def test_the_limit_of_listed_deliveries_is_respected(shop: Shop) -> None:
    for _ in range(3):
        receive(b"{}", b"Signature " + b"0" * 40, {})
    title, *lines = run_command("inbox", "list", "--limit", "2").stdout.splitlines()
    assert title.split()[0] == "id"
    assert [int(line.split()[0]) for line in lines] == [_last_id(shop), _last_id(shop) - 1]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("show", "999999"), "There is no delivery 999999."),
        (("replay", "999999"), "There is no delivery 999999."),
        (("list", "--order", "unknown"), "There is no order unknown."),
        # PostgreSQL and SQLite refuse to look for a lone surrogate, which an argument may hold.
        (("list", "--order", "\udc80"), "There is no order \\udc80."),
    ],
)
def test_an_unknown_id_is_one_sentence(shop: Shop, command: tuple[str, ...], sentence: str) -> None:
    assert not shop.rows("SELECT id FROM webhook_deliveries")
    done = run_command("inbox", *command)
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"{sentence}\n")


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "x"])
def test_an_invalid_id_is_refused(shop: Shop, number: str) -> None:
    done = run_command("inbox", "show", "--", number)
    assert done.exit_code == 2
    assert "Invalid value for 'ID'" in done.stderr
    assert not shop.rows("SELECT id FROM webhook_deliveries")


def test_a_delivery_with_a_bad_signature_cannot_be_replayed(shop: Shop) -> None:
    receive(b"{}", b"Signature " + b"0" * 40, {})
    done = run_command("inbox", "replay", str(_last_id(shop)))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "The signature of this delivery is invalid: anyone could have sent it.\n"


def test_a_body_cannot_send_commands_to_the_terminal(shop: Shop) -> None:
    receive(b"\x1b]0;owned\x07 \xff {\n}", b"Signature " + b"0" * 40, {})
    shown = run_command("inbox", "show", str(_last_id(shop))).stdout
    assert shown.endswith("body: \\x1b]0;owned\\x07 \\xff {\n}\n")


def test_a_flood_of_bad_signatures_stays_bounded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "UNVERIFIED_KEPT", 20)
    order = shop.paid_order(shop.user(), shop.item(1000))
    for _ in range(150):
        receive(b"x" * 10_000, b"Signature " + b"0" * 40, {})
    kept = shop.rows("SELECT count(*), max(length(body)) FROM webhook_deliveries WHERE verdict = 'bad_signature'")
    assert kept[0][0] <= 20 + inbox._PRUNED_EVERY
    assert kept[0][1] == inbox.UNVERIFIED_BODY_KEPT
    assert shop.rows("SELECT count(*) FROM webhook_deliveries WHERE order_id = :id", id=order.id) == [(1,)]


def test_old_deliveries_are_pruned(shop: Shop) -> None:
    shop.paid_order(shop.user(), shop.item(1000))
    shop.paid_order(shop.user(), shop.item(1000))
    with unit_of_work() as session:
        row = session.get(WebhookDelivery, _last_id(shop))
        assert row is not None
        row.received_at = utc_now() - inbox.KEPT_FOR - timedelta(days=1)
    assert run_command("inbox", "prune").stdout == "Deliveries deleted: 1\n"
    assert len(shop.rows("SELECT id FROM webhook_deliveries")) == 1
