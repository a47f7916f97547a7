"""Each delivery is checked, kept and answered as the provider expects; nothing is granted by mistake."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from store_app.models import Order, Verdict
from store_app.orders.service import close_account
from tests.integration.shop import (
    PROJECT,
    SECRET,
    Json,
    Shop,
    declined,
    order_canceled,
    order_paid,
    payment,
    refund,
    sign,
    use_database,
)
from tests.support.deliveries import receive
from tests.support.invariants import check
from tests.unit import xsolla_samples as samples
from tests.unit.test_notifications import look_alikes
from tests.unit.test_signature import WRONG
from webhook.inbox import UNVERIFIED_BODY_KEPT


def _last(shop: Shop) -> dict[str, Any]:
    columns = "verdict, answered, notification_type, order_id, reason, headers, body"
    row = shop.rows(f"SELECT {columns} FROM webhook_deliveries ORDER BY id DESC LIMIT 1")[0]
    return dict(zip(columns.split(", "), row, strict=True))


def _check_nothing_changed(shop: Shop, order: Order) -> None:
    assert shop.read(order.id).status == "pending"
    assert shop.purchases(order.id) == []
    assert shop.rows("SELECT id FROM payments WHERE kind = 'payment'") == []
    check(shop.engine)


def _with(notification: Json, path: str, value: Any) -> Json:
    changed: Json = json.loads(json.dumps(notification))
    part = changed
    *parents, name = path.split(".")
    for parent in parents:
        part = part[parent]
    part[name] = value
    return changed


# --- the signature


@pytest.mark.parametrize("name", [name for name in WRONG if name != "of JSON written again"])
def test_a_wrong_signature_changes_nothing(shop: Shop, name: str) -> None:
    order = shop.order(shop.user(), shop.item())
    body = json.dumps(order_paid(order)).encode()
    outcome = receive(body, WRONG[name], {})
    assert (outcome.status, outcome.code) == (400, "INVALID_SIGNATURE")
    assert _last(shop)["verdict"] == "bad_signature"
    _check_nothing_changed(shop, order)


def test_a_signature_of_other_bytes_of_the_same_json_is_wrong(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    body = json.dumps(order_paid(order)).encode()
    again = json.dumps(json.loads(body), separators=(",", ":")).encode()
    assert receive(again, sign(body), {}).code == "INVALID_SIGNATURE"
    _check_nothing_changed(shop, order)


def test_both_secrets_are_accepted_while_they_rotate(database_url: str, dialect: str) -> None:
    with use_database(database_url, XSOLLA_WEBHOOK_SECRET=f"new-secret,{SECRET}") as engine:
        shop = Shop(engine, dialect)
        for number, secret in enumerate(("new-secret", SECRET)):
            order = shop.order(shop.user(), shop.item())
            body = json.dumps(order_paid(order, f"T{number}")).encode()
            assert receive(body, sign(body, secret), {}).verdict == "done"
        assert receive(body, sign(body, "older"), {}).code == "INVALID_SIGNATURE"


def test_only_the_beginning_of_an_unsigned_delivery_is_kept(shop: Shop) -> None:
    receive(b"x" * 200_000, b"Signature " + b"0" * 40, {"x-long": "y" * 100_000})
    kept = _last(shop)
    assert len(kept["body"]) == UNVERIFIED_BODY_KEPT
    assert len(kept["headers"]) < 10_000


def test_a_delivery_is_kept_as_it_came_except_for_its_secrets(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    body = json.dumps(order_paid(order), indent=3).encode()
    headers = {"authorization": "Signature abc", "cookie": "session=abc", "x-strange": "\x00é\ud800"}
    assert receive(body, sign(body), headers).status == 204
    kept = _last(shop)
    assert bytes(kept["body"]) == body
    assert (kept["verdict"], kept["answered"], kept["order_id"]) == ("done", 204, order.id)
    assert "abc" not in kept["headers"]
    assert "x-strange" in kept["headers"]


# --- user_validation


def test_known_users_are_valid(shop: Shop) -> None:
    user = shop.user()
    outcome = shop.notify({**samples.USER_VALIDATION, "user": {"id": user.user_id, "country": "US"}})
    assert outcome.status == 204
    assert _last(shop)["notification_type"] == "user_validation"


@pytest.mark.parametrize("user", ["nobody", "test_xsolla_1", "", None, 42, {"a": 1}, "\x00", "x" * 1_000])
def test_unknown_users_are_not_valid(shop: Shop, user: Any) -> None:
    outcome = shop.notify({**samples.USER_VALIDATION, "user": {"id": user}})
    assert (outcome.status, outcome.code) == (400, "INVALID_USER")


def test_a_closed_account_is_not_valid_but_what_it_paid_is_booked(shop: Shop) -> None:
    user = shop.user()
    order = shop.order(user, shop.item())
    close_account(user, user.user_id)
    assert shop.notify({**samples.USER_VALIDATION, "user": {"id": user.user_id}}).code == "INVALID_USER"
    assert shop.notify(order_paid(order)).status == 204
    assert shop.read(order.id).status == "paid"


# --- the payment must match the order


MISMATCHES: dict[str, tuple[str, Any, str]] = {
    "one cent less": ("order.amount", "1.98", "INCORRECT_AMOUNT"),
    "one cent more": ("order.amount", "2.0000", "INCORRECT_AMOUNT"),
    "nothing": ("order.amount", 0, "INCORRECT_AMOUNT"),
    "negative": ("order.amount", "-1.99", "INCORRECT_AMOUNT"),
    "a hundred times as much": ("order.amount", 199, "INCORRECT_AMOUNT"),
    "finer than a cent": ("order.amount", "1.990001", "INCORRECT_AMOUNT"),
    "no amount": ("order.amount", None, "INCORRECT_AMOUNT"),
    "text": ("order.amount", "[null]", "INCORRECT_AMOUNT"),
    "not a number": ("order.amount", "NaN", "INCORRECT_AMOUNT"),
    "infinite": ("order.amount", "Infinity", "INCORRECT_AMOUNT"),
    "1e400": ("order.amount", "1e400", "INCORRECT_AMOUNT"),
    "a huge exponent": ("order.amount", "1e999999999999999999", "INCORRECT_AMOUNT"),
    "a huge integer": ("order.amount", 10**300, "INCORRECT_AMOUNT"),
    "true": ("order.amount", True, "INCORRECT_AMOUNT"),
    "another currency": ("order.currency", "EUR", "INCORRECT_AMOUNT"),
    "no currency": ("order.currency", None, "INCORRECT_AMOUNT"),
    "more digits than are read": ("order.amount", "1.99" + "0" * 40 + "1", "INCORRECT_AMOUNT"),
    "another user": ("user.external_id", "somebody-else", "INVALID_USER"),
    "a user that is a list": ("user.external_id", ["somebody-else"], "INVALID_USER"),
    "a user with a NUL": ("user.external_id", "\x00", "INVALID_USER"),
    "a user too long to read": ("user.external_id", "x" * 65, "INVALID_USER"),
}


@pytest.mark.parametrize(("path", "value", "code"), MISMATCHES.values(), ids=MISMATCHES.keys())
def test_a_payment_that_does_not_match_is_kept_and_flagged_and_grants_nothing(
    shop: Shop, path: str, value: Any, code: str
) -> None:
    order = shop.order(shop.user(), shop.item(199))
    outcome = shop.notify(_with(order_paid(order), path, value))
    assert (outcome.status, outcome.code, outcome.verdict) == (400, code, "refused")
    assert shop.flags(order.id)
    assert _last(shop)["order_id"] == order.id
    _check_nothing_changed(shop, order)


@pytest.mark.parametrize("project", [[1], {"id": 1}, True, "1\x00", 1.5])
def test_an_unreadable_project_is_refused_like_another_project(shop: Shop, project: Any) -> None:
    order = shop.order(shop.user(), shop.item(199))
    outcome = shop.notify(_with(order_paid(order), "billing.settings.project_id", project))
    assert (outcome.status, outcome.code) == (400, "INVALID_PARAMETER")
    _check_nothing_changed(shop, order)


def test_a_payment_with_a_duplicate_json_name_grants_nothing(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(199))
    right = json.dumps(order_paid(order))
    for body in (right.replace('"amount":', '"amount": "0", "amount":'), right[:-1] + ', "user": {}}'):
        outcome = receive(body.encode(), sign(body.encode()), {})
        assert (outcome.status, outcome.code) == (400, "INVALID_PARAMETER")
    _check_nothing_changed(shop, order)


@pytest.mark.parametrize("value", ["1.99", 1.99, "1.9900", "1.990000000000"])
def test_an_amount_matches_in_any_notation(shop: Shop, value: Any) -> None:
    order = shop.order(shop.user(), shop.item(199))
    assert shop.notify(_with(order_paid(order), "order.amount", value)).verdict == "done"


def test_payment_in_separate_mode_grants_nothing_and_order_paid_grants(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    assert (shop.notify(payment(order)).verdict, shop.read(order.id).status) == ("done", "pending")
    separate = order_paid(order)
    del separate["billing"]
    assert shop.notify(separate).verdict == "done"
    assert shop.notify(payment(order)).status == 204
    assert shop.read(order.id).status == "paid"
    check(shop.engine)


def test_a_payment_that_does_not_match_is_flagged_and_answered_with_success_in_separate_mode(shop: Shop) -> None:
    # Answering 400 here would not give the user the money back.
    order = shop.order(shop.user(), shop.item(199))
    outcome = shop.notify(_with(payment(order), "purchase.checkout.amount", 1.98))
    assert (outcome.status, outcome.verdict) == (204, "refused")
    assert "amount" in shop.flags(order.id)[0]
    _check_nothing_changed(shop, order)


@pytest.mark.parametrize("notify", [order_paid, payment, refund, order_canceled, declined])
def test_another_projects_notifications_are_refused(shop: Shop, notify: Any) -> None:
    order = shop.order(shop.user(), shop.item())
    path = "billing.settings.project_id" if "billing" in notify(order) else "settings.project_id"
    outcome = shop.notify(_with(notify(order), path, PROJECT + 1))
    assert (outcome.status, outcome.code) == (400, "INVALID_PARAMETER")
    _check_nothing_changed(shop, order)


@pytest.mark.parametrize("notify", [order_paid, refund, declined])
def test_a_live_notification_moves_nothing_in_sandbox_mode(shop: Shop, notify: Any) -> None:
    order = shop.order(shop.user(), shop.item())
    real = notify(order)
    if "order" in real:
        real = _with(_with(real, "order.mode", "default"), "billing.transaction.dry_run", 0)
    else:
        real = _with(real, "transaction.dry_run", None)
    outcome = shop.notify(real)
    assert (outcome.status, outcome.verdict) == (204, "ignored")
    assert "sandbox" in shop.flags(order.id)[0]
    _check_nothing_changed(shop, order)


def test_a_test_payment_buys_nothing_in_live_mode(database_url: str, dialect: str) -> None:
    with use_database(database_url, XSOLLA_SANDBOX="false") as engine:
        shop = Shop(engine, dialect)
        order = shop.order(shop.user(), shop.item())
        assert shop.notify(order_paid(order)).verdict == "ignored"
        _check_nothing_changed(shop, order)
        real = _with(_with(order_paid(order), "order.mode", "default"), "billing.transaction.dry_run", 0)
        assert shop.notify(real).verdict == "done"
        assert shop.read(order.id).status == "paid"


# --- which order it is about


def test_an_order_is_found_by_the_providers_id_alone(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    ((number,),) = shop.rows("SELECT provider_order_id FROM payment_attempts")
    paid = _with(order_paid(order), "order.id", int(number))
    del paid["custom_parameters"]
    paid["billing"]["transaction"].pop("external_id")
    assert shop.notify(paid).order_id == order.id


def test_an_order_is_found_by_the_external_id_alone(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    paid = order_paid(order)
    del paid["custom_parameters"]
    assert shop.notify(paid).order_id == order.id


def test_the_order_id_of_the_provider_takes_precedence(shop: Shop) -> None:
    user = shop.user()
    order, other = shop.order(user, shop.item()), shop.order(user, shop.item())
    query = "SELECT provider_order_id FROM payment_attempts WHERE order_id = :id"
    ((number,),) = shop.rows(query, id=order.id)
    paid = _with(_with(order_paid(order), "order.id", int(number)), "custom_parameters.order_id", other.id)
    assert shop.notify(paid).order_id == order.id
    assert shop.read(other.id).status == "pending"


@pytest.mark.parametrize("notify", [order_paid, payment, refund, order_canceled, declined])
def test_a_delivery_about_an_unknown_order_is_kept_for_staff_and_answered_with_success(
    shop: Shop, notify: Any
) -> None:
    order = shop.order(shop.user(), shop.item())
    facts = {"user_id": order.user_id, "total": 199, "currency": "USD", "expires_at": order.expires_at}
    unknown = Order.model_validate({"id": "f" * 32, "number": "-", **facts})
    outcome = shop.notify(notify(unknown))
    assert (outcome.status, outcome.verdict) == (204, "unmatched")
    kept = _last(shop)
    assert (kept["verdict"], kept["order_id"]) == ("unmatched", None)
    assert json.loads(bytes(kept["body"]))["custom_parameters"]["order_id"] == unknown.id
    _check_nothing_changed(shop, order)


@pytest.mark.parametrize("sample", [samples.AFS_BLACK_LIST, {"notification_type": "made_up_tomorrow"}])
def test_unused_types_are_kept_and_answered_with_success(shop: Shop, sample: Json) -> None:
    sample = {**sample, "settings": {"project_id": PROJECT}}
    outcome = shop.notify(sample)
    assert (outcome.status, outcome.verdict) == (204, "ignored")
    assert _last(shop)["notification_type"] == sample["notification_type"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"{}", b'{"notification_type": 1}', b"[" * 50_000, b"\xff"]
)
def test_a_signed_body_that_is_no_notification_is_refused_and_kept(shop: Shop, body: bytes) -> None:
    outcome = receive(body, sign(body), {})
    assert (outcome.status, outcome.code) == (400, "INVALID_PARAMETER")
    assert bytes(_last(shop)["body"]) == body


# --- nothing that is signed can raise


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    look_alikes,
    st.sampled_from(["order_paid", "payment", "refund", "order_canceled", "ps_declined", "afs_reject"]),
)
def test_any_signed_notification_is_answered_and_kept(shop: Shop, data: Any, kind: str) -> None:
    orders = shop.rows("SELECT id FROM orders")
    order = shop.read(orders[0][0]) if orders else shop.order(shop.user(), shop.item())
    notification = {**data, "notification_type": kind} if isinstance(data, dict) else data
    if isinstance(notification, dict):
        notification["custom_parameters"] = {"order_id": order.id}
    before = shop.rows("SELECT COUNT(*) FROM webhook_deliveries")[0][0]
    outcome = shop.notify(notification)
    assert outcome.status in {204, 400}
    assert (outcome.status == 400) is bool(outcome.code)
    assert shop.rows("SELECT COUNT(*) FROM webhook_deliveries")[0][0] == before + 1


# --- faults of the store


def test_an_exception_undoes_everything_and_keeps_the_delivery(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    body = json.dumps(order_paid(order)).encode()

    def fail(_c: object, _u: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE FROM pending_purchases"):
            raise RuntimeError("simulated failure")

    event.listen(shop.engine, "before_cursor_execute", fail)
    with pytest.raises(RuntimeError, match="simulated failure"):
        receive(body, sign(body), {})
    event.remove(shop.engine, "before_cursor_execute", fail)
    _check_nothing_changed(shop, order)
    kept = _last(shop)
    assert (kept["verdict"], kept["answered"], bytes(kept["body"])) == ("failed", 503, body)
    assert receive(body, sign(body), {}).verdict == Verdict.DONE
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine, [body])
