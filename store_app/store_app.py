"""The composition root: assembles the pages, the API, the webhook and the background work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import reflex as rx
from fastapi import FastAPI
from starlette.types import ASGIApp

from store_app import languages, routes
from store_app.background import every, tidy
from store_app.brand import get_brand
from store_app.checkout import reconcile
from store_app.db import connection_watchdog
from store_app.db.outbox import Message
from store_app.live.bus import get_bus
from store_app.logs import configure_logging
from store_app.settings import get_settings
from store_app.web.accounts import api as accounts_api
from store_app.web.accounts import form_posts
from store_app.web.accounts.without_scripts import serve_forms
from store_app.web.catalogue import api as items_api
from store_app.web.catalogue import parts, picture_files, search_engines
from store_app.web.catalogue.page import parts_page
from store_app.web.catalogue.served import serve_catalogue
from store_app.web.checkout import api as checkout_api
from store_app.web.checkout import form_posts as checkout_form_posts
from store_app.web.http import health, middleware, problems
from store_app.web.http.bodies import read_body_first
from store_app.web.http.docs import add_docs
from store_app.web.http.language import choose_language, pattern_of
from store_app.web.library import api as library_api
from store_app.web.live import api as live_api
from store_app.web.live.connection_limits import write_counts
from store_app.web.live.event_limits import count_events, drop_unstarted, forget_state
from store_app.web.live.event_socket import guard_event_socket
from store_app.web.live.page_language import PageLanguage
from store_app.web.live.refresh import refresh
from store_app.web.live.tabs import Tab
from store_app.web.live.unfinished_messages import end_unfinished
from store_app.web.orders import api as orders_api
from store_app.web.orders.without_scripts import serve_orders
from store_app.web.pages import PAGES
from store_app.web.ui.page import Page
from webhook import router as webhook
from webhook.intake import catch_up

configure_logging()


def create_api() -> FastAPI:
    """Return the API. Reflex mounts its pages and its websocket behind it."""
    has_docs = get_settings().serves_docs
    api = FastAPI(
        title=get_brand().name,
        version="1",
        description="Items, orders, purchases and accounts.",
        openapi_url="/openapi.json" if has_docs else None,
        # FastAPI's own pages load files from other hosts.
        docs_url=None,
        redoc_url=None,
    )
    if has_docs:
        add_docs(api)
    apis = (items_api, library_api, checkout_api, orders_api, accounts_api, live_api)
    for part in (*apis, health, webhook, form_posts, checkout_form_posts, search_engines, picture_files):
        api.include_router(part.router)
    problems.add_api_fallback(api)
    problems.add_problem_handlers(api)
    return api


async def _refresh(tab: Tab, message: Message) -> None:
    await refresh(app, tab, message)


_forgetting: set[asyncio.Task[None]] = set()


def _forget(tab: Tab) -> None:
    drop_unstarted(app.event_processor, tab)
    task = asyncio.create_task(forget_state(app.state_manager, tab))
    _forgetting.add(task)
    task.add_done_callback(_forgetting.discard)


class StoreApp(rx.App):
    """Reflex's app, wrapped in the store's outermost middleware."""

    def __call__(self) -> ASGIApp:
        """Return the ASGI application that the server runs."""
        return middleware.add_headers(super().__call__())


app = StoreApp(
    html_lang="en",
    stylesheets=["/theme.css"],
    head_components=[
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(
            rel="preload",
            href="/fonts/oxanium.woff2",
            # A property of this name would become a style.
            custom_attrs={"as": "font"},
            type="font/woff2",
            cross_origin="anonymous",
        ),
    ],
    toaster=None,
    app_wraps={},
    # Innermost first: the API wraps Reflex, and the middleware below wraps both.
    api_transformer=[
        create_api(),
        partial(guard_event_socket, refresh=_refresh, forget=_forget),
        partial(middleware.clean_urls, paths={page.route for page in PAGES if page.is_file}),
        serve_catalogue,
        serve_orders,
        serve_forms,
        partial(
            choose_language,
            pages=pattern_of(page.route for page in PAGES if page.route.startswith("/")),
            forms=pattern_of(routes.FORMS),
        ),
        middleware.middleware(webhook.fast_path),
        read_body_first,
        middleware.guard_origin,
        middleware.guard_host,
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
        write_counts(),
        end_unfinished(),
    )
    tasks = [asyncio.create_task(job) for job in jobs]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


app.register_lifespan_task(background_work)


def _add_pages(language: str) -> None:
    # The page of parts is for the build only, which removes its HTML.
    for page in (Page(parts_page, parts.ROUTE, "Parts"), *PAGES):
        app.add_page(
            page.component_in(language),
            route=page.route_in(language),
            title=page.full_title,
            image="/favicon.svg",
            on_load=page.events,
        )


app.add_middleware(PageLanguage())
for known in languages.known():
    with languages.override(known):
        _add_pages(known)
