"""Plain Python values of self-describing formats, made the kind that a resource has.

The same rules as wire_value.pyx, for the formats that are read as a whole. Knows no format.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from lwm2m_fast.codec.cbor_tree import EpochTime
from lwm2m_fast.codec.kinds import Kind, ObjectLink, Value

LINK: Final = re.compile(r"[0-9]{1,5}:[0-9]{1,5}", re.ASCII)


def as_link(wire: Any) -> ObjectLink:
    """The link that "object:instance", or a pair of ids, stands for; ValueError otherwise."""
    if isinstance(wire, str) and LINK.fullmatch(wire):
        wire = [int(part) for part in wire.split(":")]
    if (
        not isinstance(wire, list)
        or len(wire) != 2
        or not all(isinstance(part, int) and 0 <= part <= 65535 for part in wire)
    ):
        raise ValueError("not object:instance")
    return ObjectLink(*wire)


def _whole(wire: Any) -> int:
    if isinstance(wire, EpochTime):
        wire = wire.seconds
    if isinstance(wire, bool) or not isinstance(wire, int | float | Decimal):
        raise ValueError("not a number")
    if wire != wire or wire in (float("inf"), float("-inf")) or wire != int(wire):
        raise ValueError("not a whole number")
    return int(wire)


def _float(wire: Any) -> float:
    if isinstance(wire, bool) or not isinstance(wire, int | float | Decimal):
        raise ValueError("not a number")
    value = float(wire)
    if value in (float("inf"), float("-inf")) and not isinstance(wire, float):
        raise ValueError("beyond the largest double")
    return value


def _boolean(wire: Any) -> bool:
    if isinstance(wire, bool) or (isinstance(wire, int) and wire in (0, 1)):
        return bool(wire)
    raise ValueError("neither true nor false")


def _text(wire: Any) -> str:
    if not isinstance(wire, str):
        raise ValueError("not text")
    return wire


def _opaque(wire: Any) -> bytes:
    if not isinstance(wire, bytes):
        raise ValueError("not bytes")
    return wire


def _own(wire: Any) -> tuple[Kind, Value]:
    """The kind that the wire itself says."""
    if isinstance(wire, bool):
        return Kind.BOOLEAN, wire
    if isinstance(wire, int):
        return (Kind.UNSIGNED_INTEGER if wire >= 1 << 63 else Kind.INTEGER), wire
    if isinstance(wire, float | Decimal):
        return Kind.FLOAT, _float(wire)
    if isinstance(wire, EpochTime):
        return Kind.TIME, _whole(wire)
    if isinstance(wire, str):
        return Kind.STRING, wire
    if isinstance(wire, bytes):
        return Kind.OPAQUE, wire
    if isinstance(wire, ObjectLink):
        return Kind.OBJLNK, wire
    raise ValueError("not a value")


READ: Final[dict[Kind, Callable[[Any], Value]]] = {
    Kind.STRING: _text,
    Kind.INTEGER: _whole,
    Kind.UNSIGNED_INTEGER: _whole,
    Kind.FLOAT: _float,
    Kind.BOOLEAN: _boolean,
    Kind.OPAQUE: _opaque,
    Kind.TIME: _whole,
    Kind.OBJLNK: as_link,
    Kind.CORELNK: _text,
}


def typed(kind: Kind | None, wire: Any) -> tuple[Kind, Value]:
    """The kind and value of what was on the wire for a resource of `kind`, None when unknown.

    ValueError when the value cannot be of that kind.
    """
    if kind is None or kind not in READ:
        return _own(wire)
    return kind, READ[kind](wire)
