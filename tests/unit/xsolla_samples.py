"""Notifications from captures and documents of the provider, in which amounts, ids and flags vary in type."""

from typing import Any

USER = "a1b2c3d4-0000-4000-8000-019fb6caa51e"
SETTINGS = {"project_id": 308077, "merchant_id": 887981}
DETAILS = {"payment": {"currency": "USD", "amount": 2.17}, "payout_currency_rate": "1"}

USER_VALIDATION: dict[str, Any] = {
    "notification_type": "user_validation",
    "settings": SETTINGS,
    "user": {"ip": "8.29.109.241", "email": "buyer@example.com", "id": USER, "country": "US", "zip": "10001"},
}

PAYMENT: dict[str, Any] = {
    "notification_type": "payment",
    "settings": SETTINGS,
    "purchase": {
        "checkout": {"currency": "USD", "amount": 1.99},
        "total": {"currency": "USD", "amount": 1.99},
    },
    "user": {"ip": "8.29.109.241", "email": "buyer@example.com", "id": "42", "country": "US", "zip": "10001"},
    "transaction": {
        "id": 2103276197,
        "external_id": "ORDER-1001",
        "payment_method_order_id": "178532294631749965",
        "dry_run": 1,
        "agreement": 1536354,
        "payment_date": "2026-07-29T14:02:38+03:00",
        "payment_method": 1380,
        "payment_method_name": "Bank card",
    },
    "payment_details": DETAILS,
    "custom_parameters": {"order_id": "1001"},
}

ORDER_PAID: dict[str, Any] = {
    "items": [
        {
            "sku": "my_game",
            "type": "virtual_good",
            "is_pre_order": False,
            "quantity": 1,
            "amount": "1.9900",
            "promotions": [],
        }
    ],
    "notification_type": "order_paid",
    "order": {
        "id": 689810880,
        "mode": "sandbox",
        "currency_type": "real",
        "currency": "USD",
        "amount": "1.9900",
        "status": "paid",
        "platform": "xsolla",
        "comment": None,
        "invoice_id": "2105129134",
        "promotions": [],
    },
    "user": {"external_id": USER, "email": "buyer@example.com", "country": "DE"},
    "billing": {
        "notification_type": "payment",
        "settings": SETTINGS,
        "purchase": {"total": {"currency": "USD", "amount": 1.99}},
        "transaction": {
            "id": 2105129134,
            "payment_method_order_id": "178547818170513111",
            "dry_run": 1,
            "payment_date": "2026-07-31T09:10:23+03:00",
        },
        "payment_details": DETAILS,
    },
    "custom_parameters": {"order_id": "1001"},
}

# Separate mode: the same without `billing`.
ORDER_PAID_SEPARATE: dict[str, Any] = {name: part for name, part in ORDER_PAID.items() if name != "billing"}

ORDER_CANCELED: dict[str, Any] = {**ORDER_PAID, "notification_type": "order_canceled"}

REFUND: dict[str, Any] = {
    "notification_type": "refund",
    "settings": {"project_id": 18404, "merchant_id": 2340},
    "purchase": {"checkout": {"currency": "USD", "amount": 50}, "total": {"currency": "USD", "amount": 200}},
    "user": {"ip": "127.0.0.1", "email": "buyer@example.com", "id": "1234567", "name": "Xsolla User"},
    "transaction": {"id": 1, "external_id": 1, "dry_run": 1, "agreement": 1},
    "refund_details": {
        "code": 1,
        "reason": "Cancellation by the user request / the game request",
        "author": "support@xsolla.com",
    },
    "payment_details": {
        "xsolla_fee": {"currency": "USD", "amount": "10"},
        "payment": {"currency": "USD", "amount": "230"},
    },
    "custom_parameters": {"parameter1": "value1"},
}

PS_DECLINED: dict[str, Any] = {
    "notification_type": "ps_declined",
    "settings": {"project_id": "18404", "merchant_id": "2340"},
    "user": {"ip": "127.0.0.1", "email": "buyer@example.com", "id": "1234567", "country": "US"},
    "transaction": {"id": "1", "dry_run": "1", "payment_method": "1"},
    "refund_details": {
        "author": "support@xsolla.com",
        "code": "8",
        "reason": "Cancellation by the PS request",
        "reason_detail": "Insufficient funds",
    },
}

AFS_REJECT: dict[str, Any] = {
    "notification_type": "afs_reject",
    "settings": {"project_id": 18404, "merchant_id": 2340},
    "user": {"ip": "127.0.0.1", "id": "1234567", "name": "John Smith", "country": "US"},
    "transaction": {"id": 1, "external_id": 1, "dry_run": 1, "agreement": 1},
    "refund_details": {"code": 4, "reason": "Potential fraud"},
}

DISPUTE: dict[str, Any] = {
    "notification_type": "dispute",
    "action": "adding",
    "transaction": {
        "id": 123456789,
        "external_id": "ORDER-1001",
        "total": {"amount": 1, "currency": "EUR"},
        "payment_method": "credit_debit_card",
    },
    "settings": {"project_id": 18404, "merchant_id": 2340},
    "user": {"id": "1234567", "email": "buyer@example.com"},
    "dispute": {"incoming_date": "2024-01-25T01:02:03+04:00", "reason": "not_as_described", "type": "retrieval"},
}

AFS_BLACK_LIST: dict[str, Any] = {
    "notification_type": "afs_black_list",
    "event": {"action": "adding", "parameter": "email", "transaction_id": "111111111", "project_id": "123456"},
}

ALL = (
    USER_VALIDATION,
    PAYMENT,
    ORDER_PAID,
    ORDER_PAID_SEPARATE,
    ORDER_CANCELED,
    REFUND,
    PS_DECLINED,
    AFS_REJECT,
    DISPUTE,
    AFS_BLACK_LIST,
)
