"""POST /api/v1/devices/{endpoint}/rpc: one RPC method, answered when the device has answered.

Over the same queue as every operation: a device that sleeps gets it when it wakes, within
`timeout`. What a method is stands in methods.py; nothing here knows a path.
"""

from __future__ import annotations

import time
from typing import Any, Final

import orjson
from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import described, object_body
from lwm2m_fast.rest.operations import SUBMIT_PROBLEMS
from lwm2m_fast.rest.problem import JsonResponse
from lwm2m_fast.rest.routes import Context, Ctx, Endpoint, Route
from lwm2m_fast.rest.thingsboard.methods import METHODS, Asking
from lwm2m_fast.rest.thingsboard.places import DEFAULT_VERSION, Device
from lwm2m_fast.rest.thingsboard.replies import TIMEOUT, Reply, bad_request, reply_of
from lwm2m_fast.rest.waiting import ENDED, submitted

DEFAULT_TIMEOUT_MS: Final = 10_000
MAX_TIMEOUT_MS: Final = 600_000
ORIGIN: Final = "rpc"


class RpcRequest(BaseModel):
    """One method."""

    method: str = Field(description=", ".join(METHODS))
    params: dict[str, Any] | None = Field(
        None,
        description="`id` (`/3_1.0/0/9`, `/3/0/9`) or `key` (`batteryLevel`, or what the device's "
        "profile calls it), `ids` or `keys`; "
        "`value`, `nodes`, `attributes`; an object, or its JSON as text",
    )
    timeout: int = Field(
        DEFAULT_TIMEOUT_MS,
        ge=1,
        le=MAX_TIMEOUT_MS,
        description="Milliseconds to wait for all of it",
    )
    persistent: bool = Field(False, description="Answer at once with `rpcId`, an operation's id")


class RpcReply(BaseModel):
    """What came of it."""

    result: str = Field(description="Name of a CoAP code: CONTENT, CHANGED, BAD_REQUEST ...")
    value: str | None = Field(None, description="A node, a list or a count as text")
    error: str | None = None


class Kept(BaseModel):
    """Where a persistent request goes on."""

    rpcId: str


async def call(request: Request, ctx: Ctx, endpoint: Endpoint) -> Response:
    """Do what an RPC method of ThingsBoard does.

    What the device refuses, and what cannot be asked of it, is a 200 with the name of a CoAP code
    in `result`; 504 when it has not answered in `timeout`, and then nothing of it is still to come.
    """
    body = await object_body(request)
    name, timeout_ms = body.get("method"), _timeout_ms(body.get("timeout"))
    is_persistent = _flag(body.get("persistent"))
    if not isinstance(name, str) or not name:
        raise RequestError("method: a name is needed")
    asked = _asked(ctx, endpoint, name, body.get("params"))
    if isinstance(asked, Reply):
        return JsonResponse(asked.as_json())
    if is_persistent:
        [kept] = await ctx.service.submit(endpoint, [asked], origin=ORIGIN)
        return JsonResponse({"rpcId": str(kept["id"])}, 202)
    reply = await _done(request, ctx, endpoint, asked, timeout_ms / 1000)
    return JsonResponse(reply.as_json(), 504 if reply.result == TIMEOUT else 200)


def _asked(ctx: Context, endpoint: str, name: str, params: Any) -> Order | Reply:
    """The order that a method is, or its reply where no device has to be asked."""
    method = METHODS.get(name)
    if method is None:
        return Reply("METHOD_NOT_ALLOWED", error=f"there is no method {name[:80]!r}")
    device = _device(ctx, endpoint)
    if device is None:
        return Reply("INTERNAL_SERVER_ERROR", error=f"no device is registered as {endpoint!r}")
    try:
        relations = ctx.service.observations(endpoint)
        return method(Asking(device, params_of(params), relations))
    except RequestError as error:
        return bad_request(str(error))


def _device(ctx: Context, endpoint: str) -> Device | None:
    described = ctx.service.device(endpoint)
    target = ctx.service.target(endpoint)
    if described is None or target is None:
        return None
    version = ctx.service.settings(endpoint).get("defaultObjectIDVer")
    profile = ctx.service.provisioning.profile_of(endpoint)
    if profile is None:
        return Device(endpoint, described["objects"], version or DEFAULT_VERSION, target.view)
    version = version or profile.client_settings.default_object_id_ver
    keys = profile.observe_attr.key_name
    return Device(endpoint, described["objects"], version, target.view, keys)


async def _done(
    request: Request, ctx: Context, endpoint: str, order: Order, timeout_s: float
) -> Reply:
    until = time.time() + timeout_s
    [operation] = await submitted(
        request, ctx, endpoint, [order], timeout_s, valid_until=until, origin=ORIGIN
    )
    if operation["state"] not in ENDED:  # nobody will look at what comes now
        operation = await ctx.service.cancel(endpoint, operation["id"])
    return reply_of(operation)


def params_of(given: Any) -> dict[str, Any]:
    """`params` as a map: what a widget sends is text with JSON in it, as a rule. RequestError."""
    if isinstance(given, str) and given.strip():
        try:
            given = orjson.loads(given)
        except orjson.JSONDecodeError as error:
            raise RequestError(f"params: not JSON: {error}") from None
    if given is None or (isinstance(given, str) and not given.strip()):
        return {}
    if not isinstance(given, dict):
        raise RequestError(f"params: an object is needed, not {given!r:.40}")
    return given


def _timeout_ms(given: Any) -> int:
    if given is None:
        return DEFAULT_TIMEOUT_MS
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MAX_TIMEOUT_MS:
        raise RequestError(
            f"timeout is {given!r:.40}, allowed are 1 to {MAX_TIMEOUT_MS} milliseconds"
        )
    return given


def _flag(given: Any) -> bool:
    if given is not None and not isinstance(given, bool):
        raise RequestError(f"persistent is {given!r:.40}, allowed are true and false")
    return bool(given)


_BODY = described({"$ref": "#/components/schemas/RpcRequest"})

ROUTES = (
    Route(
        method="POST", path="/api/v1/devices/{endpoint}/rpc", role=Role.OPERATE, handler=call,
        tag="operations",
        responses={
            200: {"model": RpcReply},
            202: {"model": Kept, "description": "Kept; it will be done"},
            504: {"model": RpcReply, "description": "The device did not answer in time"},
            **SUBMIT_PROBLEMS,
        },
        body=_BODY,
    ),
)  # fmt: skip
