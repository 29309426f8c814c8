"""/api/server: where devices reach this server, and its public key, which it does not have yet."""

from __future__ import annotations

from starlette.responses import Response

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.leshan.rows import row
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Ctx


async def show_endpoints(ctx: Ctx) -> Response:
    """The URIs that devices register at. Host and port are those of the configuration."""
    host, port = ctx.config.coap.host, ctx.config.coap.port
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    uri = {"full": f"coap://{authority}", "scheme": "coap", "host": host, "port": port}
    return JsonResponse([{"uri": uri, "description": "CoAP over UDP"}])


async def show_security() -> Response:
    """Neither `pubkey` nor `certificate`: what Leshan answers when it has none of them."""
    return JsonResponse({})


_OK = {200: "As Leshan has it"}

ROUTES = (
    row("GET", "/api/server/endpoint", Role.READ, show_endpoints, _OK),
    row("GET", "/api/server/security", Role.READ, show_security, _OK),
    row("GET", "/api/security/server", Role.READ, show_security, _OK),
)
