"""/docs and /openapi.json: the interactive documentation, from files of our own.

An operator's network rarely reaches the CDN that FastAPI's page would load from; and devices must
not wait while the description of all routes is worked out, which takes some 200 ms.
"""

from __future__ import annotations

import asyncio
from importlib.resources import files

import orjson
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

FILES = "/docs-files"
DOCUMENT = "/openapi.json"
# A token typed in there is gone with the page.
PARAMETERS = {"persistAuthorization": False, "displayRequestDuration": True}


def install(app: FastAPI) -> None:
    """Serve the page at /docs; / leads there. `app` has no openapi_url of its own."""
    page = get_swagger_ui_html(
        openapi_url=DOCUMENT,
        title=f"{app.title}: HTTP interface",
        swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{FILES}/swagger-ui.css",
        swagger_favicon_url=f"{FILES}/favicon-32x32.png",
        swagger_ui_parameters=PARAMETERS,
    )

    document = _Document(app)

    async def described() -> Response:
        return Response(await document.content(), media_type="application/json")

    async def docs() -> Response:
        return page

    async def root() -> Response:
        return RedirectResponse("/docs")

    app.add_api_route(DOCUMENT, described, include_in_schema=False)
    app.add_api_route("/docs", docs, include_in_schema=False)
    app.add_api_route("/", root, include_in_schema=False)
    app.mount(FILES, StaticFiles(directory=str(files("fastapi_swagger") / "resources")))


class _Document:
    """What describes all routes, made in a thread when somebody first asks, and only once."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._making = asyncio.Lock()
        self._content: bytes | None = None

    async def content(self) -> bytes:
        async with self._making:
            if self._content is None:
                self._content = await asyncio.to_thread(self._make)
            return self._content

    def _make(self) -> bytes:
        return orjson.dumps(self._app.openapi())
