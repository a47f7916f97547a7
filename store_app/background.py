"""Work that nobody asks for: unpaid orders expire, old sessions are forgotten."""

import asyncio
import logging

from store_app.accounts.service import prune_sessions
from store_app.database import in_database_thread, unit_of_work
from store_app.orders import lifecycle

logger = logging.getLogger(__name__)
EVERY = 30.0


def _tidy() -> None:
    with unit_of_work() as session:
        lifecycle.expire_due(session)
    prune_sessions()


async def tidy_for_ever() -> None:
    """Tidy up now and then until cancelled; every worker may, as each row is taken by one of them."""
    while True:
        try:
            await in_database_thread(_tidy)
        except Exception:
            logger.exception("could not tidy up; trying again")
        await asyncio.sleep(EVERY)
