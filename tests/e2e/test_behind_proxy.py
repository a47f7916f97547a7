"""The journey in a browser, through nginx with the sample configuration and a certificate."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.user import User, click, on_payment_page, settled
from tests.support.proxy import ProxiedStore

pytestmark = pytest.mark.browser


@pytest.fixture
def user(browser: Browser) -> Iterator[User]:
    """Return a user of a store behind nginx."""
    with ProxiedStore("nginx") as proxied:
        proxied.store.url = proxied.url
        context = browser.new_context(ignore_https_errors=True)
        yield User(proxied.store, context)
        context.close()


def test_a_purchase_appears_in_the_library_live(user: User) -> None:
    user.sign_up()
    library, page = user.open("/library"), user.open("/item/dragon-sword")
    click(page, "Buy now")
    on_payment_page(page)
    click(page, "Pay")
    expect(library.get_by_test_id("purchase")).to_contain_text("Dragon Sword")
    page.wait_for_url(f"{user.store.url}/orders/**")
    settled(page)
    (cookie,) = user.context.cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("__Host-session", True, True)
    assert user.errors == []
