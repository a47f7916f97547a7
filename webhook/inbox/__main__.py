"""`python -m webhook.inbox list | show ID | replay ID [--dry-run] | prune`: look at deliveries, and repeat one."""

import argparse
import sys
from collections.abc import Sequence

from sqlmodel import Session, col, select

from store_app.db.unit_of_work import read_session
from store_app.models import Verdict, WebhookDelivery
from webhook.inbox import prune
from webhook.inbox.replay import CannotReplay, replay


def _line(row: WebhookDelivery) -> str:
    outcome = f"{row.verdict}: {row.reason}" if row.reason else row.verdict
    at = f"{row.received_at:%Y-%m-%d %H:%M:%S}"
    of = f"{row.provider} {row.notification_type or '-'}"
    return f"{row.id:>8}  {at}  {of:<24} {row.order_id or '-':<32} {row.response_status}  {outcome}"


def _list(session: Session, verdict: str | None, order_id: str | None, limit: int) -> None:
    query = select(WebhookDelivery).order_by(col(WebhookDelivery.id).desc()).limit(limit)
    if verdict:
        query = query.where(WebhookDelivery.verdict == verdict)
    if order_id:
        query = query.where(WebhookDelivery.order_id == order_id)
    for row in session.exec(query):
        print(_line(row))


def _show(session: Session, delivery_id: int) -> int:
    row = session.get(WebhookDelivery, delivery_id)
    if row is None:
        print(f"There is no delivery {delivery_id}.", file=sys.stderr)
        return 1
    print(_line(row))
    print(f"took {row.took_ms} ms\nheaders: {row.headers}\nbody: {row.body.decode('utf-8', 'backslashreplace')}")
    return 0


def _replay(delivery_id: int, *, dry_run: bool) -> int:
    try:
        report = replay(delivery_id, dry_run=dry_run)
    except CannotReplay as refusal:
        print(refusal, file=sys.stderr)
        return 1
    print(f"{report.outcome.verdict}{': ' + report.outcome.reason if report.outcome.reason else ''}")
    for change in report.changes or ["nothing changes"]:
        print(f"  {change}")
    if dry_run:
        print("(dry run: nothing was written)")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m webhook.inbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("list", help="the newest deliveries")
    listed.add_argument("--verdict", choices=[str(verdict) for verdict in Verdict])
    listed.add_argument("--order", help="only of this order")
    listed.add_argument("--limit", type=int, default=50)
    commands.add_parser("show", help="one delivery, whole").add_argument("id", type=int)
    repeated = commands.add_parser("replay", help="process a delivery again")
    repeated.add_argument("id", type=int)
    repeated.add_argument("--dry-run", action="store_true", help="only print what would change")
    commands.add_parser("prune", help="forget deliveries older than 400 days")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    chosen = _arguments(argv)
    if chosen.command == "replay":
        return _replay(chosen.id, dry_run=chosen.dry_run)
    if chosen.command == "prune":
        print(f"{prune()} deliveries forgotten")
        return 0
    with read_session() as session:
        if chosen.command == "show":
            return _show(session, chosen.id)
        _list(session, chosen.verdict, chosen.order, chosen.limit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
