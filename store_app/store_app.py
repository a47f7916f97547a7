"""The composition root: assembles the pages, the API, the webhook and the background work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import reflex as rx
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from store_app.background import every, tidy
from store_app.checkout import reconcile
from store_app.db import connection_watchdog
from store_app.db.outbox import Message
from store_app.live.bus import get_bus
from store_app.logs import configure_logging
from store_app.web.accounts import api as accounts_api
from store_app.web.accounts import form_posts
from store_app.web.catalogue import api as items_api
from store_app.web.catalogue.unknown_items import answer_unknown_items
from store_app.web.checkout import api as checkout_api
from store_app.web.http import health, middleware, problems
from store_app.web.library import api as library_api
from store_app.web.live import api as live_api
from store_app.web.live.event_limits import count_events, drop_unstarted
from store_app.web.live.event_socket import guard_event_socket
from store_app.web.live.refresh import refresh
from store_app.web.live.tabs import Tab
from store_app.web.orders import api as orders_api
from store_app.web.pages import PAGES
from store_app.web.ui.page import SITE_NAME
from webhook import router as webhook
from webhook.intake import catch_up

configure_logging()


def create_api() -> FastAPI:
    """Return the API. Reflex mounts its pages and its websocket behind it."""
    # Serves the files of /docs itself; FastAPI's own page loads them from other hosts.
    api = FastAPIOffline(
        title=SITE_NAME,
        version="1",
        description="Items, orders, purchases and accounts.",
        redoc_url=None,
        favicon_url="/favicon.svg",
        static_url="/docs/static",
    )
    api.add_middleware(middleware.limit_body)
    apis = (items_api, library_api, checkout_api, orders_api, accounts_api, live_api)
    for part in (*apis, health, webhook, form_posts):
        api.include_router(part.router)
    problems.add_api_fallback(api)
    problems.add_problem_handlers(api)
    return api


async def _refresh(tab: Tab, message: Message) -> None:
    await refresh(app, tab, message)


def _drop_events(tab: Tab) -> None:
    drop_unstarted(app.event_processor, tab)


class StoreApp(rx.App):
    """Reflex's app, wrapped in the store's outermost middleware."""

    def __call__(self) -> ASGIApp:
        """Return the ASGI application that the server runs."""
        return middleware.add_headers(super().__call__())


app = StoreApp(
    html_lang="en",
    stylesheets=["/theme.css"],
    head_components=[rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml")],
    toaster=None,
    app_wraps={},
    # Innermost first: the API wraps Reflex, and the middleware below wraps both.
    api_transformer=[
        create_api(),
        partial(guard_event_socket, refresh=_refresh, drop_events=_drop_events),
        answer_unknown_items,
        partial(middleware.clean_urls, paths={page.route for page in PAGES if page.is_file}),
        middleware.middleware(webhook.fast_path),
        middleware.ignore_disconnects,
        middleware.guard_origin,
    ],
)


@asynccontextmanager
async def background_work() -> AsyncIterator[None]:
    """Run the background work while the server runs."""
    count_events(app.event_processor)
    jobs = (
        get_bus().run(),
        reconcile.run_forever(),
        every(30, tidy),
        every(5, catch_up),
        connection_watchdog.run(),
    )
    tasks = [asyncio.create_task(job) for job in jobs]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


app.register_lifespan_task(background_work)

for page in PAGES:
    app.add_page(
        page.component, route=page.route, title=page.full_title, image="/favicon.svg", on_load=page.events
    )
