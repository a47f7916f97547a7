"""The command line and the server process."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.simulator.driver import KEY, MERCHANT, PROJECT, SECRET, STORE_ORDER_ID, Driver
from tests.integration.simulator.fake_store import FakeStore, free_port, is_successful, wait_until

ROOT = Path(__file__).parents[3]
Environment = dict[str, str]


@pytest.fixture
def environment(store: FakeStore, tmp_path: Path) -> Environment:
    """Return settings for the environment; the working directory has no `.env` file that could be read."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "XSOLLA_WEBHOOK_SECRET": f"{SECRET}, older_secret",
        "XSOLLA_PROJECT_ID": str(PROJECT),
        "XSOLLA_MERCHANT_ID": str(MERCHANT),
        "XSOLLA_API_KEY": KEY,
        "PUBLIC_URL": store.url,
        "SIMULATOR_PORT": str(free_port()),
        "WORKING_DIRECTORY": str(tmp_path),
    }


def simulator_command(environment: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulator", *arguments],
        env=environment,
        cwd=environment["WORKING_DIRECTORY"],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )


@contextmanager
def running(environment: Environment) -> Iterator[tuple[Driver, Path]]:
    """Run the server; yield a driver and the path of its log."""
    log = Path(environment["WORKING_DIRECTORY"], "log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "serve"],
            env=environment,
            cwd=environment["WORKING_DIRECTORY"],
            stdout=output,
            stderr=output,
        )
    driver = Driver(f"http://127.0.0.1:{environment['SIMULATOR_PORT']}")
    try:
        wait_until(lambda: is_successful(f"{driver.url}/livez"), log.read_text)
        yield driver, log
    finally:
        driver.http.close()
        process.terminate()
        assert process.wait(8) == 0, log.read_text()


def test_the_server_runs_and_send_and_release_use_it(environment: Environment, store: FakeStore) -> None:
    with running(environment) as (driver, log):
        driver.new_order()
        completed = simulator_command(environment, "send", "--order", STORE_ORDER_ID)
        assert completed.returncode == 0, completed.stderr
        assert "order_paid: acknowledged, 204" in completed.stdout

        second = simulator_command(environment, "send", "--order", STORE_ORDER_ID)
        assert second.returncode == 1
        assert "is already paid" in second.stderr

        store.will_answer("order_canceled", 400, code="INVALID_SIGNATURE")
        refused = simulator_command(environment, "send", "--order", STORE_ORDER_ID, "--scenario", "refund")
        assert refused.returncode == 1
        assert "order_canceled: refused, 400" in refused.stdout
        assert log.read_text().count("XSOLLA_WEBHOOK_SECRET differs between simulator and store") == 1

        driver.new_order(store_order_id="another")
        driver.send("another", "late", wait=0)
        released = simulator_command(environment, "release", "--order", "another")
        assert released.returncode == 0, released.stderr
        assert "order_paid: acknowledged, 204" in released.stdout

        driver.new_order(store_order_id="third")
        options = ("--scenario", "slow", "--mode", "separate", "--speed", "100000")
        slow = simulator_command(environment, "send", "--order", "third", *options, "--wait", "0")
        assert slow.returncode == 1, "the command did not wait"
        assert "payment: waiting" in slow.stdout

        occupied = simulator_command(environment, "serve")
        assert occupied.returncode == 1
        assert (
            occupied.stderr == f"Port {environment['SIMULATOR_PORT']} is in use: "
            "stop the process that listens on it, or set SIMULATOR_PORT to another.\n"
        )


def test_send_reports_that_no_simulator_runs(environment: Environment) -> None:
    completed = simulator_command(environment, "send", "--order", "1")
    assert completed.returncode == 1
    assert completed.stderr.startswith("No simulator answers at ")


@pytest.mark.parametrize("command", [("loop", "--for", "1"), ("mix", "--orders", "1")])
def test_loop_and_mix_report_that_the_store_cannot_be_reached(
    environment: Environment, command: tuple[str, ...]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        environment["PUBLIC_URL"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        completed = simulator_command(environment, *command)
    assert completed.returncode == 1
    assert "the store cannot be reached" in completed.stderr
