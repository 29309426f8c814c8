"""/api/v1/devices/lwm2m-connector: the connector, which each tenant has and which always is.

Its shell takes commands about registrations and configurations; its operations are those commands
and the files of devices.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lwm2m_fast.core.connector_shell import Ask, parse_connector
from lwm2m_fast.errors import Conflict, RequestError
from lwm2m_fast.fleet.tenants import CONNECTOR
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_PAGE
from lwm2m_fast.rest.bodies import MAX_ORDERS, TEXT, Wait, described, text_body
from lwm2m_fast.rest.operations import Id, OperationPage, State
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Context, Ctx, Route, Tenant
from lwm2m_fast.rest.shell import CommandList
from lwm2m_fast.rest.waiting import attended, status_of


async def show(ctx: Ctx, tenant: Tenant) -> Response:
    """The connector of this tenant. It has no objects."""
    return JsonResponse({"endpoint": CONNECTOR, "tenant": tenant, "objects": {}})


async def refuse(ctx: Ctx, tenant: Tenant) -> Response:
    """The connector cannot be deleted."""
    raise Conflict(f"{CONNECTOR} is the connector of tenant {tenant}, which cannot be deleted")


async def run(request: Request, ctx: Ctx, tenant: Tenant, wait: Wait = 0.0) -> Response:
    """Run commands of the connector, one a line; `help` lists them.

    A line that cannot be understood is a 400 that names it, and then nothing of the text runs.
    Commands that change configurations need an admin.
    """
    asks = parse_connector(await text_body(request))
    if not 0 < len(asks) <= MAX_ORDERS:
        raise RequestError(f"body: has {len(asks)} commands, allowed are 1 to {MAX_ORDERS}")
    _check_role(request, asks)
    done: list[dict[str, Any]] = []
    for ask in asks:
        if ask.help is not None:
            done.append({"text": ask.text, "help": ask.help})
        else:
            operation = await ctx.service.provisioning.command(ask, tenant)
            done.append({"text": ask.text, "operation": operation})
    if wait > 0:
        done = await attended(request, _ended(ctx, tenant, done, wait))
    return JsonResponse(
        {"commands": done}, status_of([one["operation"] for one in done if "operation" in one])
    )


def _check_role(request: Request, asks: list[Ask]) -> None:
    for ask in asks:
        if ask.needs_admin and request.state.role < Role.ADMIN:
            raise HTTPException(403, f"{ask.command} needs the role admin")


async def _ended(
    ctx: Context, tenant: str, done: list[dict[str, Any]], seconds: float
) -> list[dict[str, Any]]:
    """The same once all have ended, or as they are after `seconds`: they go one by one."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    found: list[dict[str, Any]] = []
    for one in done:
        if "operation" in one:
            left = max(0.0, until - loop.time())
            number = one["operation"]["id"]
            now = await ctx.service.provisioning.command_ended(number, tenant, left)
            one = {**one, "operation": now}
        found.append(one)
    return found


async def list_operations(
    ctx: Ctx,
    tenant: Tenant,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    state: Annotated[list[State] | None, Query(description="May be given repeatedly")] = None,
) -> Response:
    """What the connector was asked for, newest first, files of devices among it.

    The result has `rows`, `succeeded`, `failed` and `errors`, one for each row that was refused.
    """
    states = frozenset(state) if state else None
    found = ctx.service.provisioning.commands(tenant, before=before, limit=limit, states=states)
    following = found[-1]["id"] if len(found) == limit else None
    return JsonResponse({"operations": found, "next_before": following})


async def show_operation(
    request: Request, ctx: Ctx, tenant: Tenant, id: Id, wait: Wait = 0.0
) -> Response:
    """One of them; with `wait`, once it has ended, or as it is then."""
    ended = ctx.service.provisioning.command_ended(id, tenant, wait)
    return JsonResponse(await attended(request, ended))


_ONE = f"/api/v1/devices/{CONNECTOR}"
_ALL = _ONE + "/operations"

ROUTES = (
    Route(
        method="GET", path=_ONE, role=Role.READ, handler=show, tag="connector",
        responses={200: {"description": "It"}},
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.OPERATE, handler=refuse, tag="connector",
        responses=documented({409: "it cannot be deleted"}),
    ),
    Route(
        method="POST", path=_ONE + "/shell", role=Role.OPERATE, handler=run, tag="connector",
        responses={
            200: {"model": CommandList, "description": "All of it has ended"},
            202: {"model": CommandList, "description": "Kept; it will be done"},
            **documented({400: "a line cannot be understood", 429: "too much waits already"}),
        },
        body=described({"type": "string", "example": "migrateLwm2mDevices"}, TEXT),
    ),
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_operations, tag="connector",
        responses={200: {"model": OperationPage}},
    ),
    Route(
        method="GET", path=_ALL + "/{id}", role=Role.READ, handler=show_operation,
        tag="connector", responses={200: {}, **documented({404: "there is no such operation"})},
    ),
)  # fmt: skip
