"""/api/v1/devices/{endpoint}/shell: commands as people type them.

The grammar is core/shell's. Here each line becomes what it stands for: an operation, a device
setting, or the text of `help`; in the order of the lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lwm2m_fast.core.orders import AUTOMATIC, SHAPES, Order
from lwm2m_fast.core.shell import Line, parse_shell
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import (
    MAX_ORDERS,
    TEXT,
    Timeout,
    ValidUntil,
    Wait,
    described,
    text_body,
)
from lwm2m_fast.rest.operations import SUBMIT_PROBLEMS, Operation
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Context, Ctx, Endpoint, Route
from lwm2m_fast.rest.waiting import attended, ended, status_of

FORMAT = "serializationFormat"
FORMAT_OF_ORDER = "serialization"


class Command(BaseModel):
    """What became of one line; one of the last three is there."""

    text: str
    operation: Operation | None = None
    settings: dict[str, Any] | None = Field(None, description="The device's settings from now on")
    help: str | None = None


class CommandList(BaseModel):
    commands: list[Command]


async def run(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    wait: Wait = 0.0,
    timeout: Timeout = None,  # noqa: ASYNC109 - a query parameter
    valid_until: ValidUntil = None,
) -> Response:
    """Run shell commands, one a line; `help` lists them.

    A line that cannot be understood is a 400 that names it, and then nothing of the text runs.
    """
    if not ctx.service.provisioning.may_shell(endpoint):
        raise HTTPException(403, f"shell commands are switched off for {endpoint!r}")
    lines = parse_shell(await text_body(request))
    if not 0 < len(lines) <= MAX_ORDERS:
        raise RequestError(f"body: has {len(lines)} commands, allowed are 1 to {MAX_ORDERS}")
    more = {"timeout_s": timeout, "valid_until": valid_until, "origin": "shell"}
    done = await _taken(ctx, endpoint, lines, more)
    operations = [one["operation"] for one in done if "operation" in one]
    if wait > 0 and operations:
        now = await attended(request, ended(ctx.service, endpoint, operations, wait))
        operations = now
        at = iter(now)
        done = [{**one, "operation": next(at)} if "operation" in one else one for one in done]
    return JsonResponse({"commands": done}, status_of(operations))


async def _taken(
    ctx: Context, endpoint: str, lines: Sequence[Line], more: dict[str, Any]
) -> list[dict[str, Any]]:
    """What each line stands for. The orders go in together, all or none; settings after them."""
    orders = _in_their_formats(lines, ctx.service.settings(endpoint).get(FORMAT))
    made = iter(await ctx.service.submit(endpoint, orders, **more) if orders else ())
    done: list[dict[str, Any]] = []
    for line in lines:
        if line.order is not None:
            done.append({"text": line.text, "operation": next(made)})
        elif line.setting is not None:
            settings = await ctx.service.set_settings(endpoint, dict(line.setting))
            done.append({"text": line.text, "settings": settings})
        else:
            done.append({"text": line.text, "help": line.help})
    return done


def _in_their_formats(lines: Sequence[Line], at_first: str | None) -> list[Order]:
    """The orders of a text, each with the serialization that holds at its line: it may be sent long
    after the last line of the text has set another."""
    if not any(line.setting for line in lines):
        return [line.order for line in lines if line.order is not None]
    orders, now = [], at_first
    for line in lines:
        now = (line.setting or {}).get(FORMAT, now)
        order = line.order
        if order is None:
            continue
        if FORMAT_OF_ORDER in SHAPES[order.op].may:
            order = replace(order, serialization=now or AUTOMATIC)
        orders.append(order)
    return orders


ROUTES = (
    Route(
        method="POST", path="/api/v1/devices/{endpoint}/shell", role=Role.OPERATE, handler=run,
        tag="operations",
        responses={
            200: {"model": CommandList, "description": "All of it has ended"},
            202: {"model": CommandList, "description": "Kept; it will be done"},
            **SUBMIT_PROBLEMS,
        },
        body=described({"type": "string", "example": "read /3/0/0\nobserve /3303"}, TEXT),
    ),
)  # fmt: skip
