"""/service/lwm2m-agent/deviceRegistration: one device; /inventory/managedObjects: its fields.

The id of a device is a number that no other device ever has.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request
from starlette.responses import Response

from lwm2m_fast.errors import NotFound
from lwm2m_fast.fleet.device_fields import DeviceConfiguration
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import described, object_body
from lwm2m_fast.rest.configurations import REFUSED, changes_in, shown
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Route, Tenant, decoded

_BODY = described(DeviceConfiguration.model_json_schema(by_alias=True))
_UNKNOWN = documented({404: "no device has this id"})


def device_id(segment: str) -> int:
    """The number in a path segment; NotFound when it is none, as no device has it."""
    text = decoded(segment)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise NotFound(f"no device has the id {text[:40]!r}")
    return int(text)


DeviceId = Annotated[str, Path(description="The `id` that its registration was answered with")]


async def register(request: Request, ctx: Ctx, tenant: Tenant) -> Response:
    """Register one device. A key that PSK_GENERATED makes is in this answer and nowhere else."""
    body = await object_body(request)
    made = await ctx.service.provisioning.add(body, tenant, needs_bootstrap=True)
    return JsonResponse(shown(made), 201)


async def unregister(ctx: Ctx, device: DeviceId, tenant: Tenant) -> Response:
    """Forget a device with its credentials, registration and route: its name is free again."""
    await ctx.service.provisioning.remove(_name(ctx, device, tenant), tenant)
    return Response(status_code=204)


async def show_object(ctx: Ctx, device: DeviceId, tenant: Tenant) -> Response:
    """A device's fields by its id, no secret among them."""
    found = ctx.service.provisioning.device(_name(ctx, device, tenant), tenant)
    if found is None:
        raise NotFound(f"no device has the id {device[:40]!r}")
    return JsonResponse(shown(found))


async def change_object(request: Request, ctx: Ctx, device: DeviceId, tenant: Tenant) -> Response:
    """Change what is given; null unsets. It counts at once where the server goes by it."""
    body = await object_body(request)
    name, provisioning = _name(ctx, device, tenant), ctx.service.provisioning
    given = changes_in(body, provisioning.device(name, tenant))
    return JsonResponse(shown(await provisioning.change(name, given, tenant)))


async def remove_object(ctx: Ctx, device: DeviceId, tenant: Tenant) -> Response:
    """Forget a device, but keep its name taken: it can be registered again after a cleanup."""
    name = _name(ctx, device, tenant)
    await ctx.service.provisioning.remove(name, tenant, keeps_route=True)
    return Response(status_code=204)


def _name(ctx: Ctx, device: str, tenant: str) -> str:
    found: str = ctx.service.provisioning.name_of(device_id(device), tenant)
    return found


_ALL = "/service/lwm2m-agent/deviceRegistration"
_ONE = _ALL + "/{device}"
_OBJECT = "/inventory/managedObjects/{device}"
_GONE: dict[int | str, dict[str, Any]] = {204: {"description": "Forgotten"}, **_UNKNOWN}

ROUTES = (
    *(
        Route(
            method="POST", path=path, role=Role.ADMIN, handler=register, tag="lwm2m-agent",
            responses={201: {"description": "Registered"}, **REFUSED}, body=_BODY,
        )
        for path in (_ALL, _ALL + "/")
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.ADMIN, handler=unregister, tag="lwm2m-agent",
        responses=_GONE,
    ),
    Route(
        method="GET", path=_OBJECT, role=Role.READ, handler=show_object, tag="lwm2m-agent",
        responses={200: {"description": "Its fields"}, **_UNKNOWN},
    ),
    Route(
        method="PUT", path=_OBJECT, role=Role.ADMIN, handler=change_object, tag="lwm2m-agent",
        responses={200: {"description": "Its fields now"}, **_UNKNOWN, **REFUSED}, body=_BODY,
    ),
    Route(
        method="DELETE", path=_OBJECT, role=Role.ADMIN, handler=remove_object, tag="lwm2m-agent",
        responses=_GONE,
    ),
)  # fmt: skip
