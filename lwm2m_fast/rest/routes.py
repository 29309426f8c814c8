"""What a row of the route table is, and what handlers share to read their arguments."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Path, Request
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from lwm2m_fast.config import Config
from lwm2m_fast.errors import Error, RequestError
from lwm2m_fast.fleet.secured import DEFAULT_TENANT
from lwm2m_fast.fleet.tokens import Role, Tokens
from lwm2m_fast.rest.base import MAX_ENDPOINT_BYTES, Service
from lwm2m_fast.rest.stall import LoopStall


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method on one path. `role` None means that everybody may."""

    method: str
    path: str
    role: Role | None
    handler: Callable[..., Any]
    tag: str
    responses: dict[int | str, dict[str, Any]] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    """OpenAPI's description of a body that the handler reads itself (bodies.py)."""
    refusal: Callable[[Error], Response] | None = None
    """How an error of ours is answered; None: as a problem."""


@dataclass(frozen=True)
class Context:
    """What handlers work on; one per app."""

    service: Service
    tokens: Tokens
    config: Config
    counters: Counter[str]
    stall: LoopStall
    registry: CollectorRegistry
    token_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    closing: asyncio.Event = field(default_factory=asyncio.Event)


# What handlers depend on is asynchronous although it waits for nothing: FastAPI runs everything
# else in a thread, where the service must not be called, and which costs more than most handlers.


async def _context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


def decoded(segment: str) -> str:
    """One percent-encoded path segment as text. RequestError when it is not UTF-8."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise RequestError(f"the path segment {segment[:80]!r} is not UTF-8") from None


def checked_endpoint(name: str) -> str:
    """`name` if a device could have it (LwM2M, section 6.2.1). RequestError otherwise."""
    if name.isascii() and 0 < len(name) <= MAX_ENDPOINT_BYTES:  # nearly all
        return name
    try:
        size = len(name.encode())
    except UnicodeEncodeError:  # a lone surrogate from a JSON escape
        size = 0
    if not 0 < size <= MAX_ENDPOINT_BYTES:
        raise RequestError(
            f"an endpoint name has 1 to {MAX_ENDPOINT_BYTES} bytes of UTF-8, not {name[:80]!a}"
        )
    return name


async def _endpoint(
    endpoint: Annotated[
        str,
        Path(
            description="Endpoint name as one percent-encoded segment: a slash in it is `%2F`, "
            "a colon may stand as it is (`urn:imei:356938035643809`).",
        ),
    ],
) -> str:
    return checked_endpoint(decoded(endpoint))


def tenant_of(request: Request) -> str:
    """Whose token this is (auth.py)."""
    found: str = getattr(request.state, "tenant", DEFAULT_TENANT)
    return found


async def _tenant(request: Request) -> str:
    return tenant_of(request)


Ctx = Annotated[Context, Depends(_context)]
Tenant = Annotated[str, Depends(_tenant)]
Endpoint = Annotated[str, Depends(_endpoint)]
