"""`make fuzz`: send 100,000 malformed requests to a real store, the same ones for the same seed.

It sends notifications without a valid signature, signed ones that are malformed or mismatched, and requests that
the API's document allows, forbids or does not mention. No response may be 5xx, no row may change without a valid
signature, and no mismatched payment may pay an order. It prints failures so that they can be repeated, and then
exits non-zero.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts import servers
from tests.chaos.fuzzing.campaigns import ENV, FuzzRun, fuzz_run
from tests.chaos.fuzzing.runner import Failure
from tests.support.postgres import fresh_database, postgres_server
from tests.support.processes import ChildFailed
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

# Percent of the requests for each of the two unsigned, three signed and three API campaigns.
UNSIGNED_PERCENT, SIGNED_PERCENT, API_PERCENT = 17, 14, 8
ORDERS = 1_000
WORKERS = 3
MAX_FINDINGS_SHOWN = 10
FAILURES_FOLDER = Path("test-results/fuzz")


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


def _send(run: FuzzRun, examples: int) -> None:
    one_percent = -(-examples // 100)
    groups = (
        (run.send_unsigned, UNSIGNED_PERCENT),
        (run.send_signed, SIGNED_PERCENT),
        (run.call_api, API_PERCENT),
    )
    for send, percent in groups:
        send(one_percent * percent)
        sent = sum(responses.total() for responses in run.results.responses.values())
        print(f"{sent:,} sent", file=sys.stderr)


_KINDS = ("2xx", "3xx", "4xx", "5xx", "closed")


def _print_responses(responses: Mapping[str, Counter[str]]) -> None:
    print(f"\n  {'':<38} {'requests':>9}" + "".join(f" {kind:>8}" for kind in _KINDS))
    for name, counted in {**responses, "all": sum(responses.values(), Counter[str]())}.items():
        figures = (counted.total(), *(counted[kind] for kind in _KINDS))
        print(f"  {name:<38} {figures[0]:>9,}" + "".join(f" {figure:>8,}" for figure in figures[1:]))


def _print_findings(findings: Mapping[str, list[str]], failed: int) -> None:
    print()
    for name, found in findings.items():
        print(f"  {name:<38} {failed if name == 'wrong responses' else len(found):>9,}")
    for name, found in findings.items():
        for description in found[:MAX_FINDINGS_SHOWN]:
            print(f"\n{name}: {description}", file=sys.stderr)


def _write_failures(failures: Sequence[Failure]) -> None:
    """Write the failed requests to files, as they were sent; `nc localhost 8000 < 0.http` repeats one."""
    for number, failure in enumerate(failures):
        FAILURES_FOLDER.mkdir(parents=True, exist_ok=True)
        (FAILURES_FOLDER / f"{number}.http").write_bytes(bytes(failure.request))
    if failures:
        print(f"the requests as they were sent: {FAILURES_FOLDER}/*.http", file=sys.stderr)


def fuzz(examples: int, seed: int, *, postgres: bool) -> int:
    """Run all campaigns and print a table of the results; return the exit code."""
    begin = time.monotonic()
    with _store(postgres=postgres) as store, fuzz_run(store, ORDERS, seed) as run:
        _send(run, examples)
        findings = run.findings()
    print(f"\nseed {seed}, {f'PostgreSQL, Redis, {WORKERS} workers' if postgres else 'SQLite, 1 worker'}")
    _print_responses(run.results.responses)
    _print_findings(findings, run.results.failed)
    _write_failures(run.results.failures)
    print(f"  {'seconds':<38} {time.monotonic() - begin:>9,.0f}")
    return int(any(findings.values()))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000, help="how many requests to send (100000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed sends the same requests")
    parser.add_argument(
        "--postgres",
        action="store_true",
        help="use PostgreSQL, Redis and several workers instead of SQLite and one worker",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    arguments = _arguments(argv)
    try:
        if arguments.postgres:
            servers.provide()
        return fuzz(arguments.examples, arguments.seed, postgres=arguments.postgres)
    except (ChildFailed, servers.Missing) as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
