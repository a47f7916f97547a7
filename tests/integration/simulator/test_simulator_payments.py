"""Paying, declining and leaving, as a buyer does it, and what the store is told."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.driver import SECRET, Driver, MovableClock, merchant_token_body
from tests.integration.simulator.fake_store import FakeStore


def query_of(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query, keep_blank_values=True)


def test_pay_leads_back_and_tells_the_store_with_a_right_signature(simulator: Driver, store: FakeStore) -> None:
    token, number = simulator.new_order(quantity=3)
    page = simulator.open(token)
    assert page.status_code == 200
    assert "Health &lt;Potion&gt;" in page.text
    assert "5.97 USD" in page.text
    assert str(number) in page.text

    answer = simulator.press("pay", token)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("http://shop.example/orders/1?")
    assert query_of(answer.headers["Location"]) == {
        "from": ["pay"],
        "user_id": ["user-1"],
        "foreigninvoice": ["4F7K-2M9Q-1"],
        "invoice_id": [str(simulator.transaction_id(number))],
        "status": ["done"],
    }
    simulator.wait_for(number, ("order_paid", "acknowledged"))
    told = store.received[-1]
    expected = hashlib.sha1(told.body + SECRET.encode()).hexdigest()  # noqa: S324, the provider's choice
    assert told.authorization == f"Signature {expected}"
    assert told.json["order"]["id"] == number
    assert told.json["order"]["amount"] == "5.9700"
    assert [each.type for each in store.received] == ["user_validation", "user_validation", "order_paid"]


def test_double_click_on_pay_makes_one_transaction(simulator: Driver, store: FakeStore) -> None:
    token, number = simulator.new_order()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: simulator.press("pay", token), range(8)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    simulator.wait_for(number, ("order_paid", "acknowledged"))
    assert len(simulator.order(number)["transactions"]) == 1
    assert store.types() == ["order_paid"]


def test_separate_mode_sends_order_paid_only_after_payment(start: StartSimulator, store: FakeStore) -> None:
    store.will_answer("payment", 500, 503)
    simulator = start(simulator_mode="separate")
    token, number = simulator.new_order()
    simulator.press("pay", token)
    store.wait_for("payment", "payment", "payment", "order_paid")
    assert "billing" not in store.of_type("order_paid")[0].json
    simulator.wait_for(number, ("payment", "acknowledged"), ("order_paid", "acknowledged"))


def test_refused_payment_holds_the_order_back(start: StartSimulator, store: FakeStore) -> None:
    store.will_answer("payment", 400, code="INVALID_PARAMETER")
    simulator = start(simulator_mode="separate")
    token, number = simulator.new_order()
    simulator.press("pay", token)
    simulator.wait_for(number, ("payment", "refused"), ("order_paid", "not sent, an earlier one failed"))
    assert store.types() == ["payment"]


def test_repeats_are_the_same_bytes_until_the_store_says_yes(simulator: Driver, store: FakeStore) -> None:
    store.will_answer("order_paid", 500, 502, 429)
    token, number = simulator.new_order()
    simulator.press("pay", token)
    simulator.wait_for(number, ("order_paid", "acknowledged"))
    assert len(store.of_type("order_paid")) == 4
    assert len({each.body for each in store.received if each.type == "order_paid"}) == 1
    assert simulator.order(number)["status"] == "done"


def test_a_final_code_stops_the_repeats(simulator: Driver, store: FakeStore) -> None:
    store.will_answer("order_paid", 409)
    token, number = simulator.new_order()
    simulator.press("pay", token)
    simulator.wait_for(number, ("order_paid", "refused"))
    assert len(store.of_type("order_paid")) == 1
    assert simulator.order(number)["status"] == "paid"


def test_a_store_that_never_agrees_is_given_up(start: StartSimulator, store: FakeStore) -> None:
    simulator = start(simulator_speed=10_000_000)
    store.will_answer("order_paid", *[500] * 20)
    token, number = simulator.new_order()
    simulator.press("pay", token)
    simulator.wait_for(number, ("order_paid", "given up"))
    assert len(store.of_type("order_paid")) == 20


@pytest.mark.parametrize("status", [400, 500])
def test_an_unconfirmed_buyer_cannot_pay(simulator: Driver, store: FakeStore, status: int) -> None:
    store.will_answer("user_validation", status, status)
    token, number = simulator.new_order()
    for page in (simulator.open(token), simulator.press("pay", token)):
        assert page.status_code == 422
        assert "nothing was charged" in page.text
        assert "Because of the test." in page.text
    assert simulator.order(number)["transactions"] == []
    assert len(store.received) == 2, "user_validation is never repeated"


def test_decline_says_so_and_offers_another_try(simulator: Driver, store: FakeStore) -> None:
    token, number = simulator.new_order()
    answer = simulator.press("decline", token)
    assert answer.status_code == 303
    page = simulator.http.get(answer.headers["Location"])
    assert "The payment was declined" in page.text
    assert "status=troubled" in page.text
    simulator.wait_for(number, ("ps_declined", "acknowledged"))
    assert store.received[0].json["transaction"]["external_id"] == "4F7K-2M9Q-1"

    assert simulator.press("pay", token).status_code == 303
    simulator.wait_for(number, ("ps_declined", "acknowledged"), ("order_paid", "acknowledged"))


def test_close_leads_back_without_a_status(simulator: Driver, store: FakeStore) -> None:
    token, _ = simulator.new_order()
    answer = simulator.press("close", token)
    assert answer.status_code == 303
    assert query_of(answer.headers["Location"]) == {
        "from": ["pay"],
        "user_id": ["user-1"],
        "invoice_id": [""],
    }
    assert store.received == []


def test_unknown_token_has_words(simulator: Driver) -> None:
    for answer in (
        simulator.open("nothing"),
        simulator.press("pay", "nothing"),
        simulator.http.get("/paystation4"),
    ):
        assert answer.status_code == 404
        assert "go back to the store" in answer.text


def test_expired_token_has_words(simulator: Driver, store: FakeStore, clock: MovableClock) -> None:
    token, number = simulator.new_order()
    clock.ahead = timedelta(hours=25)
    for answer in (simulator.open(token), simulator.press("pay", token)):
        assert answer.status_code == 410
        assert "expired" in answer.text
    assert simulator.order(number)["status"] == "expired"
    assert store.received == []


def test_paid_order_says_so_and_leads_back(simulator: Driver) -> None:
    token, _ = simulator.new_order()
    simulator.press("pay", token)
    page = simulator.open(token)
    assert page.status_code == 200
    assert "This order is paid" in page.text
    assert "status=done" in page.text


def test_merchant_token_is_told_as_payment_only(simulator: Driver, store: FakeStore) -> None:
    token = simulator.ask_merchant_token(merchant_token_body()).json()["token"]
    assert simulator.open(token).status_code == 200
    answer = simulator.press("pay", token)
    assert answer.headers["Location"].startswith(store.url), "without a return address the store's own is used"
    simulator.wait_for("M", ("payment", "acknowledged"))
    payment = store.of_type("payment")[0].json
    assert payment["purchase"]["checkout"] == {"currency": "USD", "amount": 19.99}
    assert payment["transaction"]["external_id"] == "M-1"
    assert payment["transaction"]["dry_run"] == 1


def test_a_wrong_secret_is_one_clear_line(
    simulator: Driver, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.will_answer("user_validation", 400, code="INVALID_SIGNATURE")
    token, _ = simulator.new_order()
    page = simulator.open(token)
    assert "XSOLLA_WEBHOOK_SECRET differs" in page.text
    [line] = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert "XSOLLA_WEBHOOK_SECRET differs between simulator and store" in line


def test_a_store_that_is_down_is_said_in_words(start: StartSimulator) -> None:
    simulator = start(simulator_store_url="http://127.0.0.1:9")
    answer = simulator.ask_token(
        {
            "user": {"id": {"value": "1"}, "country": {"value": "US"}},
            "purchase": {"items": [{"sku": "potion"}]},
        }
    )
    assert answer.status_code == 503
    assert "item list cannot be read" in answer.json()["errorMessage"]
    token = simulator.ask_merchant_token(merchant_token_body()).json()["token"]
    assert "The store cannot be reached" in simulator.press("pay", token).text
