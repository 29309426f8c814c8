"""/api/security/clients: the credentials of devices, in Leshan's words, over the house's store.

Only the server's side of a credential is seen and changed here, the other one by bootstrap.py. A
key goes in and never comes out, where Leshan shows it to everybody. What this server does not speak
(RPK, OSCORE) is refused: a key that is taken and then not used would be a lie about who is let in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response, StreamingResponse

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import object_body
from lwm2m_fast.rest.leshan.answers import NO_STORE
from lwm2m_fast.rest.leshan.rows import row
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Context, Ctx, Endpoint, Tenant, checked_endpoint
from lwm2m_fast.rest.tenancy import check_own

PAGE = 256
"""Credentials written before the loop gets its turn."""

MODES = {"PSK": "psk", "X509": "x509"}
"""What Leshan has a word for; an endpoint without security is not in its list."""


async def list_credentials(ctx: Ctx, tenant: Tenant) -> Response:
    """Every credential, without its key, as one JSON array that is written as it is walked."""
    return StreamingResponse(every(ctx, tenant), 200, NO_STORE, "application/json")


async def every(ctx: Context, tenant: str, side: str = "server") -> AsyncIterator[bytes]:
    """The credentials of a tenant for one of the two servers of a device, as a JSON array."""
    owner = ctx.service.provisioning.owner
    after: str | None = None
    separator = b"["
    while True:
        page = await ctx.service.security.credentials_after(after, PAGE)
        for one in page:
            shown = credential(one, side)
            if shown is not None and owner(one["endpoint"]) == tenant:
                yield separator + orjson.dumps(shown)
                separator = b","
        if len(page) < PAGE:
            yield b"[]" if separator == b"[" else b"]"
            return
        after = page[-1]["endpoint"]
        await asyncio.sleep(0)


async def show_credential(ctx: Ctx, endpoint: Endpoint) -> Response:
    """One credential, without its key."""
    found = ctx.service.security.credential(endpoint)
    shown = None if found is None else credential(found)
    if shown is None:
        raise RequestError(f"endpoint {endpoint!r} has no credential")
    return JsonResponse(shown)


async def put_credential(request: Request, ctx: Ctx, tenant: Tenant) -> Response:
    """Add a credential, or replace the one of its endpoint."""
    body = await object_body(request)
    endpoint = body.get("endpoint")
    if not isinstance(endpoint, str):
        raise RequestError("endpoint is missing")
    name = checked_endpoint(endpoint)
    check_own(ctx.service, tenant, [name])
    side = {"server": side_of(body)}
    await ctx.service.security.set_credential(name, side, tenant)
    return Response(status_code=200, headers=NO_STORE)


async def remove_credential(ctx: Ctx, endpoint: Endpoint) -> Response:
    """Forget a credential and end its session. Where there is none, a success that says so."""
    if not await ctx.service.security.remove_credential(endpoint):
        return JsonResponse({"message": "not_found"})
    return Response(status_code=200, headers=NO_STORE)


def credential(found: dict[str, Any], side: str = "server") -> dict[str, Any] | None:
    """A credential of ours as Leshan's JSON has it; None: it has no word for it."""
    its = found.get(side)
    mode = None if its is None else MODES.get(its["mode"])
    if its is None or mode is None:
        return None
    details = {"details": {"identity": its["identity"]}} if mode == "psk" else {}
    return {"endpoint": found["endpoint"], "tls": {"mode": mode, **details}}


def side_of(body: dict[str, Any]) -> dict[str, Any]:
    """The side of a credential that Leshan's JSON means. RequestError shows no key."""
    if body.get("oscore") is not None:
        raise RequestError("oscore is not spoken by this server")
    tls = body.get("tls")
    if not isinstance(tls, dict):
        raise RequestError("tls is missing")
    mode = tls.get("mode")
    if mode == "x509":
        return {"mode": "X509"}
    if mode != "psk":
        raise RequestError(f"tls.mode is {mode!r:.80}, this server has psk and x509")
    details = tls.get("details")
    if not isinstance(details, dict):
        raise RequestError("tls.details is missing")
    if not details.get("identity"):
        raise RequestError("tls.details.identity is missing")
    return {"mode": "PSK", "identity": details["identity"], "key": details.get("key")}


_ALL = "/api/security/clients"
_ONE = _ALL + "/{endpoint}"
_PUT = {200: "It is kept", 400: "text/plain: what is wrong, or whose the identity is"}

ROUTES = (
    row("GET", _ALL, Role.READ, list_credentials, {200: "As Leshan has it, without keys"}),
    row("GET", _ONE, Role.READ, show_credential, {200: "The same of one", 400: "There is none"}),
    row("PUT", _ALL, Role.ADMIN, put_credential, _PUT),
    row("DELETE", _ONE, Role.ADMIN, remove_credential, {200: "Gone, or `not_found`"}),
)
