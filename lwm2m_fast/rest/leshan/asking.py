"""One request of a Leshan client, from its parameters to its answer.

A device that is awake is asked at once. One that sleeps in queue mode is given a durable operation
instead, which the client hears of as REQUEST_RESPONSE (events.py). What is asked is the business of
clients.py, composite.py and observe.py.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import PlainTextResponse, Response

from lwm2m_fast.codec import Path
from lwm2m_fast.core.orders import Order, parse_order
from lwm2m_fast.errors import DeviceAsleep, RequestError, UnknownDevice
from lwm2m_fast.model import View
from lwm2m_fast.rest.leshan.answers import (
    NO_STORE,
    Outcome,
    delayed,
    response_object,
    unusable,
)
from lwm2m_fast.rest.leshan.nodes import parsed_path
from lwm2m_fast.rest.leshan.shown import leaves_of_pack
from lwm2m_fast.rest.leshan.types import format_number
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Context, Ctx, Endpoint, decoded

ORIGIN = "leshan"
"""Origin of the operations made here; their ends are told as REQUEST_RESPONSE."""

DEFAULT_TIMEOUT_S = 5.0
MIN_TIMEOUT_S = 1.0  # Leshan knows whole seconds only
MAX_TIMEOUT_S = 600.0


def order_for(op: str, **fields: Any) -> Order:
    """The order for a request. RequestError names what is wrong with a field.

    Whether a resource may be read, written or executed is left to the device, whose refusal a
    Leshan client waits for.
    """
    return parse_order({"op": op, "is_unchecked": True, **fields})


def timeout_s(request: Request) -> float:
    """The parameter `timeout` in seconds; what is no positive number is the default."""
    try:
        seconds = float(request.query_params.get("timeout", ""))
    except ValueError:
        return DEFAULT_TIMEOUT_S
    if not math.isfinite(seconds) or seconds <= 0:
        return DEFAULT_TIMEOUT_S
    return max(MIN_TIMEOUT_S, min(seconds, MAX_TIMEOUT_S))


def wanted_format(request: Request, name: str = "format") -> int | None:
    """The content format in a parameter; None when it is not there or nobody knows it."""
    return format_number(request.query_params.get(name))


def wanted_path(segments: str, least: int = 1, most: int = 4) -> Path:
    """The path in a URL. RequestError when it has fewer or more ids than the operation takes."""
    found = parsed_path(decoded(segments))
    if not least <= found.depth <= most:
        raise RequestError(f"the path {found} has {found.depth} ids, not {least} to {most}")
    return found


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def body_text(request: Request) -> str:
    """The body as text. RequestError when it is not UTF-8."""
    body = await request.body()
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not UTF-8 (byte {error.start})") from None


def target_of(ctx: Context, endpoint: str) -> Any:
    """What is known of a device, core.operations.Target. UnknownDevice."""
    target = ctx.service.target(endpoint)
    if target is None:
        raise UnknownDevice(endpoint)
    return target


async def _known(ctx: Ctx, endpoint: Endpoint) -> str:
    target_of(ctx, endpoint)
    return endpoint


Known = Annotated[str, Depends(_known)]
"""The endpoint of a path, of a device that is registered; UnknownDevice before anything else."""


def view_of(ctx: Context, endpoint: str) -> View | None:
    """The object definitions of a device; None when it has gone."""
    target = ctx.service.target(endpoint)
    view: View | None = target.view if target is not None else None
    return view


async def asked(ctx: Context, request: Request, endpoint: str, order: Order) -> Response:
    """Do `order` and answer. Raises what Service.perform() raises, but for a sleeping device."""
    limit_s = timeout_s(request)
    try:
        result = await ctx.service.perform(endpoint, order, limit_s)
    except DeviceAsleep:
        operations = await ctx.service.submit(endpoint, [order], timeout_s=limit_s, origin=ORIGIN)
        return JsonResponse(delayed(endpoint, order, operations[0]["id"]))
    outcome = outcome_of(result)
    why = unusable(outcome)
    if why is not None:
        return PlainTextResponse(f"Invalid Response: {why}", 500, NO_STORE)
    return JsonResponse(response_object(order, outcome, view_of(ctx, endpoint)))


def outcome_of(result: Any) -> Outcome:
    """A core.operations.Result as this face needs it."""
    return Outcome(
        result.code,
        result.ok,
        result.error,
        leaves_of_pack(result.pack) if result.pack is not None else [],
        result.links,
        result.location,
    )
