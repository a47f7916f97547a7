"""The event handlers that a browser can call and the vars that it receives: a new one fails until it is reviewed.

Any client can call every method of a State whose name has no leading underscore, with any arguments, and every
such var is sent to the browser.
"""

import json
from typing import Any

import pytest

from tests.security.event_socket import Tab
from tests.security.users import SignedInUser

REFLEX = "reflex___state____state"
# Handler -> who may call it and what it can reach. "own": it reads or changes only what belongs to the session
# whose cookie the connection sent.
HANDLERS = {
    "accounts.account_state.load": "own: sessions and orders",
    "accounts.form_state.load": "anyone: reads the address",
    "catalogue.item_state.load": "anyone; own: whether it is owned",
    "catalogue.item_state.buy": "own: an order",
    "catalogue.item_state.add_to_cart": "own: the cart",
    "catalogue.item_state.one_more": "own: the cart",
    "catalogue.item_state.one_fewer": "own: the cart",
    "catalogue.item_list_state.load": "anyone; own: what is owned",
    "catalogue.item_list_state.load_more": "anyone; own: what is owned",
    "catalogue.item_list_state.sort_by": "anyone: a redirect within the store",
    "catalogue.item_list_state.buy_featured": "own: an order",
    "checkout.cart_state.load": "own: the cart, or what the connection's cookie names of the items on sale",
    "checkout.cart_state.one_more": "own: the cart",
    "checkout.cart_state.one_fewer": "own: the cart",
    "checkout.cart_state.remove": "own: the cart",
    "checkout.cart_state.undo": "own: the cart",
    "checkout.cart_state.pay": "own: an order",
    "library.library_state.load": "own: purchases",
    "library.library_state.load_more": "own: purchases",
    "library.library_state.check_payments": "own: asks the provider about unpaid orders, once a minute",
    "orders.order_state.load": "own: an order",
    "orders.order_state.check_now": "own: an order",
    "orders.order_state.cancel": "own: an order",
    "orders.order_state.pay": "own: an order",
    "orders.order_state.start_again": "own: an order",
    "orders.order_state.wait": "own: an order",
    "orders.order_state.check_payments": "own: asks the provider about unpaid orders, once a minute",
    "ui.shell_state.load": "own: name and number of items in the cart",
    "ui.shell_state.search": "anyone: a redirect within the store",
    "ui.shell_state.dismiss_notice": "own: the tab's notice",
}
# Reflex's own handlers; `setvar` calls `set_<name>`, and the store has no such method.
REFLEX_HANDLERS = {
    f"{REFLEX}.hydrate",
    f"{REFLEX}.hydrate_and_load",
    f"{REFLEX}.set_is_hydrated",
    f"{REFLEX}.reflex___state____frontend_event_exception_state.handle_frontend_exception",
    f"{REFLEX}.reflex___state____on_load_internal_state.on_load_internal",
    f"{REFLEX}.reflex___state____on_load_internal_state.set_is_hydrated",
    f"{REFLEX}.reflex___state____update_vars_internal_state.update_vars_internal",
}
VARS = {
    "accounts.account_state": {"loaded", "orders", "sessions"},
    "accounts.form_state": {
        "buy",
        "item",
        "name_problem",
        "next",
        "password_problem",
        "problems",
        "query",
        "username",
    },
    "catalogue.item_state": {"in_cart", "item", "loaded", "missing", "open_order", "problem", "related"},
    "catalogue.item_list_state": {
        *("cards", "featured", "newest", "best_sellers", "tags", "is_narrowed", "tag"),
        *("has_more", "kind", "loaded", "open_order", "problem", "q", "sort"),
    },
    "checkout.cart_state": {"loaded", "open_order", "problem", "removed", "rows", "total"},
    "library.library_state": {
        "asking",
        "fresh",
        "gone",
        "has_more",
        "loaded",
        "open_order",
        "owned",
        "problem",
        "steps",
    },
    "orders.order_state": {"asking", "loaded", "missing", "open_order", "order", "phase", "problem", "steps"},
    "ui.shell_state": {
        "arrived",
        "cart_count",
        "initial",
        "languages",
        "notice",
        "notice_href",
        "notice_image",
        "notice_label",
        "notice_number",
        "provider_name",
        "q",
        "username",
    },
}
# What Reflex itself sends: the address, the connection's headers (without cookies), and its token.
REFLEX_VARS = {
    "is_hydrated",
    "order_id",
    "rx_router_headers",
    "rx_router_page",
    "rx_router_route_id",
    "rx_router_session",
    "rx_router_url",
    "sku",
    "splat",
}


def _short(name: str) -> str:
    """Shorten the store's names, as in "orders.order_state.pay"; leave Reflex's names as they are."""
    short = name.removeprefix(f"{REFLEX}.store_app___web___")
    return short.replace("___state____", ".").replace("___shell____", ".")


def _own(names: dict[str, Any]) -> dict[str, Any]:
    return {_short(name): value for name, value in names.items() if "store_app___" in name}


def test_every_handler_of_the_store_is_listed(inventory: dict[str, Any]) -> None:
    found = {name for name in _own(inventory["handlers"]) if not name.endswith(".setvar")}
    assert found == set(HANDLERS)


def test_every_handler_of_reflex_is_known(inventory: dict[str, Any]) -> None:
    found = {name for name in inventory["handlers"] if "store_app___" not in name}
    assert {name for name in found if not name.endswith(".setvar")} == REFLEX_HANDLERS


def test_no_handler_of_the_store_blocks_the_event_loop(inventory: dict[str, Any]) -> None:
    handlers = {name: facts for name, facts in _own(inventory["handlers"]).items() if not name.endswith(".setvar")}
    assert handlers
    assert [name for name, facts in handlers.items() if not facts["asynchronous"]] == []


def test_no_handler_can_be_reached_through_setvar(inventory: dict[str, Any]) -> None:
    assert [name for name in _own(inventory["handlers"]) if name.rpartition(".")[2].startswith("set_")] == []


def test_every_var_that_is_sent_to_browsers_is_listed(inventory: dict[str, Any]) -> None:
    assert {name: set(found) for name, found in _own(inventory["vars"]).items()} == VARS
    of_reflex = {var for name, found in inventory["vars"].items() if "store_app___" not in name for var in found}
    assert of_reflex == REFLEX_VARS


@pytest.mark.anyio
async def test_nothing_sent_to_a_browser_holds_a_secret(inventory: dict[str, Any], anna: SignedInUser) -> None:
    """The session cookie is HttpOnly so that scripts cannot read it; therefore no frame may carry it."""
    order_id = anna.buy("dragon-sword")
    async with Tab(anna.store.url, cookie=anna.token) as tab:
        for handler in inventory["handlers"]:
            if handler.endswith(".load"):
                await tab.call(handler, path=f"/orders/{order_id}")
        await tab.call(f"{REFLEX}.hydrate_and_load", {"vars": {}, "hashes": []}, path=f"/orders/{order_id}")
        await tab.settle()
        assert anna.name in tab.received
        assert order_id in tab.received
        for secret in (anna.token, anna.user_id, *_secrets_of(anna)):
            assert secret not in tab.received
        assert "cookie" not in json.loads(f"[{','.join(tab.frames)}]").__repr__().lower()


def _secrets_of(user: SignedInUser) -> list[str]:
    names = ("XSOLLA_WEBHOOK_SECRET", "XSOLLA_API_KEY")
    return [user.store.env[name] for name in names]


# The arguments of event handlers. None of them names a user or a price.
ARGUMENTS = {
    "catalogue.item_list_state.sort_by": {"sort"},
    "ui.shell_state.search": {"form"},
    "checkout.cart_state.one_more": {"sku"},
    "checkout.cart_state.one_fewer": {"sku"},
    "checkout.cart_state.remove": {"sku"},
}


def test_no_handler_takes_more_than_it_needs(inventory: dict[str, Any]) -> None:
    handlers = _own(inventory["handlers"]).items()
    taken = {name: set(facts["arguments"]) for name, facts in handlers if not name.endswith(".setvar")}
    assert {name: arguments for name, arguments in taken.items() if arguments} == ARGUMENTS
