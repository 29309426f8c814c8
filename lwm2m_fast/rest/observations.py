"""/api/v1/devices/{endpoint}/observations and /attributes: what a device reports by itself.

Beginning and ending an observation are operations like any other: kept, and done in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.core.orders import MAX_PATHS, Order, parse_order
from lwm2m_fast.core.strategies import SINGLE, STRATEGIES, parse_orders, paths_apart
from lwm2m_fast.errors import NotFound, RequestError
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import (
    MAX_ORDERS,
    Timeout,
    ValidUntil,
    Wait,
    described,
    object_body,
)
from lwm2m_fast.rest.operations import (
    EACH_OK,
    LIST_OK,
    SUBMIT_OK,
    SUBMIT_PROBLEMS,
    must_be_known,
)
from lwm2m_fast.rest.paths import lwm2m_path
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Endpoint, Route, decoded
from lwm2m_fast.rest.waiting import status_of, submitted

Mode = Literal["passive", "active"]
Strategy = Literal["SINGLE", "COMPOSITE_ALL", "COMPOSITE_BY_OBJECT"]


class Observation(BaseModel):
    """One relation. Moments are unix seconds."""

    id: int
    paths: list[str] = Field(description="Empty for one that another version of this server kept")
    is_composite: bool
    content_format: int | None = Field(description="CoAP Content-Format that is asked for")
    state: str = Field(
        description="pending (asked for), active, lapsed (the device registered anew; it will be "
        "asked again)"
    )
    since: float
    notified: int = Field(description="How many notifications came")
    last_at: float | None


class ObservationList(BaseModel):
    endpoint: str
    observations: list[Observation]


async def list_observations(ctx: Ctx, endpoint: Endpoint) -> Response:
    """What the device is observed for."""
    found = ctx.service.observations(endpoint)
    if not found:
        must_be_known(ctx, endpoint)
    return JsonResponse({"endpoint": endpoint, "observations": found})


async def observe(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    wait: Wait = 0.0,
    timeout: Timeout = None,  # noqa: ASYNC109 - a query parameter
    valid_until: ValidUntil = None,
) -> Response:
    """Observe one path, or several as one composite observation (LwM2M 1.1).

    `{"path": "/3303/0/5700"}` or `{"paths": ["/3/0/9", "/3303"]}`, and `format` if it matters. With
    a `strategy` several paths are one observation each (SINGLE), one in all (COMPOSITE_ALL) or one
    for each object (COMPOSITE_BY_OBJECT), and the answer is `{"operations": [...]}`.
    """
    body = await object_body(request)
    op = "observe_composite" if "paths" in body else "observe"
    orders = parse_orders({**body, "op": op})
    made = await submitted(
        request, ctx, endpoint, orders, wait, timeout_s=timeout, valid_until=valid_until
    )
    answer = made[0] if body.get("strategy") is None else {"operations": made}
    return JsonResponse(answer, status_of(made))


async def cancel(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    path: Annotated[
        list[str] | None,
        Query(description="Several: the composite observation of just these; none: all there are"),
    ] = None,
    mode: Annotated[
        Mode,
        Query(description="passive: the next notification is rejected; active: the device is told"),
    ] = "passive",
    strategy: Annotated[
        Strategy | None,
        Query(description="The one that `path`, given repeatedly, was observed with, in any order"),
    ] = None,
    wait: Wait = 0.0,
) -> Response:
    """End one observation, those of one strategy, or all of a device."""
    # One kept by another version of this server has no paths to be named by.
    there = [one for one in ctx.service.observations(endpoint) if one["paths"]]
    if path and len(path) > MAX_PATHS:
        raise RequestError(f"path: is given {len(path)} times, at most {MAX_PATHS}")
    wanted = [lwm2m_path(one.strip("/")) for one in path or ()]
    if strategy is not None:
        ending = _of_strategy(there, list(dict.fromkeys(wanted)), strategy)
    elif wanted:
        ending = [one for one in there if set(one["paths"]) == set(wanted)]
    else:
        ending = there[:MAX_ORDERS]
    if not ending:
        must_be_known(ctx, endpoint)
        raise NotFound(f"{endpoint!r} is not observed for {', '.join(path or ['anything'])}"[:300])
    orders = [_ending(one, mode) for one in ending]
    made = await submitted(request, ctx, endpoint, orders, wait)
    return JsonResponse({"operations": made}, status_of(made))


def _of_strategy(
    there: Sequence[dict[str, Any]], paths: Sequence[str], strategy: str
) -> list[dict[str, Any]]:
    """The observations that observing `paths` in this way made; none unless all are there."""
    if not paths:
        raise RequestError("path: a strategy needs the paths that were observed with it")
    found = []
    for group in paths_apart(paths, strategy):
        is_composite = strategy != SINGLE
        same = [
            one
            for one in there
            if one["is_composite"] == is_composite and set(one["paths"]) == set(group)
        ]
        if not same:
            return []
        found += same
    return found


def _ending(observation: dict[str, Any], mode: str) -> Order:
    paths = tuple(observation["paths"])
    if observation["is_composite"]:
        return Order("cancel_composite", paths=paths, mode=mode)
    return Order("cancel_observe", path=paths[0], mode=mode)


async def write_attributes(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    path: str,
    wait: Wait = 0.0,
    timeout: Timeout = None,  # noqa: ASYNC109 - a query parameter
) -> Response:
    """Set when a device reports a path: `{"pmin": 10, "pmax": 60, "gt": null}`; null unsets.

    pmin, pmax (seconds), gt, lt, st; from LwM2M 1.1 on epmin, epmax, from 1.2 on edge, con, hqmax.
    """
    target = lwm2m_path(decoded(path))
    attributes: dict[str, Any] = await object_body(request)
    order = parse_order({"op": "write_attributes", "path": target, "attributes": attributes})
    made = await submitted(request, ctx, endpoint, [order], wait, timeout_s=timeout)
    return JsonResponse(made[0], status_of(made))


_ALL = "/api/v1/devices/{endpoint}/observations"
_PATHS = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "paths": {"type": "array", "items": {"type": "string"}},
        "strategy": {"type": "string", "enum": list(STRATEGIES)},
        "format": {"type": "integer"},
    },
    "example": {"path": "/3303/0/5700"},
}
_ATTRIBUTES = {
    "type": "object",
    "additionalProperties": {"type": ["number", "null"]},
    "example": {"pmin": 10, "pmax": 60},
}

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_observations, tag="observations",
        responses={200: {"model": ObservationList}, **documented({404: "no such device"})},
    ),
    Route(
        method="POST", path=_ALL, role=Role.OPERATE, handler=observe, tag="observations",
        responses={**EACH_OK, **SUBMIT_PROBLEMS}, body=described(_PATHS),
    ),
    Route(
        method="DELETE", path=_ALL, role=Role.OPERATE, handler=cancel, tag="observations",
        responses={
            **LIST_OK, **SUBMIT_PROBLEMS, **documented({404: "there is no such observation"}),
        },
    ),
    Route(
        method="PUT", path="/api/v1/devices/{endpoint}/attributes/{path:path}",
        role=Role.OPERATE, handler=write_attributes, tag="observations",
        responses={**SUBMIT_OK, **SUBMIT_PROBLEMS}, body=described(_ATTRIBUTES),
    ),
)  # fmt: skip
