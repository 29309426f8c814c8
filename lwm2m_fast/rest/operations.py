"""/api/v1/devices/{endpoint}/operations: what a device is asked to do, and what came of it.

An operation is kept until it is done: a sleeping device gets it when it wakes. Reads and writes
at once, which are not kept, are direct.py's.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.errors import UnknownDevice, UnknownOperation
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_PAGE
from lwm2m_fast.rest.bodies import (
    ORDERS_SCHEMA,
    OrderBody,
    Timeout,
    ValidUntil,
    Wait,
    described,
    json_body,
    orders_of,
)
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Context, Ctx, Endpoint, Route
from lwm2m_fast.rest.waiting import attended, ended, status_of, submitted

State = Literal["PENDING", "EXECUTING", "SUCCESSFUL", "FAILED"]
Id = Annotated[int, Path(ge=1, le=2**63 - 1, description="Of one operation of this device")]


class Operation(BaseModel):
    """One order on its way. Moments are unix seconds."""

    id: int = Field(description="Grows with time")
    endpoint: str
    order: OrderBody
    state: State
    created_at: float
    updated_at: float
    attempts: int = Field(description="How often its request has left")
    valid_until: float | None
    timeout_s: float | None
    origin: str = Field(description="api, shell, batch, post-registration ...")
    result: dict[str, Any] | None = Field(
        description="What the device answered: code, values, links, location, error"
    )
    reason: str | None = Field(
        description="Why it is pending again, or failed without an answer: timeout, reset, "
        "cancelled, expired, stale ..."
    )


class OperationList(BaseModel):
    operations: list[Operation]


class OperationPage(OperationList):
    next_before: int | None = Field(description="Ask again with `before` this; null at the end")


async def submit(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    wait: Wait = 0.0,
    timeout: Timeout = None,  # noqa: ASYNC109 - a query parameter
    valid_until: ValidUntil = None,
) -> Response:
    """Ask a device for one thing, or for a list of things, in order.

    They are in the store when this answers. 202 while one of them has still to be done, 200 when
    all have ended. One order is answered with its operation; a list, or an order with a `strategy`,
    with `{"operations": [...]}`.
    """
    data = await json_body(request)
    made = await submitted(
        request, ctx, endpoint, orders_of(data), wait, timeout_s=timeout, valid_until=valid_until
    )
    if isinstance(data, list) or data.get("strategy") is not None:
        return JsonResponse({"operations": made}, status_of(made))
    # Relative to this request's own path, whatever it was percent-encoded like.
    where = {"Location": f"{request.url.path.rstrip('/')}/{made[0]['id']}"}
    return JsonResponse(made[0], status_of(made), where)


async def list_operations(
    ctx: Ctx,
    endpoint: Endpoint,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    state: Annotated[list[State] | None, Query(description="May be given repeatedly")] = None,
) -> Response:
    """Operations of a device, newest first: those that wait, and the latest that are done."""
    states = frozenset(state) if state else None
    found = ctx.service.operations(endpoint, before=before, limit=limit, states=states)
    if not found:
        must_be_known(ctx, endpoint)
    following = found[-1]["id"] if len(found) == limit else None
    return JsonResponse({"operations": found, "next_before": following})


async def show_operation(
    request: Request, ctx: Ctx, endpoint: Endpoint, id: Id, wait: Wait = 0.0
) -> Response:
    """One operation; with `wait`, once it has ended, or as it is then."""
    found = _operation(ctx, endpoint, id)
    if wait > 0:
        (found,) = await attended(request, ended(ctx.service, endpoint, [found], wait))
    return JsonResponse(found)


async def cancel(ctx: Ctx, endpoint: Endpoint, id: Id) -> Response:
    """Give up an operation: it stays in the list, as FAILED. One that has ended is as it was."""
    return JsonResponse(await ctx.service.cancel(endpoint, id))


def must_be_known(ctx: Context, endpoint: str) -> None:
    """UnknownDevice unless it is registered: what is empty may be a name misspelt."""
    if ctx.service.device(endpoint) is None:
        raise UnknownDevice(endpoint)


def _operation(ctx: Context, endpoint: str, id: int) -> dict[str, Any]:
    found = ctx.service.operation(endpoint, id)
    if found is None:
        raise UnknownOperation(endpoint, id)
    return found


SUBMIT_PROBLEMS = documented(
    {
        400: "an order cannot be understood; nothing was taken",
        429: "the device's queue is full; nothing was taken; see Retry-After",
        503: "the store cannot keep it; nothing was taken",
    }
)
SUBMIT_OK: dict[int | str, dict[str, Any]] = {
    200: {"model": Operation, "description": "All of it has ended"},
    202: {"model": Operation, "description": "Kept; it will be done"},
}
LIST_OK: dict[int | str, dict[str, Any]] = {
    200: {"model": OperationList, "description": "All of it has ended"},
    202: {"model": OperationList, "description": "Kept; it will be done"},
}
EACH_OK: dict[int | str, dict[str, Any]] = {
    200: {"model": Operation | OperationList, "description": "All of it has ended"},
    202: {"model": Operation | OperationList, "description": "Kept; it will be done"},
}
_ALL = "/api/v1/devices/{endpoint}/operations"
_ONE = _ALL + "/{id}"
_NONE = "there is no such operation"

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_operations, tag="operations",
        responses={
            200: {"model": OperationPage}, **documented({404: "no device, and no operations"})
        },
    ),
    Route(
        method="POST", path=_ALL, role=Role.OPERATE, handler=submit, tag="operations",
        responses={**EACH_OK, **SUBMIT_PROBLEMS}, body=described(ORDERS_SCHEMA),
    ),
    Route(
        method="GET", path=_ONE, role=Role.READ, handler=show_operation, tag="operations",
        responses={200: {"model": Operation}, **documented({404: _NONE})},
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.OPERATE, handler=cancel, tag="operations",
        responses={
            200: {"model": Operation},
            **documented({404: _NONE, 503: "the store refuses; it is as it was"}),
        },
    ),
)  # fmt: skip
