"""Each scenario by its name: what the store is sent, in which order, and what the books then say."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from simulator.client.simulator_client import Laboratory, SimulatorTrouble
from simulator.delivery.sender import sign
from simulator.scenarios import Scenario
from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.driver import SECRET, Driver, token_body
from tests.integration.simulator.fake_store import FakeStore, eventually

FASTEST = 10_000_000.0
PENDING = {"status": "pending", "granted": "nothing"}


@pytest.fixture
def laboratory(simulator: Driver) -> Iterator[Laboratory]:
    with Laboratory(simulator.url) as own:
        yield own


def play(laboratory: Laboratory, simulator: Driver, scenario: Scenario, **options: Any) -> dict[str, Any]:
    """Run a scenario on a new order of three potions; gives the answer."""
    _, number = simulator.new_order(quantity=3)
    return laboratory.send(number, scenario, wait=8, speed=FASTEST, **options)


def test_burst_sends_fifty_equal_notifications(
    laboratory: Laboratory, simulator: Driver, store: FakeStore
) -> None:
    answer = play(laboratory, simulator, Scenario.BURST, mode="separate")
    assert answer["as_expected"]
    assert store.types() == ["payment"] + ["order_paid"] * 50
    assert len({each.body for each in store.of_type("order_paid")}) == 1
    assert "50 x order_paid: acknowledged" in simulator.http.get("/").text
    assert laboratory.send(answer["order"]["id"], "duplicate")["as_expected"]
    assert len(store.of_type("order_paid")) == 51, "a burst is repeated as one"


def test_out_of_order_tells_everything_backwards(
    laboratory: Laboratory, simulator: Driver, store: FakeStore
) -> None:
    store.will_answer("order_canceled", 400)
    answer = play(laboratory, simulator, Scenario.OUT_OF_ORDER)
    assert store.types() == ["order_canceled", "refund", "order_paid", "payment"]
    assert answer["order"]["implied"] == {"status": "refunded", "granted": "taken back"}
    assert not answer["as_expected"], "a refusal of a genuine notification is a surprise"


@pytest.mark.parametrize(
    ("mode", "types"),
    [
        ("combined", ["order_canceled", "order_paid"]),
        ("separate", ["refund", "order_canceled", "payment", "order_paid"]),
    ],
)
def test_refund_first(
    laboratory: Laboratory, simulator: Driver, store: FakeStore, mode: Any, types: list[str]
) -> None:
    answer = play(laboratory, simulator, Scenario.REFUND_FIRST, mode=mode)
    assert store.types() == types
    assert answer["as_expected"]
    assert answer["order"]["implied"]["status"] == "refunded"


def test_late_waits_until_it_is_released(laboratory: Laboratory, simulator: Driver, store: FakeStore) -> None:
    _, number = simulator.new_order()
    assert laboratory.send(number, Scenario.LATE, hold=3600, wait=0)["order"]["status"] == "paid"
    assert store.types() == []
    assert f'action="/orders/{number}/release"' in simulator.http.get("/").text
    answer = laboratory.release(number)
    assert answer["as_expected"]
    assert [each["type"] for each in answer["deliveries"]] == ["order_paid"]
    assert answer["order"]["implied"] == {"status": "paid", "granted": "everything"}


def test_late_leaves_by_itself_in_the_end(laboratory: Laboratory, simulator: Driver, store: FakeStore) -> None:
    assert play(laboratory, simulator, Scenario.LATE, hold=0.01)["as_expected"]
    assert store.types() == ["order_paid"]


def test_partial_refunds_add_up_to_the_whole(laboratory: Laboratory, simulator: Driver, store: FakeStore) -> None:
    answer = play(laboratory, simulator, Scenario.PARTIAL_REFUNDS)
    assert answer["order"]["implied"]["status"] == "refunded"
    told = [each.json for each in store.of_type("partial_refund")]
    sums = [each["payment_details"] for each in told]
    parts = [Decimal(each["payment"]["amount"]) - Decimal(each["sales_tax"]["amount"]) for each in sums]
    assert parts == [Decimal("1.99")] * 3
    assert len({each.body for each in store.of_type("partial_refund")}) == 3, "equal parts are not equal bytes"
    assert {each["transaction"]["id"] for each in told} == {answer["order"]["transactions"][0]["id"]}
    assert told[0]["purchase"]["total"]["amount"] == 5.97


def test_a_partial_refund_leaves_the_rest(laboratory: Laboratory, simulator: Driver) -> None:
    answer = play(laboratory, simulator, Scenario.PARTIAL_REFUND)
    assert answer["order"]["implied"] == {"status": "partially_refunded", "granted": "everything"}
    rest = laboratory.send(answer["order"]["id"], Scenario.PARTIAL_REFUNDS)
    assert rest["order"]["implied"]["status"] == "refunded"


def test_a_chargeback_has_code_two_and_a_status_of_its_own(
    laboratory: Laboratory, simulator: Driver, store: FakeStore
) -> None:
    answer = play(laboratory, simulator, Scenario.CHARGEBACK)
    assert store.types() == ["order_paid", "order_canceled"]
    assert store.received[-1].json["billing"]["refund_details"]["code"] == 2
    assert answer["order"]["implied"] == {"status": "charged_back", "granted": "taken back"}
    [found] = simulator.reports("simple_search", params={"external_id": "4F7K-2M9Q-1"}).json()
    assert found["transaction"]["status"] == "canceled"


def test_declined_then_paid(laboratory: Laboratory, simulator: Driver, store: FakeStore) -> None:
    answer = play(laboratory, simulator, Scenario.DECLINED_THEN_PAID)
    assert store.types() == ["ps_declined", "order_paid"]
    assert answer["order"]["implied"]["status"] == "paid"


@pytest.mark.parametrize(
    ("scenario", "code", "changed"),
    [
        (Scenario.WRONG_AMOUNT, "INCORRECT_AMOUNT", ("order", "amount", "5.9600")),
        (Scenario.WRONG_CURRENCY, "INCORRECT_AMOUNT", ("order", "currency", "EUR")),
        (Scenario.WRONG_USER, "INVALID_USER", ("user", "external_id", "somebody-else")),
    ],
)
def test_what_was_not_asked_for_has_to_be_refused(
    laboratory: Laboratory,
    simulator: Driver,
    store: FakeStore,
    scenario: Scenario,
    code: str,
    changed: tuple[str, str, str],
) -> None:
    store.will_answer("order_paid", 400, code=code)
    answer = play(laboratory, simulator, scenario)
    assert answer["as_expected"]
    assert answer["order"]["implied"] == PENDING
    part, name, value = changed
    assert store.received[-1].json[part][name] == value
    assert not play(laboratory, simulator, scenario)["as_expected"], "a yes is a surprise"


def test_look_ups_show_what_was_really_sold(laboratory: Laboratory, simulator: Driver) -> None:
    answer = play(laboratory, simulator, Scenario.WRONG_USER)
    [found] = simulator.reports("simple_search", params={"external_id": "4F7K-2M9Q-1"}).json()
    assert (found["user"]["id"], found["transaction"]["status"]) == ("somebody-else", "done")
    assert answer["order"]["user_id"] == "somebody-else"


def test_the_wrong_user_is_one_that_the_store_knows(
    laboratory: Laboratory, simulator: Driver, store: FakeStore
) -> None:
    simulator.ask_token(token_body() | {"user": {"id": {"value": "user-2"}, "country": {"value": "US"}}})
    play(laboratory, simulator, Scenario.WRONG_USER)
    assert store.received[-1].json["user"]["external_id"] == "user-2"


def test_an_unknown_order_has_to_be_taken_note_of(
    laboratory: Laboratory, simulator: Driver, store: FakeStore
) -> None:
    answer = play(laboratory, simulator, Scenario.UNKNOWN_ORDER)
    assert answer["as_expected"]
    told = store.received[-1].json
    assert told["order"]["id"] != answer["order"]["id"]
    assert told["custom_parameters"]["order_id"].startswith("unknown-")
    assert (answer["order"]["status"], answer["order"]["implied"]) == ("new", PENDING)


def test_a_bad_signature_is_no_fault_of_the_settings(
    laboratory: Laboratory, simulator: Driver, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.will_answer("payment", 400, code="INVALID_SIGNATURE")
    store.will_answer("order_paid", 400, code="INVALID_SIGNATURE")
    answer = play(laboratory, simulator, Scenario.BAD_SIGNATURE, mode="separate")
    assert answer["as_expected"]
    assert all(each.authorization != sign(each.body, SECRET) for each in store.received)
    assert (answer["order"]["status"], answer["order"]["transactions"]) == ("new", [])
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []
    again = laboratory.send(answer["order"]["id"], "bad-signature", mode="separate")
    assert not again["as_expected"], "taking a forged payment for true is a surprise"


def test_drop_all_leaves_only_the_look_ups(laboratory: Laboratory, simulator: Driver, store: FakeStore) -> None:
    answer = play(laboratory, simulator, Scenario.DROP_ALL)
    assert answer["as_expected"]
    assert store.types() == []
    assert (answer["order"]["status"], answer["order"]["told"]) == ("paid", False)
    assert answer["order"]["implied"]["status"] == "paid"
    assert laboratory.send(answer["order"]["id"], "duplicate")["order"]["told"]
    assert store.types() == ["order_paid"], "what was dropped can be sent after all"


def test_slow_hangs_up_twice_on_each_notification(laboratory: Laboratory, simulator: Driver) -> None:
    answer = play(laboratory, simulator, Scenario.SLOW, mode="separate")
    assert answer["as_expected"]
    tries = [(each["type"], each["attempts"]) for each in answer["deliveries"]]
    assert tries == [("user_validation", 1), ("payment", 3), ("order_paid", 3)]


def test_never_acknowledged_repeats_to_the_end_of_the_schedule(
    laboratory: Laboratory, simulator: Driver, store: FakeStore
) -> None:
    answer = play(laboratory, simulator, Scenario.NEVER_ACKNOWLEDGED, mode="separate")
    assert answer["as_expected"]
    assert (len(store.of_type("payment")), len(store.of_type("order_paid"))) == (1, 20)
    assert answer["deliveries"][-1]["outcome"] == "given up"


@pytest.mark.parametrize("scenario", [each for each in Scenario if each.value.startswith(("wrong", "bad"))])
def test_a_paid_order_cannot_be_sold_wrongly(
    laboratory: Laboratory, simulator: Driver, scenario: Scenario
) -> None:
    number = play(laboratory, simulator, Scenario.HAPPY)["order"]["id"]
    with pytest.raises(SimulatorTrouble, match=f"Order {number} is done"):
        laboratory.send(number, scenario)


def test_the_window_offers_what_fits(simulator: Driver) -> None:
    _, number = simulator.new_order()
    page = simulator.http.get("/").text
    assert all(f"<option>{name}</option>" in page for name in ("burst", "late", "never-acknowledged"))
    address = f"/orders/{number}/scenario"
    assert "Choose a scenario first" in simulator.http.post(address, data={"name": "surprise"}).text
    assert simulator.http.post(address, data={"name": "drop-all"}).status_code == 303
    page = simulator.http.get("/").text
    assert "order_paid: never sent" in page
    assert "<option>chargeback</option>" in page
    assert "<option>late</option>" not in page
    assert simulator.http.post(f"/orders/{number}/release").status_code == 303


def test_a_scenario_may_ask_for_the_other_mode(start: StartSimulator, store: FakeStore) -> None:
    simulator = start(simulator_mode="separate")
    _, number = simulator.new_order()
    with Laboratory(simulator.url) as laboratory:
        assert laboratory.send(number, mode="combined")["as_expected"]
        assert "billing" in store.received[-1].json
        assert laboratory.order(number)["deliveries"][-1]["type"] == "order_paid"
        eventually(lambda: store.types() == ["order_paid"], store.types)
