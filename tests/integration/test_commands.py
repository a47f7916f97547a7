"""The command line: `--help` lists every command at once, each does its work, and failures are one sentence."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from store_app import commands
from store_app.catalogue.sample_items import sample_items
from store_app.commands import COMMANDS
from store_app.commands.command_line import explain
from store_app.db.engine import make_engine
from store_app.errors import NotFound
from store_app.models import Verdict, utc_now
from store_app.orders.transitions import as_markdown
from tests.integration.shop import Shop, forget_settings, order_paid, use_database
from tests.integration.web import Web
from tests.support.commands import run_command
from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.store import StoreProcess

# Commands that need settings and a database.
WORKING = [
    ("items", "samples"),
    ("inbox", "list"),
    ("inbox", "replay", "1"),
    ("inbox", "prune"),
    ("attention", "list"),
    ("reconcile",),
    ("catalogue-sync",),
]


def run_process(
    folder: Path, *arguments: str, options: Sequence[str] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process, in a folder without `.env` and with these settings only."""
    return subprocess.run(
        [sys.executable, *options, "-m", "store_app", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_help_lists_every_command_without_importing_what_they_need(tmp_path: Path) -> None:
    done = run_process(tmp_path, "--help", options=["-X", "importtime"])
    assert done.returncode == 0
    listed = done.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed if line[2] != " "] == list(COMMANDS)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "click" in imported, "the imports were not printed"
    assert imported.isdisjoint({"reflex", "reflex_base", "fastapi", "granian", "sqlmodel", "httpx", "webhook"})


def test_every_file_of_a_command_is_listed() -> None:
    files = {path.stem for path in Path(commands.__file__).parent.glob("*.py")} - {"__init__", "command_line"}
    assert files == {name.replace("-", "_") for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_without_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    forget_settings()
    done = run_command(name, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: python -m store_app {name} ")


def test_the_commands_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Looking after payments\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `([a-z-]+(?: [a-z]+)?)", section, re.MULTILINE)
    assert documented
    for words in documented:
        assert run_command(*words.split(), "--help").exit_code == 0, words


def test_an_unknown_command_is_refused() -> None:
    done = run_command("sell")
    assert done.exit_code == 2
    assert "No such command 'sell'." in done.stderr


@pytest.fixture
def bad_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set an address that is no database."""
    monkeypatch.setenv("DATABASE_URL", "mysql://localhost/store")
    monkeypatch.setenv("XSOLLA_WEBHOOK_SECRET", "secret")
    forget_settings()
    yield
    forget_settings()


@pytest.mark.usefixtures("bad_settings")
@pytest.mark.parametrize("command", WORKING, ids=" ".join)
def test_bad_settings_are_one_sentence(command: tuple[str, ...]) -> None:
    done = run_command(*command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "The settings cannot be used: DATABASE_URL: must start with sqlite:/// or postgresql://\n"
    )


@pytest.mark.usefixtures("bad_settings")
def test_the_store_does_not_start_with_bad_settings() -> None:
    done = run_command("serve")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("The store cannot start: DATABASE_URL: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("items", "samples"), ("attention", "list"), ("reconcile",)], ids=" ".join)
def test_a_database_without_tables_is_one_sentence(empty_url: str, command: tuple[str, ...]) -> None:
    with use_database(empty_url):
        done = run_command(*command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("The database cannot be used: ")
    assert done.stderr.endswith(". Run `alembic upgrade head`.\n")
    assert done.stderr.count("\n") == 1


def test_a_database_that_does_not_answer_is_one_sentence() -> None:
    with use_database(f"postgresql://somebody:her-password@127.0.0.1:{free_port()}/store"):
        done = run_command("attention", "list")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("The database cannot be used: ")
    assert done.stderr.endswith("Connection refused.\n")
    assert done.stderr.count("\n") == 1
    assert "her-password" not in done.stderr


def test_a_refusal_is_explained_by_its_sentence_and_a_bug_is_not_explained() -> None:
    assert explain(NotFound("There is no such order.")) == "There is no such order."
    assert explain(ZeroDivisionError()) is None


def test_the_process_fails_with_one_sentence_too(tmp_path: Path) -> None:
    done = run_process(tmp_path, "attention", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The settings cannot be used: XSOLLA_WEBHOOK_SECRET is empty")
    assert done.stderr.count("\n") == 1


def test_the_sample_items_are_added_once(shop: Shop) -> None:
    assert run_command("items", "samples").stdout == "41 sample items added, 41 in all\n"
    assert run_command("items", "samples").stdout == "0 sample items added, 41 in all\n"
    assert shop.rows("SELECT count(*) FROM items") == [(len(sample_items()),)]


def test_the_transitions_are_printed_without_settings(tmp_path: Path) -> None:
    done = run_process(tmp_path, "orders", "transitions")
    assert (done.returncode, done.stdout) == (0, as_markdown())


def test_what_staff_must_look_at_is_listed(shop: Shop) -> None:
    assert run_command("attention", "list").stdout == "Nothing needs attention.\n"
    user = shop.user()
    wrong = shop.order(user, shop.item(1000))
    shop.paid_order(user, shop.item(1000))
    cheap = order_paid(wrong)
    cheap["order"]["amount"] = "1"
    assert shop.notify(cheap).verdict is Verdict.REFUSED
    unmatched = order_paid(wrong, "T9")
    unmatched["custom_parameters"]["order_id"] = "f" * 32
    unmatched["billing"]["transaction"]["external_id"] = unmatched["order"]["id"] = ""
    assert shop.notify(unmatched).verdict is Verdict.UNMATCHED
    (delivery,) = shop.rows("SELECT id FROM webhook_deliveries WHERE verdict = 'unmatched'")

    orders, deliveries = run_command("attention", "list").stdout.splitlines()
    flag_id, _, order = orders.strip().partition("  ")
    assert order == f"order {wrong.number} {wrong.id} (pending): the payment has another amount: transaction T1"
    assert f"delivery {delivery[0]} (order_paid): unmatched: " in deliveries
    assert "another amount" in run_command("attention", "show", flag_id).stdout
    settled = run_command("attention", "settle", flag_id, "--by", "Ada", "--note", "refunded by hand")
    assert settled.stdout == f"Flag {flag_id} is settled.\n"
    assert run_command("attention", "list").stdout.splitlines() == [deliveries]
    assert len(run_command("attention", "list", "--all").stdout.splitlines()) == 2
    assert "by Ada: refunded by hand" in run_command("attention", "show", flag_id).stdout
    again = run_command("attention", "settle", flag_id, "--by", "Bob", "--note", "-")
    assert (again.exit_code, again.stderr) == (1, f"Flag {flag_id} was settled by Ada.\n")


def test_a_flag_shows_the_ledger_of_its_order(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(order_paid(order, "T1"))
    shop.notify(order_paid(order, "T2"))
    ((flag_id,),) = shop.rows("SELECT id FROM attention_flags")
    lines = run_command("attention", "show", str(flag_id)).stdout.splitlines()
    assert lines[0].endswith("paid twice: one payment must be refunded")
    assert lines[-2:] == ["payment T1: 1000 of 1000 left", "payment T2: 1000 of 1000 left"]
    assert sum("payment T" in line for line in lines) == 4
    missing = run_command("attention", "show", "99")
    assert (missing.exit_code, missing.stderr) == (1, "There is no flag 99.\n")


@pytest.fixture(scope="module")
def own_store() -> Iterator[StoreProcess]:
    """Return a store with a simulator that belong to this file: tests stop the one and change the other."""
    with StoreProcess(simulator=True) as store:
        yield store


def _pay_without_notification(store: StoreProcess) -> str:
    with Web(store) as web:
        order_id = str(web.user().order("dragon-sword")["order_id"])
    sent = httpx.post(f"{store.simulator_url}/simulator/orders/{order_id}/send", json={"scenario": "drop-all"})
    assert sent.is_success, sent.text
    return order_id


def test_a_payment_without_a_notification_is_found_by_one_pass(own_store: StoreProcess) -> None:
    order_id = _pay_without_notification(own_store)
    # A store that runs asks too, and could be the first.
    own_store.stop()
    engine = make_engine(own_store.database_url)
    try:
        asked = own_store.run("store_app", "reconcile")
        assert asked == "Payment attempts asked about: 0\n", "its check is not due yet"
        with engine.execution_options(writes=True).begin() as connection:
            due = {"due": utc_now() - timedelta(seconds=1), "id": order_id}
            connection.execute(text("UPDATE orders SET next_check_at = :due WHERE id = :id"), due)
        assert own_store.run("store_app", "reconcile") == "Payment attempts asked about: 1\n"
        with engine.connect() as connection:
            found = connection.execute(text("SELECT status FROM orders WHERE id = :id"), {"id": order_id})
            assert found.scalar_one() == "paid"
    finally:
        engine.dispose()
        own_store.start_store()


def test_a_path_where_no_database_can_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o755)
    (tmp_path / "file").touch()
    for path in ("folder", "file/store.db"):
        done = run_process(
            tmp_path, "attention", "list", DATABASE_URL=f"sqlite:///{path}", XSOLLA_WEBHOOK_SECRET="x"
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "The database cannot be used: unable to open database file.\n"
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


def test_a_provider_that_does_not_answer_or_refuses_is_one_sentence(own_store: StoreProcess) -> None:
    settings = {name: value for name, value in own_store.env.items() if name.startswith(("XSOLLA_", "DATABASE_"))}
    away = {"XSOLLA_STORE_API_URL": f"http://127.0.0.1:{free_port()}"}
    refused = {"XSOLLA_API_KEY": "wrong"}
    for changed, sentence in (
        (away, "The payment provider does not answer: try again later."),
        (refused, "The payment provider refused the request: the log line above has its answer."),
    ):
        done = run_process(own_store.data_dir, "catalogue-sync", **{**settings, **changed})
        assert (done.returncode, done.stdout) == (1, "")
        *logged, said = done.stderr.splitlines()
        assert said == sentence
        assert logged
        assert all(" WARNING store_app.payments" in line for line in logged), done.stderr
