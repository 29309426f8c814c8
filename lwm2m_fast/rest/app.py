"""The FastAPI application from its parts, and the HTTP server that runs it in our loop."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from lwm2m_fast import __version__
from lwm2m_fast.config import Config
from lwm2m_fast.errors import Error
from lwm2m_fast.fleet.tokens import Role, Tokens
from lwm2m_fast.rest import docs_page, files, health, leshan, problem, tenancy
from lwm2m_fast.rest.address import bind
from lwm2m_fast.rest.agent import bulk
from lwm2m_fast.rest.auth import Guard
from lwm2m_fast.rest.base import Service
from lwm2m_fast.rest.bodies import OrderBody
from lwm2m_fast.rest.connection import Connection
from lwm2m_fast.rest.leshan.door import Door, check_open
from lwm2m_fast.rest.limits import Gate
from lwm2m_fast.rest.routes import Context, Route
from lwm2m_fast.rest.settings import Settings
from lwm2m_fast.rest.stall import LoopStall
from lwm2m_fast.rest.table import all_routes
from lwm2m_fast.rest.thingsboard.rpc import RpcRequest

STOP_GRACE_S = 1  # what requests under way get before they are cancelled
MAX_CONNECTIONS = 4096
BACKLOG = 512

ABOUT = """LwM2M devices over HTTP.

Every route but the health checks needs `Authorization: Bearer <token>`; the role that a token
needs stands at each route. An endpoint name is one percent-encoded path segment (`/` is `%2F`).
Errors are `application/problem+json` (RFC 9457).
"""


def create_app(service: Service, tokens: Tokens, config: Config) -> FastAPI:
    """The HTTP interface over `service`. `tokens` decide who may do what.

    ConfigError when it would be open to more than its configuration may mean.
    """
    check_open(config.http)
    app = FastAPI(
        title="lwm2m_fast",
        version=__version__,
        description=ABOUT,
        openapi_url=None,  # docs_page.py serves it
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    context = Context(service, tokens, config, Counter(), LoopStall(), CollectorRegistry())
    app.state.context = context
    health.fill(context.registry, context)
    problem.install(app)
    guard = Guard(tokens, context.counters, time.monotonic)
    rows = all_routes(config.http.metrics_open)
    if config.http.leshan_api:
        rows += leshan.routes(config.http.leshan_open)
    for row in rows:
        _add(app, row, guard, service)
    always = frozenset(row.path for row in rows if row.role is None)
    docs_page.install(app)
    if config.http.leshan_api:
        app.add_middleware(Door, counters=context.counters, is_open=config.http.leshan_open)
    # Added last, it is asked first.
    app.add_middleware(
        Gate,
        counters=context.counters,
        always=always,
        uploads=files.UPLOADS,
        larger={bulk.BULK: bulk.MAX_FORM_BYTES},
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _add(app: FastAPI, row: Route, guard: Guard, service: Service) -> None:
    class Guarded(APIRoute):
        """Asks who may, and whose it is, before anything of the request's body is read."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                guard.check(request, row.role)
                try:
                    tenancy.check(request, row.path, service)
                    return await handle(request)
                except Error as error:
                    if row.refusal is None:
                        raise
                    return row.refusal(error)

            return guarded

    summary, _, rest = (inspect.getdoc(row.handler) or "").partition("\n")
    app.router.add_api_route(
        row.path,
        row.handler,
        methods=[row.method],
        tags=[row.tag],
        summary=summary,
        description=_described(rest, row.role),
        status_code=min(code for code in row.responses if isinstance(code, int)),
        responses={**_common(row.role), **row.responses},
        response_model=None,
        openapi_extra=_extra(row),
        route_class_override=Guarded,
    )


def _extra(row: Route) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if row.role is not None:
        extra["security"] = [{"bearer": []}]
    if row.body is not None:
        extra["requestBody"] = row.body
    return extra


def _described(text: str, role: Role | None) -> str:
    needs = f"Needs the role `{role.name.lower()}`." if role is not None else "Open to everybody."
    return "\n\n".join(part for part in (text.strip(), needs) if part)


def _common(role: Role | None) -> dict[int | str, dict[str, Any]]:
    described = problem.documented({"default": "Any other problem"})
    if role is None:
        return described
    refused = {401: "No token, or an unknown one", 403: "The token's role is too low"}
    return {**described, **problem.documented(refused)}


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for model in (problem.Problem, OrderBody, Settings, RpcRequest):
            schema["components"]["schemas"][model.__name__] = model.model_json_schema()
        schema["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = schema
    return app.openapi_schema


class _Uvicorn(uvicorn.Server):
    """uvicorn as a guest: signals are the shell's, and it says when it is listening."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class HttpServer:
    """Serves `app` on host:port in the running loop; port 0 takes any free one."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._app = app
        self._address = (host, port)
        self._config = uvicorn.Config(
            self._app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            backlog=BACKLOG,
            timeout_graceful_shutdown=STOP_GRACE_S,
        )
        self._config.load()  # imports the rest of uvicorn
        _look_up_sources(app)
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, bound: socket.socket | None = None) -> int:
        """Listen, on `bound` if it is had already, and return the port.

        ConfigError when the address cannot be had.
        """
        # A large upload goes to a file by way of a thread; what that needs is imported by the first
        # one, which takes longer than devices should wait. Now none does.
        await run_in_threadpool(int)
        if bound is None:
            bound = bind(*self._address)
        port: int = bound.getsockname()[1]
        self._server = _Uvicorn(self._config)
        self._task = asyncio.create_task(self._server.serve(sockets=[bound]))
        self._context.stall.start()
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({listening, self._task}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._task.done():
            await self._task
        return port

    async def stop(self) -> None:
        """Stop within 2 s: event streams end at once, other requests get a second."""
        self._context.stall.stop()
        self._context.closing.set()
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await self._task
        self._server = self._task = None

    @property
    def _context(self) -> Context:
        found: Context = self._app.state.context
        return found


def _look_up_sources(app: FastAPI) -> None:
    """Read the files that handlers stand in, which FastAPI else does with the first request of each
    (for its error messages): some milliseconds of the loop, and more from a cold disk."""
    for route in app.routes:
        with contextlib.suppress(OSError, TypeError):
            inspect.getsourcelines(getattr(route, "endpoint", None))  # type: ignore[arg-type]
