"""/api/v1/configurations: devices as they are configured; /api/v1/imports: files of them.

Secrets go in and never come out, but for a key that is made here, in the answer that made it.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import Response

from lwm2m_fast.errors import NotFound, RequestError
from lwm2m_fast.fleet.device_fields import DeviceConfiguration
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_BULK, MAX_ENDPOINT_BYTES, MAX_PAGE
from lwm2m_fast.rest.bodies import described, json_body, object_body
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Endpoint, Route, Tenant, decoded


def shown(made: dict[str, Any]) -> dict[str, Any]:
    """A device as every face answers it; its own fields beside `id`."""
    return {"id": made["id"], **made["configuration"], **made.get("more", {})}


FIXED = ("id", "tenant", "created_at", "shell")
LIVE = ("registered", "bootstrap")
"""What shown() has beside the configuration: what never changes, and what changes by itself."""


def changes_in(body: dict[str, Any], found: dict[str, Any] | None) -> dict[str, Any]:
    """What of `body` is a change of the configuration that `found` is: clients send all of what
    they were shown. RequestError: something that cannot be changed is another."""
    now = {} if found is None else shown(found)
    for name in FIXED:
        if name in body and name in now and body[name] != now[name]:
            raise RequestError(f"{name} is {body[name]!r:.60}: it is {now[name]!r} and stays so")
    return {name: value for name, value in body.items() if name not in (*FIXED, *LIVE)}


def _unknown(endpoint: str) -> NotFound:
    return NotFound(f"no device is configured as {endpoint!r:.80}")


async def list_configurations(
    ctx: Ctx,
    tenant: Tenant,
    after: Annotated[str | None, Query(max_length=MAX_ENDPOINT_BYTES)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Response:
    """Configured devices by endpoint name, registered or not, without their secrets."""
    page = ctx.service.provisioning.devices_after(after, limit, tenant)
    found, following = await page
    return JsonResponse({"configurations": [shown(one) for one in found], "next_after": following})


async def show_configuration(ctx: Ctx, endpoint: Endpoint, tenant: Tenant) -> Response:
    """One device's configuration."""
    found = ctx.service.provisioning.device(endpoint, tenant)
    if found is None:
        raise _unknown(endpoint)
    return JsonResponse(shown(found))


async def add_configurations(request: Request, ctx: Ctx, tenant: Tenant) -> Response:
    """Configure one device, or a list of them, each by itself.

    Of a list the answer has each one's `id`, or `error`. With `PSK_GENERATED` the server makes a
    key; it is in this answer and nowhere else.
    """
    body = await json_body(request)
    if isinstance(body, dict):
        return JsonResponse(shown(await ctx.service.provisioning.add(body, tenant)), 201)
    if not isinstance(body, list) or not 0 < len(body) <= MAX_BULK:
        raise RequestError(f"the body is a configuration, or a list of 1 to {MAX_BULK} of them")
    results = await ctx.service.provisioning.add_all(body, tenant)
    told = [shown(one) if "error" not in one else one for one in results]
    added = sum("error" not in one for one in results)
    return JsonResponse({"added": added, "results": told}, 201 if added else 400)


async def change_configuration(
    request: Request, ctx: Ctx, endpoint: Endpoint, tenant: Tenant
) -> Response:
    """Change what is given by name; null unsets, the rest stays. A masked key stays the key.

    It counts from the next bootstrap or Register on; what the server itself goes by, at once.
    """
    provisioning = ctx.service.provisioning
    given = changes_in(await object_body(request), provisioning.device(endpoint, tenant))
    return JsonResponse(shown(await provisioning.change(endpoint, given, tenant)))


async def remove_configuration(ctx: Ctx, endpoint: Endpoint, tenant: Tenant) -> Response:
    """Forget a device with its credentials, registration and route: its name is free again."""
    await ctx.service.provisioning.remove(endpoint, tenant)
    return Response(status_code=204)


Group = Annotated[str, Path(description="basic, bootstrap, servers, connectivity or firmware")]


async def show_group(ctx: Ctx, endpoint: Endpoint, group: Group, tenant: Tenant) -> Response:
    """One group of a device's settings, by the names of existing tools."""
    return JsonResponse(ctx.service.provisioning.group(endpoint, decoded(group), tenant))


async def change_group(
    request: Request, ctx: Ctx, endpoint: Endpoint, group: Group, tenant: Tenant
) -> Response:
    """Change a group; what is not given stays."""
    body = await json_body(request)
    name = decoded(group)
    await ctx.service.provisioning.change_group(endpoint, name, body, tenant)
    return JsonResponse(ctx.service.provisioning.group(endpoint, name, tenant))


async def list_imports(
    ctx: Ctx, tenant: Tenant, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100
) -> Response:
    """Files of devices that were worked off, the newest first."""
    return JsonResponse({"imports": ctx.service.provisioning.files(tenant, limit)})


async def show_import(ctx: Ctx, number: str, tenant: Tenant) -> Response:
    """How far a file is, and every row that was refused, with its line and the reason."""
    text = decoded(number)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise NotFound(f"there is no bulk operation {text[:40]!r}")
    return JsonResponse(ctx.service.provisioning.file(int(text), tenant))


_ALL = "/api/v1/configurations"
_ONE = _ALL + "/{endpoint}"
_GROUP = _ONE + "/{group}"
_BODY = described(DeviceConfiguration.model_json_schema(by_alias=True))
_NONE = documented({404: "no such device is configured"})
REFUSED = documented(
    {
        400: "a field is missing, unknown, or against its rule; nothing was changed",
        409: "the endpoint name or a PSK identity belongs to a device already",
        503: "the store cannot keep it; nothing was changed",
    }
)

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_configurations,
        tag="configurations", responses={200: {"description": "A page"}},
    ),
    Route(
        method="POST", path=_ALL, role=Role.ADMIN, handler=add_configurations,
        tag="configurations", responses={201: {"description": "Configured"}, **REFUSED},
        body=_BODY,
    ),
    Route(
        method="GET", path=_ONE, role=Role.READ, handler=show_configuration,
        tag="configurations", responses={200: {"description": "It"}, **_NONE},
    ),
    Route(
        method="PATCH", path=_ONE, role=Role.ADMIN, handler=change_configuration,
        tag="configurations", responses={200: {"description": "It now"}, **_NONE, **REFUSED},
        body=_BODY,
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.ADMIN, handler=remove_configuration,
        tag="configurations", responses={204: {"description": "Forgotten"}, **_NONE},
    ),
    Route(
        method="GET", path=_GROUP, role=Role.READ, handler=show_group, tag="configurations",
        responses={200: {"description": "The group"}, **_NONE},
    ),
    Route(
        method="PUT", path=_GROUP, role=Role.ADMIN, handler=change_group, tag="configurations",
        responses={200: {"description": "The group now"}, **_NONE, **REFUSED}, body=_BODY,
    ),
    Route(
        method="GET", path="/api/v1/imports", role=Role.READ, handler=list_imports,
        tag="configurations", responses={200: {"description": "The newest first"}},
    ),
    Route(
        method="GET", path="/api/v1/imports/{number}", role=Role.READ, handler=show_import,
        tag="configurations", responses={200: {"description": "It"}, **_NONE},
    ),
)  # fmt: skip
