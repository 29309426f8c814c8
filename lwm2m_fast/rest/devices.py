"""/api/v1/devices: who is registered, and reading from them.

The endpoint name is the one path segment after `devices`, percent-encoded; everything after it
is the LwM2M path. Turns answers of devices into JSON or raw bytes; decides nothing else.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lwm2m_fast.errors import RequestError, UnknownDevice
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_PAGE, Answer
from lwm2m_fast.rest.problem import JsonResponse, device_refused, documented
from lwm2m_fast.rest.routes import Ctx, Endpoint, Route, decoded

MAX_ID = 65534  # 65535 is reserved (LwM2M, section 7.1)
MAX_DIAGNOSTIC = 200
TEXT_FORMATS = (0, 40)  # text/plain, application/link-format
OPAQUE_FORMAT = 42
OCTETS = "application/octet-stream"

_PATH = re.compile(r"[0-9]{1,5}(/[0-9]{1,5}){0,3}", re.ASCII)


class Device(BaseModel):
    """A registration. Moments are unix seconds."""

    endpoint: str
    registration_id: str
    address: str
    transport: str
    lwm2m_version: str
    lifetime_s: int
    binding: str
    queue_mode: bool
    sms: str | None
    registered_at: float
    updated_at: float
    expires_at: float | None
    root: str
    content_formats: list[int]
    objects: dict[str, dict[str, Any]] = Field(
        description='Object id to {"version": "1.1" or null, "instances": [0]}'
    )
    links: str = Field(description="The object list as the device sent it (RFC 6690)")
    attributes: dict[str, str | None] = Field(description="Register parameters we do not know")


class DevicePage(BaseModel):
    devices: list[Device]
    next_cursor: int | None = Field(description="Ask again with this; null at the end")


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
    payload_hex: str
    etag: str | None = Field(description="CoAP ETag in hexadecimal")


async def list_devices(
    ctx: Ctx,
    cursor: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    contains: Annotated[str, Query(max_length=255, description="Part of the name")] = "",
) -> Response:
    """Registered devices, a page at a time. A page may be short and still not be the last."""
    devices, following = ctx.service.devices(cursor, limit, contains)
    return JsonResponse({"devices": devices, "next_cursor": following})


async def show_device(ctx: Ctx, endpoint: Endpoint) -> Response:
    """One registration."""
    device = ctx.service.device(endpoint)
    if device is None:
        raise UnknownDevice(endpoint)
    return JsonResponse(device)


async def remove_device(ctx: Ctx, endpoint: Endpoint) -> Response:
    """Remove a registration. The device's next Update gets 4.04, and it registers anew."""
    if not await ctx.service.deregister(endpoint):
        raise UnknownDevice(endpoint)
    return Response(status_code=204)


async def read(
    request: Request,
    ctx: Ctx,
    endpoint: Endpoint,
    path: str,
    timeout: Annotated[  # noqa: ASYNC109 - a query parameter
        float, Query(ge=0.1, le=600.0, description="Seconds to wait for the device")
    ] = 30.0,
    accept: Annotated[
        int | None, Query(ge=0, le=65535, description="CoAP Content-Format to ask for")
    ] = None,
) -> Response:
    """Read `/object[/instance[/resource[/resource instance]]]` from the device.

    With `Accept: application/octet-stream` (and no JSON in it) the answer is the payload as the
    device sent it, its format in the header `Content-Format`.
    """
    target = lwm2m_path(decoded(path))
    answer = await ctx.service.read(endpoint, target, accept, timeout)
    if answer.code >> 5 != 2:
        return device_refused(code_text(answer.code), diagnostic(answer))
    if wants_octets(request.headers.get("accept", "")):
        return _octets(answer)
    return JsonResponse(
        {
            "endpoint": endpoint,
            "path": target,
            "code": code_text(answer.code),
            "content_format": answer.content_format,
            "value": plain_value(answer),
            "payload_hex": answer.payload.hex(),
            "etag": answer.etag.hex() if answer.etag is not None else None,
        }
    )


def lwm2m_path(text: str) -> str:
    """`3/0/13` as `/3/0/13`. RequestError when it is no path."""
    ids = [int(part) for part in text.split("/")] if _PATH.fullmatch(text) else []
    if not ids or max(ids) > MAX_ID:
        raise RequestError(
            f"the path {text[:80]!r} is not object[/instance[/resource[/resource instance]]], "
            f"each a number from 0 to {MAX_ID}"
        )
    return "".join(f"/{one}" for one in ids)


def code_text(code: int) -> str:
    """A CoAP code byte as `class.detail` (RFC 7252, section 3)."""
    return f"{code >> 5}.{code & 31:02}"


def plain_value(answer: Answer) -> str | None:
    """The payload as one string, where its format says how."""
    if answer.content_format == OPAQUE_FORMAT:
        return answer.payload.hex()
    if answer.content_format in TEXT_FORMATS:
        try:
            return answer.payload.decode()
        except UnicodeDecodeError:
            return None
    return None


def diagnostic(answer: Answer) -> str:
    """The diagnostic payload of a refusal (RFC 7252, section 5.5.2), short and harmless."""
    text = answer.payload[:MAX_DIAGNOSTIC].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def wants_octets(accept: str) -> bool:
    """Whether an Accept header asks for raw bytes and not for JSON as well."""
    ranges = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return OCTETS in ranges and "application/json" not in ranges


def _octets(answer: Answer) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if answer.content_format is not None:
        headers["Content-Format"] = str(answer.content_format)
    if answer.etag is not None:
        headers["ETag"] = f'"{answer.etag.hex()}"'
    return Response(answer.payload, 200, headers, OCTETS)


_ONE = "/api/v1/devices/{endpoint}"
_UNKNOWN = "no device is registered under this name"
_READ_PROBLEMS = documented(
    {
        403: "the device refused with 4.01 or 4.03 (`coap_code`)",
        404: f"{_UNKNOWN} (`unknown-device`), or the device answered 4.04 (`device-refused`)",
        405: "the device answered 4.05",
        406: "the device answered 4.06: it cannot give the format asked for",
        429: "too many requests wait for this device, or for all; see Retry-After",
        502: "the device answered with another error code, or something that is no answer",
        504: "the device sleeps or did not answer in time",
    }
)
_READ_OK = {
    "model": ReadResult,
    "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
}

ROUTES = (
    Route(
        method="GET", path="/api/v1/devices", role=Role.READ, handler=list_devices,
        tag="devices", responses={200: {"model": DevicePage}},
    ),
    Route(
        method="GET", path=_ONE, role=Role.READ, handler=show_device,
        tag="devices", responses={200: {"model": Device}, **documented({404: _UNKNOWN})},
    ),
    Route(
        method="DELETE", path=_ONE, role=Role.OPERATE, handler=remove_device,
        tag="devices",
        responses={204: {"description": "It is removed"}, **documented({404: _UNKNOWN})},
    ),
    Route(
        method="GET", path=_ONE + "/{path:path}", role=Role.READ, handler=read,
        tag="devices", responses={200: _READ_OK, **_READ_PROBLEMS},
    ),
)  # fmt: skip
