"""A raw CoAP request, as a person words it, and as it goes to the device: nothing mapped.

Knows the shape of a request (RFC 7252, section 5.1) and nothing of LwM2M.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.value_shapes import MAX_BYTES, hex_bytes
from lwm2m_fast.errors import RequestError
from lwm2m_fast.wire.numbers import Code

METHODS: Final[Mapping[str, int]] = {
    "get": int(Code.GET),
    "post": int(Code.POST),
    "put": int(Code.PUT),
    "delete": int(Code.DELETE),
    "fetch": int(Code.FETCH),
    "patch": int(Code.PATCH),
    "ipatch": int(Code.IPATCH),
}

MAX_URI_CHARACTERS: Final = 1024
MAX_PART_BYTES: Final = 255
"""A path segment or a query parameter (RFC 7252, section 5.10)."""

_FIELDS: Final = ("method", "uri", "query", "content_format", "accept", "payload_hex")


def _number(raw: Mapping[str, Any], name: str) -> int | None:
    given = raw.get(name)
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= 65_535:
        raise RequestError(f"coap: {name}: {given!r:.40} is not a number from 0 to 65535")
    return given


def _part(name: str, text: str) -> bytes:
    part = unquote_to_bytes(text)
    if len(part) > MAX_PART_BYTES:
        raise RequestError(f"coap: {name}: a part of {len(part)} bytes, allowed {MAX_PART_BYTES}")
    return part


def _uri(raw: Mapping[str, Any]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Path segments and query parameters; "/" has none of either."""
    uri, more = raw.get("uri"), raw.get("query") or ()
    if not isinstance(uri, str) or not uri.startswith("/") or uri.startswith("//"):
        raise RequestError(f"coap: uri: {uri!r:.60} is not a path of the device, such as /3/0?a=1")
    if not isinstance(more, list | tuple) or not all(isinstance(each, str) for each in more):
        raise RequestError(f"coap: query: {more!r:.60} is not a list of texts")
    size = len(uri) + sum(map(len, more))
    if size > MAX_URI_CHARACTERS:
        raise RequestError(f"coap: uri: {size} characters, the limit is {MAX_URI_CHARACTERS}")
    if "#" in uri:
        raise RequestError(f"coap: uri: {uri!r:.60} has a fragment, which CoAP cannot say")
    path, question, query = uri.partition("?")
    segments = path[1:].split("/") if path != "/" else []
    parameters = query.split("&") if question else []
    try:
        return (
            tuple(_part("uri", each) for each in segments),
            tuple(_part("query", each) for each in (*parameters, *more)),
        )
    except UnicodeEncodeError:
        raise RequestError("coap: uri: not UTF-8") from None


def build_raw(raw: Mapping[str, Any]) -> CoapRequest:
    """The request; RequestError names field, value and limit."""
    for name in raw:
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise RequestError(f"coap: {str(name)[:40]!r} is not a field; known are {known}")
    method = raw.get("method")
    number = METHODS.get(method.lower()) if isinstance(method, str) else None
    if number is None:
        known = ", ".join(METHODS)
        raise RequestError(f"coap: method: {method!r:.40} is not known; known are {known}")
    path, query = _uri(raw)
    given = raw.get("payload_hex") or ""
    if not isinstance(given, str) or len(given) > MAX_BYTES:
        raise RequestError(f"coap: payload_hex: not text of at most {MAX_BYTES} characters")
    return CoapRequest(
        method=number,
        path=path,
        query=query,
        content_format=_number(raw, "content_format"),
        accept=_number(raw, "accept"),
        payload=hex_bytes("coap: payload_hex", given),
        is_absolute=True,
    )


def parse_raw(name: str, given: Any) -> dict[str, Any]:
    """The `coap` field of an order, checked."""
    if not isinstance(given, Mapping):
        raise RequestError(f"{name}: an object is needed, not {given!r:.60}")
    raw = {str(key): value for key, value in given.items() if value is not None}
    build_raw(raw)
    return raw
