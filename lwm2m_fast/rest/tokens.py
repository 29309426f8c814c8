"""/api/v1/tokens: handing out access. A secret is shown once, in the answer that makes it."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.tenants import MANAGEMENT, MAX_TENANT, checked_tenant
from lwm2m_fast.fleet.tokens import MAX_NAME, Role, Token
from lwm2m_fast.rest.fresh_tokens import new_secret
from lwm2m_fast.rest.problem import JsonResponse, documented, problem
from lwm2m_fast.rest.routes import Ctx, Route, Tenant, decoded


class NewToken(BaseModel):
    name: str = Field(min_length=1, max_length=MAX_NAME)
    role: Literal["read", "operate", "admin"] = "read"
    tenant: str | None = Field(
        None,
        max_length=MAX_TENANT,
        description="Whose devices it shows; without it those of the token that asks",
    )


class TokenInfo(BaseModel):
    name: str
    role: str
    tenant: str
    created_at: float = Field(description="Unix seconds")


class TokenMade(TokenInfo):
    token: str = Field(description="The secret; it cannot be shown again")


class TokenList(BaseModel):
    tokens: list[TokenInfo]


def _info(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "role": token.role.name.lower(),
        "tenant": token.tenant,
        "created_at": token.created_at,
    }


async def list_tokens(ctx: Ctx, tenant: Tenant) -> Response:
    """The tokens of this tenant, without their secrets; `default` sees those of all."""
    return JsonResponse({"tokens": [_info(one) for one in ctx.tokens if _is_seen(one, tenant)]})


def _is_seen(token: Token, tenant: str) -> bool:
    return tenant in (MANAGEMENT, token.tenant)


async def add_token(ctx: Ctx, wanted: NewToken, tenant: Tenant) -> Response:
    """Make a token. Its secret is in the answer and nowhere else.

    Only tokens of the tenant `default` make tokens for other tenants, which begins a tenant.
    """
    of = tenant if wanted.tenant is None else checked_tenant(wanted.tenant)
    if tenant not in (MANAGEMENT, of):
        raise HTTPException(403, f"tokens of tenant {tenant} make tokens for this tenant only")
    secret = new_secret()
    role = Role[wanted.role.upper()]
    async with ctx.token_lock:
        token = await asyncio.to_thread(ctx.tokens.add, wanted.name, role, secret, time.time(), of)
    return JsonResponse({**_info(token), "token": secret}, 201)


async def remove_token(ctx: Ctx, name: Annotated[str, Path()], tenant: Tenant) -> Response:
    """Forget a token; it opens nothing from now on.

    Also one that was changed on the disk and opens nothing: only for the tenant `default`.
    """
    wanted = decoded(name)
    try:
        async with ctx.token_lock:
            found = ctx.tokens.get(wanted)
            if found is None:  # whose a row is that cannot be read, is not known
                known = tenant == MANAGEMENT and wanted in ctx.tokens.unusable
            else:
                known = _is_seen(found, tenant)
            known = known and await asyncio.to_thread(ctx.tokens.remove, wanted)
    except RequestError as error:
        return problem(409, str(error), "last-admin")
    if not known:
        return problem(404, f"there is no token called {wanted[:MAX_NAME]!r}", "unknown-token")
    return Response(status_code=204)


_ALL = "/api/v1/tokens"

ROUTES = (
    Route(
        method="GET", path=_ALL, role=Role.ADMIN, handler=list_tokens,
        tag="tokens", responses={200: {"model": TokenList}},
    ),
    Route(
        method="POST", path=_ALL, role=Role.ADMIN, handler=add_token,
        tag="tokens", responses={201: {"model": TokenMade}},
    ),
    Route(
        method="DELETE", path=_ALL + "/{name}", role=Role.ADMIN, handler=remove_token,
        tag="tokens",
        responses={
            204: {"description": "Forgotten"},
            **documented({404: "there is no such token", 409: "it is the last admin token"}),
        },
    ),
)  # fmt: skip
