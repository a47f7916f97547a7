"""`make mutants`: break the store on purpose, one rule at a time, and see that the tests notice.

Each mutant changes one place of a copy of the project; then the tests named with it must fail. The same tests
pass on the copy as it is. Exits non-zero when a mutant survives, or no longer fits the source.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts import servers

ROOT = Path(__file__).resolve().parent.parent
# Not part of the project's code; the first two are used where they are.
LINKED = (".venv", ".web")
LEFT_OUT = (".git", ".env", "data", "__pycache__", ".*_cache", ".hypothesis", ".states", "test-results")
SECONDS_FOR_TESTS = 600
GREEN, RED = 0, 1
_FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)

CLAIMS, LIFECYCLE = "store_app/orders/claims.py", "store_app/orders/lifecycle.py"
BOOKKEEPING, BATCHES = "store_app/orders/bookkeeping.py", "tests/integration/test_batches.py"
PROCESSING, SERVICE = "webhook/processing.py", "store_app/checkout/service.py"
WEBHOOK, ORDERS = "tests/integration/test_webhook.py", "tests/integration/test_orders.py"
CHECKOUT, ARRIVALS = "tests/integration/test_checkout.py", "tests/integration/test_arrivals.py"
CRASHES = "tests/crash/test_webhook_crashes.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: `text`, which is in `file` once, becomes `instead`; `tests` must notice."""

    name: str
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "the amount is not checked",
        CLAIMS,
        "return None if paid == order.total else",
        "return None if paid >= 0 else",
        (WEBHOOK,),
    ),
    Mutant("the currency is not checked", CLAIMS, "if claim.currency != order.currency:", "if False:", (WEBHOOK,)),
    Mutant(
        "the user is not checked",
        CLAIMS,
        "if claim.user_id and claim.user_id != order.user_id:",
        "if False:",
        (WEBHOOK,),
    ),
    Mutant(
        "a user that cannot be read passes for none",
        "webhook/notifications.py",
        'return (_identifier(said[0]) or UNREADABLE) if said else ""',
        'return _identifier(said[0]) if said else ""',
        ("tests/unit/test_notifications.py",),
    ),
    Mutant(
        "an amount is cut to what is read",
        "webhook/notifications.py",
        'return text if len(text) <= _LONGEST_AMOUNT else ""',
        "return text[:_LONGEST_AMOUNT]",
        ("tests/unit/test_notifications.py",),
    ),
    Mutant(
        "a name may stand twice",
        "webhook/notifications.py",
        "if len(found) < len(members):",
        "if len(found) > len(members):",
        ("tests/unit/test_notifications.py",),
    ),
    Mutant(
        "a test payment counts in live mode",
        CLAIMS,
        "if claim.sandbox not in {None, get_settings().xsolla_sandbox}:",
        "if claim.sandbox is False and get_settings().xsolla_sandbox:",
        (WEBHOOK,),
    ),
    Mutant(
        "any signature will do",
        "webhook/signature.py",
        "return sum(hmac.compare_digest(match[1], one) for one in expected) > 0",
        "return bool(expected)",
        ("tests/unit/test_signature.py",),
    ),
    Mutant(
        "signatures are compared with ==, whose time tells how far they agree",
        "webhook/signature.py",
        "hmac.compare_digest(match[1], one) for one",
        "match[1] == one for one",
        ("tests/unit/test_signature.py",),
    ),
    Mutant(
        "the signature is checked over JSON written again",
        PROCESSING,
        "        return cls(Delivery.of(body, headers), is_genuine(body,",
        "        import json\n\n"
        '        again = json.dumps(json.loads(body)).encode() if body[:1] == b"{" else body\n'
        "        return cls(Delivery.of(body, headers), is_genuine(again,",
        (WEBHOOK,),
    ),
    Mutant(
        "the order's row is not locked",
        "store_app/orders/locked.py",
        "return columns.with_for_update(key_share=True, skip_locked=skip_locked)",
        "return columns",
        ("tests/integration/test_mutants.py",),
    ),
    Mutant(
        "a payment that was booked is booked again",
        BOOKKEEPING,
        '"provider_id": provider_id,',
        '"provider_id": provider_id + str(utc_now().timestamp()),',
        (ORDERS,),
    ),
    Mutant(
        "a repeat is answered 409",
        PROCESSING,
        "400 if refused else 204,",
        "400 if refused else 409 if judgement.verdict is Verdict.REPEAT else 204,",
        (ORDERS,),
    ),
    Mutant(
        "the order is committed before the delivery is kept",
        PROCESSING,
        "    keep(session, delivery, read.kind,",
        '    session.connection().exec_driver_sql("COMMIT")\n    session.connection().exec_driver_sql("BEGIN")\n'
        "    keep(session, delivery, read.kind,",
        (CRASHES,),
    ),
    Mutant(
        "an exception is swallowed and answered 204",
        PROCESSING,
        "        raise\n",
        "        return [Outcome(Verdict.DONE)] * len(arrivals)\n",
        (WEBHOOK,),
    ),
    Mutant(
        "a delivery that failed is not kept",
        PROCESSING,
        "            _keep_failed(arrivals[0].delivery, error)\n",
        "            pass\n",
        (WEBHOOK,),
    ),
    Mutant(
        "one delivery that fails takes its whole batch down",
        "webhook/batches.py",
        "if len(batch) > 1 and not cannot_be_reached(error):",
        "if len(batch) > 99:",
        (BATCHES,),
    ),
    Mutant(
        "a forged delivery that fails is kept as a genuine one",
        PROCESSING,
        "if len(arrivals) == 1 and arrivals[0].genuine:",
        "if len(arrivals) == 1:",
        (BATCHES,),
    ),
    Mutant(
        "a batch is answered before it is committed",
        PROCESSING,
        '        failpoint("webhook: before commit")\n',
        '        failpoint("webhook: before commit")\n        session.rollback()\n',
        (WEBHOOK,),
    ),
    Mutant(
        "a message overtakes one that could not be sent",
        "store_app/outbox.py",
        " if not row.held_up",
        "",
        ("tests/integration/test_outbox.py",),
    ),
    Mutant(
        "a refund takes back by user and item",
        "store_app/orders/statements.py",
        "REVOKE = update(Purchase).where(col(Purchase.order_id) == _ORDER)",
        "_MINE = select(col(Purchase.item_id)).where(col(Purchase.order_id) == _ORDER)\n"
        "REVOKE = update(Purchase).where(col(Purchase.item_id).in_(_MINE))",
        (ORDERS,),
    ),
    Mutant(
        "a refund before its payment is forgotten",
        LIFECYCLE,
        "    left = payment.amount - returned(ledger, transaction) if payment else 0\n",
        "    if payment is None:\n        return False\n"
        "    left = payment.amount - returned(ledger, transaction)\n",
        (ORDERS, ARRIVALS),
    ),
    Mutant(
        "a cancelation that names no transaction undoes nothing",
        "store_app/orders/ledger.py",
        "row.provider_order_id == provider_order_id",
        "not provider_order_id",
        (ARRIVALS,),
    ),
    Mutant(
        "a part that came before its payment is never valued",
        BOOKKEEPING,
        '"amount": -(value or 0)}',
        '"amount": 0}',
        (ARRIVALS,),
    ),
    Mutant(
        "an order that expired is not granted when it is paid",
        LIFECYCLE,
        "    if status is None or status == order.status:",
        '    if status is None or order.status in {status, "expired"}:',
        (ORDERS,),
    ),
    Mutant(
        "the cart keeps what was paid",
        LIFECYCLE,
        "    _run(session, sql.EMPTY_CART, order_id_=order.id, user_id_=order.user_id)\n",
        "",
        (ORDERS,),
    ),
    Mutant(
        "two clicks are two orders",
        SERVICE,
        "session.exec(select(User.id).where(User.id == user_id).with_for_update(key_share=True)).one()",
        "session.exec(select(User.id).where(User.id == user_id)).one()",
        (CHECKOUT,),
    ),
    Mutant(
        "what is owned is sold again",
        SERVICE,
        "        _refuse_owned(session, user_id, lines)\n",
        "",
        (CHECKOUT,),
    ),
    Mutant(
        "an order that closed while the provider was asked is paid for",
        SERVICE,
        "        order = lock(session, order_id)\n        if order.status not in OPEN:\n",
        "        order = lock(session, order_id)\n        if not order:\n",
        (CHECKOUT,),
    ),
    Mutant(
        "what a dead process left in the outbox is never sent",
        "store_app/outbox.py",
        "overdue = col(OutboxMessage.leased_until) < now",
        "overdue = col(OutboxMessage.leased_until) == now",
        ("tests/crash/test_outbox_crashes.py",),
    ),
    Mutant(
        "//evil.example is a page of our own",
        "store_app/routes.py",
        'if parts.scheme or parts.netloc or strange or not path.startswith("/") or path.startswith("//"):',
        'if parts.scheme or strange or not path.startswith("/"):',
        ("tests/unit/test_routes.py",),
    ),
    Mutant(
        "anybody's order is shown",
        "store_app/orders/queries.py",
        "if order is None or order.user_id != user_id:",
        "if order is None:",
        (CHECKOUT,),
    ),
    Mutant(
        "anybody cancels an order",
        LIFECYCLE,
        "    if order.user_id != user_id:\n",
        "    if order.user_id == '':\n",
        ("tests/integration/test_mutants.py",),
    ),
    Mutant(
        "an event handler believes whose order it is",
        "store_app/orders/state.py",
        "    async def cancel(self) -> EventSpec | None:\n"
        '        """Cancel the order."""\n'
        '        self.problem = ""\n'
        "        try:\n"
        "            viewer = await self._signed_in()\n"
        "            self._show(await in_database_thread(service.cancel, viewer.user_id,",
        "    async def cancel(self, user_id: str | None = None) -> EventSpec | None:\n"
        '        """Cancel the order."""\n'
        '        self.problem = ""\n'
        "        try:\n"
        "            viewer = await self._signed_in()\n"
        "            self._show(await in_database_thread(service.cancel, user_id or viewer.user_id,",
        ("tests/security/test_allow_list.py::test_no_handler_takes_more_than_it_needs",),
    ),
)


class DoesNotFit(Exception):
    """The text of a mutant is not in its file, or not once."""


@dataclass(frozen=True, slots=True)
class Run:
    """How the tests ended: pytest's exit code, what failed first, what was printed."""

    code: int
    failure: str
    printed: str
    seconds: float


def mutated(mutant: Mutant, root: Path = ROOT) -> str:
    """Return the file of a mutant with its mistake in it.

    Raises:
        DoesNotFit: its text is not there exactly once.
    """
    source = (root / mutant.file).read_text(encoding="utf-8")
    if (times := source.count(mutant.text)) != 1:
        raise DoesNotFit(f"“{mutant.name}”: its text is in {mutant.file} {times} times, not once")
    return source.replace(mutant.text, mutant.instead)


def _copy(folder: Path) -> Path:
    copy = folder / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT, *LINKED))
    for name in LINKED:
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)
    return copy


@contextmanager
def _changed(path: Path, source: str) -> Iterator[None]:
    """Have a file say something else meanwhile."""
    before = path.read_text(encoding="utf-8")
    try:
        _write(path, source)
        yield
    finally:
        _write(path, before)


def _write(path: Path, source: str) -> None:
    path.write_text(source, encoding="utf-8")
    # Two versions of one size within a second would be taken for the same.
    Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)


def _test(copy: Path, tests: Sequence[str], *options: str) -> Run:
    command = [str(copy / ".venv/bin/python"), "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
    begin = time.monotonic()
    with subprocess.Popen(
        [*command, *options, *tests],
        cwd=copy,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=SECONDS_FOR_TESTS)
        except subprocess.TimeoutExpired:
            process.terminate()
            printed, _ = process.communicate()
    failure = _FIRST_FAILURE.search(printed)
    return Run(process.returncode, failure[1] if failure else "", printed, time.monotonic() - begin)


def _judge(mutant: Mutant, copy: Path) -> bool:
    """Test one mutant and print its line; whether it was noticed."""
    with _changed(copy / mutant.file, mutated(mutant, copy)):
        run = _test(copy, mutant.tests, "-x")
    noticed = run.code == RED
    words = (
        run.failure.partition("[")[0].rpartition("/")[2]
        if noticed
        else "SURVIVED"
        if run.code == GREEN
        else "TESTS DID NOT RUN"
    )
    print(f"  {mutant.name:<62} {run.seconds:5.0f} s  {words}", flush=True)
    if not noticed:
        print(run.printed[-3000:], file=sys.stderr)
    return noticed


def _chosen(words: Sequence[str]) -> list[Mutant]:
    return [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]


def hunt(words: Sequence[str]) -> int:
    """Test the mutants whose names contain one of `words` (all, when there are none); return the exit code.

    Raises:
        DoesNotFit: see `mutated`.
    """
    for mutant in MUTANTS:
        mutated(mutant)
    chosen = _chosen(words)
    with tempfile.TemporaryDirectory(prefix="store-mutants-") as folder:
        copy = _copy(Path(folder))
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        healthy = _test(copy, tests, "-n", "auto", "--dist", "loadfile")
        print(f"  {'(nothing is broken)':<62} {healthy.seconds:5.0f} s  exit code {healthy.code}", flush=True)
        if healthy.code != GREEN:
            print(healthy.printed[-5000:], file=sys.stderr)
            return 1
        noticed = [_judge(mutant, copy) for mutant in chosen]
    print(f"\n  {len(chosen)} mutants, {sum(noticed)} noticed, {len(chosen) - sum(noticed)} survived")
    return int(not all(noticed))


def main(words: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose names contain one of these")
    chosen = parser.parse_args(words)
    try:
        servers.provide()
        return hunt(chosen.words)
    except (DoesNotFit, servers.Missing) as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
