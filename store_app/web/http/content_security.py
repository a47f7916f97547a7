"""The Content-Security-Policy of each page: only the store's own scripts run, nothing is loaded from elsewhere.

The inline scripts of a page are those of its HTML, each allowed by its hash (CSP Level 3, 8.4): a script that
somebody manages to put into a page later does not run.
"""

import base64
import hashlib
from functools import lru_cache
from html.parser import HTMLParser
from urllib.parse import urlsplit

from store_app.settings import get_settings
from store_app.web.http.built_pages import BUILT_PAGES, FALLBACK, read_built

# For what is not a page. A picture may have styles of its own.
NOT_A_PAGE = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
# Where scripts may come from, besides the inline ones of a page.
SCRIPT_SOURCES = ["'self'"]
_SCRIPT_TYPES = {"", "module", "text/javascript"}


class _InlineScripts(HTMLParser):
    """Collects the texts of the scripts that have no `src`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.texts: list[str] = []
        self._is_in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        kind = attributes.get("type") or ""
        self._is_in_script = tag == "script" and "src" not in attributes and kind in _SCRIPT_TYPES
        if self._is_in_script:
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self._is_in_script:
            self.texts[-1] += data

    def handle_endtag(self, _tag: str) -> None:
        self._is_in_script = False


def policy_for(html: str, *, style: str = "'self'") -> bytes:
    """Return the policy of a page; `style` says where its styles may come from."""
    scripts = _InlineScripts()
    scripts.feed(html)
    scripts.close()
    hashes = sorted({_hash(text) for text in scripts.texts})
    directives = {
        "default-src": "'none'",
        "script-src": " ".join([*SCRIPT_SOURCES, *hashes]),
        "style-src": style,
        "img-src": "'self' data:",
        "font-src": "'self'",
        "manifest-src": "'self'",
        # Older browsers do not count websockets as 'self'.
        "connect-src": f"'self' {_websocket_origin()}".rstrip(),
        # A form of the store may lead on to the payment page.
        "form-action": f"'self' {_origin_of_payment_page()}",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items()).encode()


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _websocket_origin() -> str:
    url = get_settings().public_url
    # A policy cannot name an IPv6 address.
    return "" if "[" in url else url.replace("http", "ws", 1)


def _origin_of_payment_page() -> str:
    url = urlsplit(get_settings().paystation_url)
    return f"{url.scheme}://{url.netloc}"


def policy_of_built_page(path: str) -> bytes:
    """Return the policy of the page at an address."""
    name = FALLBACK if ".." in path else f"{path.strip('/').removesuffix('.html') or 'index'}.html"
    for file in (BUILT_PAGES / name, BUILT_PAGES / FALLBACK):
        try:
            return cached_policy_for(read_built(file))
        except (OSError, ValueError):
            continue
    return NOT_A_PAGE


@lru_cache(maxsize=64)
def cached_policy_for(html: str) -> bytes:
    """Return the policy of a page that is served often."""
    return policy_for(html)
