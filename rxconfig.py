"""Reflex's configuration. The store's own settings are in store_app/settings.py."""

import reflex as rx

from store_app.settings import get_settings

settings = get_settings()
COLORS = (
    *("bg", "surface", "raised", "line", "edge", "text", "muted", "accent", "fill", "on-fill"),
    *("good", "bad", "wait"),
)

config = rx.Config(
    app_name="store_app",
    # The pages talk to the host they came from (scripts/page_script.py), whatever is built in here.
    api_url="http://localhost:8000",
    redis_url=settings.redis_url or None,
    state_manager_mode=(
        rx.constants.StateManagerMode.REDIS if settings.redis_url else rx.constants.StateManagerMode.MEMORY
    ),
    cors_allowed_origins=list(settings.allowed_origins),
    telemetry_enabled=False,
    show_built_with_reflex=False,
    frontend_compression_formats=["brotli", "gzip"],
    plugins=[
        rx.plugins.TailwindV4Plugin(
            {"theme": {"extend": {"colors": {name: f"var(--{name})" for name in COLORS}}}}
        ),
    ],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
