"""No failpoint is forgotten: the other files here kill the store at each, by area."""

from collections import Counter

from tests.crash.crashing_store import AREAS, failpoints


def test_every_failpoint_has_a_test_that_kills_the_store_there() -> None:
    strangers = [name for name in failpoints() if name.partition(": ")[0] not in AREAS]
    assert not strangers, f"no test for {strangers}"


def test_every_area_has_failpoints() -> None:
    assert {name.partition(": ")[0] for name in failpoints()} == set(AREAS)


def test_a_name_is_one_place() -> None:
    assert [name for name, times in Counter(failpoints()).items() if times > 1] == []
