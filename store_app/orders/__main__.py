"""`python -m store_app.orders needs-attention | transitions`: what a person must look at; the table of moves."""

import argparse
import sys
from collections.abc import Sequence

from sqlmodel import col, select

from store_app.db.unit_of_work import read_session
from store_app.models import Order, Verdict, WebhookDelivery
from store_app.orders.transitions import as_markdown


def _print_attention() -> None:
    with read_session() as session:
        flagged = select(Order).where(Order.needs_attention != "").order_by(col(Order.updated_at))
        for order in session.exec(flagged):
            print(f"order {order.number} {order.id} ({order.status}): {order.needs_attention}")
        unmatched = select(WebhookDelivery).where(WebhookDelivery.verdict == Verdict.UNMATCHED)
        for row in session.exec(unmatched.order_by(col(WebhookDelivery.id))):
            print(f"delivery {row.id} ({row.notification_type}): {row.reason}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m store_app.orders", description=__doc__)
    parser.add_argument("command", choices=["needs-attention", "transitions"])
    if parser.parse_args(argv).command == "transitions":
        print(as_markdown(), end="")
    else:
        _print_attention()
    return 0


if __name__ == "__main__":
    sys.exit(main())
