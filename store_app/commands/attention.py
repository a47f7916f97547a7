"""`attention`: orders and deliveries that staff must look at."""

import click
from sqlmodel import Session, col, select

from store_app.db.unit_of_work import read_session
from store_app.models import Order, Verdict, WebhookDelivery


@click.group()
def command() -> None:
    """Look after what the store cannot decide by itself."""


@command.command("list")
def list_open() -> None:
    """List the orders and deliveries that staff must look at, with the reason."""
    with read_session() as session:
        lines = [*_flagged_orders(session), *_unmatched_deliveries(session)]
    for line in lines or ["Nothing needs attention."]:
        click.echo(line)


def _flagged_orders(session: Session) -> list[str]:
    flagged = select(Order).where(Order.needs_attention != "").order_by(col(Order.updated_at))
    return [
        f"order {order.number} {order.id} ({order.status}): {order.needs_attention}"
        for order in session.exec(flagged)
    ]


def _unmatched_deliveries(session: Session) -> list[str]:
    unmatched = select(WebhookDelivery).where(WebhookDelivery.verdict == Verdict.UNMATCHED)
    return [
        f"delivery {row.id} ({row.notification_type}): {row.reason}"
        for row in session.exec(unmatched.order_by(col(WebhookDelivery.id)))
    ]
