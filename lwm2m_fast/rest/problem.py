"""Everything that goes wrong, as problem+json (RFC 9457), and JSON answers.

One shape for our own errors, wrong input, unknown routes and refusals of devices. Never shows
what was sent to us beyond the name of the field, nor anything of our inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from lwm2m_fast import errors

TYPE_BASE = "urn:lwm2m-fast:problem:"
MAX_LISTED = 20  # wrong fields named in one answer

# Error class -> (type, seconds to wait before trying again). The nearest base class counts.
TYPES: dict[type[errors.Error], tuple[str, int | None]] = {
    errors.Error: ("internal", None),
    errors.FormatError: ("format", None),
    errors.RequestError: ("request", None),
    errors.UnknownDevice: ("unknown-device", None),
    errors.NotFound: ("not-found", None),
    errors.Conflict: ("conflict", None),
    errors.QueueFull: ("queue-full", 1),
    errors.DeviceError: ("device", None),
    errors.DeviceTimeout: ("device-timeout", None),
    errors.DeviceAsleep: ("device-asleep", None),
    errors.StoreError: ("store", 5),
}

# What a device refused with -> HTTP status. Every other 4.xx and 5.xx is a 502: the device and
# we do not understand each other, which the HTTP client cannot mend.
DEVICE_STATUS = {"4.01": 403, "4.03": 403, "4.04": 404, "4.05": 405, "4.06": 406}


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description=f"`about:blank`, or `{TYPE_BASE}` and a word")
    title: str
    status: int
    detail: str | None = None
    errors: list[dict[str, str]] | None = Field(None, description="Wrong input: where and what")
    coap_code: str | None = Field(None, description="What the device answered, such as 4.04")


class JsonResponse(Response):
    """JSON written by orjson."""

    media_type = "application/json"

    def __init__(
        self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status, {"Cache-Control": "no-store", **(headers or {})})

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class ProblemResponse(JsonResponse):
    media_type = "application/problem+json"


def documented(described: Mapping[Any, str]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI rows for error answers: status to what it means here."""
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": text, "content": {ProblemResponse.media_type: reference}}
        for status, text in described.items()
    }


def problem(
    status: int,
    detail: str | None = None,
    kind: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> ProblemResponse:
    """An answer with this status; `kind` is the last word of its type."""
    body = {
        "type": TYPE_BASE + kind if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        **({"detail": detail} if detail else {}),
        **more,
    }
    return ProblemResponse(body, status, headers)


def device_refused(coap_code: str, diagnostic: str) -> ProblemResponse:
    """The answer for a device that answered with an error code."""
    status = DEVICE_STATUS.get(coap_code, 502)
    said = f": {diagnostic}" if diagnostic else ""
    # RFC 9110, section 15.5.6: a 405 names what is allowed, here nothing that we know of.
    headers = {"Allow": ""} if status == 405 else None
    detail = f"the device answered {coap_code}{said}"
    return problem(status, detail, "device-refused", headers, coap_code=coap_code)


def of_error(error: errors.Error) -> ProblemResponse:
    """The answer for one of the house's own errors."""
    kind, wait = next(TYPES[c] for c in type(error).__mro__ if c in TYPES)
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return problem(error.http_status, str(error), kind, headers)


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem."""
    app.add_exception_handler(errors.Error, _on_error)
    app.add_exception_handler(RequestValidationError, _on_wrong_input)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.Error)  # noqa: S101 - what it is registered for
    return of_error(error)


async def _on_wrong_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = [
        {"field": ".".join(str(part) for part in one["loc"]), "message": str(one["msg"])}
        for one in error.errors()[:MAX_LISTED]
    ]
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in found[:3])
    return problem(400, detail, "input", errors=found)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    standard = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != standard else None
    return problem(error.status_code, detail, None, headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    # The traceback is logged by uvicorn, which sees the exception too.
    return problem(500, "the server failed to answer; its log says why", "internal")


def _methods(request: Request) -> set[str]:
    """All methods of all routes that match the path; the router knows of the first only."""
    return {
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in getattr(route, "methods", None) or ()
    }
