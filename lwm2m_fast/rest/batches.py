"""/api/v1/batches: the same orders for many devices, their progress and each one's result."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.core.orders import Order
from lwm2m_fast.core.shell import Line, parse_shell
from lwm2m_fast.errors import NotFound, RequestError
from lwm2m_fast.fleet.tenants import MANAGEMENT
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_BULK, MAX_PAGE
from lwm2m_fast.rest.bodies import Timeout, ValidUntil, orders_of
from lwm2m_fast.rest.operations import State
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Context, Ctx, Route, Tenant, checked_endpoint
from lwm2m_fast.rest.tenancy import check_own, own_devices

MAX_BATCH_ORDERS = 10  # for each device


class Filter(BaseModel):
    """Which registered devices; an empty filter is all of them."""

    contains: str = Field("", max_length=255, description="Part of the endpoint name")


class BatchRequest(BaseModel):
    """For whom (`endpoints` or `filter`) and what (`orders` or `shell`)."""

    endpoints: list[str] | None = Field(None, min_length=1, max_length=MAX_BULK)
    filter: Filter | None = None
    orders: Any = Field(None, description="One order or a list, as for one device")
    shell: str | None = Field(None, max_length=65536, description="Shell commands, one a line")


class Brief(BaseModel):
    """An operation of a batch; all of it is at its device's operations."""

    id: int
    state: State | None = Field(description="null: it ended, and has left the history")
    reason: str | None


class BatchResult(BaseModel):
    """What became of the orders for one device."""

    endpoint: str
    operations: list[Brief] | None = None
    error: str | None = Field(None, description="Why nothing was taken for this device")


class Batch(BaseModel):
    """How far it is."""

    id: int
    created_at: float
    origin: str
    devices: int
    total: int = Field(description="Operations in it: devices times orders")
    done: int = Field(description="Of them, SUCCESSFUL")
    failed: int = Field(description="Of them, FAILED, or refused because a queue was full")
    pending: int


class BatchPage(Batch):
    results: list[BatchResult] = Field(description="In the order of the endpoints asked for")
    next: int | None = Field(description="Ask again with `after` this; null at the end")


class BatchList(BaseModel):
    batches: list[Batch]


async def submit(
    ctx: Ctx,
    batch: BatchRequest,
    tenant: Tenant,
    timeout: Timeout = None,  # noqa: ASYNC109 - a query parameter
    valid_until: ValidUntil = None,
) -> Response:
    """Ask many devices for the same. The operations are in the store when this answers.

    A device whose queue is full, or that cannot do it, is told in the batch; the others go on.
    """
    orders = _orders(batch)
    endpoints = await _endpoints(ctx, batch, tenant)
    made = await ctx.service.submit_many(
        endpoints, orders, timeout_s=timeout, valid_until=valid_until, origin=_origin(tenant)
    )
    return JsonResponse(made, 202, {"Location": f"{_ALL}/{made['id']}"})


def _origin(tenant: str) -> str:
    """What is kept with a batch, and tells whose it is."""
    return "api" if tenant == MANAGEMENT else f"api:{tenant}"


def _is_of(tenant: str, batch: dict[str, Any]) -> bool:
    _, _, owner = str(batch.get("origin", "")).partition(":")
    return (owner or MANAGEMENT) == tenant


async def list_batches(ctx: Ctx, tenant: Tenant) -> Response:
    """The batches that are kept, newest first."""
    return JsonResponse({"batches": [one for one in ctx.service.batches() if _is_of(tenant, one)]})


async def show(
    ctx: Ctx,
    id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    tenant: Tenant,
    after: Annotated[int, Query(ge=0, le=MAX_BULK, description="Devices to leave out")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Response:
    """How far a batch is, and a page of its results."""
    found = await ctx.service.batch(id, after=after, limit=limit)
    if found is None or not _is_of(tenant, found):
        raise NotFound(f"there is no batch {id}; old ones are forgotten")
    return JsonResponse(found)


def _orders(batch: BatchRequest) -> list[Order]:
    if (batch.orders is None) == (batch.shell is None):
        raise RequestError("body: give either orders or shell")
    if batch.shell is None:
        orders = orders_of(batch.orders, "orders")
    else:
        orders = [_order(line) for line in parse_shell(batch.shell)]
    if not 0 < len(orders) <= MAX_BATCH_ORDERS:
        raise RequestError(
            f"body: has {len(orders)} orders for each device, allowed are 1 to {MAX_BATCH_ORDERS}"
        )
    return orders


def _order(line: Line) -> Order:
    if line.order is None:
        raise RequestError(f"shell: {line.text[:60]!r} is nothing that can be done in a batch")
    return line.order


async def _endpoints(ctx: Context, batch: BatchRequest, tenant: str) -> list[str]:
    if (batch.endpoints is None) == (batch.filter is None):
        raise RequestError("body: give either endpoints or filter")
    if batch.endpoints is not None:
        names = list(dict.fromkeys(map(checked_endpoint, batch.endpoints)))
        await asyncio.sleep(0)
        check_own(ctx.service, tenant, names)
        await asyncio.sleep(0)
        return names
    return await _registered(ctx, tenant, batch.filter.contains if batch.filter else "")


async def _registered(ctx: Context, tenant: str, contains: str) -> list[str]:
    """The names of registered devices with `contains` in them, collected in slices.

    RequestError when there are none, or more than one batch takes.
    """
    found: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        devices, cursor = own_devices(ctx, tenant, cursor, MAX_PAGE, contains)
        found += (device["endpoint"] for device in devices)
        if len(found) > MAX_BULK:
            raise RequestError(
                f"filter: more than {MAX_BULK} devices, the most for one batch; give their names "
                "in parts (GET /api/v1/devices has a cursor)"
            )
        await asyncio.sleep(0)
    if not found:
        raise RequestError("filter: no registered device has such a name")
    return found


_ALL = "/api/v1/batches"

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_batches, tag="batches",
        responses={200: {"model": BatchList}},
    ),
    Route(
        method="POST", path=_ALL, role=Role.OPERATE, handler=submit, tag="batches",
        responses={
            202: {"model": BatchPage},
            **documented({400: "an order cannot be understood", 429: "too many batches"}),
        },
    ),
    Route(
        method="GET", path=_ALL + "/{id}", role=Role.READ, handler=show, tag="batches",
        responses={200: {"model": BatchPage}, **documented({404: "there is no such batch"})},
    ),
)  # fmt: skip
