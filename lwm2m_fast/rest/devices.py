"""/api/v1/devices: who is registered.

The endpoint name is the one path segment after `devices`, percent-encoded. What can be done with
a device is in the files beside this one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.errors import UnknownDevice
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_PAGE
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Endpoint, Route, Tenant
from lwm2m_fast.rest.tenancy import own_devices


class Device(BaseModel):
    """A registration. Moments are unix seconds."""

    endpoint: str
    registration_id: str
    address: str | None = Field(description="null: a secure device without a session")
    transport: str = Field(description="coap or coaps")
    security_mode: str | None = Field(description="NO_SEC, PSK, X509; null: as address")
    identity: str | None = Field(description="PSK identity, or the name in the certificate")
    session: dict[str, Any] | None = Field(
        description='{"suite", "cid" (has a connection id), "since" (unix seconds), "live"}'
    )
    lwm2m_version: str
    lifetime_s: int
    binding: str
    queue_mode: bool
    sms: str | None
    registered_at: float
    updated_at: float
    expires_at: float | None
    root: str
    content_formats: list[int]
    objects: dict[str, dict[str, Any]] = Field(
        description='Object id to {"version": "1.1" or null, "instances": [0]}'
    )
    links: str = Field(description="The object list as the device sent it (RFC 6690)")
    attributes: dict[str, str | None] = Field(description="Register parameters we do not know")
    availability: Literal["available", "unavailable"] = Field(
        description="unavailable: it was not heard within its required interval"
    )
    required_interval_s: int | None = Field(
        description="Its lifetime and 120 s, or as its settings say; null: nothing is required"
    )


class DevicePage(BaseModel):
    devices: list[Device]
    next_cursor: int | None = Field(description="Ask again with this; null at the end")


async def list_devices(
    ctx: Ctx,
    tenant: Tenant,
    cursor: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    contains: Annotated[str, Query(max_length=255, description="Part of the name")] = "",
) -> Response:
    """Registered devices, a page at a time. A page may be short and still not be the last."""
    devices, following = own_devices(ctx, tenant, cursor, limit, contains)
    return JsonResponse({"devices": devices, "next_cursor": following})


async def show_device(ctx: Ctx, endpoint: Endpoint) -> Response:
    """One registration."""
    device = ctx.service.device(endpoint)
    if device is None:
        raise UnknownDevice(endpoint)
    return JsonResponse(device)


async def remove_device(ctx: Ctx, endpoint: Endpoint) -> Response:
    """Remove a registration. The device's next Update gets 4.04, and it registers anew."""
    if not await ctx.service.deregister(endpoint):
        raise UnknownDevice(endpoint)
    return Response(status_code=204)


class Presence(BaseModel):
    """Whether what is sent now would be heard."""

    awake: bool
    awake_time_ms: int = Field(description="How long it listens after a contact; 0: always")
    awake_until: float | None = Field(description="Unix seconds; null: always, or not known")
    source: str = Field(description="Where that is set: settings, registration, default")


async def show_presence(ctx: Ctx, endpoint: Endpoint) -> Response:
    """Whether a device listens just now. Operations wait for one that does not."""
    presence = ctx.service.presence(endpoint)
    if presence is None:
        raise UnknownDevice(endpoint)
    return JsonResponse(presence)


_ONE = "/api/v1/devices/{endpoint}"
_UNKNOWN = "no device is registered under this name"

ROUTES = (
    Route(
        method="GET", path="/api/v1/devices", role=Role.READ, handler=list_devices,
        tag="devices", responses={200: {"model": DevicePage}},
    ),
    Route(
        method="GET", path=_ONE, role=Role.READ, handler=show_device,
        tag="devices", responses={200: {"model": Device}, **documented({404: _UNKNOWN})},
    ),
    Route(
        method="GET", path=_ONE + "/presence", role=Role.READ, handler=show_presence,
        tag="devices", responses={200: {"model": Presence}, **documented({404: _UNKNOWN})},
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.OPERATE, handler=remove_device,
        tag="devices",
        responses={204: {"description": "It is removed"}, **documented({404: _UNKNOWN})},
    ),
)  # fmt: skip
