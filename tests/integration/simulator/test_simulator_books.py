"""Reading back, refunds, and the controls that tests and developers use."""

from typing import Any

import pytest

from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.driver import KEY, PROJECT, Driver, merchant_token_body
from tests.integration.simulator.fake_store import FakeStore, eventually


def paid_order(simulator: Driver) -> tuple[str, int, int]:
    """Make and pay an order; gives token, number and transaction."""
    token, number = simulator.new_order()
    assert simulator.send(number, "happy").json()["acknowledged"]
    return token, number, simulator.transaction_id(number)


def read(simulator: Driver, number: object, token: str) -> Any:
    return simulator.http.get(
        f"/api/v2/project/{PROJECT}/order/{number}", headers={"Authorization": f"Bearer {token}"}
    )


def search(simulator: Driver, **body: Any) -> Any:
    return simulator.http.post(
        f"/api/v3/project/{PROJECT}/admin/order/search", json=body, auth=(str(PROJECT), KEY)
    )


def test_an_order_is_read_with_its_payment_token(simulator: Driver) -> None:
    token, number = simulator.new_order(quantity=2)
    shown = read(simulator, number, token).json()
    assert (shown["order_id"], shown["status"]) == (number, "new")
    assert shown["content"]["price"]["amount"] == "3.9800"
    assert read(simulator, number, "another").status_code == 401
    assert read(simulator, number + 1, token).status_code == 404
    simulator.send(number, "happy")
    assert read(simulator, number, token).json()["status"] == "done"


def test_orders_are_searched_newest_first(simulator: Driver) -> None:
    simulator.new_order()
    _, second, transaction = paid_order(simulator)
    simulator.ask_merchant_token(merchant_token_body())
    orders = search(simulator).json()["orders"]
    assert [order["status"] for order in orders] == ["done", "new"]
    assert (orders[0]["order_id"], orders[0]["invoice_id"]) == (second, str(transaction))
    assert len(search(simulator, limit=1, offset=1).json()["orders"]) == 1
    assert search(simulator, created_date_from="2099-01-01").json()["orders"] == []
    assert search(simulator, limit=11).status_code == 422


def test_transactions_are_found_by_one_id(simulator: Driver) -> None:
    _, _, transaction = paid_order(simulator)
    [by_id] = simulator.reports("simple_search", params={"transaction_id": transaction}).json()
    [by_name] = simulator.reports("simple_search", params={"external_id": "4F7K-2M9Q-1"}).json()
    assert by_id == by_name
    assert by_id["transaction"]["status"] == "done"
    assert simulator.reports("simple_search", params={"transaction_id": 1}).json() == []
    assert simulator.reports("simple_search").status_code == 422
    both = {"transaction_id": transaction, "external_id": "x"}
    assert simulator.reports("simple_search", params=both).status_code == 422
    assert simulator.reports("simple_search", params=both, auth=(str(PROJECT), KEY)).status_code == 401


def test_refund_in_combined_mode_cancels_the_order(simulator: Driver, store: FakeStore) -> None:
    _, number, transaction = paid_order(simulator)
    answer = simulator.reports(f"{transaction}/refund", "PUT", json={"description": "wish"})
    assert answer.status_code == 204
    store.wait_for("order_paid", "order_canceled")
    canceled = store.received[-1].json
    assert canceled["billing"]["refund_details"]["code"] == 1
    assert canceled["billing"]["transaction"]["id"] == transaction
    assert simulator.order(number)["status"] == "canceled"
    again = simulator.reports(f"{transaction}/refund", "PUT", json={"description": "wish"})
    assert again.status_code == 422


def test_refund_in_separate_mode_comes_before_the_cancellation(start: StartSimulator, store: FakeStore) -> None:
    simulator = start(simulator_mode="separate")
    _, _, transaction = paid_order(simulator)
    simulator.reports(f"{transaction}/refund", "PUT", json={"description": "wish"})
    store.wait_for("payment", "order_paid", "refund", "order_canceled")
    assert store.of_type("refund")[0].json["transaction"]["id"] == transaction
    assert "billing" not in store.of_type("order_canceled")[0].json


def test_refund_of_a_merchant_token_has_no_order(simulator: Driver, store: FakeStore) -> None:
    simulator.ask_merchant_token(merchant_token_body())
    simulator.send("M", "happy")
    simulator.send("M", "refund")
    store.wait_for("payment", "refund")


def test_partial_refunds_add_up(simulator: Driver, store: FakeStore) -> None:
    _, number, transaction = paid_order(simulator)

    def give_back(amount: object) -> int:
        body = {"description": "part", "refund_amount": amount}
        return simulator.reports(f"{transaction}/partial_refund", "PUT", json=body).status_code

    assert give_back(1.5) == 204
    assert simulator.order(number)["transactions"][0]["status"] == "partiallyRefunded"
    assert [give_back(each) for each in (0.5, 0, -1, "0.1", 0.001)] == [422] * 5
    assert give_back(0.49) == 204
    assert simulator.order(number)["transactions"][0]["status"] == "refunded"
    store.wait_for("order_paid", "partial_refund", "partial_refund")


@pytest.mark.parametrize("act", ["refund", "partial_refund"])
def test_refund_errors(simulator: Driver, act: str) -> None:
    _, _, transaction = paid_order(simulator)
    good = {"description": "x", "refund_amount": 1}
    statuses = [
        simulator.reports(f"{transaction}/{act}", "PUT", json=good, auth=("1", KEY)).status_code,
        simulator.reports(f"12/{act}", "PUT", json=good).status_code,
        simulator.reports(f"x/{act}", "PUT", json=good).status_code,
        simulator.reports(f"{transaction}/{act}", "PUT", json=good | {"description": ""}).status_code,
        simulator.reports(f"{transaction}/{act}", "PUT", json=good | {"description": "x" * 4001}).status_code,
    ]
    assert statuses == [401, 404, 404, 422, 422]


def test_a_declined_transaction_cannot_be_refunded(simulator: Driver) -> None:
    _, number = simulator.new_order()
    simulator.send(number, "decline")
    answer = simulator.reports(f"{simulator.transaction_id(number)}/refund", "PUT", json={"description": "x"})
    assert answer.status_code == 422


def test_scenarios_take_the_store_s_own_order_id(simulator: Driver, store: FakeStore) -> None:
    simulator.new_order()
    sent = simulator.send("4F7K-2M9Q", "duplicate").json()
    assert sent["acknowledged"]
    assert [d["type"] for d in sent["deliveries"]] == ["user_validation", "order_paid", "order_paid"]
    assert len({each.body for each in store.of_type("order_paid")}) == 1
    assert simulator.send("4F7K-2M9Q", "duplicate").json()["acknowledged"]
    store.wait_for("order_paid", "order_paid", "order_paid")


def test_the_paid_try_is_meant_when_an_order_had_several(simulator: Driver) -> None:
    _, first = simulator.new_order()
    _, second = simulator.new_order()
    assert simulator.order("4F7K-2M9Q")["id"] == second
    simulator.send(first, "happy")
    assert simulator.order("4F7K-2M9Q")["id"] == first


def test_cancel_before_and_after_paying(simulator: Driver, store: FakeStore) -> None:
    token, unpaid = simulator.new_order()
    assert simulator.send(unpaid, "cancel").json()["order"]["status"] == "canceled"
    assert store.received[-1].json["order"]["invoice_id"] is None
    assert simulator.press("pay", token).status_code == 410
    _, paid, _ = paid_order(simulator)
    assert simulator.send(paid, "cancel").json()["order"]["status"] == "canceled"
    assert store.received[-1].json["billing"]["refund_details"]["code"] == 10


@pytest.mark.parametrize("scenario", ["refund", "happy", "decline"])
def test_what_does_not_fit_is_refused_in_words(simulator: Driver, scenario: str) -> None:
    _, number = simulator.new_order()
    if scenario != "refund":
        simulator.send(number, "happy")
    answer = simulator.send(number, scenario)
    assert answer.status_code == 409
    assert str(number) in answer.json()["error"]


def test_unknown_orders_and_scenarios_are_refused(simulator: Driver) -> None:
    assert simulator.send("nobody", "happy").status_code == 404
    assert "restart" in simulator.http.get("/simulator/orders/nobody").json()["error"]
    _, number = simulator.new_order()
    assert simulator.send(number, "surprise").status_code == 422


def test_an_unacknowledged_sending_says_so(simulator: Driver, store: FakeStore) -> None:
    store.will_answer("user_validation", 400)
    _, number = simulator.new_order()
    sent = simulator.send(number, "happy").json()
    assert not sent["acknowledged"]
    assert [(d["type"], d["outcome"], d["last_status"]) for d in sent["deliveries"]] == [
        ("user_validation", "refused", 400)
    ]


def test_deliveries_are_listed_for_comparison(simulator: Driver) -> None:
    _, number, _ = paid_order(simulator)
    [_, told] = simulator.http.get("/simulator/deliveries").json()
    assert (told["type"], told["order"], told["attempts"]) == ("order_paid", number, 1)
    assert (told["last_status"], told["acknowledged"]) == (204, True)


def test_the_window_shows_orders_and_has_working_buttons(simulator: Driver, store: FakeStore) -> None:
    assert "No orders yet" in simulator.http.get("/").text
    _, number = simulator.new_order()
    assert f'action="/orders/{number}/happy"' in simulator.http.get("/").text
    assert simulator.http.post(f"/orders/{number}/happy").status_code == 303
    store.wait_for("order_paid")
    eventually(lambda: "order_paid: acknowledged, answer 204, 1 try" in simulator.http.get("/").text, str)
    assert simulator.http.post(f"/orders/{number}/refund").status_code == 303
    refused = simulator.http.post(f"/orders/{number}/refund")
    assert refused.status_code == 409
    assert "refunded already" in refused.text


def test_pages_of_other_sites_cannot_press_buttons(simulator: Driver) -> None:
    _, number = simulator.new_order()
    foreign = {"Origin": "https://evil.example"}
    assert simulator.http.post(f"/orders/{number}/happy", headers=foreign).status_code == 403
    answer = simulator.http.post(f"/simulator/orders/{number}/send", json={}, headers=foreign)
    assert answer.status_code == 403
    own = {"Origin": simulator.url}
    assert simulator.http.post(f"/orders/{number}/happy", headers=own).status_code == 303


def test_the_process_says_that_it_is_alive(simulator: Driver) -> None:
    assert simulator.http.get("/livez").text == "ok\n"
