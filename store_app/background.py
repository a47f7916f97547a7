"""Periodic work: orders expire, old sessions are deleted."""

import asyncio
import logging
from collections.abc import Callable

from store_app.accounts.service import prune_sessions
from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import unit_of_work
from store_app.orders.order import Orders

logger = logging.getLogger(__name__)


def tidy() -> None:
    """Expire orders and delete old sessions. Every worker runs this."""
    with unit_of_work() as work:
        Orders.of(work).expire_due()
    prune_sessions()


async def every(seconds: float, work: Callable[[], object]) -> None:
    """Run a database function again and again, with a pause of some seconds, until canceled."""
    while True:
        try:
            await in_database_thread(work)
        except Exception:
            logger.exception("%s failed; trying again", work.__name__)
        await asyncio.sleep(seconds)
