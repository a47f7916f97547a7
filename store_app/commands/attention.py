"""`attention`: orders and deliveries that staff must look at."""

import click
from sqlmodel import Session, col, select

from store_app.commands.command_line import Failure
from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.models import AttentionFlag, Order, Payment, WebhookDelivery, utc_now
from store_app.orders.queries import find_standing

_FLAG_ID = click.IntRange(1, 2**63 - 1)


@click.group()
def command() -> None:
    """Look after what the store cannot decide by itself."""


@command.command("list")
@click.option("--all", "settled_too", is_flag=True, help="Also those that are settled.")
def list_flags(settled_too: bool) -> None:
    """List what staff must look at, with the reason, oldest first."""
    query = select(AttentionFlag).order_by(col(AttentionFlag.id))
    if not settled_too:
        query = query.where(col(AttentionFlag.settled_at).is_(None))
    with read_session() as session:
        lines = [_line(session, flag) for flag in session.exec(query)]
    for line in lines or ["Nothing needs attention."]:
        click.echo(line)


@command.command()
@click.argument("flag_id", metavar="ID", type=_FLAG_ID)
def show(flag_id: int) -> None:
    """Print one flag and what is known of its order or delivery."""
    with read_session() as session:
        flag = _find(session, flag_id)
        click.echo(_line(session, flag))
        click.echo(f"since {flag.at:%Y-%m-%d %H:%M:%S} UTC")
        if flag.settled_at:
            click.echo(f"settled {flag.settled_at:%Y-%m-%d %H:%M:%S} UTC by {flag.settled_by}: {flag.note}")
        if flag.order_id:
            _print_ledger(session, session.get_one(Order, flag.order_id))


@command.command()
@click.argument("flag_id", metavar="ID", type=_FLAG_ID)
@click.option("--by", "name", required=True, help="Who settles it.")
@click.option("--note", required=True, help="What was found, or done.")
def settle(flag_id: int, name: str, note: str) -> None:
    """Settle a flag. The order of a payment that did not match can then be paid again."""
    with unit_of_work() as work:
        flag = _find(work, flag_id)
        if flag.settled_at:
            raise Failure(f"Flag {flag_id} was settled by {flag.settled_by}.")
        flag.settled_at, flag.settled_by, flag.note = utc_now(), name[:64], note[:1000]
    click.echo(f"Flag {flag_id} is settled.")


def _find(session: Session, flag_id: int) -> AttentionFlag:
    flag = session.get(AttentionFlag, flag_id)
    if flag is None:
        raise Failure(f"There is no flag {flag_id}.")
    return flag


def _line(session: Session, flag: AttentionFlag) -> str:
    if flag.order_id:
        order = session.get_one(Order, flag.order_id)
        return f"{flag.id:>6}  order {order.number} {order.id} ({order.status}): {flag.reason}"
    delivery = session.get_one(WebhookDelivery, flag.delivery_id)
    return f"{flag.id:>6}  delivery {delivery.id} ({delivery.notification_type or '-'}): {flag.reason}"


def _print_ledger(session: Session, order: Order) -> None:
    """Print the facts of an order, and what they mean."""
    rows = session.exec(select(Payment).where(Payment.order_id == order.id).order_by(col(Payment.id))).all()
    for row in rows:
        said = f"{row.amount} without and {row.charged} with tax, in minor units of {row.currency}"
        click.echo(f"{row.at:%Y-%m-%d %H:%M:%S}  {row.kind} {row.transaction_id or '-'}: {said}")
    for payment in find_standing(session, order.id).payments:
        click.echo(f"payment {payment.transaction_id or '-'}: {payment.left} of {payment.amount} left")
