"""/api/security/clients: the credentials of devices, of which there are none before DTLS.

The list is empty, as it is in a Leshan that nobody has configured: tools look at it to see that the
server is there. What would add to it is refused, because a key that is taken and then not used
would be a lie about who is let in.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.leshan.answers import NO_STORE
from lwm2m_fast.rest.leshan.rows import row
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Endpoint

NOT_YET = "this server has no DTLS and no OSCORE yet, and therefore no credentials of devices"


async def list_credentials() -> Response:
    """All credentials: none."""
    return JsonResponse([])


async def put_credentials() -> Response:
    """Refused; the body is not even read."""
    return PlainTextResponse(f"Invalid request: {NOT_YET}", 400, NO_STORE)


async def remove_credentials(endpoint: Endpoint) -> Response:
    """Leshan's answer for a device that has none: a success that says so."""
    return JsonResponse({"message": "not_found", "detail": NOT_YET})


_ALL = "/api/security/clients"

ROUTES = (
    row("GET", _ALL, Role.READ, list_credentials, {200: "An empty list"}),
    row("PUT", _ALL, Role.OPERATE, put_credentials, {400: "text/plain: " + NOT_YET}),
    row("DELETE", _ALL + "/{endpoint}", Role.OPERATE, remove_credentials, {200: "There was none"}),
)
