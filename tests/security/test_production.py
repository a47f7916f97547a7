"""The store in production: which hosts it answers for, which settings it refuses, who can read its files."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import httpx
import pytest

from tests.security.users import SignedInUser
from tests.support.processes import ROOT
from tests.support.store import StoreProcess

SAFE = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://shop.example",
    "XSOLLA_WEBHOOK_SECRET": "jxy2i4LU7tr9cYjR",
    "XSOLLA_SANDBOX": "false",
    "XSOLLA_STORE_API_URL": "https://store.xsolla.com",
    "XSOLLA_MERCHANT_API_URL": "https://api.xsolla.com",
    "XSOLLA_PAYSTATION_URL": "https://secure.xsolla.com",
}
UNSAFE = {
    "PUBLIC_URL": ["http://shop.example"],
    "XSOLLA_WEBHOOK_SECRET": ["short", "jxy2i4LU7tr9cYjR,short", "", "aaaaaaaaaaaaaaaa", "changemechangeme"],
    "XSOLLA_API_KEY": ["", "1234567890123456"],
    "XSOLLA_PROJECT_ID": ["0"],
    "XSOLLA_MERCHANT_ID": ["0"],
    "XSOLLA_STORE_API_URL": [
        "http://store.xsolla.com",
        "https://127.0.0.2:8001",
        "https://LOCALHOST.",
        "https://127.1",
    ],
    "XSOLLA_MERCHANT_API_URL": ["https://127.0.0.1:8001", "https://2130706433", "https://192.168.1.5"],
    "XSOLLA_PAYSTATION_URL": [
        "https://localhost:8001",
        "https://[::1]:8001",
        "https://simulator",
        "https://0x7f.1",
    ],
    "TRUSTED_PROXIES": ["*", "10.0.0.0/33"],
}


def _run(env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    store = StoreProcess(env=SAFE | env)
    try:
        return subprocess.run(
            [sys.executable, "-m", "store_app", *command],
            cwd=ROOT,
            env=store.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        store.close()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in UNSAFE.items() for value in values])
def test_production_refuses_unsafe_settings(name: str, value: str) -> None:
    done = _run({name: value}, "serve")
    assert done.returncode == 1, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("The store cannot start: ")
    assert name in lines[0]
    assert "jxy2i4LU7tr9cYjR" not in done.stderr


def test_all_that_is_unsafe_is_listed_at_once() -> None:
    env = {name: values[0] for name, values in UNSAFE.items()}
    for command in (["check-production"], ["serve"]):
        done = _run(env, *command)
        assert done.returncode == 1
        for name in UNSAFE:
            assert f"- {name}" in done.stdout + done.stderr, name


def test_a_value_that_is_refused_is_listed_once() -> None:
    for name, value in (("PUBLIC_URL", "https://me@shop.example"), ("XSOLLA_PROJECT_ID", "")):
        for command in ("check-production", "serve"):
            done = _run({name: value}, command)
            assert done.returncode == 1
            assert (done.stdout + done.stderr).count(name) == 1, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("PAYMENT_PROVIDER", "nobody"), ("WORKERS", "5"), ("WORKERS", "x"), ("PORT", "0")]
)
def test_what_else_the_store_needs_to_start_is_checked_too(name: str, value: str) -> None:
    for others, count in (({}, 1), ({"METRICS_TOKEN": "short"}, 2)):
        done = _run({name: value} | others, "check-production")
        assert done.returncode == 1
        assert f"- {name}" in done.stdout
        assert done.stdout.endswith(f"To change: {count}.\n")


def test_safe_settings_are_ready_for_production_whatever_the_environment_is() -> None:
    for environment, hint in (("production", "TRUSTED_PROXIES is empty"), ("development", "ENVIRONMENT is not")):
        done = _run({"ENVIRONMENT": environment}, "check-production")
        assert done.returncode == 0, done.stdout
        assert done.stdout.endswith("Ready for production.\n")
        assert f"(hint) {hint}" in done.stdout


@pytest.fixture(scope="module")
def production() -> Iterator[StoreProcess]:
    """Return a store in production; without proxies that it trusts."""
    with StoreProcess(env=SAFE, samples=False) as store:
        yield store


def _get(store: StoreProcess, path: str, *headers: tuple[str, str]) -> httpx.Response:
    with httpx.Client(base_url=f"http://127.0.0.1:{store.port}") as client:
        return client.get(path, headers=[*headers])


def test_production_answers_for_its_own_host_only(production: StoreProcess) -> None:
    for host in ("shop.example", "SHOP.example", "shop.example:443"):
        assert _get(production, "/api/items", ("Host", host)).status_code == 200
    for host in (
        "evil.example",
        "shop.example.evil.example",
        "shop.example:8443",
        f"127.0.0.1:{production.port}",
        "",
    ):
        answer = _get(production, "/api/items", ("Host", host))
        assert answer.status_code == 421, host
        assert answer.json()["code"] == "unknown-host"
    assert _get(production, "//x/%2e%2e", ("Host", "evil.example")).status_code == 421
    assert _get(production, "/livez", ("Host", "10.0.0.7:8000")).status_code == 200
    assert _get(production, "/health", ("Host", "10.0.0.7:8000")).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/ws", "/_event/?EIO=4&transport=websocket&token=x"])
async def test_websockets_of_another_host_are_refused(production: StoreProcess, path: str) -> None:
    address = f"ws://127.0.0.1:{production.port}{path}"
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(address, headers={"Host": "shop.example"}):
            pass
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(address, headers={"Host": "evil.example"})


def _raw_status(store: StoreProcess, *lines: str) -> int:
    with socket.create_connection(("127.0.0.1", store.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        return int(connection.recv(100).split()[1])


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_request_without_host_is_refused(production: StoreProcess, version: str) -> None:
    assert _raw_status(production, f"GET /api/items {version}") in {400, 421}
    assert _raw_status(production, f"GET /livez {version}") == 200
    assert _raw_status(production, f"GET /api/items {version}", "Host: shop.example") == 200


def test_a_host_in_the_address_of_the_request_does_not_count(production: StoreProcess) -> None:
    line = "GET http://{}/api/items HTTP/1.1"
    assert _raw_status(production, line.format("shop.example"), "Host: evil.example") == 421


def test_two_host_headers_are_no_valid_request(production: StoreProcess) -> None:
    for hosts in (["shop.example", "evil.example"], ["shop.example", "shop.example"]):
        lines = (f"Host: {host}" for host in hosts)
        assert _raw_status(production, "GET /api/items HTTP/1.1", *lines) == 400, hosts


def test_forwarded_headers_of_a_proxy_that_is_not_trusted_give_one_warning(production: StoreProcess) -> None:
    for _ in range(3):
        body, headers = {"username": "x", "password": "y"}, {"Host": "shop.example", "X-Forwarded-For": "6.6.6.6"}
        answer = httpx.post(f"http://127.0.0.1:{production.port}/api/sessions", json=body, headers=headers)
        assert answer.status_code == 401
    assert production.log().count("TRUSTED_PROXIES does not have the address") == 1


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_others_on_the_machine_cannot_read_the_stores_files(tmp_path: Path) -> None:
    before = os.umask(0o022)
    folder = tmp_path / "data"
    try:
        with StoreProcess(data_dir=folder, simulator=True) as store:
            SignedInUser(store).buy("health-potion")
            files = [path for path in folder.iterdir() if path.is_file()]
            assert {path.name for path in files} >= {"store.db", "store.db-wal", "store.log"}
            assert {path.name: oct(_mode(path)) for path in files if _mode(path) & 0o077} == {}
            assert _mode(folder) == 0o700
    finally:
        os.umask(before)


def _open_database(folder: Path, url: str) -> None:
    code = "from store_app.db.engine import get_engine; get_engine().connect().close()"
    env = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT), "XSOLLA_WEBHOOK_SECRET": "x"}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True, timeout=30)


def test_files_of_an_earlier_release_are_closed_to_others(tmp_path: Path) -> None:
    database = tmp_path / "data" / "store.db"
    database.parent.mkdir(mode=0o755)
    database.touch(mode=0o644)
    _open_database(tmp_path, "sqlite:///data/store.db")
    assert (_mode(database), _mode(database.parent)) == (0o600, 0o700)


def test_a_folder_that_others_use_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    _open_database(tmp_path, f"sqlite:///{shared}/store.db")
    assert (_mode(shared / "store.db"), _mode(shared)) == (0o600, 0o755)
