"""The SQL statements of a paid order are those that the documentation lists."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from tests.integration.shop import Shop, order_paid
from tests.support.processes import ROOT

_TABLE = {"SELECT": r"FROM (\w+)", "DELETE": r"FROM (\w+)", "INSERT": r"INTO (\w+)", "UPDATE": r"UPDATE (\w+)"}


def _short(statement: str) -> str:
    verb = statement.split(maxsplit=1)[0]
    table = re.search(_TABLE[verb], statement)
    return f"{verb} {table[1] if table else '?'}"


@contextmanager
def _statements(shop: Shop) -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(_short(statement))

    event.listen(shop.engine, "before_cursor_execute", note)
    yield sent
    event.remove(shop.engine, "before_cursor_execute", note)


def _documented() -> list[str]:
    table = (ROOT / "docs/paid-order.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+ \w+)` \|", table, re.MULTILINE)


def test_a_paid_order_runs_the_statements_that_are_documented(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    number = shop.rows("SELECT provider_order_id FROM payment_attempts")[0][0]
    notification = order_paid(order)
    notification["order"]["id"] = number
    with _statements(shop) as sent:
        assert shop.notify(notification).status == 204
    assert sent == _documented()
