"""/api/v1/credentials: what devices prove themselves with. Keys go in and never come out.

The one exception is a key that is made here: it stands in the answer that made it. What a
credential may be is fleet/secured.py's business, which sees the body as it came, so that no error
repeats a key.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.errors import NotFound, RequestError
from lwm2m_fast.fleet.secured import GENERATED, MAX_IDENTITY_BYTES, MAX_KEY_BYTES, MODES
from lwm2m_fast.fleet.thingsboard_credentials import (
    CLIENT_MODES,
    DISCRIMINATOR,
    HALVES,
    is_thingsboard,
    translated,
)
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_BULK, MAX_ENDPOINT_BYTES, MAX_PAGE
from lwm2m_fast.rest.bodies import described, json_body, object_body
from lwm2m_fast.rest.problem import JsonResponse, documented
from lwm2m_fast.rest.routes import Ctx, Endpoint, Route, Tenant
from lwm2m_fast.rest.tenancy import check_own, own_page


class CertificateFacts(BaseModel):
    subject: str
    sha256: str = Field(description="Of the DER, in hex digits")
    not_before: str
    not_after: str


class SideShown(BaseModel):
    """How one connection is secured."""

    mode: str = Field(description="NO_SEC, PSK, X509")
    identity: str | None = Field(None, description="Of PSK")
    certificate: CertificateFacts | None = Field(
        None, description="Of X509: the only one it may come with; null: one of a trusted CA"
    )
    key: str | None = Field(
        None, description="Hex digits; only of a key made here, in the answer that made it"
    )


class CredentialShown(BaseModel):
    endpoint: str
    tenant: str
    changed_at: float = Field(description="Unix seconds")
    server: SideShown | None
    bootstrap: SideShown | None


class CredentialPage(BaseModel):
    credentials: list[CredentialShown]
    next_after: str | None = Field(description="Ask again with `after` this; null at the end")


class CredentialsMade(BaseModel):
    added: int
    credentials: list[CredentialShown]


_SIDE: dict[str, Any] = {
    "type": "object",
    "required": ["mode"],
    "additionalProperties": False,
    "properties": {
        "mode": {"type": "string", "enum": [*MODES, GENERATED]},
        "identity": {
            "type": "string",
            "description": f"Of PSK: at most {MAX_IDENTITY_BYTES} bytes of UTF-8, of one endpoint "
            "only; without it the endpoint name",
        },
        "key": {
            "type": "string",
            "writeOnly": True,
            "description": f"Of PSK: 1 to {MAX_KEY_BYTES} bytes in hex digits",
        },
        "certificate": {
            "type": "string",
            "description": "Of X509: PEM, or base64 of the DER; without it one of a trusted CA",
        },
    },
}
_ONE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"endpoint": {"type": "string"}, "server": _SIDE, "bootstrap": _SIDE},
}
_HALF: dict[str, Any] = {
    "type": "object",
    "required": ["securityMode"],
    "properties": {
        "securityMode": {"type": "string", "enum": list(CLIENT_MODES)},
        "clientPublicKeyOrId": {"type": "string"},
        "clientSecretKey": {"type": "string", "writeOnly": True},
    },
}
_THINGSBOARD: dict[str, Any] = {
    "type": "object",
    "description": "ThingsBoard's form; `bootstrap` may be missing in the flat one",
    "required": ["client"],
    "properties": {
        "client": {
            "type": "object",
            "required": [DISCRIMINATOR, "endpoint"],
            "properties": {
                DISCRIMINATOR: {"type": "string", "enum": list(CLIENT_MODES)},
                "endpoint": {"type": "string"},
                "identity": {"type": "string"},
                "key": {"type": "string", "writeOnly": True},
                "cert": {"type": "string"},
                "x509": {"description": "Of the flat form: a certificate, or whether it has one"},
            },
        },
        "bootstrap": {"type": "object", "properties": dict.fromkeys(HALVES, _HALF)},
    },
}
_EITHER = {"oneOf": [_ONE_SCHEMA, _THINGSBOARD]}
_BODY = described(_EITHER)
_BODIES = described(
    {"oneOf": [*_EITHER["oneOf"], {"type": "array", "items": _EITHER, "maxItems": MAX_BULK}]}
)


def unknown(endpoint: str) -> NotFound:
    return NotFound(f"endpoint {endpoint!r} has no credential")


async def list_credentials(
    ctx: Ctx,
    tenant: Tenant,
    after: Annotated[str | None, Query(max_length=MAX_ENDPOINT_BYTES)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    identity: Annotated[
        str | None, Query(max_length=MAX_IDENTITY_BYTES, description="Only the one with this")
    ] = None,
) -> Response:
    """Credentials by endpoint name, without their keys; with `identity` the one that has it."""
    if identity is not None:
        one = ctx.service.security.credential_of_identity(identity)
        is_own = one is not None and ctx.service.provisioning.owner(_name(one)) == tenant
        return JsonResponse({"credentials": [one] if is_own else [], "next_after": None})
    page = ctx.service.security.credentials_after
    found, following = await own_page(ctx, tenant, page, _name, after, limit)
    return JsonResponse({"credentials": found, "next_after": following})


def _name(one: dict[str, Any]) -> str:
    return str(one.get("endpoint"))


def _in_own_words(body: dict[str, Any], where: str = "") -> dict[str, Any]:
    if not is_thingsboard(body):
        return body
    try:
        return translated(body)
    except RequestError as error:
        raise RequestError(f"{where}{error}") from None


async def show_credential(ctx: Ctx, endpoint: Endpoint) -> Response:
    """One credential, without its keys."""
    found = ctx.service.security.credential(endpoint)
    if found is None:
        raise unknown(endpoint)
    return JsonResponse(found)


async def add_credentials(request: Request, ctx: Ctx, tenant: Tenant) -> Response:
    """Add a credential, or a list of them: all or none. They count for the next handshake.

    A body in ThingsBoard's form, flat or nested, means the same in its words: keys have 32, 64, 96
    or 128 digits there. With the mode `PSK_GENERATED` the server makes the key; it is in this
    answer and nowhere else.
    """
    body = await json_body(request)
    if isinstance(body, dict):
        body = _in_own_words(body)
        check_own(ctx.service, tenant, [_name(body)])
        return JsonResponse((await ctx.service.security.add_credentials([body], tenant))[0], 201)
    if not isinstance(body, list) or not all(isinstance(one, dict) for one in body):
        raise RequestError("the body is neither a JSON object nor a list of them")
    if not 0 < len(body) <= MAX_BULK:
        raise RequestError(f"the body has {len(body)} credentials, allowed are 1 to {MAX_BULK}")
    body = [_in_own_words(one, f"credential {number}: ") for number, one in enumerate(body)]
    check_own(ctx.service, tenant, map(_name, body))
    made = await ctx.service.security.add_credentials(body, tenant)
    return JsonResponse({"added": len(made), "credentials": made}, 201)


async def set_credential(
    request: Request, ctx: Ctx, endpoint: Endpoint, tenant: Tenant
) -> Response:
    """Set the sides that are named, null unsets; 201 when there was no credential.

    What is not named stays. Sessions under what is gone are ended.
    """
    body = _in_own_words(await object_body(request))
    if body.pop("endpoint", endpoint) != endpoint:
        raise RequestError(f"endpoint is another one in the body than in the path, {endpoint!r}")
    found, is_new = await ctx.service.security.set_credential(endpoint, body, tenant)
    return JsonResponse(found, 201 if is_new else 200)


async def remove_credential(ctx: Ctx, endpoint: Endpoint) -> Response:
    """Forget a credential; its session and registration end with it."""
    if not await ctx.service.security.remove_credential(endpoint):
        raise unknown(endpoint)
    return Response(status_code=204)


_ALL = "/api/v1/credentials"
_ONE = _ALL + "/{endpoint}"
_NONE = documented({404: "the endpoint has no credential"})
_REFUSED = documented(
    {
        400: "a field is missing, not known, or beyond its limit",
        409: "the endpoint has one already, or the identity or certificate is of another",
        503: "the store cannot keep it; nothing was changed",
    }
)

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.READ, handler=list_credentials,
        tag="credentials", responses={200: {"model": CredentialPage}},
    ),
    Route(
        method="POST", path=_ALL, role=Role.ADMIN, handler=add_credentials, tag="credentials",
        responses={201: {"model": CredentialShown | CredentialsMade}, **_REFUSED}, body=_BODIES,
    ),
    Route(
        method="GET", path=_ONE, role=Role.READ, handler=show_credential, tag="credentials",
        responses={200: {"model": CredentialShown}, **_NONE},
    ),
    Route(
        method="PUT", path=_ONE, role=Role.ADMIN, handler=set_credential, tag="credentials",
        responses={
            200: {"model": CredentialShown}, 201: {"model": CredentialShown}, **_REFUSED
        },
        body=_BODY,
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.ADMIN, handler=remove_credential,
        tag="credentials", responses={204: {"description": "Forgotten"}, **_NONE},
    ),
)  # fmt: skip
