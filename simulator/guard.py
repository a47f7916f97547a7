"""Who may use the developer's window and the controls."""

from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Depends, Request

from simulator.errors import ControlError
from simulator.settings import is_loopback
from simulator.simulator import TheSimulator


def _local_callers_only(request: Request, simulator: TheSimulator) -> None:
    """Refuse strangers; whoever binds another address than loopback has opened the door on purpose."""
    caller = request.client.host if request.client else ""
    if simulator.settings.is_local and not is_loopback(caller):
        raise ControlError(HTTPStatus.FORBIDDEN, "The simulator's controls answer this machine only.")


def _no_foreign_pages(request: Request) -> None:
    """Refuse forms and scripts of other sites that the developer happens to have open."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise ControlError(HTTPStatus.FORBIDDEN, "The simulator's controls do not answer pages of other sites.")


GUARDS = [Depends(_local_callers_only), Depends(_no_foreign_pages)]
