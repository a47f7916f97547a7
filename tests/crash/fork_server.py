"""A fork server: processes that die by SIGKILL at a failpoint, without the seconds that a store takes to start.

`python -m tests.crash.fork_server` imports the code that processes a notification, and opens no database. It reads
jobs from standard input, one line of JSON each. For each job it forks a child, which runs the job with a database
connection of its own and dies at the failpoint that the job names; then it prints one line with the result.
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

from store_app import failpoints
from store_app.checkout.reconcile import reconcile_due
from store_app.db.engine import get_engine
from store_app.db.unit_of_work import dry_run_session
from store_app.payments.xsolla.provider import XsollaProvider
from store_app.payments.xsolla.transport import Answer, Request
from store_app.settings import get_settings
from tests.support.deliveries import receive
from tests.support.processes import ROOT
from webhook.inbox import Delivery
from webhook.inbox.replay import replay
from webhook.intake import process

Json = dict[str, Any]
SECONDS_TO_STOP = 30


def client_of(provider: Json) -> XsollaProvider:
    """Return the store's own client, connected to a provider that has these `orders` and `transactions`."""

    async def send(request: Request) -> Answer:
        return _respond(provider, request)

    return XsollaProvider(get_settings(), send)


def _respond(provider: Json, request: Request) -> Answer:
    if request.url.endswith("/order/search"):
        offset = request.body["offset"]
        return _answer({"orders": provider["orders"][offset : offset + request.body["limit"]]})
    if request.url.endswith("/simple_search"):
        # By the transaction's own id or by the store's external id of the attempt.
        ((name, id_),) = request.query.items()
        name = name.removeprefix("transaction_")
        return _answer([found for found in provider["transactions"] if found["transaction"][name] == id_])
    order_id = int(request.url.rpartition("/")[2])
    found = [order for order in provider["orders"] if order["order_id"] == order_id]
    return _answer(found[0]) if found else Answer(404)


def _answer(body: Any) -> Answer:
    return Answer(200, json.dumps(body).encode())


def run_job(job: Json) -> int:
    """Run a job in this process; return the response status of a notification, else 0."""
    if "body" in job:
        return receive(job["body"].encode(), job["signature"].encode(), {}).status
    if "replay" in job:
        replay(job["replay"], dry_run=False)
    else:
        asyncio.run(reconcile_due(client_of(job["reconcile"])))
    return 0


def _run_as_child(job: Json, result: int) -> NoReturn:
    os.environ["FAILPOINT"] = job["failpoint"]
    failpoints.arm()
    try:
        os.write(result, str(run_job(job)).encode())
    except Exception:  # noqa: BLE001 - a child that fails must not return into the server's loop
        traceback.print_exc()
        os._exit(1)
    # Without cleaning up: the child shares what is registered for the exit with its parent.
    os._exit(0)


def _run_in_child(job: Json) -> Json:
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        _run_as_child(job, write_end)
    os.close(write_end)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with os.fdopen(read_end) as result:
        return {"code": code, "result": result.read()}


def _warm_up() -> None:
    """Import and build what every child needs, and close the connection, which children cannot share."""
    body = json.dumps({"notification_type": "order_paid", "custom_parameters": {"order_id": "none"}})
    with dry_run_session() as session:
        process(session, Delivery("xsolla", body.encode(), "{}", signature_valid=True), 0)
    get_engine().dispose()


def serve() -> None:
    """Run the jobs of the standard input, until it ends."""
    _warm_up()
    for line in sys.stdin:
        print(json.dumps(_run_in_child(json.loads(line))), flush=True)


class ForkServer:
    """The fork server, seen from a test; a context manager. It uses the settings of this environment."""

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
        self._process.communicate(timeout=SECONDS_TO_STOP)

    def run(self, failpoint: str, **job: Any) -> int | None:
        """Run a job in a process that dies at `failpoint`; return None when it died, else the job's result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"failpoint": failpoint, **job}), file=self._process.stdin, flush=True)
        done = json.loads(self._process.stdout.readline())
        assert done["code"] in {0, -signal.SIGKILL}, done
        return None if done["code"] else int(done["result"])


if __name__ == "__main__":
    serve()
