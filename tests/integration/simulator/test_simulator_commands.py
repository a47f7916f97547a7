"""The real process and its command line."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.simulator.driver import KEY, MERCHANT, PROJECT, SECRET, Driver
from tests.integration.simulator.fake_store import FakeStore, answers, eventually, free_port

ROOT = Path(__file__).parents[3]
Environment = dict[str, str]


@pytest.fixture
def environment(store: FakeStore, tmp_path: Path) -> Environment:
    """Settings by environment only; the working folder is elsewhere, so that no `.env` is read."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "XSOLLA_WEBHOOK_SECRET": f"{SECRET}, older_secret",
        "XSOLLA_PROJECT_ID": str(PROJECT),
        "XSOLLA_MERCHANT_ID": str(MERCHANT),
        "XSOLLA_API_KEY": KEY,
        "PUBLIC_URL": store.url,
        "SIMULATOR_PORT": str(free_port()),
        "WORK": str(tmp_path),
    }


def simulator_command(environment: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulator", *arguments],
        env=environment,
        cwd=environment["WORK"],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )


@contextmanager
def running(environment: Environment) -> Iterator[tuple[Driver, Path]]:
    """Run the server; gives a driver and the file of its log."""
    log = Path(environment["WORK"], "log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "serve"],
            env=environment,
            cwd=environment["WORK"],
            stdout=output,
            stderr=output,
        )
    driver = Driver(f"http://127.0.0.1:{environment['SIMULATOR_PORT']}")
    try:
        eventually(lambda: answers(f"{driver.url}/livez"), log.read_text)
        yield driver, log
    finally:
        driver.http.close()
        process.terminate()
        assert process.wait(8) == 0, log.read_text()


def test_serve_and_send(environment: Environment, store: FakeStore) -> None:
    with running(environment) as (driver, log):
        driver.new_order()
        done = simulator_command(environment, "send", "--order", "4F7K-2M9Q")
        assert done.returncode == 0, done.stderr
        assert "order_paid: acknowledged, 204" in done.stdout

        again = simulator_command(environment, "send", "--order", "4F7K-2M9Q")
        assert again.returncode == 1
        assert "is paid already" in again.stderr

        store.will_answer("order_canceled", 400, code="INVALID_SIGNATURE")
        refused = simulator_command(environment, "send", "--order", "4F7K-2M9Q", "--scenario", "refund")
        assert refused.returncode == 1
        assert "order_canceled: refused, 400" in refused.stdout
        assert log.read_text().count("XSOLLA_WEBHOOK_SECRET differs between simulator and store") == 1

        driver.new_order(store_order="another")
        driver.send("another", "late", wait=0)
        released = simulator_command(environment, "release", "--order", "another")
        assert released.returncode == 0, released.stderr
        assert "order_paid: acknowledged, 204" in released.stdout

        driver.new_order(store_order="third")
        options = ("--scenario", "slow", "--mode", "separate", "--speed", "100000")
        slow = simulator_command(environment, "send", "--order", "third", *options, "--wait", "0")
        assert slow.returncode == 1, "nothing was waited for"
        assert "payment: waiting" in slow.stdout

        busy = simulator_command(environment, "serve")
        assert busy.returncode == 1
        assert (
            busy.stderr == f"Port {environment['SIMULATOR_PORT']} is in use: "
            "stop what listens there, or set SIMULATOR_PORT to another.\n"
        )


def test_send_without_a_simulator(environment: Environment) -> None:
    done = simulator_command(environment, "send", "--order", "1")
    assert done.returncode == 1
    assert done.stderr.startswith("No simulator answers at ")


@pytest.mark.parametrize("command", [("loop", "--for", "1"), ("mix", "--orders", "1")])
def test_demo_players_without_a_store(environment: Environment, command: tuple[str, ...]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        environment["PUBLIC_URL"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = simulator_command(environment, *command)
    assert done.returncode == 1
    assert "the store cannot be reached" in done.stderr
