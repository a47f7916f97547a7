"""Every recipe of docs/extending.md, and a brand, in a copy of the project, and what they add used for real."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.user import User
from tests.support.processes import ROOT
from tests.support.project import copy_pages, copy_project
from tests.support.recipes import carry_out, recipes
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser


LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><circle cx="5" cy="5" r="5" fill="#24a"/></svg>'
)
BRAND = """\
STORE_NAME="Northlight Games"
STORE_LOGO=assets/our-logo.svg
STORE_ACCENT="#004a8a #4db8ff"
STORE_BUTTON="#2244aa"
STORE_BUTTON_TEXT="#ffffff"
STORE_SUPPORT=help@northlight.example
STORE_IMPRINT=https://northlight.example/imprint
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with every recipe carried out and its pages built."""
    copy = copy_project(tmp_path_factory.mktemp("extended"))
    copy_pages(copy)
    shutil.copytree(ROOT / "tests/provider_contract/acme", copy / "store_app/payments/acme")
    (copy / "assets/our-logo.svg").write_text(LOGO, encoding="utf-8")
    (copy / "brand.env").write_text(BRAND, encoding="utf-8")
    for title in recipes():
        carry_out(title, copy)
    _run(copy, "scripts.pages")
    return copy


@pytest.fixture(scope="module")
def extended(project: Path) -> Iterator[StoreProcess]:
    with StoreProcess(simulator=True, root=project, env={"SUPPORT_ADDRESS": "help@shop.example"}) as store:
        yield store


@pytest.fixture
def store(extended: StoreProcess) -> StoreProcess:
    """Return the store of the copy."""
    return extended


def _run(project: Path, module: str, *arguments: str, **env: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=project, env=os.environ | env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_the_recipes_write_passes_the_checks_of_style_and_layers(project: Path) -> None:
    new = ["store_app/web/help.py", "store_app/web/help_state.py", "store_app/commands/users.py"]
    _run(project, "ruff", "check", "--no-cache", *new)
    _run(project, "ruff", "format", "--no-cache", "--check", *new)


def test_the_page_has_its_address_and_its_title(user: User) -> None:
    answer = httpx.get(f"{user.store.url}/help", trust_env=False)
    assert (answer.status_code, answer.history) == (200, [])
    page = user.open("/help")
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")
    expect(page).to_have_title("Help - Northlight Games")


def test_the_data_on_the_page_are_live(user: User) -> None:
    page = user.sign_up().open("/help")
    page.evaluate("window.neverReloaded = true")
    user.pays(user.order(dragon_sword=1))
    expect(page.get_by_text("dragon-sword")).to_be_visible()
    assert page.evaluate("window.neverReloaded")


def test_the_notification_type_has_its_effect(user: User) -> None:
    order_id = user.sign_up().order(magic_shield=1)
    body = (
        b'{"notification_type": "afs_black_list", "transaction": {"id": 1, "dry_run": 1},'
        b' "custom_parameters": {"order_id": "%s"}}' % order_id.encode()
    )
    secret = user.store.env["XSOLLA_WEBHOOK_SECRET"].encode()
    signature = hashlib.sha1(body + secret).hexdigest()  # noqa: S324 - Xsolla's algorithm
    headers = {"Authorization": f"Signature {signature}"}
    url = f"{user.store.url}/api/webhooks/payment"
    assert httpx.post(url, content=body, headers=headers, trust_env=False).status_code == 204
    listed = user.store.run("store_app", "attention", "list")
    assert any(order_id in line and "blocklist" in line for line in listed.splitlines())


def test_the_setting_is_read_and_documented(extended: StoreProcess, project: Path) -> None:
    code = "from store_app.settings import get_settings; print(get_settings().support_address)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, env=extended.env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "help@shop.example\n"
    _run(project, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_settings_documentation.py")


def test_the_command_is_listed_and_runs(extended: StoreProcess, user: User) -> None:
    assert "Count the accounts." in extended.run("store_app", "--help")
    before = int(extended.run("store_app", "users").removeprefix("Open accounts: "))
    user.sign_up()
    assert extended.run("store_app", "users") == f"Open accounts: {before + 1}\n"


def test_the_provider_is_registered(extended: StoreProcess, project: Path) -> None:
    settings = {"PAYMENT_PROVIDER": "acme", "ACME_URL": "http://acme.test", "ACME_KEY": "key"}
    rest = {"ACME_SIGNING_SECRET": "secret", "ACME_RETURN_URL": extended.url}
    code = "from store_app.payments.registry import default_provider; print(default_provider().display_name)"
    env = extended.env | settings | rest
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "Acme Pay\n"


def test_the_brand_is_on_every_page(user: User) -> None:
    served = httpx.get(f"{user.store.url}/item/starfall", trust_env=False).text
    assert "<title>Starfall - Northlight Games</title>" in served
    assert "Digital Game Store" not in served
    assert httpx.get(f"{user.store.url}/logo.svg", trust_env=False).text == LOGO
    page = user.open("/")
    expect(page).to_have_title("Northlight Games")
    expect(page.get_by_role("navigation").get_by_role("link", name="Northlight Games")).to_be_visible()
    footer = page.get_by_role("contentinfo")
    expect(footer.get_by_role("link", name="Contact")).to_have_attribute("href", "mailto:help@northlight.example")
    expect(footer.get_by_role("link", name="Imprint")).to_have_attribute(
        "href", "https://northlight.example/imprint"
    )
    expect(footer.get_by_role("link", name="Terms")).to_have_count(0)
    buy = page.get_by_role("button", name="Buy for").first
    assert buy.evaluate("button => getComputedStyle(button).color") == "rgb(255, 255, 255)"
    assert buy.evaluate("button => getComputedStyle(button).backgroundImage").count("rgb(34, 68, 170)") == 2


def test_a_brand_that_cannot_be_read_stops_the_build(project: Path) -> None:
    env = os.environ | {"STORE_ACCENT": "#777777 #777777"}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.pages"], cwd=project, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "STORE_ACCENT: #777777 on #f6f5f2 has a contrast of 4.1" in done.stderr
