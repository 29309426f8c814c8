"""Devices as orders see them, and the answers they give: plain values, no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lwm2m_fast import codec
from lwm2m_fast.core.ask import Answered, CoapRequest, Report
from lwm2m_fast.core.operations import Result, Target, build, interpret, target_of
from lwm2m_fast.core.orders import Order, order_json, parse_order
from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import Model, built_in

MODEL = Model(built_in())

VERSIONS = ("1.0", "1.1", "1.2")
OBJECTS = (0, 1, 3, 5, 3303, 3442)
NOW_NS = 1_700_000_000_000_000_000

GET, POST, PUT, DELETE, FETCH, IPATCH = 1, 2, 3, 4, 5, 7
TEXT, LINK, OCTETS, CBOR = 0, 40, 42, 60
SENML_JSON, SENML_CBOR, ETCH_JSON, ETCH_CBOR = 110, 112, 320, 322
OLD_TLV, OLD_JSON, TLV, JSON, LWM2M_CBOR = 1542, 1543, 11542, 11543, 11544


def device(
    version: str = "1.1",
    offers: tuple[int, ...] = (),
    root: str = "/",
    versions: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """What Engine.device() says of a device with the OBJECTS."""
    return {
        "endpoint": "dev-1",
        "lwm2m_version": version,
        "content_formats": list(offers),
        "root": root,
        "objects": {
            str(each): {"version": (versions or {}).get(each), "instances": [0]} for each in OBJECTS
        },
    }


def target(
    version: str = "1.1",
    offers: tuple[int, ...] = (),
    *,
    root: str = "/",
    forced: int | None = None,
    binary: int | None = None,
) -> Target:
    """A device of LwM2M `version` that offers these content formats."""
    return target_of(device(version, offers, root), MODEL, forced, binary)


def order(op: str, path: str | None = None, **fields: Any) -> Order:
    """An order that has been through JSON and back."""
    made = parse_order({"op": op, "path": path, **fields})
    assert parse_order(order_json(made)) == made
    return made


def request(where: Target, op: str, path: str | None = None, **fields: Any) -> CoapRequest:
    """The request that such an order is for `where`."""
    return build(order(op, path, **fields), where)


def answer(
    code: int,
    content_format: int | None = None,
    payload: bytes = b"",
    location: str | None = None,
    outcome: str = "answered",
) -> Answered:
    """An answer of a device."""
    return Answered(1, outcome, code, content_format, payload, None, location, 0)


def result(where: Target, what: Order, came: Answered) -> Result:
    """What the answer means."""
    return interpret(what, where, came, NOW_NS)


def report(
    content_format: int, payload: bytes, code: int = 69, observation: int = 1, at: float = 1.7e9
) -> Report:
    """A notification, or a Send with code 0."""
    return Report(3, observation, code, content_format, payload, at, 7)


def segments(path: str) -> tuple[bytes, ...]:
    return tuple(part.encode() for part in path.split("/") if part)


def values(made: CoapRequest, base: str = "/", root: str = "/") -> dict[str, Any]:
    """What the request's payload says, path to value."""
    assert made.content_format is not None
    types = target().types
    pack = codec.decode(made.content_format, bytes(made.payload), base, types, root=root)
    return {str(node.path): node.value for node in pack}


def refused(where: Target, op: str, path: str | None = None, **fields: Any) -> str:
    """Why the order cannot be sent."""
    what = order(op, path, **fields)
    with pytest.raises(RequestError) as caught:
        build(what, where)
    return str(caught.value)
