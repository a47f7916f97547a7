"""GET /docs: the description of the API. All its files come from the store itself."""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from store_app.web.http.content_security import policy_for

_FILES = "/docs/static"


def add_docs(api: FastAPI) -> None:
    """Add /docs and its files."""
    page = get_swagger_ui_html(
        openapi_url=str(api.openapi_url),
        title=f"{api.title} - API",
        swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{_FILES}/swagger-ui.css",
        swagger_favicon_url="/favicon.svg",
    )
    # Swagger UI writes styles into its elements.
    policy = policy_for(bytes(page.body).decode(), style="'self' 'unsafe-inline'").decode()

    async def docs() -> HTMLResponse:
        return HTMLResponse(page.body, headers={"Content-Security-Policy": policy})

    api.add_api_route("/docs", docs, include_in_schema=False)
    api.mount(_FILES, StaticFiles(directory=Path(str(files("fastapi_offline"))) / "static"))
