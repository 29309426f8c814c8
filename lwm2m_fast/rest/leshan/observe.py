"""/api/clients/{endpoint}/.../observe: asking for notifications, and ending that.

Without `active` an observation is only forgotten here, and the device's next notification gets a
Reset; with it the device is told. What is observed is core/'s knowledge.
"""

from __future__ import annotations

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from lwm2m_fast.core.orders import Order
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.leshan.answers import NO_STORE
from lwm2m_fast.rest.leshan.asking import (
    Known,
    asked,
    order_for,
    wanted_format,
    wanted_path,
)
from lwm2m_fast.rest.leshan.composite import composite_order
from lwm2m_fast.rest.leshan.rows import ANSWERED, row
from lwm2m_fast.rest.routes import Context, Ctx


async def observe(request: Request, ctx: Ctx, endpoint: Known, path: str) -> Response:
    """Observe a path: its value now, and NOTIFICATION events from now on."""
    order = order_for("observe", path=str(wanted_path(path)), format=wanted_format(request))
    return await asked(ctx, request, endpoint, order)


async def cancel(request: Request, ctx: Ctx, endpoint: Known, path: str) -> Response:
    """End the observation of a path. With `active`, 404 when there is none."""
    order = order_for("cancel_observe", path=str(wanted_path(path)), mode=_mode(request))
    return await _cancelled(ctx, request, endpoint, order)


async def observe_composite(request: Request, ctx: Ctx, endpoint: Known) -> Response:
    """Observe several paths at once."""
    return await asked(ctx, request, endpoint, composite_order("observe_composite", request))


async def cancel_composite(request: Request, ctx: Ctx, endpoint: Known) -> Response:
    """End the observation of exactly these paths, in this order."""
    order = composite_order("cancel_composite", request, mode=_mode(request))
    return await _cancelled(ctx, request, endpoint, order)


def _mode(request: Request) -> str:
    return "active" if "active" in request.query_params else "passive"


async def _cancelled(ctx: Context, request: Request, endpoint: str, order: Order) -> Response:
    is_composite = order.op == "cancel_composite"
    paths = list(order.paths) if is_composite else [order.path]
    is_known = any(
        one["is_composite"] is is_composite and list(one["paths"]) == paths
        for one in ctx.service.observations(endpoint)
    )
    if order.mode == "passive":
        if is_known:  # an empty success either way, as in Leshan
            await asked(ctx, request, endpoint, order)
        return Response(status_code=200, headers=NO_STORE)
    if not is_known:
        kind = "composite observation for paths" if is_composite else "observation for path"
        text = f"no {kind} {', '.join(map(str, paths))} for client '{endpoint}'"
        return PlainTextResponse(text, 404, NO_STORE)
    return await asked(ctx, request, endpoint, order)


_ONE = "/api/clients/{endpoint}/{path:path}/observe"
_COMPOSITE = "/api/clients/{endpoint}/composite/observe"
_ENDED = {
    **ANSWERED,
    200: "Empty; with `active` what the device answered",
    404: "text/plain: there is no such observation to cancel with the device",
}

# The composite rows come first: `composite` would be taken for a path.
ROUTES = (
    row("POST", _COMPOSITE, Role.OPERATE, observe_composite),
    row("DELETE", _COMPOSITE, Role.OPERATE, cancel_composite, _ENDED),
    row("POST", _ONE, Role.OPERATE, observe),
    row("DELETE", _ONE, Role.OPERATE, cancel, _ENDED),
)
