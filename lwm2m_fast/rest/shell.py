"""/api/v1/devices/{endpoint}/shell: commands as people type them.

The grammar is core/shell's. Here each line becomes what it stands for: an operation, a device
setting, or the text of `help`; in the order of the lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lwm2m_fast.core.orders import AUTOMATIC, Order, serialized
from lwm2m_fast.core.shell import Line, parse_shell
from lwm2m_fast.errors import Error, RequestError
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

SERIALIZATION = "serializationFormat"
"""The one setting that a line can change."""


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
    """What each line stands for; all of it is taken, or nothing. An order that is sent later, as to
    a device that sleeps, goes in the serialization that was in force at its line."""
    before = ctx.service.settings(endpoint).get(SERIALIZATION)
    changes = [line.setting for line in lines if line.setting is not None]
    orders = _orders(lines, before, bool(changes))
    settings: dict[str, Any] = {}
    if changes:
        settings = await ctx.service.set_settings(endpoint, dict(changes[-1]))
    made: list[dict[str, Any]] = []
    if orders:
        try:
            made = await ctx.service.submit(endpoint, orders, **more)
        except Error:
            if changes:
                await ctx.service.set_settings(endpoint, {SERIALIZATION: before})
            raise
    return _shown(lines, made, settings)


def _orders(lines: Sequence[Line], before: str | None, is_changed: bool) -> list[Order]:
    """The orders, each with the serialization at its line where that is not what it always was."""
    now = before
    found = []
    for line in lines:
        if line.setting is not None:
            now = line.setting[SERIALIZATION]
        elif line.order is not None:
            is_said = is_changed or now is not None
            found.append(serialized(line.order, now or AUTOMATIC) if is_said else line.order)
    return found


def _shown(
    lines: Sequence[Line], made: Sequence[dict[str, Any]], settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    operations = iter(made)
    shown: list[dict[str, Any]] = []
    for line in lines:
        if line.order is not None:
            shown.append({"text": line.text, "operation": next(operations)})
        elif line.setting is not None:
            shown.append({"text": line.text, "settings": {**settings, **line.setting}})
        else:
            shown.append({"text": line.text, "help": line.help})
    return shown


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
