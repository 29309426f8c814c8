"""/api/v1/devices/{endpoint}/{path}: one operation at once, while the HTTP client waits.

HTTP's methods are LwM2M's (LwM2M Core, section 6.3): GET reads, PUT writes (replace), POST
executes, creates or writes (update), DELETE deletes. Nothing is kept: a device that sleeps is an
error. What has to reach it anyway is an operation (operations.py).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.core.ask import Answered
from lwm2m_fast.core.operations import Result, result_json
from lwm2m_fast.core.orders import Order, parse_order
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.bodies import JSON, OCTETS, TEXT, json_body, media_type, text_body
from lwm2m_fast.rest.paths import lwm2m_path
from lwm2m_fast.rest.problem import JsonResponse, device_refused, documented
from lwm2m_fast.rest.routes import Context, Ctx, Endpoint, Route, decoded
from lwm2m_fast.rest.values import TypedValue
from lwm2m_fast.rest.waiting import attended

MAX_DIAGNOSTIC = 200
SUCCESS = 2  # the class of a code, RFC 7252, section 12.1.2
TEXT_FORMATS = (0, 40)  # text/plain, application/link-format
OPAQUE_FORMAT = 42

Timeout = Annotated[float, Query(ge=0.1, le=600.0, description="Seconds to wait for the device")]
Format = Annotated[int | None, Query(ge=0, le=65535, description="CoAP Content-Format to write in")]


class Done(BaseModel):
    """What a device answered."""

    endpoint: str
    path: str
    code: str = Field(description="CoAP code, such as 2.04")
    location: str | None = Field(description="Of Create: where the new instance is")


class ReadResult(BaseModel):
    """What a device answered to a Read."""

    endpoint: str
    path: str
    code: str = Field(description="CoAP code, such as 2.05")
    content_format: int | None = Field(description="CoAP Content-Format; null when unnamed")
    value: str | None = Field(
        description="The text of formats 0 and 40, the hexadecimal bytes of format 42; null for "
        "other formats and for text that is not UTF-8"
    )
    values: list[TypedValue] = Field(description="Typed by the object model; empty with an error")
    error: str | None = Field(description="Why the payload could not be made values of")
    payload_hex: str
    etag: str | None = Field(description="CoAP ETag in hexadecimal")


async def read(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    path: str,
    timeout: Timeout = 30.0,  # noqa: ASYNC109 - a query parameter
    accept: Annotated[
        int | None, Query(ge=0, le=65535, description="CoAP Content-Format to ask for")
    ] = None,
) -> Response:
    """Read `/object[/instance[/resource[/resource instance]]]` from the device.

    With `Accept: application/octet-stream` (and no JSON in it) the answer is the payload as the
    device sent it, its format in the header `Content-Format`.
    """
    target = lwm2m_path(decoded(path))
    order = Order("read", path=target, format=accept)
    result = await attended(request, ctx.service.perform(endpoint, order, timeout))
    answered = result.answered
    if answered is None or answered.code >> 5 != SUCCESS:
        return refused(result)
    if wants_octets(request.headers.get("accept", "")):
        return _octets(answered)
    told = result_json(result)
    return JsonResponse(
        {
            "endpoint": endpoint,
            "path": target,
            "code": result.code,
            "content_format": answered.content_format,
            "value": plain_value(answered),
            "values": told.get("values") or [],
            "error": result.error,
            "payload_hex": answered.payload.hex(),
            "etag": answered.etag.hex() if answered.etag is not None else None,
        }
    )


async def write(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    path: str,
    timeout: Timeout = 30.0,  # noqa: ASYNC109
    format: Format = None,
) -> Response:
    """Write, replacing what is there (LwM2M Core, section 6.3.3).

    The body of a resource is its value in JSON (`"Berlin"`, `42`, `{"0": 1, "1": 2}`, `{"file":
    name}`), or bytes as `application/octet-stream`. That of an instance maps resource ids to
    values: `{"14": "+01:00", "15": "Europe/Berlin"}`.
    """
    target = lwm2m_path(decoded(path))
    order = {"op": "write", **await _content(request, target)}
    return await _performed(request, ctx, endpoint, order, format, timeout)


async def post(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    path: str,
    timeout: Timeout = 30.0,  # noqa: ASYNC109
    format: Format = None,
) -> Response:
    """What POST is in LwM2M: Create, Write (update) or Execute.

    On an object, create an instance from `{"5750": "lamp"}`, or under an id of your choice
    from `{"7": {"5750": "lamp"}}`; without a body the device decides. On an instance, write the
    resources in the body and leave the others. On a resource, execute it with the body's text as
    its arguments (`0='x',1`), or, if the body is `application/json`, write (update) it.
    """
    target = lwm2m_path(decoded(path))
    order = await _posted(request, target)
    return await _performed(request, ctx, endpoint, order, format, timeout)


async def delete(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    path: str,
    timeout: Timeout = 30.0,  # noqa: ASYNC109
) -> Response:
    """Delete an object instance, or an instance of a resource (LwM2M 1.2)."""
    order = {"op": "delete", "path": lwm2m_path(decoded(path))}
    return await _performed(request, ctx, endpoint, order, None, timeout)


async def _posted(request: Request, target: str) -> dict[str, Any]:
    """The order that a POST to `target` stands for."""
    depth = target.count("/")
    if depth == 1:
        if not await request.body():
            return {"op": "create", "path": target}
        return {"op": "create", "path": target, "values": await json_body(request)}
    if depth > 2 and media_type(request) != JSON:
        arguments = await text_body(request)
        order = {"op": "execute", "path": target}
        return {**order, "arguments": arguments} if arguments else order
    return {"op": "write", **await _content(request, target), "mode": "update"}


async def _content(request: Request, target: str) -> dict[str, Any]:
    """Path and value, or values, of a write."""
    if media_type(request) == OCTETS:
        return {"path": target, "value": {"hex": (await request.body()).hex()}}
    body = await json_body(request)
    return {"path": target, "values" if target.count("/") == 2 else "value": body}


async def _performed(
    request: Request,
    ctx: Context,
    endpoint: str,
    data: dict[str, Any],
    format: int | None,
    timeout_s: float,
) -> Response:
    order = parse_order(data if format is None else {**data, "format": format})
    result = await attended(request, ctx.service.perform(endpoint, order, timeout_s))
    if not result.ok:
        return refused(result)
    told = {"code": result.code, "location": result.location}
    status = 201 if result.location is not None else 200
    return JsonResponse({"endpoint": endpoint, "path": order.path, **told}, status)


def refused(result: Result) -> Response:
    """The answer for a device that answered with an error code."""
    return device_refused(result.code, harmless(result.error or ""))


def plain_value(answered: Answered) -> str | None:
    """The payload as one string, where its format says how."""
    if answered.content_format == OPAQUE_FORMAT:
        return answered.payload.hex()
    if answered.content_format in TEXT_FORMATS:
        try:
            return answered.payload.decode()
        except UnicodeDecodeError:
            return None
    return None


def harmless(text: str) -> str:
    """A device's diagnostic (RFC 7252, section 5.5.2), short and without control characters."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:MAX_DIAGNOSTIC])


def wants_octets(accept: str) -> bool:
    """Whether an Accept header asks for raw bytes and not for JSON as well."""
    ranges = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return OCTETS in ranges and JSON not in ranges


def _octets(answered: Answered) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if answered.content_format is not None:
        headers["Content-Format"] = str(answered.content_format)
    if answered.etag is not None:
        headers["ETag"] = f'"{answered.etag.hex()}"'
    return Response(answered.payload, 200, headers, OCTETS)


_PATH = "/api/v1/devices/{endpoint}/{path:path}"
_UNKNOWN = "no device is registered under this name"
_PROBLEMS = documented(
    {
        400: "the path, the value or its type cannot be used; nothing was sent",
        403: "the device refused with 4.01 or 4.03 (`coap_code`)",
        404: f"{_UNKNOWN} (`unknown-device`), or the device answered 4.04 (`device-refused`)",
        405: "the device answered 4.05",
        406: "the device answered 4.06: it cannot give the format asked for",
        409: "the device sleeps; an operation would wait for it",
        429: "too many requests wait for this device, or for all; see Retry-After",
        502: "the device answered with another error code, or something that is no answer",
        504: "the device did not answer in time",
    }
)
_READ_OK = {
    "model": ReadResult,
    "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
}
_ANY: dict[str, Any] = {"description": "A value, or a map of them"}
_WRITE_BODY = {
    "content": {
        JSON: {"schema": _ANY, "example": "Europe/Berlin"},
        OCTETS: {"schema": {"type": "string", "format": "binary"}},
    },
    "required": True,
}
_POST_BODY = {
    "content": {JSON: {"schema": _ANY}, TEXT: {"schema": {"type": "string"}, "example": "0='x'"}},
    "required": False,
}

ROUTES = (
    Route(
        method="GET", path=_PATH, role=Role.READ, handler=read, tag="devices",
        responses={200: _READ_OK, **_PROBLEMS},
    ),
    Route(
        method="PUT", path=_PATH, role=Role.OPERATE, handler=write, tag="devices",
        responses={200: {"model": Done}, **_PROBLEMS}, body=_WRITE_BODY,
    ),
    Route(
        method="POST", path=_PATH, role=Role.OPERATE, handler=post, tag="devices",
        responses={
            200: {"model": Done}, 201: {"model": Done, "description": "Created"}, **_PROBLEMS
        },
        body=_POST_BODY,
    ),
    Route(
        method="DELETE", path=_PATH, role=Role.OPERATE, handler=delete, tag="devices",
        responses={200: {"model": Done}, **_PROBLEMS},
    ),
)  # fmt: skip
