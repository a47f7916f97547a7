"""Which connections have too much unfinished."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from store_app.web.live.unfinished_messages import MAX_UNFINISHED_BYTES, _has_too_much


@dataclass
class Connection:
    """A websocket, as seen at each look."""

    delivered: int = 0
    delivered_before: int = 0
    received_before: int = -1
    unfinished: int = 0

    def disconnect(self, code: int, reason: str) -> None:
        """Not called here."""


def test_what_was_received_before_the_first_look_does_not_count() -> None:
    connection = Connection()
    assert not _has_too_much(connection, 10 * MAX_UNFINISHED_BYTES)
    assert not _has_too_much(connection, 11 * MAX_UNFINISHED_BYTES)
    assert _has_too_much(connection, 11 * MAX_UNFINISHED_BYTES + 101)


def test_pings_never_add_up() -> None:
    connection = Connection()
    assert not any(_has_too_much(connection, 50 * look) for look in range(MAX_UNFINISHED_BYTES // 10))


@given(st.lists(st.integers(0, MAX_UNFINISHED_BYTES), max_size=50))
def test_a_client_whose_messages_arrive_may_send_without_end(sizes: list[int]) -> None:
    connection, received = Connection(), 0
    for size in sizes:
        received += size + 8
        connection.delivered += max(1, size)
        assert not _has_too_much(connection, received)


@given(st.lists(st.integers(101, MAX_UNFINISHED_BYTES // 4), min_size=1, max_size=100))
def test_one_whose_message_does_not_end_is_noticed(sizes: list[int]) -> None:
    connection, received = Connection(), 0
    assert not _has_too_much(connection, received)
    for number, size in enumerate(sizes):
        received += size
        assert _has_too_much(connection, received) == (sum(sizes[: number + 1]) > MAX_UNFINISHED_BYTES)
