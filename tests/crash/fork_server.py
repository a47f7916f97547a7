"""Processes that die by SIGKILL at a failpoint, without the seconds that a whole store takes to start.

`python -m tests.crash.fork_server` has imported what takes a notification and opened no database. For each job, a
line of JSON, it forks a child, which does it with a connection of its own and dies at the failpoint that the job
names. One line says what came of it.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import traceback
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx

from store_app.checkout.reconcile import reconcile_due
from store_app.db.engine import get_engine
from store_app.db.unit_of_work import dry_run_session
from store_app.payments.xsolla.client import XsollaClient
from store_app.settings import get_settings
from tests.support.processes import ROOT
from webhook.inbox import Delivery
from webhook.inbox.replay import replay
from webhook.intake import process, receive

Json = dict[str, Any]


def client_of(provider: Json) -> XsollaClient:
    """Return the store's own client, connected to a provider that has these `orders` and `payments`."""

    def reply(request: httpx.Request) -> httpx.Response:
        return _reply(provider, request)

    return XsollaClient(get_settings(), httpx.AsyncClient(transport=httpx.MockTransport(reply)))


def _reply(provider: Json, request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/order/search"):
        asked = json.loads(request.content)
        begin = asked["offset"]
        return httpx.Response(200, json={"orders": provider["orders"][begin : begin + asked["limit"]]})
    if request.url.path.endswith("/simple_search"):
        wanted = request.url.params["external_id"]
        return httpx.Response(200, json=[one for one in provider["payments"] if one["external_id"] == wanted])
    number = int(request.url.path.rpartition("/")[2])
    found = [one for one in provider["orders"] if one["order_id"] == number]
    return httpx.Response(200, json=found[0]) if found else httpx.Response(404)


def do(job: Json) -> int:
    """Do a job in this process; returns the answer to a notification, else 0."""
    if "body" in job:
        return receive(job["body"].encode(), job["signature"].encode(), {}).status
    if "replay" in job:
        replay(job["replay"], dry_run=False)
    else:
        asyncio.run(reconcile_due(client_of(job["repair"])))
    return 0


def _be_the_child(job: Json, answer: int) -> NoReturn:
    os.environ["FAILPOINT"] = job["failpoint"]
    try:
        os.write(answer, str(do(job)).encode())
    except Exception:  # noqa: BLE001 - a child that fails must not go on as a second parent
        traceback.print_exc()
        os._exit(1)
    # Whatever is left to clean up is the parent's.
    os._exit(0)


def _in_a_child(job: Json) -> Json:
    read_session, writing = os.pipe()
    child = os.fork()
    if not child:
        _be_the_child(job, writing)
    os.close(writing)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with os.fdopen(read_session) as answer:
        return {"code": code, "answer": answer.read()}


def _warm_up() -> None:
    """Import and build what each child would, and keep no connection for them to share."""
    body = json.dumps({"notification_type": "order_paid", "custom_parameters": {"order_id": "none"}})
    with dry_run_session() as session:
        process(session, Delivery.of(body.encode(), {}))
    get_engine().dispose()


def serve() -> None:
    """Do the jobs of the standard input, until it ends."""
    _warm_up()
    for line in sys.stdin:
        print(json.dumps(_in_a_child(json.loads(line))), flush=True)


class Zygote:
    """The process, seen from a test; a context manager. It uses the settings of this environment."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.fork_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def do(self, failpoint: str, **job: Any) -> int | None:
        """Have a job done by a process that dies at `failpoint`; None when it died, else what it answered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"failpoint": failpoint, **job}), file=self._process.stdin, flush=True)
        done = json.loads(self._process.stdout.readline())
        assert done["code"] in {0, -signal.SIGKILL}, done
        return None if done["code"] else int(done["answer"])


if __name__ == "__main__":
    serve()
