"""/docs: the interactive documentation, from files of our own.

An operator's network rarely reaches the CDN that FastAPI's page would load from.
"""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

FILES = "/docs-files"
# A token typed in there is gone with the page.
PARAMETERS = {"persistAuthorization": False, "displayRequestDuration": True}


def install(app: FastAPI) -> None:
    """Serve the page at /docs; / leads there."""
    page = get_swagger_ui_html(
        openapi_url=app.openapi_url or "/openapi.json",
        title=f"{app.title}: HTTP interface",
        swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{FILES}/swagger-ui.css",
        swagger_favicon_url=f"{FILES}/favicon-32x32.png",
        swagger_ui_parameters=PARAMETERS,
    )

    async def docs() -> Response:
        return page

    async def root() -> Response:
        return RedirectResponse("/docs")

    app.add_api_route("/docs", docs, include_in_schema=False)
    app.add_api_route("/", root, include_in_schema=False)
    app.mount(FILES, StaticFiles(directory=str(files("fastapi_swagger") / "resources")))
