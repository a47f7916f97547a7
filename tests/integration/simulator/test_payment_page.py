"""Paying, declining and closing, as a user does it, and the notifications that the store gets."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.driver import SECRET, STORE_ORDER_ID, Driver, MovableClock, merchant_token_body
from tests.integration.simulator.fake_store import FakeStore


def query_of(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query, keep_blank_values=True)


def test_pay_redirects_to_the_store_and_sends_a_signed_notification(simulator: Driver, store: FakeStore) -> None:
    token, order_id = simulator.new_order(quantity=3)
    page = simulator.open(token)
    assert page.status_code == 200
    assert "Health &lt;Potion&gt;" in page.text
    assert "5.97 USD" in page.text
    assert str(order_id) in page.text

    response = simulator.click("pay", token)

    assert response.status_code == 303
    assert response.headers["Location"].startswith("http://shop.example/orders/1?")
    assert query_of(response.headers["Location"]) == {
        "from": ["pay"],
        "user_id": ["user-1"],
        "foreigninvoice": [f"{STORE_ORDER_ID}-1"],
        "invoice_id": [str(simulator.transaction_id(order_id))],
        "status": ["done"],
    }
    simulator.wait_for(order_id, ("order_paid", "acknowledged"))
    delivery = store.received[-1]
    expected = hashlib.sha1(delivery.body + SECRET.encode()).hexdigest()  # noqa: S324, the provider's choice
    assert delivery.authorization == f"Signature {expected}"
    assert delivery.json["order"]["id"] == order_id
    assert delivery.json["order"]["amount"] == "5.9700"
    assert [each.type for each in store.received] == ["user_validation", "user_validation", "order_paid"]


def test_several_clicks_on_pay_make_one_transaction(simulator: Driver, store: FakeStore) -> None:
    token, order_id = simulator.new_order()
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: simulator.click("pay", token), range(8)))
    assert {response.status_code for response in responses} == {303}
    assert len({response.headers["Location"] for response in responses}) == 1
    simulator.wait_for(order_id, ("order_paid", "acknowledged"))
    assert len(simulator.order(order_id)["transactions"]) == 1
    assert store.types() == ["order_paid"]


def test_separate_mode_sends_order_paid_after_payment_is_acknowledged(
    start: StartSimulator, store: FakeStore
) -> None:
    store.will_answer("payment", 500, 503)
    simulator = start(simulator_mode="separate")
    token, order_id = simulator.new_order()
    simulator.click("pay", token)
    store.wait_for("payment", "payment", "payment", "order_paid")
    assert "billing" not in store.of_type("order_paid")[0].json
    simulator.wait_for(order_id, ("payment", "acknowledged"), ("order_paid", "acknowledged"))


def test_order_paid_is_not_sent_after_a_refused_payment(start: StartSimulator, store: FakeStore) -> None:
    store.will_answer("payment", 400, code="INVALID_PARAMETER")
    simulator = start(simulator_mode="separate")
    token, order_id = simulator.new_order()
    simulator.click("pay", token)
    simulator.wait_for(order_id, ("payment", "refused"), ("order_paid", "not sent, an earlier one failed"))
    assert store.types() == ["payment"]


def test_retries_send_the_same_bytes_until_the_store_acknowledges(simulator: Driver, store: FakeStore) -> None:
    store.will_answer("order_paid", 500, 502, 429)
    token, order_id = simulator.new_order()
    simulator.click("pay", token)
    simulator.wait_for(order_id, ("order_paid", "acknowledged"))
    assert len(store.of_type("order_paid")) == 4
    assert len({each.body for each in store.received if each.type == "order_paid"}) == 1
    assert simulator.order(order_id)["status"] == "done"


def test_a_final_status_ends_the_retries(simulator: Driver, store: FakeStore) -> None:
    store.will_answer("order_paid", 409)
    token, order_id = simulator.new_order()
    simulator.click("pay", token)
    simulator.wait_for(order_id, ("order_paid", "refused"))
    assert len(store.of_type("order_paid")) == 1
    assert simulator.order(order_id)["status"] == "paid"


def test_a_notification_is_given_up_at_the_end_of_the_schedule(start: StartSimulator, store: FakeStore) -> None:
    simulator = start(simulator_speed=10_000_000)
    store.will_answer("order_paid", *[500] * 20)
    token, order_id = simulator.new_order()
    simulator.click("pay", token)
    simulator.wait_for(order_id, ("order_paid", "given up"))
    assert len(store.of_type("order_paid")) == 20


@pytest.mark.parametrize("status", [400, 500])
def test_a_user_that_the_store_does_not_confirm_cannot_pay(
    simulator: Driver, store: FakeStore, status: int
) -> None:
    store.will_answer("user_validation", status, status)
    token, order_id = simulator.new_order()
    for page in (simulator.open(token), simulator.click("pay", token)):
        assert page.status_code == 422
        assert "nothing was charged" in page.text
        assert "Because of the test." in page.text
    assert simulator.order(order_id)["transactions"] == []
    assert len(store.received) == 2, "user_validation is not retried"


def test_after_a_decline_the_page_says_so_and_the_user_can_pay(simulator: Driver, store: FakeStore) -> None:
    token, order_id = simulator.new_order()
    response = simulator.click("decline", token)
    assert response.status_code == 303
    page = simulator.http.get(response.headers["Location"])
    assert "The payment was declined" in page.text
    assert "status=troubled" in page.text
    simulator.wait_for(order_id, ("ps_declined", "acknowledged"))
    assert store.received[0].json["transaction"]["external_id"] == f"{STORE_ORDER_ID}-1"

    assert simulator.click("pay", token).status_code == 303
    simulator.wait_for(order_id, ("ps_declined", "acknowledged"), ("order_paid", "acknowledged"))


def test_close_redirects_to_the_store_without_a_status(simulator: Driver, store: FakeStore) -> None:
    token, _ = simulator.new_order()
    response = simulator.click("close", token)
    assert response.status_code == 303
    assert query_of(response.headers["Location"]) == {
        "from": ["pay"],
        "user_id": ["user-1"],
        "invoice_id": [""],
    }
    assert store.received == []


def test_an_unknown_token_shows_an_explanation(simulator: Driver) -> None:
    for response in (
        simulator.open("nothing"),
        simulator.click("pay", "nothing"),
        simulator.http.get("/paystation4"),
    ):
        assert response.status_code == 404
        assert "go back to the store" in response.text


def test_an_expired_token_shows_an_explanation(simulator: Driver, store: FakeStore, clock: MovableClock) -> None:
    token, order_id = simulator.new_order()
    clock.offset = timedelta(hours=25)
    for response in (simulator.open(token), simulator.click("pay", token)):
        assert response.status_code == 410
        assert "expired" in response.text
    assert simulator.order(order_id)["status"] == "expired"
    assert store.received == []


def test_the_page_of_a_paid_order_says_so_and_links_to_the_store(simulator: Driver) -> None:
    token, _ = simulator.new_order()
    simulator.click("pay", token)
    page = simulator.open(token)
    assert page.status_code == 200
    assert "This order is paid" in page.text
    assert "status=done" in page.text


def test_a_payment_for_a_merchant_token_is_sent_as_payment_only(simulator: Driver, store: FakeStore) -> None:
    token = simulator.request_merchant_token(merchant_token_body()).json()["token"]
    assert simulator.open(token).status_code == 200
    response = simulator.click("pay", token)
    assert response.headers["Location"].startswith(store.url), "the default return URL is the store's address"
    simulator.wait_for("M", ("payment", "acknowledged"))
    payment = store.of_type("payment")[0].json
    assert payment["purchase"]["checkout"] == {"currency": "USD", "amount": 19.99}
    assert payment["transaction"]["external_id"] == "M-1"
    assert payment["transaction"]["dry_run"] == 1


def test_a_wrong_secret_is_explained_in_the_log_and_on_the_page(
    simulator: Driver, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.will_answer("user_validation", 400, code="INVALID_SIGNATURE")
    token, _ = simulator.new_order()
    page = simulator.open(token)
    assert "XSOLLA_WEBHOOK_SECRET differs" in page.text
    [line] = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert "XSOLLA_WEBHOOK_SECRET differs between simulator and store" in line


def test_a_store_that_cannot_be_reached_is_explained(start: StartSimulator) -> None:
    simulator = start(simulator_store_url="http://127.0.0.1:9")
    response = simulator.request_token(
        {
            "user": {"id": {"value": "1"}, "country": {"value": "US"}},
            "purchase": {"items": [{"sku": "potion"}]},
        }
    )
    assert response.status_code == 503
    assert "item list cannot be read" in response.json()["errorMessage"]
    token = simulator.request_merchant_token(merchant_token_body()).json()["token"]
    assert "The store cannot be reached" in simulator.click("pay", token).text
