"""/api/v1/devices/{endpoint}/values: the last that is known of each resource; asks no device."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.operations import must_be_known
from lwm2m_fast.rest.paths import lwm2m_path
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Endpoint, Route


class TypedValue(BaseModel):
    """One value, as JSON has it; `{"hex": "00ff"}` is opaque."""

    path: str
    type: str | None = Field(description="STRING, INTEGER, FLOAT, BOOLEAN, OPAQUE, TIME ...")
    value: Any
    time: float | None = Field(description="Unix seconds that the device gave; null: none")


class LastValue(TypedValue):
    origin: str = Field(description="READ_RESPONSE, OBSERVATION_RESPONSE, NOTIFICATION or SEND")
    name: str | None = Field(None, description="Of the resource, from the object model, as below")
    object: str | None = None
    units: str | None = None
    operations: str | None = Field(None, description="Of R, W, E")


class ValueList(BaseModel):
    endpoint: str
    values: list[LastValue]


async def list_values(
    ctx: Ctx,
    endpoint: Endpoint,
    path: Annotated[
        str, Query(max_length=24, description="Only at and below this, such as `/3/0`")
    ] = "",
) -> Response:
    """The last value of each resource, with the time and the origin it has.

    They are kept when the device leaves, and over a restart.
    """
    prefix = lwm2m_path(path.strip("/")) if path.strip("/") else ""
    found = ctx.service.values(endpoint, prefix)
    if not found:
        must_be_known(ctx, endpoint)
    return JsonResponse({"endpoint": endpoint, "values": found})


ROUTES = (
    Route(
        method="GET", path="/api/v1/devices/{endpoint}/values", role=Role.READ,
        handler=list_values, tag="values",
        responses={
            200: {"model": ValueList}, **documented({404: "no device, and nothing known of one"})
        },
    ),
)  # fmt: skip
