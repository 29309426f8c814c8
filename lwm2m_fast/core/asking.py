"""Orders that carry no values, as CoAP requests (LwM2M Core, sections 6.3 and 6.4).

Levels have been checked (core/operations); here the model, the formats and the arguments are.
"""

from __future__ import annotations

from typing import Final

from lwm2m_fast import codec
from lwm2m_fast.codec import Node
from lwm2m_fast.core.arglist import parse_arglist
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.attributes import attribute_query
from lwm2m_fast.core.choice import (
    check_access,
    check_object,
    composite_formats,
    formats_of,
    is_single,
    place_of,
    type_at,
)
from lwm2m_fast.core.orders import MAX_PATHS, Order
from lwm2m_fast.core.target import Target
from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.model import Operation
from lwm2m_fast.wire.numbers import Code, ContentFormat

GET: Final = int(Code.GET)
POST: Final = int(Code.POST)
PUT: Final = int(Code.PUT)
DELETE: Final = int(Code.DELETE)
FETCH: Final = int(Code.FETCH)

BEGIN: Final = 0
CANCEL: Final = 1
"""Observe in a request (RFC 7641, section 2)."""

_DEPTH_FROM: Final = (1, 2)


def _get(order: Order, target: Target, operation: Operation, observe: int | None) -> CoapRequest:
    place = place_of(order.path or "")
    check_access(order, target, place.path, "R")
    single, type = is_single(target, place.path), type_at(target, place.path)
    accept = formats_of(order, target, operation, single, type).accept
    return CoapRequest(GET, place.segments, accept=accept, observe=observe)


def read(order: Order, target: Target) -> CoapRequest:
    """GET, in a format that the device speaks."""
    return _get(order, target, Operation.READ, None)


def observe(order: Order, target: Target) -> CoapRequest:
    """GET with Observe 0."""
    return _get(order, target, Operation.OBSERVE, BEGIN)


def cancel_observe(order: Order, target: Target) -> CoapRequest:
    """GET with Observe 1: of an active cancel; a passive one sends nothing."""
    return _get(order, target, Operation.OBSERVE, CANCEL)


def discover(order: Order, target: Target) -> CoapRequest:
    """GET for links; `depth` is of LwM2M 1.2 (Core 1.2, section 6.3.3)."""
    place = place_of(order.path or "")
    check_object(order, place.path)
    query: tuple[bytes, ...] = ()
    if order.depth is not None:
        if target.version < _DEPTH_FROM and not order.is_unchecked:
            raise RequestError(
                f"depth: needs LwM2M 1.2, {target.endpoint!r} speaks {target.lwm2m_version}"
            )
        query = (b"depth=%d" % order.depth,)
    return CoapRequest(GET, place.segments, query, accept=int(ContentFormat.LINK))


def execute(order: Order, target: Target) -> CoapRequest:
    """POST with the arguments as text, or with nothing at all."""
    place = place_of(order.path or "")
    check_access(order, target, place.path, "E")
    if not order.arguments:
        return CoapRequest(POST, place.segments)
    if not order.is_free_text:
        parse_arglist(order.arguments)
    payload = order.arguments.encode()
    text = int(ContentFormat.TEXT)
    return CoapRequest(POST, place.segments, content_format=text, payload=payload)


def delete(order: Order, target: Target) -> CoapRequest:
    """DELETE."""
    place = place_of(order.path or "")
    check_object(order, place.path)
    return CoapRequest(DELETE, place.segments)


def write_attributes(order: Order, target: Target) -> CoapRequest:
    """PUT with the attributes in the query and no payload."""
    place = place_of(order.path or "")
    check_access(order, target, place.path, "R")
    type = type_at(target, place.path)
    query = attribute_query(order.attributes or {}, place.path.depth, type, target.version)
    return CoapRequest(PUT, place.segments, query)


def _fetch(order: Order, target: Target, operation: Operation, observe: int | None) -> CoapRequest:
    formats = composite_formats(order, target, operation)
    if not 1 <= len(order.paths) <= MAX_PATHS:
        raise RequestError(f"paths: {len(order.paths)}, allowed are 1 to {MAX_PATHS}")
    nodes = []
    for text in order.paths:
        path = place_of(text).path
        check_access(order, target, path, "R")
        nodes.append(Node(path))
    try:
        payload = codec.encode(formats.content_format or 0, nodes, "/", root=target.root)
    except FormatError as error:
        raise RequestError(f"paths: {error}") from None
    return CoapRequest(
        FETCH,
        content_format=formats.content_format,
        accept=formats.accept,
        payload=payload,
        observe=observe,
    )


def read_composite(order: Order, target: Target) -> CoapRequest:
    """FETCH on the root with the paths (LwM2M Core, section 6.3.8)."""
    return _fetch(order, target, Operation.READ_COMPOSITE, None)


def observe_composite(order: Order, target: Target) -> CoapRequest:
    """The same with Observe 0."""
    return _fetch(order, target, Operation.OBSERVE_COMPOSITE, BEGIN)


def cancel_composite(order: Order, target: Target) -> CoapRequest:
    """The same with Observe 1; a passive cancel sends nothing."""
    return _fetch(order, target, Operation.OBSERVE_COMPOSITE, CANCEL)
