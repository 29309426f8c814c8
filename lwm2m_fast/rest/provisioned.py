"""/api/v1/provisioned: the list of endpoint names that may register (policy `provisioned`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.errors import UnknownDevice
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_BULK, MAX_ENDPOINT_BYTES, MAX_PAGE
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Endpoint, Route, Tenant, checked_endpoint
from lwm2m_fast.rest.tenancy import check_own, own_page


class NotProvisioned(UnknownDevice):
    """This endpoint name is not on the list."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.args = (f"{name!r} is not on the list of endpoints that may register",)


class Bulk(BaseModel):
    """Endpoint names to add; all of them are added, or none."""

    endpoints: list[str] = Field(min_length=1, max_length=MAX_BULK)


class Added(BaseModel):
    received: int
    added: int = Field(description="How many were not on the list before")


class ProvisionedPage(BaseModel):
    endpoints: list[str]
    next_after: str | None = Field(description="Ask again with `after` this; null at the end")


async def list_provisioned(
    ctx: Ctx,
    tenant: Tenant,
    after: Annotated[str | None, Query(max_length=MAX_ENDPOINT_BYTES)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Response:
    """Endpoint names that may register, in order."""

    async def page(after: str | None, limit: int) -> list[str]:
        return ctx.service.allowed(after, limit)

    found, following = await own_page(ctx, tenant, page, str, after, limit)
    return JsonResponse({"endpoints": found, "next_after": following})


async def allow_one(ctx: Ctx, endpoint: Endpoint) -> Response:
    """Let one endpoint register. 201 when it is new on the list."""
    added = await ctx.service.allow([endpoint])
    return JsonResponse({"received": 1, "added": added}, 201 if added else 200)


async def allow_many(ctx: Ctx, bulk: Bulk, tenant: Tenant) -> Response:
    """Let many endpoints register. The whole body has at most 1 MiB."""
    names = [checked_endpoint(name) for name in bulk.endpoints]
    check_own(ctx.service, tenant, names)
    added = await ctx.service.allow(names)
    return JsonResponse({"received": len(names), "added": added})


async def disallow(ctx: Ctx, endpoint: Endpoint) -> Response:
    """Take an endpoint off the list. A registration it has stays until it ends."""
    if not await ctx.service.disallow(endpoint):
        raise NotProvisioned(endpoint)
    return Response(status_code=204)


_ALL = "/api/v1/provisioned"
_ONE = _ALL + "/{endpoint}"
_FULL = documented({503: "the store cannot keep it; nothing was added"})

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_provisioned,
        tag="provisioned", responses={200: {"model": ProvisionedPage}},
    ),
    Route(
        method="POST", path=_ALL, role=Role.OPERATE, handler=allow_many,
        tag="provisioned",
        responses={200: {"model": Added}, **documented({413: "more than 1 MiB"}), **_FULL},
    ),
    Route(
        method="PUT", path=_ONE, role=Role.OPERATE, handler=allow_one,
        tag="provisioned", responses={200: {"model": Added}, 201: {"model": Added}, **_FULL},
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.OPERATE, handler=disallow,
        tag="provisioned",
        responses={204: {"description": "Taken off"}, **documented({404: "it is not on the list"})},
    ),
)  # fmt: skip
