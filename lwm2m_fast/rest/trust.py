"""/api/v1/trust: the certificate authorities whose devices are let in. None: nobody's are."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import described
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Route, Tenant, decoded


class AnchorShown(BaseModel):
    subject: str | None
    sha256: str = Field(description="Of the DER, in hex digits")
    not_before: str | None
    not_after: str | None
    tenant: str
    is_configured: bool = Field(description="It is in a file that the configuration names")
    problem: str | None = Field(
        None, description="Why it lets nobody in, though it is stored; it can be deleted"
    )


class AnchorList(BaseModel):
    anchors: list[AnchorShown]


async def list_anchors(ctx: Ctx, tenant: Tenant) -> Response:
    """The certificates that are trusted, and those that are stored and cannot be used."""
    return JsonResponse({"anchors": ctx.service.security.anchors(tenant)})


async def add_anchors(request: Request, ctx: Ctx, tenant: Tenant) -> Response:
    """Trust every certificate of the PEM in the body, all or none, from the next handshake on."""
    added = await ctx.service.security.add_anchors(await request.body(), tenant)
    return JsonResponse({"anchors": added}, 201)


async def remove_anchor(
    ctx: Ctx, sha256: Annotated[str, Path(description="Fingerprint in hex digits")], tenant: Tenant
) -> Response:
    """Trust a certificate no more; devices that came in by it have to prove anew.

    Also forgets one that is stored and cannot be used.
    """
    await ctx.service.security.remove_anchor(decoded(sha256), tenant)
    return Response(status_code=204)


_ALL = "/api/v1/trust"
_PEM = described({"type": "string"}, "application/x-pem-file")

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_anchors, tag="trust",
        responses={200: {"model": AnchorList}},
    ),
    Route(
        method="POST", path=_ALL, role=Role.ADMIN, handler=add_anchors, tag="trust",
        responses={
            201: {"model": AnchorList},
            **documented({400: "no PEM, no authority, or too many", 503: "the store refuses"}),
        },
        body=_PEM,
    ),
    Route(
        method="DELETE", path=_ALL + "/{sha256}", role=Role.ADMIN, handler=remove_anchor,
        tag="trust",
        responses={
            204: {"description": "Not trusted any more"},
            **documented(
                {404: "no certificate with this fingerprint is stored", 409: "it is configured"}
            ),
        },
    ),
)  # fmt: skip
