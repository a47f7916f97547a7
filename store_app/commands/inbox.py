"""`inbox`: the provider's deliveries as they came, with what became of each."""

from collections.abc import Sequence

import click
from sqlmodel import Session, col, select

from store_app.commands.command_line import Failure
from store_app.db.unit_of_work import read_session
from store_app.logs import configure_logging
from store_app.models import Order, Verdict, WebhookDelivery
from webhook import inbox
from webhook.inbox import replay as replays

_DELIVERY_ID = click.IntRange(1, 2**63 - 1)


@click.group()
def command() -> None:
    """Look at the provider's deliveries, and process one again."""


@command.command("list")
@click.option(
    "--verdict", type=click.Choice([str(verdict) for verdict in Verdict]), help="Only with this verdict."
)
@click.option("--order", "order_id", help="Only those of the order with this id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
def list_deliveries(verdict: str | None, order_id: str | None, limit: int) -> None:
    """List the newest deliveries."""
    query = select(WebhookDelivery).order_by(col(WebhookDelivery.id).desc()).limit(limit)
    if verdict:
        query = query.where(WebhookDelivery.verdict == verdict)
    with read_session() as session:
        if order_id:
            _refuse_unknown_order(session, order_id)
            query = query.where(WebhookDelivery.order_id == order_id)
        _print_deliveries(session.exec(query).all())


@command.command()
@click.argument("delivery_id", metavar="ID", type=_DELIVERY_ID)
def show(delivery_id: int) -> None:
    """Print one delivery, whole."""
    with read_session() as session:
        delivery = session.get(WebhookDelivery, delivery_id)
    if delivery is None:
        raise Failure(f"There is no delivery {delivery_id}.")
    _print_deliveries([delivery])
    click.echo(f"took {delivery.took_ms} ms")
    click.echo(f"headers: {_escaped(delivery.headers)}")
    click.echo(f"body: {_escaped(delivery.body.decode('utf-8', 'backslashreplace'))}")


@command.command()
@click.argument("delivery_id", metavar="ID", type=_DELIVERY_ID)
@click.option("--dry-run", is_flag=True, help="Only print what would change.")
def replay(delivery_id: int, dry_run: bool) -> None:
    """Process a delivery again, and print what that changes."""
    configure_logging()
    try:
        report = replays.replay(delivery_id, dry_run=dry_run)
    except replays.CannotReplay as refusal:
        raise Failure(str(refusal)) from refusal
    click.echo(_with_reason(report.outcome.verdict, report.outcome.reason))
    for change in report.changes or ["nothing changes"]:
        click.echo(f"  {change}")
    if dry_run:
        click.echo("(dry run: nothing was written)")


@command.command()
def prune() -> None:
    """Delete the deliveries that are older than 400 days."""
    click.echo(f"Deliveries deleted: {inbox.prune()}")


def _refuse_unknown_order(session: Session, order_id: str) -> None:
    # An id is ASCII; the database refuses to look for some of what is not.
    if not order_id.isascii() or session.get(Order, order_id) is None:
        raise Failure(f"There is no order {order_id}.")


def _print_deliveries(deliveries: Sequence[WebhookDelivery]) -> None:
    if not deliveries:
        click.echo("No delivery matches.")
        return
    click.echo(f"{'id':>8}  {'received (UTC)':<19}  {'notification':<24} {'order':<32} response and verdict")
    for row in deliveries:
        click.echo(
            f"{row.id:>8}  {row.received_at:%Y-%m-%d %H:%M:%S}  "
            f"{row.provider + ' ' + (row.notification_type or '-'):<24} "
            f"{row.order_id or '-':<32} {row.response_status} {_with_reason(row.verdict, row.reason)}"
        )


def _with_reason(verdict: str, reason: str) -> str:
    return f"{verdict}: {reason}" if reason else verdict


def _escaped(text: str) -> str:
    """Return the text without control characters: anyone can send them, and a terminal obeys them."""
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)
