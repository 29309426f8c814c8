"""/api/clients: who is registered, and the operations on one path of a device.

Turns a request of Leshan's into an Order; whether the device can do it, and how it is put on the
wire, is decided in core/. Paths with several ids are `{path}`, as in Leshan.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote_plus

import orjson
from fastapi import Request
from starlette.responses import Response, StreamingResponse

from lwm2m_fast.codec import Path
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import RequestError, UnknownDevice
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.leshan.answers import NO_STORE
from lwm2m_fast.rest.leshan.asking import (
    Known,
    asked,
    body_text,
    media_type,
    order_for,
    target_of,
    wanted_format,
    wanted_path,
)
from lwm2m_fast.rest.leshan.nodes import (
    instance_of,
    is_map,
    node_value,
    parsed_json,
    text_value,
)
from lwm2m_fast.rest.leshan.registrations import registration
from lwm2m_fast.rest.leshan.rows import row
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Context, Ctx, Endpoint, Tenant
from lwm2m_fast.rest.tenancy import own_devices

PAGE = 256
"""Registrations written before the loop gets its turn."""

MAX_ATTRIBUTES = 16

_NUMBER = re.compile(r"[+-]?[0-9]{1,19}(\.[0-9]{1,19})?", re.ASCII)


async def list_clients(ctx: Ctx, tenant: Tenant) -> Response:
    """Every registration, as one JSON array that is written while the list is walked."""
    return StreamingResponse(_every(ctx, tenant), 200, NO_STORE, "application/json")


async def show_client(ctx: Ctx, endpoint: Endpoint) -> Response:
    """One registration."""
    device = ctx.service.device(endpoint)
    if device is None:
        raise UnknownDevice(endpoint)
    return JsonResponse(registration(device, ctx.service))


async def read(request: Request, ctx: Ctx, endpoint: Known, path: str) -> Response:
    """Read an object, an instance, a resource or a resource instance."""
    at = wanted_path(path, 1, 4)
    order = order_for("read", path=str(at), format=wanted_format(request))
    return await asked(ctx, request, endpoint, order)


async def discover(request: Request, ctx: Ctx, endpoint: Known, path: str) -> Response:
    """Discover: the links below a path, with the attributes that are set."""
    order = order_for("discover", path=str(wanted_path(path, 1, 3)))
    return await asked(ctx, request, endpoint, order)


async def write(request: Request, ctx: Ctx, endpoint: Known, path: str) -> Response:
    """Write an instance, a resource or a resource instance.

    The body is a node, or with `text/plain` the value of a String resource. `replace=false` leaves
    what is not in it as it is.
    """
    at = wanted_path(path, 2, 4)
    types = target_of(ctx, endpoint).view.types
    value = await _written(request, at, types)
    mode = "replace" if request.query_params.get("replace", "true").lower() == "true" else "update"
    what: dict[str, Any] = {"values": value} if at.depth == 2 else {"value": value}
    chosen = wanted_format(request)
    order = order_for("write", path=str(at), mode=mode, format=chosen, **what)
    return await asked(ctx, request, endpoint, order)


async def write_attributes(request: Request, ctx: Ctx, endpoint: Known, path: str) -> Response:
    """Write-Attributes: the query is the list of attributes; one without a value is unset."""
    attributes = parse_attributes(request.scope["query_string"])
    order = order_for("write_attributes", path=str(wanted_path(path, 1, 4)), attributes=attributes)
    return await asked(ctx, request, endpoint, order)


async def execute_or_create(request: Request, ctx: Ctx, endpoint: Known, path: str) -> Response:
    """With three ids Execute, the body its arguments; with one or two Create, the body a node."""
    at = wanted_path(path, 1, 3)
    make = _execution if at.depth == 3 else _creation
    return await asked(ctx, request, endpoint, await make(request, ctx, endpoint, at))


async def delete(request: Request, ctx: Ctx, endpoint: Known, path: str) -> Response:
    """Delete an instance."""
    order = order_for("delete", path=str(wanted_path(path, 1, 4)))
    return await asked(ctx, request, endpoint, order)


def parse_attributes(query: bytes) -> dict[str, int | float | None]:
    """`pmin=10&gt=2.5&lt` as numbers, None to unset. RequestError."""
    found: dict[str, int | float | None] = {}
    for item in query.decode("latin-1").split("&") if query else ():
        name, equals, value = unquote_plus(item).partition("=")
        if equals and not _NUMBER.fullmatch(value):
            raise RequestError(f"attribute {name[:80]!r}: {value[:80]!r} is not a number")
        if name in found:
            raise RequestError(f"attribute {name[:80]!r} is given twice")
        found[name] = (float(value) if "." in value else int(value)) if equals else None
    if not 0 < len(found) <= MAX_ATTRIBUTES:
        raise RequestError(f"{len(found)} attributes: 1 to {MAX_ATTRIBUTES} can be written at once")
    return found


async def _written(request: Request, at: Path, types: Any) -> Any:
    kind = media_type(request)
    if kind == "application/json":
        return node_value(parsed_json(await request.body()), at, types)
    if kind == "text/plain" and at.depth >= 3:
        return text_value(await body_text(request), at, types)
    raise RequestError(f"content type {kind[:80]!r} not supported for {at}")


async def _execution(request: Request, ctx: Context, endpoint: str, at: Path) -> Order:
    return order_for("execute", path=str(at), arguments=await body_text(request) or None)


async def _creation(request: Request, ctx: Context, endpoint: str, at: Path) -> Order:
    kind = media_type(request)
    if kind != "application/json":
        raise RequestError(f"content type {kind[:80]!r} not supported for {at}")
    types = target_of(ctx, endpoint).view.types
    instance, values = instance_of(parsed_json(await request.body()), at, types)
    if instance is None and values and all(is_map(value) for value in values.values()):
        # An order cannot tell multiple resources without an instance from instances.
        raise RequestError(f"the node for {at} has multiple resources only: give it an id")
    path = f"/{at.ids[0]}" if instance is None else f"/{at.ids[0]}/{instance}"
    return order_for("create", path=path, values=values, format=wanted_format(request))


async def _every(ctx: Context, tenant: str) -> AsyncIterator[bytes]:
    yield b"["
    before, cursor = b"", 0
    following: int | None = 0
    while following is not None:
        cursor = following
        devices, following = own_devices(ctx, tenant, cursor, PAGE)
        rows = [orjson.dumps(registration(device, ctx.service)) for device in devices]
        if rows:
            yield before + b",".join(rows)
            before = b","
        await asyncio.sleep(0)
    yield b"]"


_ALL = "/api/clients"
_ONE = _ALL + "/{endpoint}"
_PATH = _ONE + "/{path:path}"

ROUTES = (
    row("GET", _ALL, Role.READ, list_clients, {200: "An array of registrations"}),
    row("GET", _ONE, Role.READ, show_client, {200: "A registration", 400: "There is none"}),
    row("GET", _PATH + "/discover", Role.READ, discover),
    row("GET", _PATH, Role.READ, read),
    row("PUT", _PATH + "/attributes", Role.OPERATE, write_attributes),
    row("PUT", _PATH, Role.OPERATE, write),
    row("POST", _PATH, Role.OPERATE, execute_or_create),
    row("DELETE", _PATH, Role.OPERATE, delete),
)
