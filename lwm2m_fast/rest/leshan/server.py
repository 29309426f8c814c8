"""/api/server: where devices reach this server, and the certificate that it shows them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import Response

from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.leshan.rows import row
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Ctx


async def show_endpoints(ctx: Ctx) -> Response:
    """The URIs that devices register at. Host and port are those of the configuration."""
    coap = ctx.config.coap
    return JsonResponse([endpoint_of("coap", coap.host, coap.port, "CoAP over UDP")])


def endpoint_of(scheme: str, host: str, port: int, description: str) -> dict[str, Any]:
    """One place where devices reach a server."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    uri = {"full": f"{scheme}://{authority}", "scheme": scheme, "host": host, "port": port}
    return {"uri": uri, "description": description}


async def show_security(ctx: Ctx) -> Response:
    """`certificate`, with its public key; `{}` when the server has none, as in Leshan."""
    der = ctx.service.security.server_certificate()
    if der is None:
        return JsonResponse({})
    certificate = x509.load_der_x509_certificate(der)
    shown = {"pubkey": public_key(certificate.public_key()), "b64Der": b64encode(der).decode()}
    return JsonResponse({"certificate": shown})


def public_key(key: object) -> dict[str, Any]:
    """A key on a curve: its point and curve, and all of it as base64 of the DER (SPKI)."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return {}
    point, size = key.public_numbers(), key.key_size // 4
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "x": f"{point.x:0{size}x}",
        "y": f"{point.y:0{size}x}",
        "params": key.curve.name,
        "b64Der": b64encode(der).decode(),
    }


_OK = {200: "As Leshan has it"}

ROUTES = (
    row("GET", "/api/server/endpoint", Role.READ, show_endpoints, _OK),
    row("GET", "/api/server/security", Role.READ, show_security, _OK),
    row("GET", "/api/security/server", Role.READ, show_security, _OK),
)
