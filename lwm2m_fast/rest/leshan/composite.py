"""/api/clients/{endpoint}/composite: Read- and Write-Composite (LwM2M 1.1, section 6.3).

`paths` is a comma list. Our orders have one format for both ways of a composite request, so that
`nodeformat` counts and `pathformat` only where it is alone.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from lwm2m_fast.codec import Path
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.leshan.asking import (
    Known,
    asked,
    media_type,
    order_for,
    target_of,
    wanted_format,
)
from lwm2m_fast.rest.leshan.nodes import Types, is_map, node_value, parsed_json, parsed_path
from lwm2m_fast.rest.leshan.rows import row
from lwm2m_fast.rest.routes import Ctx


async def read_composite(request: Request, ctx: Ctx, endpoint: Known) -> Response:
    """Read several paths at once; a path with no value is left out of `content`."""
    return await asked(ctx, request, endpoint, composite_order("read_composite", request))


async def write_composite(request: Request, ctx: Ctx, endpoint: Known) -> Response:
    """Write values at several paths at once. The body maps paths to nodes."""
    if media_type(request) != "application/json":
        raise RequestError(f"content type {media_type(request)[:80]!r} not supported")
    types = target_of(ctx, endpoint).view.types
    values = written_values(parsed_json(await request.body()), types)
    order = order_for("write_composite", values=values, format=composite_format(request))
    return await asked(ctx, request, endpoint, order)


def composite_order(op: str, request: Request, **more: Any) -> Order:
    """An order over the parameter `paths`. RequestError when they are none or too many."""
    given = request.query_params.get("paths", "").split(",")
    paths = [str(parsed_path(path)) for path in given if path]
    return order_for(op, paths=paths, format=composite_format(request), **more)


def composite_format(request: Request) -> int | None:
    chosen = wanted_format(request, "nodeformat")
    return chosen if chosen is not None else wanted_format(request, "pathformat")


def written_values(given: Any, types: Types) -> dict[str, Any]:
    """Path to node, as path to value; instances and multiple resources value by value."""
    if not isinstance(given, dict) or not given:
        raise RequestError("the body of a Write-Composite is a JSON object of paths and nodes")
    values: dict[str, Any] = {}
    for text, node in given.items():
        path = parsed_path(text)
        found = None if node is None else node_value(node, path, types)
        for at, value in _flat(path, found):
            if at in values:
                raise RequestError(f"{at} is written twice")
            values[at] = value
    return values


def _flat(path: Path, value: Any) -> list[tuple[str, Any]]:
    if value and is_map(value):  # what is keyed by ids lies below the path
        return [leaf for key, one in value.items() for leaf in _flat(path.child(int(key)), one)]
    return [(str(path), value)]


_COMPOSITE = "/api/clients/{endpoint}/composite"

ROUTES = (
    row("GET", _COMPOSITE, Role.READ, read_composite),
    row("PUT", _COMPOSITE, Role.OPERATE, write_composite),
)
