"""Reading orders and transactions, refunds, the control API and the dashboard."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.driver import (
    KEY,
    PROJECT,
    STORE_ORDER_ID,
    Driver,
    MovableClock,
    merchant_token_body,
)
from tests.integration.simulator.fake_store import FakeStore, wait_until


def paid_order(simulator: Driver) -> tuple[str, int, int]:
    """Create and pay an order; return its token, its id and the id of the transaction."""
    token, order_id = simulator.new_order()
    assert simulator.send(order_id, "happy").json()["acknowledged"]
    return token, order_id, simulator.transaction_id(order_id)


def read(simulator: Driver, order_id: object, token: str) -> Any:
    return simulator.http.get(
        f"/api/v2/project/{PROJECT}/order/{order_id}", headers={"Authorization": f"Bearer {token}"}
    )


def search(simulator: Driver, **body: Any) -> Any:
    return simulator.http.post(
        f"/api/v3/project/{PROJECT}/admin/order/search", json=body, auth=(str(PROJECT), KEY)
    )


def test_an_order_is_read_with_its_payment_token(simulator: Driver) -> None:
    token, order_id = simulator.new_order(quantity=2)
    order = read(simulator, order_id, token).json()
    assert (order["order_id"], order["status"]) == (order_id, "new")
    assert order["content"]["price"]["amount"] == "3.9800"
    assert read(simulator, order_id, "another").status_code == 401
    assert read(simulator, order_id + 1, token).status_code == 404
    simulator.send(order_id, "happy")
    assert read(simulator, order_id, token).json()["status"] == "done"


def test_orders_are_searched_newest_first(simulator: Driver) -> None:
    simulator.new_order()
    _, second, transaction = paid_order(simulator)
    simulator.request_merchant_token(merchant_token_body())
    orders = search(simulator).json()["orders"]
    assert [order["status"] for order in orders] == ["done", "new"]
    assert (orders[0]["order_id"], orders[0]["invoice_id"]) == (second, str(transaction))
    assert len(search(simulator, limit=1, offset=1).json()["orders"]) == 1
    assert search(simulator, created_date_from="2099-01-01").json()["orders"] == []
    assert search(simulator, limit=11).status_code == 422


def test_the_order_search_finds_only_what_was_created_in_the_window(
    simulator: Driver, clock: MovableClock
) -> None:
    _, first = simulator.new_order()
    clock.offset = timedelta(hours=1)
    _, second = simulator.new_order()
    half_past = (clock() - timedelta(minutes=30)).isoformat()
    assert [o["order_id"] for o in search(simulator, created_date_from=half_past).json()["orders"]] == [second]
    assert [o["order_id"] for o in search(simulator, created_date_until=half_past).json()["orders"]] == [first]


def test_a_transaction_says_what_was_paid_and_its_tax(simulator: Driver) -> None:
    _, _, transaction = paid_order(simulator)
    [found] = simulator.transactions("simple_search", params={"transaction_id": transaction}).json()
    assert {"transaction", "payment_details", "user"} == found.keys()
    details = found["payment_details"]
    paid, sales_tax, vat = (Decimal(str(details[name]["amount"])) for name in ("payment", "sales_tax", "vat"))
    assert (paid - sales_tax - vat, details["payment"]["currency"]) == (Decimal("1.99"), "USD")


def test_transactions_are_found_by_one_of_their_ids(simulator: Driver) -> None:
    _, _, transaction = paid_order(simulator)
    [by_id] = simulator.transactions("simple_search", params={"transaction_id": transaction}).json()
    [by_external_id] = simulator.transactions(
        "simple_search", params={"external_id": f"{STORE_ORDER_ID}-1"}
    ).json()
    assert by_id == by_external_id
    assert by_id["transaction"]["status"] == "done"
    assert simulator.transactions("simple_search", params={"transaction_id": 1}).json() == []
    assert simulator.transactions("simple_search").status_code == 422
    both = {"transaction_id": transaction, "external_id": "x"}
    assert simulator.transactions("simple_search", params=both).status_code == 422
    assert simulator.transactions("simple_search", params=both, auth=(str(PROJECT), KEY)).status_code == 401


def test_a_refund_in_combined_mode_is_sent_as_order_canceled(simulator: Driver, store: FakeStore) -> None:
    _, order_id, transaction = paid_order(simulator)
    response = simulator.transactions(f"{transaction}/refund", "PUT", json={"description": "by request"})
    assert response.status_code == 204
    store.wait_for("order_paid", "order_canceled")
    canceled = store.received[-1].json
    assert canceled["billing"]["refund_details"]["code"] == 1
    assert canceled["billing"]["transaction"]["id"] == transaction
    assert simulator.order(order_id)["status"] == "canceled"
    second = simulator.transactions(f"{transaction}/refund", "PUT", json={"description": "by request"})
    assert second.status_code == 422


def test_a_refund_in_separate_mode_is_sent_before_order_canceled(start: StartSimulator, store: FakeStore) -> None:
    simulator = start(simulator_mode="separate")
    _, _, transaction = paid_order(simulator)
    simulator.transactions(f"{transaction}/refund", "PUT", json={"description": "by request"})
    store.wait_for("payment", "order_paid", "refund", "order_canceled")
    assert store.of_type("refund")[0].json["transaction"]["id"] == transaction
    assert "billing" not in store.of_type("order_canceled")[0].json


def test_a_refund_for_a_merchant_token_has_no_order_notification(simulator: Driver, store: FakeStore) -> None:
    simulator.request_merchant_token(merchant_token_body())
    simulator.send("M", "happy")
    simulator.send("M", "refund")
    store.wait_for("payment", "refund")


def test_partial_refunds_are_possible_up_to_the_whole_payment(simulator: Driver, store: FakeStore) -> None:
    _, order_id, transaction = paid_order(simulator)

    def refund_part(amount: object) -> int:
        body = {"description": "part", "refund_amount": amount}
        return simulator.transactions(f"{transaction}/partial_refund", "PUT", json=body).status_code

    assert refund_part(1.5) == 204
    assert simulator.order(order_id)["transactions"][0]["status"] == "partiallyRefunded"
    assert [refund_part(each) for each in (0.5, 0, -1, "0.1", 0.001)] == [422] * 5
    assert refund_part(0.49) == 204
    assert simulator.order(order_id)["transactions"][0]["status"] == "refunded"
    store.wait_for("order_paid", "partial_refund", "partial_refund")


@pytest.mark.parametrize("action", ["refund", "partial_refund"])
def test_invalid_refund_requests_are_refused(simulator: Driver, action: str) -> None:
    _, _, transaction = paid_order(simulator)
    valid = {"description": "x", "refund_amount": 1}
    statuses = [
        simulator.transactions(f"{transaction}/{action}", "PUT", json=valid, auth=("1", KEY)).status_code,
        simulator.transactions(f"12/{action}", "PUT", json=valid).status_code,
        simulator.transactions(f"x/{action}", "PUT", json=valid).status_code,
        simulator.transactions(f"{transaction}/{action}", "PUT", json=valid | {"description": ""}).status_code,
        simulator.transactions(
            f"{transaction}/{action}", "PUT", json=valid | {"description": "x" * 4001}
        ).status_code,
    ]
    assert statuses == [401, 404, 404, 422, 422]


def test_a_declined_transaction_cannot_be_refunded(simulator: Driver) -> None:
    _, order_id = simulator.new_order()
    simulator.send(order_id, "decline")
    response = simulator.transactions(
        f"{simulator.transaction_id(order_id)}/refund", "PUT", json={"description": "x"}
    )
    assert response.status_code == 422


def test_an_order_can_be_given_by_its_id_at_the_store(simulator: Driver, store: FakeStore) -> None:
    simulator.new_order()
    result = simulator.send(STORE_ORDER_ID, "duplicate").json()
    assert result["acknowledged"]
    assert [each["type"] for each in result["notifications"]] == ["user_validation", "order_paid", "order_paid"]
    assert len({each.body for each in store.of_type("order_paid")}) == 1
    assert simulator.send(STORE_ORDER_ID, "duplicate").json()["acknowledged"]
    store.wait_for("order_paid", "order_paid", "order_paid")


def test_the_id_at_the_store_means_the_paid_payment_attempt(simulator: Driver) -> None:
    _, first = simulator.new_order()
    _, second = simulator.new_order()
    assert simulator.order(STORE_ORDER_ID)["id"] == second
    simulator.send(first, "happy")
    assert simulator.order(STORE_ORDER_ID)["id"] == first


def test_an_order_can_be_canceled_before_and_after_the_payment(simulator: Driver, store: FakeStore) -> None:
    token, unpaid = simulator.new_order()
    assert simulator.send(unpaid, "cancel").json()["order"]["status"] == "canceled"
    assert store.received[-1].json["order"]["invoice_id"] is None
    assert simulator.click("pay", token).status_code == 410
    _, paid, _ = paid_order(simulator)
    assert simulator.send(paid, "cancel").json()["order"]["status"] == "canceled"
    assert store.received[-1].json["billing"]["refund_details"]["code"] == 10


@pytest.mark.parametrize("scenario", ["refund", "happy", "decline"])
def test_an_impossible_scenario_is_refused_with_a_sentence(simulator: Driver, scenario: str) -> None:
    _, order_id = simulator.new_order()
    if scenario != "refund":
        simulator.send(order_id, "happy")
    response = simulator.send(order_id, scenario)
    assert response.status_code == 409
    assert str(order_id) in response.json()["error"]


def test_unknown_orders_and_scenarios_are_refused(simulator: Driver) -> None:
    assert simulator.send("unknown", "happy").status_code == 404
    assert "restart" in simulator.http.get("/simulator/orders/unknown").json()["error"]
    _, order_id = simulator.new_order()
    assert simulator.send(order_id, "unknown-scenario").status_code == 422


def test_a_refused_user_validation_is_in_the_result(simulator: Driver, store: FakeStore) -> None:
    store.will_answer("user_validation", 400)
    _, order_id = simulator.new_order()
    result = simulator.send(order_id, "happy").json()
    assert not result["acknowledged"]
    assert [(each["type"], each["status"], each["last_response_status"]) for each in result["notifications"]] == [
        ("user_validation", "refused", 400)
    ]


def test_all_notifications_are_listed(simulator: Driver) -> None:
    _, order_id, _ = paid_order(simulator)
    [_, notification] = simulator.http.get("/simulator/notifications").json()
    assert (notification["type"], notification["order_id"], notification["deliveries"]) == (
        "order_paid",
        order_id,
        1,
    )
    assert (notification["last_response_status"], notification["acknowledged"]) == (204, True)


def test_the_dashboard_shows_orders_and_its_buttons_work(simulator: Driver, store: FakeStore) -> None:
    assert "No orders yet" in simulator.http.get("/").text
    _, order_id = simulator.new_order()
    assert f'action="/orders/{order_id}/happy"' in simulator.http.get("/").text
    assert simulator.http.post(f"/orders/{order_id}/happy").status_code == 303
    store.wait_for("order_paid")
    wait_until(lambda: "order_paid: acknowledged, response 204, 1 delivery" in simulator.http.get("/").text, str)
    assert simulator.http.post(f"/orders/{order_id}/refund").status_code == 303
    refused = simulator.http.post(f"/orders/{order_id}/refund")
    assert refused.status_code == 409
    assert "already refunded" in refused.text


def test_pages_of_other_sites_cannot_control_the_simulator(simulator: Driver) -> None:
    _, order_id = simulator.new_order()
    other_origin = {"Origin": "https://evil.example"}
    assert simulator.http.post(f"/orders/{order_id}/happy", headers=other_origin).status_code == 403
    response = simulator.http.post(f"/simulator/orders/{order_id}/send", json={}, headers=other_origin)
    assert response.status_code == 403
    own_origin = {"Origin": simulator.url}
    assert simulator.http.post(f"/orders/{order_id}/happy", headers=own_origin).status_code == 303


def test_livez_answers(simulator: Driver) -> None:
    assert simulator.http.get("/livez").text == "ok\n"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:1", "localhost.evil.example", "", "[::1", "10.0.0.1"]
)
@pytest.mark.parametrize("path", ["/", "/simulator/deliveries", "/style.css"])
def test_other_host_names_are_not_answered(simulator: Driver, host: str, path: str) -> None:
    """DNS rebinding: a page of another site whose name has the address 127.0.0.1."""
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert simulator.http.get(path, headers=headers).status_code in {400, 421}


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8001", "[::1]:8001", "LOCALHOST"])
def test_all_names_of_this_machine_are_answered(simulator: Driver, host: str) -> None:
    assert simulator.http.get("/style.css", headers={"Host": host}).status_code == 200
