"""The payloads of notifications, compared with notifications captured from the provider."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from simulator.amounts import break_down
from simulator.delivery import payloads
from simulator.delivery.payloads import Project, RefundReason
from simulator.records import Line, Order, Sale, TokenType, Transaction, User
from simulator.repository import Repository

PROJECT = Project(308077, 887981)
NOW = datetime(2026, 7, 29, 11, 2, 38, tzinfo=UTC)
REASON = RefundReason(1, "Cancellation by the user request / the game request")

CAPTURED_DETAILS = json.loads(
    """{"payment":{"currency":"USD","amount":2.17},"payment_method_sum":{"currency":"USD","amount":2.17},
    "xsolla_balance_sum":{"currency":"USD","amount":0},"payout":{"currency":"USD","amount":1.77},
    "xsolla_fee":{"currency":"USD","amount":0.11},"payment_method_fee":{"currency":"USD","amount":0.11},
    "vat":{"currency":"USD","amount":0,"percent":0},
    "sales_tax":{"currency":"USD","amount":0.18,"percent":8.88},
    "direct_wht":{"currency":"USD","amount":0,"percent":0},"payout_currency_rate":"1",
    "repatriation_commission":{"currency":"USD","amount":0},
    "country_wht":{"currency":"USD","amount":0,"percent":0},
    "user_acquisition_fee":{"currency":"USD","amount":0,"percent":0}}"""
)


def paid_order(
    *, token_type: TokenType = TokenType.STORE, sandbox: bool = True
) -> tuple[Repository, Order, Transaction]:
    sale = Sale(
        token_type=token_type,
        user=User("42", "buyer@example.com", "US", "8.29.109.241", None),
        lines=(Line("my_game", "My game", 1, Decimal("1.99")),),
        currency="USD",
        total=Decimal("1.99"),
        sandbox=sandbox,
        external_id="ORDER-1001",
        return_url=None,
        custom_parameters={"order_id": "1001", "share": Decimal("0.5")},
    )
    repository = Repository(lambda: NOW)
    order = repository.create_order(sale)
    return repository, order, repository.record_payment(order)


def serialized(repository: Repository, order: Order, payload: dict[str, Any]) -> Any:
    """Return a payload as the store parses it."""
    return json.loads(repository.add_notification(order, payload).body)


def test_a_payment_has_the_captured_format() -> None:
    repository, order, transaction = paid_order()
    assert serialized(repository, order, payloads.payment(PROJECT, order, transaction)) == {
        "notification_type": "payment",
        "settings": {"project_id": 308077, "merchant_id": 887981},
        "purchase": {
            "checkout": {"currency": "USD", "amount": 1.99},
            "total": {"currency": "USD", "amount": 1.99},
        },
        "user": {
            "ip": "8.29.109.241",
            "email": "buyer@example.com",
            "id": "42",
            "country": "US",
            "zip": "10001",
        },
        "transaction": {
            "id": transaction.id,
            "external_id": "ORDER-1001",
            "payment_method_order_id": str(transaction.id * 1000 + 113),
            "dry_run": 1,
            "agreement": 1536354,
            "payment_date": "2026-07-29T14:02:38+03:00",
            "payment_method": 1380,
            "payment_method_name": "Bank card",
        },
        "payment_details": CAPTURED_DETAILS,
        "custom_parameters": {"order_id": "1001", "share": 0.5},
    }


def test_order_paid_has_the_captured_format() -> None:
    repository, order, transaction = paid_order()
    payload = serialized(repository, order, payloads.order_paid(order, transaction, PROJECT))
    assert payload["items"] == [
        {
            "sku": "my_game",
            "type": "virtual_good",
            "is_pre_order": False,
            "quantity": 1,
            "amount": "1.9900",
            "promotions": [],
        }
    ]
    assert payload["order"] == {
        "id": order.id,
        "mode": "sandbox",
        "currency_type": "real",
        "currency": "USD",
        "amount": "1.9900",
        "status": "paid",
        "platform": "xsolla",
        "comment": None,
        "invoice_id": str(transaction.id),
        "promotions": [],
    }
    assert payload["user"] == {"external_id": "42", "email": "buyer@example.com", "country": "US"}
    billing = payload["billing"]
    assert billing.keys() == {"notification_type", "settings", "purchase", "transaction", "payment_details"}
    assert billing["notification_type"] == "payment"
    assert billing["purchase"] == {"total": {"currency": "USD", "amount": 1.99}}
    assert billing["payment_details"] == CAPTURED_DETAILS


def test_a_real_payment_has_no_dry_run() -> None:
    _, order, transaction = paid_order(sandbox=False)
    paid = payloads.order_paid(order, transaction, PROJECT)
    assert paid["order"]["mode"] == "default"
    assert "dry_run" not in paid["billing"]["transaction"]


def test_a_refund_has_the_id_of_the_payment_and_amounts_as_texts() -> None:
    _, order, transaction = paid_order()
    payload = payloads.refund(PROJECT, order, transaction, REASON)
    assert payload["transaction"]["id"] == transaction.id
    assert payload["refund_details"]["code"] == 1
    assert payload["payment_details"]["payment"] == {"currency": "USD", "amount": "2.17"}
    assert payload["purchase"]["total"] == {"currency": "USD", "amount": 1.99}


def test_a_partial_refund_has_the_refunded_part() -> None:
    repository, order, transaction = paid_order()
    repository.record_refund(order, transaction, Decimal("1.00"))
    payload = payloads.partial_refund(PROJECT, order, transaction, REASON, Decimal("1.00"))
    details = payload["payment_details"]
    assert (details["payment"]["amount"], details["sales_tax"]["amount"]) == ("1.09", "0.09")
    assert payload["purchase"]["total"]["amount"] == 1.99
    assert payload["transaction"]["date"] == "2026-07-29T14:02:38+03:00"
    assert payload["custom_parameters"]["order_id"] == "1001"


def test_a_combined_cancellation_contains_the_refund() -> None:
    _, order, transaction = paid_order()
    payload = payloads.order_canceled(order, transaction, REASON, PROJECT)
    assert payload["billing"]["notification_type"] == "refund"
    assert payload["billing"]["refund_details"] == REASON.as_details()


def test_a_decline_has_numbers_as_texts() -> None:
    _, order, transaction = paid_order()
    payload = payloads.ps_declined(PROJECT, order, transaction)
    assert payload["settings"] == {"project_id": "308077", "merchant_id": "887981"}
    assert payload["transaction"] == {
        "id": str(transaction.id),
        "external_id": "ORDER-1001",
        "dry_run": "1",
        "payment_method": "1380",
    }


def test_each_mode_has_its_sequence_of_notifications() -> None:
    _, order, transaction = paid_order()
    _, amount_only, paid = paid_order(token_type=TokenType.MERCHANT)

    def types(payloads: list[dict[str, Any]]) -> list[str]:
        return [payload["notification_type"] for payload in payloads]

    assert types(payloads.for_payment("combined", PROJECT, order, transaction)) == ["order_paid"]
    assert types(payloads.for_payment("separate", PROJECT, order, transaction)) == ["payment", "order_paid"]
    assert types(payloads.for_payment("combined", PROJECT, amount_only, paid)) == ["payment"]
    assert types(payloads.for_refund("combined", PROJECT, order, transaction, REASON)) == ["order_canceled"]
    separate = payloads.for_refund("separate", PROJECT, order, transaction, REASON)
    assert types(separate) == ["refund", "order_canceled"]
    assert types(payloads.for_refund("separate", PROJECT, amount_only, paid, REASON)) == ["refund"]


def test_a_restarted_simulator_does_not_reuse_ids() -> None:
    _, order, transaction = paid_order()
    later = Repository(lambda: NOW + timedelta(seconds=1))
    assert later.create_order(order.sale).id > max(order.id, transaction.id)


def test_amounts_without_decimals_are_rounded_to_whole_units() -> None:
    split = break_down(Decimal(500), "JPY")
    assert (split.sales_tax, split.payment, split.fee) == (Decimal(44), Decimal(544), Decimal(27))
