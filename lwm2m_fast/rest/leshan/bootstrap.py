"""The routes of Leshan's bootstrap server, which there is a server of its own.

Its base address is `/bs` here, as both have /api/security/clients, and mean the two connections of
a device by it; /api/bootstrap, which only one of them has, is also there without. What a
configuration says is bootstrap_json.py's business, its events are in bootstrap_events.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_PAGE
from lwm2m_fast.rest.bodies import object_body
from lwm2m_fast.rest.leshan.answers import NO_STORE
from lwm2m_fast.rest.leshan.bootstrap_events import told
from lwm2m_fast.rest.leshan.bootstrap_json import Here, given_of, shown
from lwm2m_fast.rest.leshan.events import STREAM, stream
from lwm2m_fast.rest.leshan.rows import row
from lwm2m_fast.rest.leshan.security import MODES, every, side_of
from lwm2m_fast.rest.leshan.server import endpoint_of, show_security
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Context, Ctx, Endpoint, Tenant, checked_endpoint
from lwm2m_fast.rest.tenancy import check_own

SIDE = "bootstrap"


def _here(ctx: Context) -> Here:
    own = ctx.config.bootstrap
    return Here(
        own.uri,
        own.secure_uri,
        ctx.service.security.server_certificate(),
        own.default_lifetime_s,
        own.default_short_server_id,
    )


def _may_bootstrap(found: dict[str, Any] | None) -> bool:
    return found is not None and "bootstrapSecurity" in found["configuration"]


async def list_configurations(ctx: Ctx, tenant: Tenant) -> Response:
    """What devices are given at a bootstrap, without keys: one JSON object, by endpoint name."""
    return StreamingResponse(_every(ctx, tenant), 200, NO_STORE, "application/json")


async def _every(ctx: Context, tenant: str) -> AsyncIterator[bytes]:
    here = _here(ctx)
    after: str | None = None
    separator = b"{"
    while True:
        page, after = await ctx.service.provisioning.devices_after(after, MAX_PAGE, tenant)
        for one in page:
            if _may_bootstrap(one):
                name = orjson.dumps(one["configuration"]["endpointId"])
                yield separator + name + b":" + orjson.dumps(shown(one["configuration"], here))
                separator = b","
        if after is None:
            yield b"{}" if separator == b"{" else b"}"
            return
        await asyncio.sleep(0)


async def show_configuration(ctx: Ctx, endpoint: Endpoint, tenant: Tenant) -> Response:
    """The same of one device."""
    found = ctx.service.provisioning.device(endpoint, tenant)
    if found is None or not _may_bootstrap(found):
        return _none(endpoint)
    return JsonResponse(shown(found["configuration"], _here(ctx)))


def _none(endpoint: str) -> Response:
    return PlainTextResponse(f"No config for '{endpoint}'", 404, NO_STORE)


async def set_configuration(
    request: Request, ctx: Ctx, endpoint: Endpoint, tenant: Tenant
) -> Response:
    """Set what a device is given at its next bootstrap, and by which it then may register.

    It comes to the bootstrap server as its credential there says, without one without security.
    """
    given = given_of(endpoint, await object_body(request), _here(ctx))
    if SIDE + "Security" not in given:
        given |= _how_it_comes(ctx, endpoint, tenant)
    await ctx.service.provisioning.put(given, tenant)
    return Response(status_code=200, headers=NO_STORE)


def _how_it_comes(ctx: Context, endpoint: str, tenant: str) -> dict[str, Any]:
    """Nothing where that is known already."""
    found = ctx.service.provisioning.device(endpoint, tenant)
    if _may_bootstrap(found):
        return {}
    credential = ctx.service.security.credential(endpoint)
    if credential is None or credential.get(SIDE) is None:
        return {SIDE + "Security": {"bootstrapSecurityMode": "NO_SEC"}}
    if found is None:
        return {}
    raise RequestError(
        f"{endpoint!r} has a credential for the bootstrap server that its configuration does not "
        "know: set it again"
    )


async def remove_configuration(ctx: Ctx, endpoint: Endpoint, tenant: Tenant) -> Response:
    """Let a device bootstrap no longer; what it registers with stays."""
    if not _may_bootstrap(ctx.service.provisioning.device(endpoint, tenant)):
        return _none(endpoint)
    await ctx.service.provisioning.change(endpoint, {SIDE + "Security": None}, tenant)
    return Response(status_code=204, headers=NO_STORE)


# How devices come to the bootstrap server


async def list_credentials(ctx: Ctx, tenant: Tenant) -> Response:
    """What devices have to show at the bootstrap server, without keys, as one JSON array."""
    return StreamingResponse(every(ctx, tenant, SIDE), 200, NO_STORE, "application/json")


async def put_credential(request: Request, ctx: Ctx, tenant: Tenant) -> Response:
    """Add what a device has to show at the bootstrap server, or replace it."""
    body = await object_body(request)
    endpoint = body.get("endpoint")
    if not isinstance(endpoint, str):
        raise RequestError("endpoint is missing")
    name = checked_endpoint(endpoint)
    check_own(ctx.service, tenant, [name])
    side = side_of(body)
    if _may_bootstrap(ctx.service.provisioning.device(name, tenant)):
        given = {
            "bootstrapSecurityMode": side["mode"],
            "bootstrapId": side.get("identity"),
            "bootstrapKey": side.get("key"),
        }
        await ctx.service.provisioning.change(name, {SIDE + "Security": given}, tenant)
    else:
        await ctx.service.security.set_credential(name, {SIDE: side}, tenant)
    return Response(status_code=200, headers=NO_STORE)


async def remove_credential(ctx: Ctx, endpoint: Endpoint, tenant: Tenant) -> Response:
    """Forget what a device has to show there: it may bootstrap no longer."""
    found = ctx.service.security.credential(endpoint)
    if found is None or (found.get(SIDE) or {}).get("mode") not in MODES:
        return JsonResponse({"message": "not_found"})
    if _may_bootstrap(ctx.service.provisioning.device(endpoint, tenant)):
        await ctx.service.provisioning.change(endpoint, {SIDE + "Security": None}, tenant)
    else:
        await _unset(ctx, endpoint, found, tenant)
    return Response(status_code=200, headers=NO_STORE)


async def _unset(ctx: Context, endpoint: str, found: dict[str, Any], tenant: str) -> None:
    if found.get("server") is None:  # a credential has one side at least
        await ctx.service.security.remove_credential(endpoint)
    else:
        await ctx.service.security.set_credential(endpoint, {SIDE: None}, tenant)


# The server itself


async def show_endpoints(ctx: Ctx) -> Response:
    """Where devices bootstrap: host and ports of the configuration."""
    own = ctx.config.bootstrap
    shown = [endpoint_of("coap", own.host, own.port, "CoAP over UDP")]
    if ctx.config.dtls.enabled:
        shown.append(endpoint_of("coaps", own.host, own.dtls_port, "CoAP over DTLS"))
    return JsonResponse(shown)


async def events(ctx: Ctx, tenant: Tenant, ep: str | None = None) -> Response:
    """Bootstraps from now on, as BSSESSION. With `ep` those of one device."""
    return stream(ctx, tenant, ep, told)


_ALL = "/api/bootstrap"
_ONE = _ALL + "/{endpoint}"
_BS = "/bs"
_CLIENTS = _BS + "/api/security/clients"
_OK = {200: "As Leshan has it"}
_NONE = {404: "text/plain: no bootstrap is configured for it"}
_SET = {200: "It is kept", 400: "text/plain: what is wrong, or cannot be held here"}

ROUTES = (
    *(
        each
        for base in ("", _BS)
        for each in (
            row("GET", base + _ALL, Role.READ, list_configurations, _OK),
            row("GET", base + _ONE, Role.READ, show_configuration, {**_OK, **_NONE}),
            row("POST", base + _ONE, Role.ADMIN, set_configuration, _SET),
            row("DELETE", base + _ONE, Role.ADMIN, remove_configuration, {204: "Gone", **_NONE}),
        )
    ),
    row("GET", _CLIENTS, Role.READ, list_credentials, _OK),
    row("PUT", _CLIENTS, Role.ADMIN, put_credential, _SET),
    row(
        "DELETE", _CLIENTS + "/{endpoint}", Role.ADMIN, remove_credential,
        {200: "Gone, or `not_found`"},
    ),
    row("GET", _BS + "/api/server/endpoint", Role.READ, show_endpoints, _OK),
    row("GET", _BS + "/api/server/security", Role.READ, show_security, _OK),
    row("GET", _BS + "/api/security/server", Role.READ, show_security, _OK),
    row("GET", _BS + "/api/event", Role.READ, events, STREAM),
    row("GET", _BS + "/api/event/{rest:path}", Role.READ, events, STREAM),
)  # fmt: skip
