"""The pages as the build wrote them. `make dev` may have built them again meanwhile."""

from functools import lru_cache
from http import HTTPStatus
from pathlib import Path

from starlette.responses import HTMLResponse

from store_app import languages

BUILT_PAGES = Path(".web/build/client")
# What Reflex serves for addresses with a parameter, such as /orders/[order_id], and for those without a page.
FALLBACK = "__spa-fallback.html"


def built_fallback() -> str:
    """Return the text of that page in the current language.

    Raises:
        OSError: the pages are not built.
    """
    language = languages.current()
    return read_built(BUILT_PAGES / FALLBACK).replace('<html lang="en"', f'<html lang="{language}"', 1)


def built_page(name: str) -> str:
    """Return the text of a built page in the current language.

    Raises:
        OSError: the pages are not built.
    """
    language = languages.current()
    return read_built(BUILT_PAGES / ("" if language == languages.ENGLISH else language) / name)


def no_page() -> HTMLResponse:
    """Return the answer (404) for an address without a page: the fallback, which shows the not-found page."""
    return HTMLResponse(built_fallback(), HTTPStatus.NOT_FOUND)


def read_built(file: Path) -> str:
    """Return the text of a built file.

    Raises:
        OSError: there is none.
    """
    return _read(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(file: Path, _changed: int) -> str:
    return file.read_text(encoding="utf-8")
