"""`make run` and `make dev`: everything from an empty checkout to two servers that answer."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from scripts import environment, pages
from scripts.environment import Plan
from scripts.processes import Child, ChildFailed, port_is_busy

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "data" / "logs"
SECONDS_TO_START = 60


class Stopped(BaseException):
    """Ctrl-C, or a request to end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts.run", description=__doc__)
    parser.add_argument("--dev", action="store_true", help="reload when the code changes")
    parser.add_argument("--env-only", action="store_true", help="write .env if there is none, and stop")
    options = parser.parse_args(arguments)
    _stop_on_signals()
    try:
        _write_env()
        if not options.env_only:
            _run(options.dev)
    except Stopped:
        print("\nStopped.", flush=True)
    except (environment.BadEnvironment, pages.BuildFailed, ChildFailed) as problem:
        print(problem, file=sys.stderr, flush=True)
        return 1
    return 0


def _run(dev: bool) -> None:
    plan = environment.make_plan(environment.read_settings(ROOT, os.environ))
    _refuse_busy_ports(plan)
    _prepare_data(plan)
    if dev:
        pages.forget(ROOT)  # they are built in another manner
    else:
        _timed("Building the pages ...", lambda: pages.build(ROOT))
    with ExitStack() as stack:
        # Left last, so that a second Ctrl-C cannot interrupt the stopping.
        children = _start(plan, dev, stack)
        _announce(plan)
        while True:
            for child in children:
                child.raise_if_ended()
            time.sleep(0.2)


def _write_env() -> None:
    if environment.write_env_file(ROOT / ".env"):
        print("Wrote .env with new secrets (.env.example explains each line).", flush=True)


def _refuse_busy_ports(plan: Plan) -> None:
    ports = {"PORT": (plan.host, plan.port)}
    if plan.simulator_port:
        ports["SIMULATOR_PORT"] = (plan.env["SIMULATOR_HOST"], plan.simulator_port)
    for name, (host, port) in ports.items():
        if port_is_busy(host, port):
            raise environment.BadEnvironment(
                f"Port {port} is in use: stop what runs there, or choose another one, e.g. "
                f"{name}={port + 80} make run"
            )


def _prepare_data(plan: Plan) -> None:
    _step("Bringing the database up to date ...", plan, "migrations", "alembic", "upgrade", "head")
    if plan.env.get("ENVIRONMENT", "development") == "development":
        _step("Loading the sample items ...", plan, "sample items", "store_app", "items", "samples")


def _step(title: str, plan: Plan, name: str, *module: str) -> None:
    log = LOGS / f"{name.replace(' ', '-')}.log"
    log.unlink(missing_ok=True)
    child = Child(name, [sys.executable, "-m", *module], env=plan.env, log=log, cwd=ROOT)

    def run() -> None:
        try:
            code = child.start().wait()
        finally:
            child.kill()
        if code:
            raise ChildFailed(f"The {name} failed:\n{child.tail()}")

    _timed(title, run)


def _timed(title: str, work: Callable[[], object]) -> None:
    print(title, end=" ", flush=True)
    begin = time.monotonic()
    try:
        work()
    except BaseException:
        print(flush=True)
        raise
    print(f"{time.monotonic() - begin:.1f} s", flush=True)


def _start(plan: Plan, dev: bool, stack: ExitStack) -> list[Child]:
    stack.callback(_ignore_signals)
    children = [_child("store", _store_command(plan, dev), plan)]
    if plan.simulator_port:
        children.append(_child("simulator", [sys.executable, "-m", "simulator", "serve"], plan))
    for child in children:
        stack.callback(child.stop)
    stack.callback(_ignore_signals)
    for child in children:
        child.start()
    # The first start of `make dev` builds the pages.
    children[0].wait_until_answers(f"{_local(plan)}/livez", 300 if dev else SECONDS_TO_START, _check(children))
    if plan.simulator_port:
        children[1].wait_until_answers(f"http://localhost:{plan.simulator_port}/", SECONDS_TO_START)
    return children


def _child(name: str, command: Sequence[str], plan: Plan) -> Child:
    log = LOGS / f"{name}.log"
    log.unlink(missing_ok=True)
    env = pages.tool_environment(plan.env) | {"REFLEX_HOT_RELOAD_OVERRIDE_PATHS": ":".join(_watched())}
    return Child(name, command, env=env, log=log, cwd=ROOT, echo=True)


def _watched() -> list[str]:
    # Not `data`: the database changes with every purchase.
    return [name for name in ("store_app", "webhook", "assets", "rxconfig.py") if (ROOT / name).exists()]


def _store_command(plan: Plan, dev: bool) -> list[str]:
    if not dev:
        return [sys.executable, "-m", "store_app", "serve"]
    # "preview" reloads like "dev" but serves pages, API and socket from one port, as the real store does.
    place = ["--backend-host", plan.host, "--backend-port", str(plan.port), "--frontend-port", str(plan.port)]
    return [sys.executable, "-m", "reflex", "run", "--env", "preview", *place]


def _check(children: Sequence[Child]) -> Callable[[], None]:
    def check() -> None:
        for child in children:
            child.raise_if_ended()

    return check


def _local(plan: Plan) -> str:
    host = "127.0.0.1" if plan.host in {"0.0.0.0", "127.0.0.1"} else plan.host  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{plan.port}" if ":" in host else f"http://{host}:{plan.port}"


def _announce(plan: Plan) -> None:
    lines = [f"  The store      {plan.public_url}"]
    if plan.simulator_port:
        lines.append(f"  The simulator  {plan.simulator_url}   (stands in for the payment provider)")
    print("", *lines, "  Ctrl-C stops.", "", sep="\n", flush=True)


def _stop_on_signals() -> None:
    def stop(_number: int, _frame: object) -> NoReturn:
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
