"""/api/v1/bootstrap: whether devices may bootstrap now, and the switch for it.

Of the server as a whole: the tenant that runs it decides. What came of a device's bootstrap is
shown with the device.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.secured import refuse_unknown
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import described, object_body
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Route


class BootstrapShown(BaseModel):
    enabled: bool = Field(description="Its ports are open")
    decided_by: str = Field(description="`operator`: by this route; `configuration`")
    configured: bool = Field(description="What `bootstrap.enabled` says")
    coap_port: int | None = Field(description="Null: closed")
    dtls_port: int | None = Field(description="Null: closed, or DTLS is switched off")
    problem: str | None = Field(
        description="Why its ports are closed though it was switched on: PUT tries again"
    )
    counts: dict[str, int] = Field(description="Since the process started, named as in /metrics")


async def show_bootstrap(ctx: Ctx) -> Response:
    """Whether the bootstrap server is on, its ports, and what it has done."""
    return JsonResponse(ctx.service.bootstrap.shown())


async def switch_bootstrap(request: Request, ctx: Ctx) -> Response:
    """Open the ports of the bootstrap server, or close them: `{"enabled": false}`.

    Bootstraps under way fail, and say why. It is kept, and counts before the configuration after a
    restart, too; null takes it back.
    """
    body = await object_body(request)
    refuse_unknown("", body, ("enabled",))
    if "enabled" not in body:
        raise RequestError("enabled is missing: true, false, or null for what is configured")
    said = body["enabled"]
    if said is not None and not isinstance(said, bool):
        raise RequestError(f"enabled is {said!r:.80}, allowed are true, false and null")
    return JsonResponse(await ctx.service.bootstrap.switch(said))


_PATH = "/api/v1/bootstrap"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["enabled"],
    "additionalProperties": False,
    "properties": {"enabled": {"type": ["boolean", "null"]}},
}

ROUTES = (
    Route(
        method="GET", path=_PATH, role=Role.READ, handler=show_bootstrap, tag="operation",
        responses={200: {"model": BootstrapShown}},
    ),
    Route(
        method="PUT", path=_PATH, role=Role.ADMIN, handler=switch_bootstrap, tag="operation",
        responses={
            200: {"model": BootstrapShown},
            **documented(
                {
                    400: "`enabled` is missing, or neither true, false nor null",
                    409: "a port cannot be had, or no port may be open for devices",
                    503: "the store cannot keep it; nothing was changed",
                }
            ),
        },
        body=described(_SCHEMA),
    ),
)  # fmt: skip
