"""A user with a browser context, and helpers for the pages of the store."""

import re
import secrets
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.store import StoreProcess

PASSWORD = "correct horse battery"
PAYMENT_PAGE = re.compile(r"/paystation4")


class User:
    """A user with a browser context of its own; `errors` are those in its console."""

    def __init__(self, store: StoreProcess, context: BrowserContext) -> None:
        self.store = store
        self.context = context
        self.name = f"user-{secrets.token_hex(4)}"
        self.errors: list[str] = []
        # Set by tests that stop the store or cut the connection: such errors in the console are expected.
        self.may_lose_connection = False
        context.on("console", lambda message: self._note_error(message.type, message.text))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def _note_error(self, kind: str, text: str) -> None:
        if kind == "error":
            self.errors.append(text)

    def open(self, path: str = "/", tab: Page | None = None) -> Page:
        """Open an address in a new tab, or in the given one, and wait until the page shows its data."""
        page = tab or self.context.new_page()
        page.goto(self.store.url + path)
        settled(page)
        return page

    def sign_up(self) -> "User":
        """Create an account and sign in by posting the form, without opening the page."""
        form: dict[str, str | float | bool] = {"username": self.name, "password": PASSWORD, "next": "/"}
        response = self.context.request.post(f"{self.store.url}/auth/register", form=form, max_redirects=0)
        assert response.status == 303, response.text()
        assert "problem=" not in response.headers["location"]
        return self

    def order(self, **wanted: int) -> str:
        """Place an order through the API (an underscore stands for a hyphen) and return its id."""
        items = [{"sku": sku.replace("_", "-"), "quantity": n} for sku, n in wanted.items()]
        response = self.context.request.post(f"{self.store.url}/api/purchases", data={"items": items})
        assert response.status == 201, response.text()
        return str(response.json()["order_id"])

    def pays(self, order_id: str, scenario: str = "happy") -> None:
        """Have the provider send the notifications of a scenario, without the payment page."""
        response = self.context.request.post(
            f"{self.store.simulator_url}/simulator/orders/{order_id}/send", data={"scenario": scenario}
        )
        assert response.ok, response.text()
        assert response.json()["acknowledged"], response.text()

    def purchases(self) -> list[dict[str, Any]]:
        """Return the user's purchases from the API."""
        response = self.context.request.get(f"{self.store.url}/api/purchases")
        assert response.status == 200, response.text()
        return list(response.json())


def settled(page: Page) -> None:
    """Wait until a page of the store shows its data."""
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator("main [aria-busy=true], main [data-waiting]")).to_have_count(0)
    # Until the store has answered, a form does not know where to go afterwards, nor its link to the other form.
    expect(page.locator("main").locator("a[href$='/login'], a[href$='/register']")).to_have_count(0)


def on_payment_page(page: Page) -> None:
    """Wait until the provider's payment page is open."""
    page.wait_for_url(PAYMENT_PAGE)


def click(page: Page, name: str | re.Pattern[str], role: Any = "button") -> None:
    """Click the element with this role and name."""
    page.get_by_role(role, name=name).click()


def notice(page: Page) -> Locator:
    """Return the notice that shows a message."""
    return page.get_by_test_id("notice")


def owned_names(page: Page) -> Locator:
    """Return the names in the library, newest first."""
    return page.get_by_test_id("purchase").locator("h2 a")


def status(page: Page) -> Locator:
    """Return the part of the order page that shows its status."""
    return page.get_by_test_id("order-status")
