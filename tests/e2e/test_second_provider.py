"""The journey with a second payment provider, added to a copy of the project by its folder and one entry."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from tests.e2e.user import User, click, owned_names, status
from tests.provider_contract.shops import Shop, acme_shop
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with acme_shop(tmp_path_factory.mktemp("acme")) as store:
        yield store


@pytest.fixture
def store(acme: Shop) -> StoreProcess:
    """Return the store that sells through Acme Pay."""
    return acme.store


def _transaction(store: StoreProcess, order_id: str) -> str:
    with sqlite3.connect(store.data_dir / "store.db") as connection:
        query = "SELECT transaction_id FROM payments WHERE order_id = ? AND kind = 'payment'"
        return str(connection.execute(query, (order_id,)).fetchone()[0])


def test_buy_pay_live_and_refund(acme: Shop, user: User) -> None:
    user.sign_up()
    library = user.open("/library")
    library.evaluate("window.neverReloaded = true")
    page = user.open("/item/dragon-sword")
    expect(page.get_by_text("You pay on the payment page of Acme Pay.")).to_be_visible()
    click(page, "Buy now")
    page.wait_for_url(re.compile(r"/pay/chk_"))
    click(page, "Pay")
    page.wait_for_url("**/orders/*")
    expect(status(page)).to_have_attribute("data-status", "paid")
    expect(page.get_by_text("Payment confirmed by Acme Pay")).to_be_visible()
    expect(owned_names(library)).to_have_text(["Dragon Sword"])

    order_id = page.url.rpartition("/")[2]
    refund = acme.provider.refund(_transaction(acme.store, order_id), "asked for")
    with ThreadPoolExecutor(1) as threads:  # Playwright's own event loop runs in this thread
        threads.submit(asyncio.run, refund).result()
    expect(status(page)).to_have_attribute("data-status", "refunded")
    expect(library.get_by_test_id("purchase")).to_contain_text("Refunded")
    assert library.evaluate("window.neverReloaded")
