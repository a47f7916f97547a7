"""A user at a browser of their own: cookies, tabs, and what the tests have them do."""

import re
import secrets
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.store import StoreProcess

PASSWORD = "correct horse battery"
PAYMENT_PAGE = re.compile(r"/paystation4")


class User:
    """One person: a browser context, and what went wrong in its console."""

    def __init__(self, store: StoreProcess, context: BrowserContext) -> None:
        self.store = store
        self.context = context
        self.name = f"user-{secrets.token_hex(4)}"
        self.errors: list[str] = []
        # A test that stops the store or cuts the line may have the browser complain about just that.
        self.may_lose_connection = False
        context.on("console", lambda message: self._note(message.type, message.text))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error":
            self.errors.append(text)

    def open(self, path: str = "/", tab: Page | None = None) -> Page:
        """Open an address in a new tab (or the one given) and wait until its data are there."""
        page = tab or self.context.new_page()
        page.goto(self.store.url + path)
        settled(page)
        return page

    def sign_up(self) -> "User":
        """Create an account and sign in, as the form does, without drawing the pages."""
        form: dict[str, str | float | bool] = {"username": self.name, "password": PASSWORD, "next": "/"}
        answer = self.context.request.post(f"{self.store.url}/auth/register", form=form, max_redirects=0)
        assert answer.status == 303, answer.text()
        assert "problem=" not in answer.headers["location"]
        return self

    def order(self, **wanted: int) -> str:
        """Place an order through the API (an underscore stands for a hyphen) and return its id."""
        items = [{"sku": sku.replace("_", "-"), "quantity": n} for sku, n in wanted.items()]
        answer = self.context.request.post(f"{self.store.url}/api/purchases", data={"items": items})
        assert answer.status == 201, answer.text()
        return str(answer.json()["order_id"])

    def pays(self, order_id: str, scenario: str = "happy") -> None:
        """Have the provider tell the store about a payment, with no payment page involved."""
        answer = self.context.request.post(
            f"{self.store.simulator_url}/simulator/orders/{order_id}/send", data={"scenario": scenario}
        )
        assert answer.ok, answer.text()
        assert answer.json()["acknowledged"], answer.text()

    def purchases(self) -> list[dict[str, Any]]:
        """Return what the API says this user owns."""
        answer = self.context.request.get(f"{self.store.url}/api/purchases")
        assert answer.status == 200, answer.text()
        return list(answer.json())


def settled(page: Page) -> None:
    """Wait until a page of the store shows its data."""
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator("main [aria-busy=true]")).to_have_count(0)


def on_payment_page(page: Page) -> None:
    """Wait until the provider's payment page is there."""
    page.wait_for_url(PAYMENT_PAGE)


def click(page: Page, name: str | re.Pattern[str], role: Any = "button") -> None:
    """Click the one thing with this role and name."""
    page.get_by_role(role, name=name).click()


def notice(page: Page) -> Locator:
    """Return the small notice that tells of a message."""
    return page.get_by_test_id("notice")


def owned_names(page: Page) -> Locator:
    """Return the names in the library, newest first."""
    return page.get_by_test_id("purchase").locator("h2 a")


def status(page: Page) -> Locator:
    """Return the part of the order page that says where the payment stands."""
    return page.get_by_test_id("order-status")
