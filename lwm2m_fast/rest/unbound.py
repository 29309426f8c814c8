"""/api/v1/unbound: devices that a legacy file has brought though their names are another tenant's.

They are kept with all that the file said, and cannot connect. Once the name is free, registering
the device as any other binds it, and it leaves this list.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_ENDPOINT_BYTES, MAX_PAGE
from lwm2m_fast.rest.configurations import shown
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Route, Tenant, checked_endpoint, decoded


async def list_unbound(
    ctx: Ctx,
    tenant: Tenant,
    after: Annotated[str | None, Query(max_length=MAX_ENDPOINT_BYTES)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Response:
    """Devices whose names are another tenant's, by name, without their secrets."""
    wanted = checked_endpoint(after) if after else None
    page = ctx.service.provisioning.unbound_after(wanted, limit, tenant)
    found, following = await page
    return JsonResponse({"unbound": [shown(one) for one in found], "next_after": following})


async def forget(
    ctx: Ctx, name: Annotated[str, Path(description="Endpoint name")], tenant: Tenant
) -> Response:
    """Keep one of them no longer. The other tenant's device is not touched."""
    await ctx.service.provisioning.forget_unbound(checked_endpoint(decoded(name)), tenant)
    return Response(status_code=204)


_ALL = "/api/v1/unbound"

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_unbound, tag="configurations",
        responses={200: {"description": "A page"}},
    ),
    Route(
        method="DELETE", path=_ALL + "/{name}", role=Role.ADMIN, handler=forget,
        tag="configurations",
        responses={204: {"description": "Forgotten"}, **documented({404: "there is none"})},
    ),
)  # fmt: skip
