"""The state of a tab that has gone: it is removed, but not before its last event has ended."""

import asyncio
from typing import Any

import reflex as rx
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.token import BaseStateToken

from store_app.web.live.event_limits import forget_state
from store_app.web.live.tabs import Tab


async def _nothing(*_: Any) -> None:
    pass


async def _kept_and_forgotten() -> tuple[bool, bool]:
    """Return whether the state is there while an event runs, and afterwards."""
    manager = StateManagerMemory(token_expiration=60)  # type: ignore[abstract]  # mypy misreads its overloads
    tab = Tab("a-token", None, "192.0.2.1", lambda: None, _nothing)
    await manager.get_state(BaseStateToken(ident=tab.token, cls=rx.State))
    event: Any = asyncio.get_running_loop().create_future()
    tab.add_event(event)
    forgetting = asyncio.create_task(forget_state(manager, tab))
    await asyncio.sleep(0)
    kept = tab.token in manager.states
    event.set_result(None)
    await asyncio.wait_for(forgetting, 5)
    await manager.close()
    return kept, tab.token in manager.states


def test_the_state_of_a_tab_that_has_gone_is_removed_after_its_last_event() -> None:
    assert asyncio.run(_kept_and_forgotten()) == (True, False)
