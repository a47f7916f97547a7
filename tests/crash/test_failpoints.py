"""Every failpoint is used: the other files here kill the store at each, by area."""

from collections import Counter

from tests.crash.crashing_store import AREAS, failpoints


def test_every_failpoint_has_a_test_that_kills_the_store_there() -> None:
    untested = [name for name in failpoints() if name.partition(": ")[0] not in AREAS]
    assert not untested, f"no test kills the store at {untested}"


def test_every_area_has_failpoints() -> None:
    assert {name.partition(": ")[0] for name in failpoints()} == set(AREAS)


def test_failpoint_names_are_unique() -> None:
    assert [name for name, times in Counter(failpoints()).items() if times > 1] == []
