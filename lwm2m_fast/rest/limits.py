"""The gate in front of every route: body size, requests at once, and the raw path.

An ASGI wrapper that knows no route. A path is matched as it came, percent-encoded, so that an
endpoint name with a slash (`%2F`) stays one segment; handlers decode their segments.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lwm2m_fast.rest.problem import problem

MAX_BODY_BYTES = 1 << 20
MAX_UPLOAD_BYTES = 1 << 30  # the service has a bound of its own, and a smaller one
MAX_PAUSE_S = 30.0  # between two parts of a body
MAX_REQUESTS = 1024  # under way at once; reads of slow devices make most of them


class Gate:
    """Refuses what is too large or too much, and counts it in `counters`."""

    def __init__(
        self,
        app: ASGIApp,
        counters: Counter[str],
        always: frozenset[str],
        uploads: str,
        larger: Mapping[str, int],
    ) -> None:
        self._app = app
        self._uploads = uploads  # what is PUT below this path is streamed, and may be large
        self._larger = larger  # paths whose bodies have a bound of their own
        self._counters = counters
        self._always = always  # paths that are answered however busy we are: health checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        count = self._counters
        count["http_requests"] += 1
        # Event streams last; they have a bound of their own and must not use up this one.
        under_way = count["http_requests_current"] - count["http_subscribers_current"]
        if under_way >= MAX_REQUESTS and scope["path"] not in self._always:
            count["http_refused_busy"] += 1
            answer = problem(
                503, f"{MAX_REQUESTS} requests are under way", "busy", {"Retry-After": "1"}
            )
            await answer(scope, receive, send)
            return
        limit = self._limit(scope)
        if _declared_length(scope) > limit:
            await self._too_large(limit)(scope, receive, send)
            return
        count["http_requests_current"] += 1
        try:
            await self._app(_raw(scope), self._bounded(receive, limit), send)
        finally:
            count["http_requests_current"] -= 1

    def _limit(self, scope: Scope) -> int:
        is_upload = scope["method"] == "PUT" and scope["path"].startswith(self._uploads)
        if is_upload:
            return MAX_UPLOAD_BYTES
        return self._larger.get(scope["path"], MAX_BODY_BYTES)

    def _too_large(self, limit: int) -> ASGIApp:
        self._counters["http_refused_body"] += 1
        detail = f"a request body has at most {limit} bytes"
        return problem(413, detail, "body-too-large", {"Connection": "close"})

    def _bounded(self, receive: Receive, limit: int) -> Receive:
        """`receive`, failing once a body of undeclared length is over the limit, and while there is
        a body for which its client takes too long."""
        taken, is_whole = 0, False

        async def bounded() -> Message:
            nonlocal taken, is_whole
            if is_whole:  # what comes now is that the client has left
                return await receive()
            try:
                async with asyncio.timeout(MAX_PAUSE_S):
                    message = await receive()
            except TimeoutError:
                self._counters["http_refused_slow"] += 1
                raise HTTPException(
                    408, f"nothing of the request body came for {MAX_PAUSE_S:g} s"
                ) from None
            is_whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > limit:
                self._counters["http_refused_body"] += 1
                raise HTTPException(413, f"a request body has at most {limit} bytes")
            return message

        return bounded


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


def _raw(scope: Scope) -> Scope:
    raw: bytes | None = scope.get("raw_path")
    path = raw.split(b"?")[0].decode("latin-1") if raw else quote(scope["path"])
    return {**scope, "path": path}
