"""What people configure for devices: settings of one, and the commands that all get.

The names are those of the reference product (device settings); which values are allowed is the
service's to say.
"""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import described, object_body
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Endpoint, Route, Tenant

MAX_COMMANDS = 100


class Settings(BaseModel):
    """One device's; null or missing means that the server's own setting counts."""

    awakeTimeRegistrationParameter: int | None = Field(
        None, description="Milliseconds that it listens after each contact; 0: always"
    )
    lwm2mRequestTimeout: int | None = Field(
        None, ge=10_000, le=600_000, description="Milliseconds to wait for its answer"
    )
    serializationFormat: (
        Literal["TLV", "JSON", "CBOR", "TEXT", "OPAQUE", "SENML_JSON", "SENML_CBOR"] | None
    ) = Field(None, description="Content format before what its registration says")
    binaryDeliveryEncoding: Literal["OPAQUE", "TLV", "JSON", "TEXT"] | None = Field(
        None, description="Content format of binary writes"
    )
    genericUIRetainOldValuesIfError: bool | None = Field(
        None, description="Keep the last value when the device says that there is none"
    )
    defaultObjectIDVer: Literal["1.0", "1.1", "1.2"] | None = Field(
        None, description="Version of objects that its registration gives none for"
    )
    autoManageAvailabilityRequiredInterval: bool | None = Field(
        None, description="It must be heard within its lifetime and 120 seconds; true unless set"
    )
    availabilityRequiredInterval: int | None = Field(
        None,
        ge=1,
        le=5_256_000,
        description="Minutes within which it must be heard, when that is not managed; null: never",
    )
    logLevel: Literal["NONE", "LIFECYCLE", "TRAFFIC", "FIRMWARE", "VERBOSE"] | None = Field(
        None, description="Which of its events are told; LIFECYCLE unless set"
    )


class Commands(BaseModel):
    commands: list[str] = Field(
        max_length=MAX_COMMANDS,
        description="Shell commands, one each, in the order they run",
    )


async def show_settings(ctx: Ctx, endpoint: Endpoint) -> Response:
    """What is set for one device, registered or not."""
    return JsonResponse(ctx.service.settings(endpoint))


async def change_settings(request: Request, ctx: Ctx, endpoint: Endpoint) -> Response:
    """Set something for one device; counts from now on. What is not named stays; null unsets."""
    return JsonResponse(await ctx.service.set_settings(endpoint, await object_body(request)))


async def show_post_registration(ctx: Ctx, tenant: Tenant) -> Response:
    """The commands that each device of this tenant gets after a full Register, not an Update."""
    return JsonResponse({"commands": ctx.service.post_registration(tenant)})


async def set_post_registration(ctx: Ctx, commands: Commands, tenant: Tenant) -> Response:
    """Replace the list; all of it is taken or nothing. An empty list ends it."""
    kept = await ctx.service.set_post_registration(commands.commands, tenant)
    return JsonResponse({"commands": kept})


_SETTINGS = "/api/v1/devices/{endpoint}/settings"
_POST = "/api/v1/post-registration"
_REFUSED = documented({400: "a field or its value is not allowed", 503: "the store refuses"})
_SETTINGS_BODY = described({"$ref": "#/components/schemas/Settings"})

ROUTES = (
    Route(
        method="GET", path=_SETTINGS, role=Role.READ, handler=show_settings, tag="settings",
        responses={200: {"model": Settings}},
    ),
    Route(
        method="PUT", path=_SETTINGS, role=Role.OPERATE, handler=change_settings, tag="settings",
        responses={200: {"model": Settings}, **_REFUSED}, body=_SETTINGS_BODY,
    ),
)  # fmt: skip

FLEET_ROUTES = (
    Route(
        method="GET", path=_POST, role=Role.READ, handler=show_post_registration,
        tag="settings", responses={200: {"model": Commands}},
    ),
    Route(
        method="PUT", path=_POST, role=Role.OPERATE, handler=set_post_registration,
        tag="settings", responses={200: {"model": Commands}, **_REFUSED},
    ),
)  # fmt: skip
