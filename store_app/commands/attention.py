"""`attention`: orders and deliveries that staff must look at."""

import click
from sqlmodel import col, select

from store_app.db.unit_of_work import read_session
from store_app.models import Order, Verdict, WebhookDelivery


@click.group()
def command() -> None:
    """Look after what the store cannot decide by itself."""


@command.command("list")
def list_open() -> None:
    """List the orders and deliveries that staff must look at, with the reason."""
    flagged = select(Order).where(Order.needs_attention != "").order_by(col(Order.updated_at))
    unmatched = select(WebhookDelivery).where(WebhookDelivery.verdict == Verdict.UNMATCHED)
    with read_session() as session:
        orders = session.exec(flagged).all()
        deliveries = session.exec(unmatched.order_by(col(WebhookDelivery.id))).all()
    for order in orders:
        click.echo(f"order {order.number} {order.id} ({order.status}): {order.needs_attention}")
    for row in deliveries:
        click.echo(f"delivery {row.id} ({row.notification_type}): {row.reason}")
    if not orders and not deliveries:
        click.echo("Nothing needs attention.")
