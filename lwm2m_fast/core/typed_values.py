"""The values of orders and results: JSON to what a resource's type holds, and back.

One table each way, one row per type (LwM2M Core, appendix C). Text is understood for every type
that has a text form, because a shell has nothing else. Knows no resource and no format.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from lwm2m_fast.codec import Kind, Node, Value
from lwm2m_fast.codec.link import decode_links
from lwm2m_fast.codec.moment import text_to_seconds
from lwm2m_fast.codec.plain_value import as_link
from lwm2m_fast.codec.text import READ as READ_TEXT
from lwm2m_fast.core.value_shapes import hex_bytes
from lwm2m_fast.errors import FormatError, RequestError

BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}

NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""What JSON has no number for."""

EXACT: Final = 1 << 53
"""Below this a JSON number with a fraction of 0 is the whole number that was meant."""


RANGES: Final = {
    Kind.INTEGER: (-(1 << 63), (1 << 63) - 1),
    Kind.UNSIGNED_INTEGER: (0, (1 << 64) - 1),
    Kind.TIME: (-(1 << 63), (1 << 63) - 1),
}
"""What fits into the whole numbers (LwM2M Core, appendix C)."""


def _ranged(kind: Kind) -> Callable[[Any], int]:
    low, high = RANGES[kind]

    def read(given: Any) -> int:
        number = _time(given) if kind is Kind.TIME else _whole(given)
        if not low <= number <= high:
            raise ValueError(f"allowed are {low} to {high}")
        return number

    return read


def _whole(given: Any) -> int:
    if isinstance(given, str):
        return int(READ_TEXT[Kind.INTEGER](given))  # type: ignore[arg-type]
    if isinstance(given, float) and given.is_integer() and abs(given) < EXACT:
        return int(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise ValueError("a whole number is needed")
    return given


def _float(given: Any) -> float:
    if isinstance(given, str):
        if given in NOT_FINITE:
            return NOT_FINITE[given]
        return float(READ_TEXT[Kind.FLOAT](given))  # type: ignore[arg-type]
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("a number is needed")
    return float(given)


def _boolean(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.lower() in BOOLEANS:
        return BOOLEANS[given.lower()]
    raise ValueError("true or false is needed")


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError("text is needed")
    return given


def _opaque(given: Any) -> bytes:
    if isinstance(given, dict) and isinstance(given.get("hex"), str):
        return hex_bytes("hex", given["hex"])
    raise ValueError('bytes are needed, as {"hex": "00ff"}')


def _time(given: Any) -> int:
    if isinstance(given, str) and "-" in given[1:]:
        return text_to_seconds(given.encode())
    return _whole(given)


def _core_link(given: Any) -> str:
    text = _text(given)
    decode_links(text.encode())
    return text


def _object_link(given: Any) -> Value:
    return as_link(_text(given))


_FROM_JSON: Final[dict[Kind, Callable[[Any], Value]]] = {
    Kind.STRING: _text,
    Kind.INTEGER: _ranged(Kind.INTEGER),
    Kind.UNSIGNED_INTEGER: _ranged(Kind.UNSIGNED_INTEGER),
    Kind.FLOAT: _float,
    Kind.BOOLEAN: _boolean,
    Kind.OPAQUE: _opaque,
    Kind.TIME: _ranged(Kind.TIME),
    Kind.OBJLNK: _object_link,
    Kind.CORELNK: _core_link,
}


def own_kind(given: Any) -> Kind:
    """The kind of a JSON value for a resource that nobody knows."""
    if isinstance(given, bool):
        return Kind.BOOLEAN
    if isinstance(given, int):
        return Kind.INTEGER if given < 1 << 63 else Kind.UNSIGNED_INTEGER
    if isinstance(given, float):
        return Kind.FLOAT
    return Kind.STRING if isinstance(given, str) else Kind.OPAQUE


def typed_value(where: str, kind: Kind, given: Any) -> Value:
    """The JSON value `given` as a value of `kind`; RequestError names `where` and what is
    needed."""
    try:
        return _FROM_JSON[kind](given)
    except (ValueError, OverflowError, FormatError, RequestError) as error:
        raise RequestError(f"{where}: {given!r:.60} is not {kind.name}: {error}") from None


def _float_json(value: Any) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


_TO_JSON: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.OPAQUE: lambda value: {"hex": value.hex()},
    Kind.OBJLNK: str,
    Kind.FLOAT: _float_json,
}
"""Kinds whose values are not JSON as they are."""


def value_json(kind: Kind, value: Value) -> Any:
    """A value as JSON has it; typed_value() reads it back."""
    made = _TO_JSON.get(kind)
    return made(value) if made else value


def node_json(node: Node) -> dict[str, Any]:
    """{"path", "type", "value", "time"}: time in Unix seconds, null for "just now"."""
    time_ns = node.time_ns
    kind = node.kind
    return {
        "path": str(node.path),
        "type": kind.name,
        "value": value_json(kind, node.value),
        "time": None if time_ns is None else time_ns / 1e9,
    }
