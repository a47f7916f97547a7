"""Sessions end after 30 days, or after 14 days without use."""

from datetime import timedelta

import pytest
from sqlalchemy import event, update
from sqlmodel import Session, col

from store_app.accounts.service import (
    find_current_user,
    list_sessions,
    open_session,
    session_is_open,
    sign_out,
    token_hash,
)
from store_app.db.unit_of_work import unit_of_work
from store_app.models import UserSession, utc_now
from tests.integration.shop import Shop


def _change(token: str, **values: object) -> None:
    with unit_of_work() as work:
        work.execute(update(UserSession).where(col(UserSession.token_hash) == token_hash(token)).values(**values))


def _last_used(shop: Shop, token: str) -> timedelta:
    with Session(shop.engine) as session:
        return utc_now() - session.get_one(UserSession, token_hash(token)).last_seen_at


@pytest.mark.parametrize(("idle", "is_open"), [(timedelta(days=13), True), (timedelta(days=14, seconds=1), False)])
def test_a_session_ends_after_fourteen_idle_days(shop: Shop, idle: timedelta, *, is_open: bool) -> None:
    token = open_session(shop.user().user_id).token
    _change(token, last_seen_at=utc_now() - idle)
    with Session(shop.engine) as session:
        assert session_is_open(session, token_hash(token)) is is_open
    assert (find_current_user(token) is not None) is is_open


def test_use_keeps_a_session_open_until_it_expires(shop: Shop) -> None:
    token = open_session(shop.user().user_id).token
    _change(token, last_seen_at=utc_now() - timedelta(days=13))
    assert find_current_user(token)
    assert _last_used(shop, token) < timedelta(minutes=1)
    _change(token, expires_at=utc_now())
    assert find_current_user(token) is None


def test_the_list_of_sessions_has_the_open_ones_of_the_user_newest_first(shop: Shop) -> None:
    user, other = shop.user(), shop.user()
    open_session(other.user_id)
    tokens = [open_session(user.user_id).token for _time in range(5)]
    for age, token in enumerate(tokens):
        _change(token, created_at=utc_now() - timedelta(hours=age))
    _change(tokens[0], last_seen_at=utc_now() - timedelta(days=15))
    _change(tokens[1], expires_at=utc_now())
    ended = find_current_user(tokens[2])
    assert ended
    sign_out(ended)
    with Session(shop.engine) as session:
        found = [one.token_hash for one in list_sessions(session, user.user_id)]
    assert found == [token_hash(token) for token in tokens[3:]]


def test_the_use_is_written_once_a_day(shop: Shop) -> None:
    token = open_session(shop.user().user_id).token
    statements: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(shop.engine, "before_cursor_execute", note)
    try:
        for age in (timedelta(hours=23), timedelta(hours=25)):
            _change(token, last_seen_at=utc_now() - age)
            statements.clear()
            find_current_user(token)
            find_current_user(token)
            updates = [statement for statement in statements if statement.startswith("UPDATE")]
            assert len(updates) == (age > timedelta(days=1))
            assert len([statement for statement in statements if statement.startswith("SELECT")]) == 2
    finally:
        event.remove(shop.engine, "before_cursor_execute", note)
