"""Every failpoint is used: the other files here kill the store at each, by area."""

from collections import Counter

import pytest

from tests.crash.crashing_store import AREAS, failpoints, failpoints_of
from tests.crash.fork_server import ForkServer
from tests.integration.shop import Shop


def test_every_failpoint_has_a_test_that_kills_the_store_there() -> None:
    untested = [name for name in failpoints() if name.partition(": ")[0] not in AREAS]
    assert not untested, f"no test kills the store at {untested}"


def test_every_area_has_failpoints() -> None:
    assert {name.partition(": ")[0] for name in failpoints()} == set(AREAS)


def test_failpoint_names_are_unique() -> None:
    assert [name for name, times in Counter(failpoints()).items() if times > 1] == []


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_the_processes_of_the_state_machine_die_at_their_failpoint(shop: Shop) -> None:
    with ForkServer() as fork_server:
        for failpoint in failpoints_of("webhook"):
            assert fork_server.run(failpoint, body="{}", signature="") is None
        assert fork_server.run("no such place", body="{}", signature="") == 400
    # Only the last place comes after the commit.
    assert len(shop.rows("SELECT id FROM webhook_deliveries")) == 2
