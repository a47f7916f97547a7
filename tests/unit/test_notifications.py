"""Parsing notifications: every sample of the provider is read, and no body raises anything but `Malformed`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_app.payments.provider import EventKind, Notification, PaymentEvent, RefusalReason
from store_app.payments.xsolla.notifications import MAX_ID_LENGTH, UNREADABLE, parse, project_id
from store_app.settings import Settings
from tests.unit import xsolla_samples as samples

SETTINGS = Settings(_env_file=None, xsolla_webhook_secret="test_secret", xsolla_project_id=308_077)
LIVE = SETTINGS.model_copy(update={"xsolla_sandbox": False})


def _parse(data: Any, settings: Settings = SETTINGS) -> Notification:
    return parse(json.dumps(data).encode(), settings)


def _event(data: Any, settings: Settings = SETTINGS) -> PaymentEvent:
    return _parse(data, settings).events[0]


def _is_sandbox(data: Any) -> bool:
    event, live_event = _event(data), _event(data, LIVE)
    assert event.wrong_mode is not live_event.wrong_mode
    return live_event.wrong_mode


@pytest.mark.parametrize("sample", samples.ALL, ids=lambda sample: str(sample["notification_type"]))
def test_every_sample_is_read(sample: dict[str, Any]) -> None:
    named = project_id(sample)
    settings = SETTINGS.model_copy(update={"xsolla_project_id": int(named or 0)})
    read = _parse(sample, settings)
    assert (read.type, read.refusal) == (sample["notification_type"], None)


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        (samples.ORDER_PAID, EventKind.PAID),
        (samples.PAYMENT, EventKind.PAYMENT_TAKEN),
        (samples.ORDER_CANCELED, EventKind.REFUNDED),
        ({"notification_type": "refund"}, EventKind.REFUNDED),
        ({"notification_type": "refund", "refund_details": {"code": 2}}, EventKind.CHARGED_BACK),
        ({"notification_type": "partial_refund"}, EventKind.PARTIALLY_REFUNDED),
        ({"notification_type": "ps_declined"}, EventKind.DECLINED),
        ({"notification_type": "afs_reject"}, EventKind.DECLINED),
        ({"notification_type": "dispute"}, EventKind.DISPUTED),
    ],
    ids=str,
)
def test_each_type_is_the_event_that_it_means(sample: dict[str, Any], kind: EventKind) -> None:
    assert _event(sample).kind is kind


def test_a_type_without_a_use_has_no_event() -> None:
    read = _parse({"notification_type": "create_subscription"})
    assert (read.events, read.question, read.refusal) == ((), None, None)


def test_questions_about_users_are_no_events() -> None:
    validation = _parse({"notification_type": "user_validation", "user": {"id": "42"}})
    search = _parse({"notification_type": "user_search", "user": {"public_id": "Kira"}})
    assert validation.question is not None
    assert validation.question.user_id == "42"
    assert search.question is not None
    assert search.question.username == "Kira"


def test_a_notification_for_another_project_is_refused() -> None:
    read = _parse(samples.PAYMENT, SETTINGS.model_copy(update={"xsolla_project_id": 1}))
    assert (read.refusal, read.events) == (RefusalReason.OTHER_PROJECT, ())


def test_order_paid_is_read_in_combined_and_separate_mode() -> None:
    combined, separate = _event(samples.ORDER_PAID), _event(samples.ORDER_PAID_SEPARATE)
    for read in (combined, separate):
        assert read.provider_order_id == "689810880"
        assert read.transaction_id == "2105129134"
        assert read.order_id == "1001"
        assert read.user_id == samples.USER
        assert (read.amount, read.currency) == ("1.9900", "USD")
        assert not read.wrong_mode
    assert project_id(samples.ORDER_PAID) == "308077"
    assert project_id(samples.ORDER_PAID_SEPARATE) == ""


def test_the_amount_of_a_payment_is_the_price_without_tax() -> None:
    read = _event(samples.PAYMENT)
    assert (read.amount, read.currency) == ("1.99", "USD")
    assert (read.transaction_id, read.external_id, read.user_id) == ("2103276197", "ORDER-1001", "42")


def test_the_amount_of_a_payment_without_a_checkout_is_the_total() -> None:
    purchase = {"total": {"currency": "EUR", "amount": "3"}}
    read = _event({**samples.PAYMENT, "purchase": purchase})
    assert (read.amount, read.currency) == ("3", "EUR")


def test_refund_and_ps_declined_are_read() -> None:
    settings = SETTINGS.model_copy(update={"xsolla_project_id": 18_404})
    refund, declined = _event(samples.REFUND, settings), _event(samples.PS_DECLINED, settings)
    assert (refund.kind, refund.transaction_id, refund.external_id) == (EventKind.REFUNDED, "1", "1")
    assert (project_id(samples.PS_DECLINED), declined.transaction_id, declined.wrong_mode) == ("18404", "1", False)


def test_the_refund_code_of_a_canceled_order_is_read_from_its_billing() -> None:
    billing = {**samples.ORDER_PAID["billing"], "refund_details": {"code": "2"}}
    assert _event({**samples.ORDER_CANCELED, "billing": billing}).kind is EventKind.CHARGED_BACK


_LIVE_MARKS: tuple[Any, ...] = (0, "0", "", None)
_TEST_MARKS: tuple[Any, ...] = (1, "1", 2, True, False, 1.0, 0.0, "true", "no", [], [1], {})


@pytest.mark.parametrize(
    ("mark", "sandbox"),
    [(mark, False) for mark in _LIVE_MARKS] + [(mark, True) for mark in _TEST_MARKS],
)
def test_only_a_known_mark_of_live_makes_a_transaction_live(mark: Any, sandbox: bool) -> None:
    assert _is_sandbox({"notification_type": "refund", "transaction": {"dry_run": mark}}) is sandbox


@pytest.mark.parametrize(
    ("mode", "sandbox"),
    [
        ("default", False),
        (None, False),
        ("sandbox", True),
        ("Default", True),
        ("", True),
        (0, True),
        (["default"], True),
    ],
)
def test_only_the_default_mode_makes_an_order_live(mode: Any, sandbox: bool) -> None:
    assert _is_sandbox({"notification_type": "order_paid", "order": {"mode": mode}}) is sandbox


def test_an_order_in_default_mode_is_not_a_sandbox_order() -> None:
    order = {**samples.ORDER_PAID["order"], "mode": "default"}
    assert not _is_sandbox({"notification_type": "order_paid", "order": order})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42, "42"),
        ("42", "42"),
        (2**60 + 1, str(2**60 + 1)),
        (None, ""),
        (True, ""),
        (4.2, ""),
        ([42], ""),
        ({"id": 42}, ""),
        ("a\x00b", ""),
        ("a\nb", ""),
        ("\ud800", ""),
        ("x" * MAX_ID_LENGTH, "x" * MAX_ID_LENGTH),
        ("x" * (MAX_ID_LENGTH + 1), ""),
        (10**MAX_ID_LENGTH, ""),
    ],
)
def test_ids_are_read_as_text_or_as_missing(value: Any, text: str) -> None:
    data = {
        "notification_type": "order_paid",
        "order": {"id": value},
        "custom_parameters": {"order_id": value},
    }
    read = _event(data)
    assert (read.provider_order_id, read.order_id) == (text, text)


UNREADABLE_IDS: list[Any] = [True, 4.2, 0.0, [42], [], {"id": 42}, "a\x00b", "\ud800", "x" * 65, 10**64]


@pytest.mark.parametrize("value", UNREADABLE_IDS, ids=ascii)
def test_an_unreadable_user_or_project_is_not_read_as_missing(value: Any) -> None:
    for user in ({"id": value}, {"external_id": value}, {"external_id": value, "id": samples.USER}):
        assert _event({**samples.ORDER_PAID, "user": user}).user_id == UNREADABLE
    unreadable = {**samples.PAYMENT, "settings": {"project_id": value}}
    assert project_id(unreadable) == UNREADABLE
    assert _parse(unreadable).refusal is RefusalReason.OTHER_PROJECT
    billing = {**samples.ORDER_PAID["billing"], "settings": {"project_id": value}}
    assert project_id({**samples.ORDER_PAID, "billing": billing}) == UNREADABLE


@pytest.mark.parametrize("section", ["text", 1, 0, True, False, 0.0, [{}], [{"id": "42"}]])
def test_a_user_or_project_of_another_type_is_not_read_as_missing(section: Any) -> None:
    assert _event({"notification_type": "order_paid", "user": section}).user_id == UNREADABLE
    assert project_id({"settings": section}) == UNREADABLE


@pytest.mark.parametrize("section", [None, [], {}, {"id": None}, {"id": "", "external_id": ""}])
def test_an_empty_user_or_project_is_read_as_missing(section: Any) -> None:
    read = {"notification_type": "order_paid", "user": section, "settings": section}
    assert (_event(read).user_id, project_id(read)) == ("", "")


@pytest.mark.parametrize(
    "part", [None, [], "text", 1, True, [{}], {"amount": None}, {"amount": {}}, {"amount": "[null]"}]
)
def test_other_sections_of_another_type_are_read_as_missing(part: Any) -> None:
    names = (
        "billing",
        "order",
        "transaction",
        "custom_parameters",
        "refund_details",
        "purchase",
    )
    read = _event({"notification_type": "order_paid", **dict.fromkeys(names, part)})
    assert read.transaction_id == read.order_id == ""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"order_paid"',
        b"42",
        b"{",
        b"{}",
        b'{"notification_type": null}',
        b'{"notification_type": 7}',
        b'{"notification_type": ""}',
        b'{"notification_type": "a\\u0000b"}',
        b'{"notification_type": "\\ud800"}',
        b'{"notification_type": "' + b"x" * 65 + b'"}',
        b'{"notification_type": "order_paid", "order": {"amount": NaN}}',
        b'{"notification_type": "order_paid", "order": {"amount": Infinity}}',
        b'{"notification_type": "order_paid", "order": {"id": ' + b"9" * 5_000 + b"}}",
        b'{"notification_type": "order_paid", "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"\xff\xfe\x00",
        b'{"notification_type": "order_paid\xff"}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_that_is_not_a_notification_is_refused(body: bytes) -> None:
    assert parse(body, SETTINGS).refusal is RefusalReason.MALFORMED


@pytest.mark.parametrize(
    "body",
    [
        b'{"notification_type":"payment","notification_type":"order_paid"}',
        b'{"notification_type":"order_paid","order":{"amount":"1","amount":"2"}}',
        b'{"notification_type":"order_paid","items":[{"sku":"a","sku":"a"}]}',
    ],
)
def test_an_object_with_a_duplicate_key_is_refused(body: bytes) -> None:
    read = parse(body, SETTINGS)
    assert read.refusal is RefusalReason.MALFORMED
    assert "duplicate" in read.reason


def test_a_long_amount_is_not_truncated_to_another_one() -> None:
    long = "1.99" + "0" * 40 + "1"
    assert _event({"notification_type": "order_paid", "order": {"amount": long}}).amount == ""


def test_an_amount_too_large_for_a_float_is_read_as_inf() -> None:
    read = parse(b'{"notification_type":"order_paid","order":{"amount":1e400}}', SETTINGS)
    assert read.events[0].amount == "inf"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
NAMES = [
    "notification_type",
    "billing",
    "order",
    "user",
    "transaction",
    "settings",
    "custom_parameters",
    "refund_details",
    "purchase",
    "checkout",
    "total",
    "id",
    "external_id",
    "amount",
    "currency",
    "project_id",
    "order_id",
    "invoice_id",
    "mode",
    "dry_run",
    "code",
]
look_alikes = st.recursive(
    json_values, lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=6), max_leaves=30
)


@given(look_alikes, st.sampled_from(["order_paid", "payment", "refund", "dispute", "user_validation"]))
def test_no_json_raises_anything_but_malformed(data: Any, kind: str) -> None:
    if isinstance(data, dict):
        data = {"notification_type": kind} | data
    for event in _parse(data).events:
        _check(event)


def _check(event: PaymentEvent) -> None:
    for name in (
        "kind",
        "user_id",
        "provider_order_id",
        "transaction_id",
        "order_id",
        "external_id",
    ):
        value = getattr(event, name)
        assert isinstance(value, str)
        assert len(value) <= MAX_ID_LENGTH
        assert value.isprintable()
    assert isinstance(event.amount, str)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_malformed(body: bytes) -> None:
    parse(body, SETTINGS)
