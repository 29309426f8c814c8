"""/api/v1/objects: the objects that are known here, found by id or by a part of their name (P18).

For whoever writes a device profile: which resources there are, and what they are called in it by
default. Knows no device; what one has is its registration's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from lwm2m_fast.errors import NotFound
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.model import ObjectDefinition, built_in, parse_version
from lwm2m_fast.rest.base import MAX_PAGE
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Route, decoded
from lwm2m_fast.rest.thingsboard.places import default_key

MAX_SEARCH = 100


async def list_objects(
    search: Annotated[
        str,
        Query(max_length=MAX_SEARCH, description="An id, or a part of a name in any case"),
    ] = "",
    after: Annotated[int, Query(ge=-1, le=65_535, description="Go on behind this id")] = -1,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Response:
    """Objects by id, each in its newest version."""
    found: list[dict[str, Any]] = []
    for one in _found(search.strip(), after):
        if len(found) == limit:
            return JsonResponse({"objects": found, "next_after": found[-1]["id"]})
        found.append(_shown(one))
    return JsonResponse({"objects": found, "next_after": None})


async def show_object(
    number: Annotated[str, Path(description="Object id")],
    version: Annotated[
        str | None, Query(max_length=7, description="`1.1`; the newest unless given")
    ] = None,
) -> Response:
    """One object with its resources; `key` is what each is called by default."""
    text = decoded(number)
    versions = _versions(int(text)) if text.isascii() and text.isdigit() and len(text) < 6 else []
    wanted = version or (versions[-1] if versions else "")
    found = built_in().get(int(text), wanted) if wanted in versions else None
    if found is None:
        of = "" if version is None else f" in version {version!r}"
        raise NotFound(f"object {text[:40]!r} is not known here{of}")
    resources = [
        {
            "id": each.id,
            "name": each.name,
            "key": default_key(each.name),
            "type": each.type.value,
            "operations": each.operations,
            "is_multiple": each.multiple,
            "is_mandatory": each.mandatory,
            "units": each.units,
        }
        for each in found.resources.values()
    ]
    return JsonResponse({**_shown(found), "version": found.version, "resources": resources})


def _versions(object_id: int) -> list[str]:
    """Oldest first."""
    return sorted(built_in().versions(object_id), key=lambda text: parse_version(text) or (0, 0))


def _found(search: str, after: int) -> Iterator[ObjectDefinition]:
    """By its id, or by its name, in which there may be digits too."""
    wanted = search.casefold()
    for object_id in sorted(each for each in built_in().object_ids() if each > after):
        found = built_in().get(object_id, _versions(object_id)[-1])
        if found is not None and (search == str(object_id) or wanted in found.name.casefold()):
            yield found


def _shown(one: ObjectDefinition) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "versions": _versions(one.id),
        "is_multiple": one.multiple,
        "is_mandatory": one.mandatory,
    }


_ALL = "/api/v1/objects"

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_objects, tag="objects",
        responses={200: {"description": "A page by id"}},
    ),
    Route(
        method="GET", path=_ALL + "/{number}", role=Role.READ, handler=show_object, tag="objects",
        responses={
            200: {"description": "It"}, **documented({404: "no such object, or not this version"}),
        },
    ),
)  # fmt: skip
