"""/api/objectspecs/{endpoint}: the object definitions that a device's registration means."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.model import ObjectDefinition, ResourceDefinition
from lwm2m_fast.rest.leshan.asking import Known, target_of
from lwm2m_fast.rest.leshan.rows import row
from lwm2m_fast.rest.leshan.types import model_name
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Ctx


async def show_specs(ctx: Ctx, endpoint: Known) -> Response:
    """The objects of one device, by id."""
    objects = target_of(ctx, endpoint).view.objects
    return JsonResponse([object_spec(objects[number]) for number in sorted(objects)])


async def no_specs() -> Response:
    """Without an endpoint there is nothing to show."""
    raise RequestError("Invalid path: /api/objectspecs/{endpoint}")


def object_spec(known: ObjectDefinition) -> dict[str, Any]:
    return {
        "id": known.id,
        "name": known.name,
        "instancetype": _instances(known.multiple),
        "mandatory": known.mandatory,
        "urn": known.urn,
        "version": known.version,
        "lwm2mversion": known.lwm2m_version,
        "description": known.description,
        "description2": "",
        "resourcedefs": [resource_spec(one) for one in known.resources.values()],
    }


def resource_spec(known: ResourceDefinition) -> dict[str, Any]:
    return {
        "id": known.id,
        "name": known.name,
        "operations": known.operations or "NONE",
        "instancetype": _instances(known.multiple),
        "mandatory": known.mandatory,
        "type": model_name(known.type.value).lower(),
        "range": known.range or "",
        "units": known.units or "",
        "description": known.description,
    }


def _instances(multiple: bool) -> str:
    return "multiple" if multiple else "single"


_ALL = "/api/objectspecs"
_REFUSED = {400: "text/plain: no such device"}

ROUTES = (
    row("GET", _ALL, Role.READ, no_specs, _REFUSED),
    row("GET", _ALL + "/{endpoint}", Role.READ, show_specs, {200: "Its objects", **_REFUSED}),
)
