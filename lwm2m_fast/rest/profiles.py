"""/api/v1/profiles: what many devices have in common, as ThingsBoard's device profiles say it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.errors import NotFound
from lwm2m_fast.fleet.profile_fields import Profile
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import described, json_body
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Route, Tenant, decoded

Name = Annotated[str, Path(description="Name of the profile, which configurations give it by")]


class ProfileNames(BaseModel):
    """The profiles that there are."""

    profiles: list[str]


class ProfileKept(BaseModel):
    """A profile that was taken."""

    name: str
    warnings: list[str] = Field(description="What will not do what it seems to")


async def list_profiles(ctx: Ctx, tenant: Tenant) -> Response:
    """Names of all device profiles."""
    return JsonResponse({"profiles": ctx.service.provisioning.profiles(tenant)})


async def show_profile(ctx: Ctx, name: Name, tenant: Tenant) -> Response:
    """One profile, as `transportConfiguration` of today."""
    found = ctx.service.provisioning.profile(decoded(name), tenant)
    if found is None:
        raise NotFound(f"there is no device profile {decoded(name)!r:.80}")
    return JsonResponse(found)


async def put_profile(request: Request, ctx: Ctx, name: Name, tenant: Tenant) -> Response:
    """Keep a profile, in the place of another of this name.

    Of today's form or the older one, by itself or as a whole device profile was exported. It counts
    for all devices that have it, from their next bootstrap, Register or request on.
    """
    body = await json_body(request)
    warnings, is_new = await ctx.service.provisioning.put_profile(decoded(name), body, tenant)
    return JsonResponse({"name": decoded(name), "warnings": warnings}, 201 if is_new else 200)


async def remove_profile(ctx: Ctx, name: Name, tenant: Tenant) -> Response:
    """Forget a profile that no device has."""
    await ctx.service.provisioning.remove_profile(decoded(name), tenant)
    return Response(status_code=204)


_ALL = "/api/v1/profiles"
_ONE = _ALL + "/{name}"
_SCHEMA = Profile.model_json_schema(by_alias=True)
_BODY = described({**_SCHEMA, "description": "transportConfiguration, or an export with it"})
_NONE = documented({404: "there is no such profile"})

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_profiles, tag="profiles",
        responses={200: {"model": ProfileNames}},
    ),
    Route(
        method="GET", path=_ONE, role=Role.READ, handler=show_profile, tag="profiles",
        responses={200: {"description": "It"}, **_NONE},
    ),
    Route(
        method="PUT", path=_ONE, role=Role.ADMIN, handler=put_profile, tag="profiles",
        responses={
            200: {"model": ProfileKept, "description": "In the place of another"},
            201: {"model": ProfileKept, "description": "New"},
            **documented(
                {400: "a field is against its rule; nothing was changed",
                 503: "the store cannot keep it; nothing was changed"}
            ),
        },
        body=_BODY,
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.ADMIN, handler=remove_profile, tag="profiles",
        responses={
            204: {"description": "Forgotten"}, **_NONE,
            **documented({409: "devices have it: they are configured otherwise first"}),
        },
    ),
)  # fmt: skip
