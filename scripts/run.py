"""`make run` and `make dev`: prepare what a fresh clone lacks, then run the store and the simulator."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from scripts import dev, environment, pages
from scripts.environment import Plan
from scripts.processes import Child, ChildFailed, port_is_busy

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "data" / "logs"
SECONDS_TO_START = 60


class Stopped(BaseException):
    """Ctrl-C, or another signal to end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts.run", description=__doc__)
    parser.add_argument("--dev", action="store_true", help="start again whenever a source is saved")
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


def _run(in_development: bool) -> None:
    plan = environment.make_plan(environment.read_settings(ROOT, os.environ))
    _refuse_busy_ports(plan)
    _close_to_others(LOGS.parent, LOGS)
    with ExitStack() as stack:
        if in_development:
            _develop(plan, stack)
        else:
            _serve(plan, stack)


def _serve(plan: Plan, stack: ExitStack) -> None:
    _prepare_data(plan)
    _timed("Building the pages ...", lambda: pages.build(ROOT))
    store = _child("store", "store_app", plan, "serve")
    children = [store, *_simulator(plan)]
    for child in children:
        stack.callback(child.stop)
    # Called first when the stack unwinds: a second Ctrl-C must not interrupt the stopping.
    stack.callback(_ignore_signals)
    for child in children:
        child.start()
    store.wait_until_answers(f"{plan.local_url}/livez", SECONDS_TO_START, _check(children))
    for simulator in children[1:]:
        simulator.wait_until_answers(plan.simulator_url, SECONDS_TO_START)
    _announce(plan)
    while True:
        _check(children)()
        time.sleep(0.2)


def _develop(plan: Plan, stack: ExitStack) -> None:
    simulator = _simulator(plan)
    for child in simulator:
        stack.callback(child.stop)
    changes = stack.enter_context(dev.Changes(ROOT))
    store = stack.enter_context(dev.DevStore(ROOT, plan, LOGS, lambda: _prepare_data(plan)))
    stack.callback(_ignore_signals)
    store.renew()
    for child in simulator:
        child.start()
    _announce(plan)
    dev.run(store, changes, simulator)


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


def _close_to_others(*folders: Path) -> None:
    """Create folders that only this account can enter; an earlier release left its logs open to all."""
    for folder in folders:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)


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


def _simulator(plan: Plan) -> list[Child]:
    return [_child("simulator", "simulator", plan, "serve")] if plan.simulator_port else []


def _child(name: str, module: str, plan: Plan, *arguments: str) -> Child:
    log = LOGS / f"{name}.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", module, *arguments]
    return Child(name, command, env=plan.env, log=log, cwd=ROOT, echo=True)


def _check(children: Sequence[Child]) -> Callable[[], None]:
    def check() -> None:
        for child in children:
            child.raise_if_ended()

    return check


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
