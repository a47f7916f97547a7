"""`make fuzz`: send 100,000 malformed requests to a real store, the same ones for the same seed.

Notifications without a signature, signed ones that are broken or do not fit, and whatever the API's document
allows, forbids or never heard of. Nothing may be answered 5xx, no row may change without a signature, and no order
may be paid by what does not fit it. Prints what failed so that it can be repeated; exits non-zero then.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts import servers
from tests.chaos.fuzzing.campaigns import ENV, Laboratory, laboratory
from tests.chaos.fuzzing.runner import Failure
from tests.support.postgres import fresh_database, postgres_server
from tests.support.processes import ChildFailed
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

# Of 100 requests, how many each campaign of a kind gets: two without a signature, three with, three of the API.
UNSIGNED, SIGNED, API = 17, 14, 8
ORDERS = 1_000
WORKERS = 3
SHOWN = 10
KEPT = Path("test-results/fuzz")


@contextmanager
def _store(*, postgres: bool) -> Iterator[StoreProcess]:
    with ExitStack() as stack:
        if not postgres:
            yield stack.enter_context(StoreProcess(env=ENV, simulator=True))
            return
        database = fresh_database(stack.enter_context(postgres_server()))
        redis = stack.enter_context(redis_server())
        yield stack.enter_context(
            StoreProcess(env=ENV, simulator=True, database_url=database, redis_url=redis.url, workers=WORKERS)
        )


def _send(run: Laboratory, examples: int) -> None:
    share = -(-examples // 100)
    for send, weight in ((run.send_unsigned, UNSIGNED), (run.send_signed, SIGNED), (run.call_api, API)):
        send(share * weight)
        print(f"{sum(answers.total() for answers in run.records.answers.values()):,} sent", file=sys.stderr)


_KINDS = ("2xx", "3xx", "4xx", "5xx", "hung up")


def _print_answers(answers: Mapping[str, Counter[str]]) -> None:
    print(f"\n  {'':<38} {'requests':>9}" + "".join(f" {kind:>8}" for kind in _KINDS))
    for name, counted in {**answers, "all": sum(answers.values(), Counter[str]())}.items():
        figures = (counted.total(), *(counted[kind] for kind in _KINDS))
        print(f"  {name:<38} {figures[0]:>9,}" + "".join(f" {figure:>8,}" for figure in figures[1:]))


def _print_findings(findings: Mapping[str, list[str]], failed: int) -> None:
    print()
    for name, found in findings.items():
        print(f"  {name:<38} {failed if name == 'wrong answers' else len(found):>9,}")
    for name, found in findings.items():
        for words in found[:SHOWN]:
            print(f"\n{name}: {words}", file=sys.stderr)


def _keep(failures: Sequence[Failure]) -> None:
    """Write what was answered wrongly into files, as it went over the wire: `nc localhost 8000 < 0.http`."""
    for number, failure in enumerate(failures):
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{number}.http").write_bytes(bytes(failure.request))
    if failures:
        print(f"the requests as they were sent: {KEPT}/*.http", file=sys.stderr)


def fuzz(examples: int, seed: int, *, postgres: bool) -> int:
    """Do it and print the table; return the exit code."""
    begin = time.monotonic()
    with _store(postgres=postgres) as store, laboratory(store, ORDERS, seed) as run:
        _send(run, examples)
        findings = run.findings()
    print(f"\nseed {seed}, {f'PostgreSQL, Redis, {WORKERS} workers' if postgres else 'SQLite, 1 worker'}")
    _print_answers(run.records.answers)
    _print_findings(findings, run.records.failed)
    _keep(run.records.failures)
    print(f"  {'seconds':<38} {time.monotonic() - begin:>9,.0f}")
    return int(any(findings.values()))


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000, help="how many requests to send (100000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed sends the same requests")
    parser.add_argument(
        "--postgres", action="store_true", help="the grown shape, instead of SQLite and one worker"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    chosen = _arguments(words)
    try:
        if chosen.postgres:
            servers.provide()
        return fuzz(chosen.examples, chosen.seed, postgres=chosen.postgres)
    except (ChildFailed, servers.Missing) as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
