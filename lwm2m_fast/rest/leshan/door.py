"""What stands before Leshan's routes: trailing slashes, and who may come in without a token.

An ASGI wrapper that knows only the first words of the paths. Open (`http.leshan_open`) means open
to programs of this machine, and not to web pages that a browser on it happens to show: those are
known by their Origin, or by a Host that is no name of this machine.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lwm2m_fast.config import HttpConfig
from lwm2m_fast.errors import ConfigError

FACE = re.compile(r"(/api/(clients|objectspecs)|(/bs)?/api/(bootstrap|event|security|server))(/|$)")

# The host of a Host header, with or without a port (RFC 9110, section 7.2).
_LOOPBACK_HOST = re.compile(
    r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)


def check_open(http: HttpConfig) -> None:
    """ConfigError when what needs no token would be reached from other machines."""
    if http.leshan_api and http.leshan_open and not is_loopback(http.host):
        raise ConfigError(
            f"http.leshan_open: everybody who reaches http.host {http.host!r} could operate every "
            "device; it must be a loopback address such as 127.0.0.1, or leshan_open false"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Door:
    """Passes requests on; those for this face without their trailing slashes."""

    def __init__(self, app: ASGIApp, counters: Counter[str], is_open: bool) -> None:
        self._app = app
        self._counters = counters
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not FACE.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        if self._is_open and not is_from_here(Headers(scope=scope)):
            self._counters["http_refused_origin"] += 1
            text = "without a token this is for programs of this machine, not for web pages"
            await PlainTextResponse(text, 403)(scope, receive, send)
            return
        await self._app({**scope, "path": scope["path"].rstrip("/")}, receive, send)


def is_from_here(headers: Headers) -> bool:
    """Whether no page of another site asks: neither by its Origin nor by a rebound name."""
    host = headers.get("host", "")
    origin = headers.get("origin")
    if not _LOOPBACK_HOST.fullmatch(host):
        return False
    return origin is None or origin.partition("://")[2] == host
