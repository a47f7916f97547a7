"""Each scenario: which notifications the store gets, in which order, and what the simulator shows afterwards."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from simulator.client.simulator_client import SimulatorClient, SimulatorError
from simulator.delivery.sender import sign
from simulator.scenarios import Scenario
from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.driver import SECRET, STORE_ORDER_ID, Driver, token_body
from tests.integration.simulator.fake_store import FakeStore, wait_until

FASTEST = 10_000_000.0
PENDING = {"status": "pending", "purchases": "none"}


@pytest.fixture
def client(simulator: Driver) -> Iterator[SimulatorClient]:
    with SimulatorClient(simulator.url) as client:
        yield client


def run_scenario(client: SimulatorClient, simulator: Driver, scenario: Scenario, **options: Any) -> dict[str, Any]:
    """Run a scenario on a new order of three potions; return the result."""
    _, order_id = simulator.new_order(quantity=3)
    return client.send(order_id, scenario, wait=8, speed=FASTEST, **options)


def test_burst_sends_fifty_equal_notifications(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    result = run_scenario(client, simulator, Scenario.BURST, mode="separate")
    assert result["as_expected"]
    assert store.types() == ["payment"] + ["order_paid"] * 50
    assert len({each.body for each in store.of_type("order_paid")}) == 1
    assert "50 x order_paid: acknowledged" in simulator.http.get("/").text
    assert client.send(result["order"]["id"], "duplicate")["as_expected"]
    assert len(store.of_type("order_paid")) == 51, "the notification of a burst is sent again once"


def test_out_of_order_sends_all_notifications_in_reverse_order(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    store.will_answer("order_canceled", 400)
    result = run_scenario(client, simulator, Scenario.OUT_OF_ORDER)
    assert store.types() == ["order_canceled", "refund", "order_paid", "payment"]
    assert result["order"]["expected"] == {"status": "refunded", "purchases": "refunded"}
    assert not result["as_expected"], "a notification with a valid signature must not be refused"


@pytest.mark.parametrize(
    ("mode", "types"),
    [
        ("combined", ["order_canceled", "order_paid"]),
        ("separate", ["refund", "order_canceled", "payment", "order_paid"]),
    ],
)
def test_refund_first_sends_the_refund_before_the_payment(
    client: SimulatorClient, simulator: Driver, store: FakeStore, mode: Any, types: list[str]
) -> None:
    result = run_scenario(client, simulator, Scenario.REFUND_FIRST, mode=mode)
    assert store.types() == types
    assert result["as_expected"]
    assert result["order"]["expected"]["status"] == "refunded"


def test_late_holds_its_notifications_until_they_are_released(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    _, order_id = simulator.new_order()
    assert client.send(order_id, Scenario.LATE, hold=3600, wait=0)["order"]["status"] == "paid"
    assert store.types() == []
    assert f'action="/orders/{order_id}/release"' in simulator.http.get("/").text
    result = client.release(order_id)
    assert result["as_expected"]
    assert [each["type"] for each in result["notifications"]] == ["order_paid"]
    assert result["order"]["expected"] == {"status": "paid", "purchases": "granted"}


def test_late_sends_its_notifications_after_the_hold_time(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    assert run_scenario(client, simulator, Scenario.LATE, hold=0.01)["as_expected"]
    assert store.types() == ["order_paid"]


def test_partial_refunds_sum_up_to_the_whole_payment(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    result = run_scenario(client, simulator, Scenario.PARTIAL_REFUNDS)
    assert result["order"]["expected"]["status"] == "refunded"
    received = [each.json for each in store.of_type("partial_refund")]
    details = [each["payment_details"] for each in received]
    parts = [Decimal(each["payment"]["amount"]) - Decimal(each["sales_tax"]["amount"]) for each in details]
    assert parts == [Decimal("1.99")] * 3
    assert len({each.body for each in store.of_type("partial_refund")}) == 3, "equal parts have different bytes"
    assert {each["transaction"]["id"] for each in received} == {result["order"]["transactions"][0]["id"]}
    assert received[0]["purchase"]["total"]["amount"] == 5.97


def test_the_rest_can_be_refunded_after_a_partial_refund(client: SimulatorClient, simulator: Driver) -> None:
    result = run_scenario(client, simulator, Scenario.PARTIAL_REFUND)
    assert result["order"]["expected"] == {"status": "partially_refunded", "purchases": "granted"}
    rest = client.send(result["order"]["id"], Scenario.PARTIAL_REFUNDS)
    assert rest["order"]["expected"]["status"] == "refunded"


def test_a_chargeback_has_code_two_and_a_status_of_its_own(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    result = run_scenario(client, simulator, Scenario.CHARGEBACK)
    assert store.types() == ["order_paid", "order_canceled"]
    assert store.received[-1].json["billing"]["refund_details"]["code"] == 2
    assert result["order"]["expected"] == {"status": "charged_back", "purchases": "refunded"}
    [found] = simulator.transactions("simple_search", params={"external_id": f"{STORE_ORDER_ID}-1"}).json()
    assert found["transaction"]["status"] == "canceled"


def test_declined_then_paid_sends_both_notifications(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    result = run_scenario(client, simulator, Scenario.DECLINED_THEN_PAID)
    assert store.types() == ["ps_declined", "order_paid"]
    assert result["order"]["expected"]["status"] == "paid"


@pytest.mark.parametrize(
    ("scenario", "code", "changed"),
    [
        (Scenario.WRONG_AMOUNT, "INCORRECT_AMOUNT", ("order", "amount", "5.9600")),
        (Scenario.WRONG_CURRENCY, "INCORRECT_AMOUNT", ("order", "currency", "EUR")),
        (Scenario.WRONG_USER, "INVALID_USER", ("user", "external_id", "unknown-user")),
    ],
)
def test_a_sale_that_differs_from_the_request_must_be_refused(
    client: SimulatorClient,
    simulator: Driver,
    store: FakeStore,
    scenario: Scenario,
    code: str,
    changed: tuple[str, str, str],
) -> None:
    store.will_answer("order_paid", 400, code=code)
    result = run_scenario(client, simulator, scenario)
    assert result["as_expected"]
    assert result["order"]["expected"] == PENDING
    part, name, value = changed
    assert store.received[-1].json[part][name] == value
    assert not run_scenario(client, simulator, scenario)["as_expected"], (
        "the notification must not be acknowledged"
    )


def test_the_merchant_api_shows_what_was_really_sold(client: SimulatorClient, simulator: Driver) -> None:
    result = run_scenario(client, simulator, Scenario.WRONG_USER)
    [found] = simulator.transactions("simple_search", params={"external_id": f"{STORE_ORDER_ID}-1"}).json()
    assert (found["user"]["id"], found["transaction"]["status"]) == ("unknown-user", "done")
    assert result["order"]["user_id"] == "unknown-user"


def test_the_wrong_user_is_another_user_of_the_store(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    simulator.request_token(token_body() | {"user": {"id": {"value": "user-2"}, "country": {"value": "US"}}})
    run_scenario(client, simulator, Scenario.WRONG_USER)
    assert store.received[-1].json["user"]["external_id"] == "user-2"


def test_a_notification_about_an_unknown_order_must_be_acknowledged(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    result = run_scenario(client, simulator, Scenario.UNKNOWN_ORDER)
    assert result["as_expected"]
    received = store.received[-1].json
    assert received["order"]["id"] != result["order"]["id"]
    assert received["custom_parameters"]["order_id"].startswith("unknown-")
    assert (result["order"]["status"], result["order"]["expected"]) == ("new", PENDING)


def test_an_invalid_signature_is_not_logged_as_a_wrong_secret(
    client: SimulatorClient, simulator: Driver, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.will_answer("payment", 400, code="INVALID_SIGNATURE")
    store.will_answer("order_paid", 400, code="INVALID_SIGNATURE")
    result = run_scenario(client, simulator, Scenario.BAD_SIGNATURE, mode="separate")
    assert result["as_expected"]
    assert all(each.authorization != sign(each.body, SECRET) for each in store.received)
    assert (result["order"]["status"], result["order"]["transactions"]) == ("new", [])
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []
    second = client.send(result["order"]["id"], "bad-signature", mode="separate")
    assert not second["as_expected"], "an invalid signature must be refused"


def test_drop_all_sends_no_notification(client: SimulatorClient, simulator: Driver, store: FakeStore) -> None:
    result = run_scenario(client, simulator, Scenario.DROP_ALL)
    assert result["as_expected"]
    assert store.types() == []
    assert (result["order"]["status"], result["order"]["store_notified"]) == ("paid", False)
    assert result["order"]["expected"]["status"] == "paid"
    assert client.send(result["order"]["id"], "duplicate")["order"]["store_notified"]
    assert store.types() == ["order_paid"], "the notification can be sent later"


def test_slow_aborts_two_attempts_of_each_notification(client: SimulatorClient, simulator: Driver) -> None:
    result = run_scenario(client, simulator, Scenario.SLOW, mode="separate")
    assert result["as_expected"]
    deliveries = [(each["type"], each["deliveries"]) for each in result["notifications"]]
    assert deliveries == [("user_validation", 1), ("payment", 3), ("order_paid", 3)]


def test_never_acknowledged_retries_until_the_end_of_the_schedule(
    client: SimulatorClient, simulator: Driver, store: FakeStore
) -> None:
    result = run_scenario(client, simulator, Scenario.NEVER_ACKNOWLEDGED, mode="separate")
    assert result["as_expected"]
    assert (len(store.of_type("payment")), len(store.of_type("order_paid"))) == (1, 20)
    assert result["notifications"][-1]["status"] == "given up"


@pytest.mark.parametrize("scenario", [each for each in Scenario if each.value.startswith(("wrong", "bad"))])
def test_fraud_scenarios_are_refused_for_a_paid_order(
    client: SimulatorClient, simulator: Driver, scenario: Scenario
) -> None:
    order_id = run_scenario(client, simulator, Scenario.HAPPY)["order"]["id"]
    with pytest.raises(SimulatorError, match=f"Order {order_id} is done"):
        client.send(order_id, scenario)


def test_the_dashboard_offers_the_possible_scenarios(simulator: Driver) -> None:
    _, order_id = simulator.new_order()
    page = simulator.http.get("/").text
    assert all(f"<option>{name}</option>" in page for name in ("burst", "late", "never-acknowledged"))
    address = f"/orders/{order_id}/scenario"
    assert "Choose a scenario first" in simulator.http.post(address, data={"name": "unknown-scenario"}).text
    assert simulator.http.post(address, data={"name": "drop-all"}).status_code == 303
    page = simulator.http.get("/").text
    assert "order_paid: never sent" in page
    assert "<option>chargeback</option>" in page
    assert "<option>late</option>" not in page
    assert simulator.http.post(f"/orders/{order_id}/release").status_code == 303


def test_a_scenario_can_use_the_other_delivery_mode(start: StartSimulator, store: FakeStore) -> None:
    simulator = start(simulator_mode="separate")
    _, order_id = simulator.new_order()
    with SimulatorClient(simulator.url) as client:
        assert client.send(order_id, mode="combined")["as_expected"]
        assert "billing" in store.received[-1].json
        assert client.order(order_id)["notifications"][-1]["type"] == "order_paid"
        wait_until(lambda: store.types() == ["order_paid"], store.types)
