"""A page for browsers without scripts."""

import html

from starlette.responses import HTMLResponse

from store_app import languages
from store_app.languages import gettext as _

_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"


def plain_page(status: int, text: str, href: str, label: str) -> HTMLResponse:
    """Return a page that says why something did not work, with one link to go on."""
    title = _("That did not work")
    return HTMLResponse(
        f'<!DOCTYPE html><html lang="{languages.current()}"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f'<title>{title}</title><link rel="stylesheet" href="/theme.css"/></head>'
        f"<body><main><h1>{title}</h1><p>{html.escape(text)}</p>"
        f'<p><a href="{html.escape(href)}">{html.escape(label)}</a></p></main></body></html>',
        status,
        {"Content-Security-Policy": _POLICY},
    )
