"""An order: one thing to do to one device, as people and programs say it; values only.

An order is stored, listed and shown as JSON, and holds nothing that only makes sense for one
device: types, formats and levels are looked up when it is checked and when it is sent
(core/operations).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Final, NamedTuple

from lwm2m_fast.codec import FORMATS, Path
from lwm2m_fast.core.arglist import MAX_BYTES as MAX_ARGUMENT_BYTES
from lwm2m_fast.core.arglist import parse_arglist
from lwm2m_fast.core.attributes import parse_attributes
from lwm2m_fast.core.raw_coap import parse_raw
from lwm2m_fast.core.value_shapes import Budget, check_value
from lwm2m_fast.errors import FormatError, RequestError

SERIALIZATIONS: Final = ("TLV", "JSON", "CBOR", "TEXT", "OPAQUE", "SENML_JSON", "SENML_CBOR")
AUTOMATIC: Final = "DEFAULT"
"""Beside those: what the device speaks."""

MAX_PATHS: Final = 100
"""The most paths of one composite order."""

MAX_DEPTH: Final = 3
"""Of Discover: object, instance, resource, resource instance below each other."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to do. Which fields matter depends on `op`; the rest stays as it is here."""

    op: str
    """read · write · execute · create · delete · discover · write_attributes · observe ·
    cancel_observe · read_composite · write_composite · observe_composite · cancel_composite ·
    coap."""
    path: str | None = None
    """"/3/0/9"; of the single-path operations."""
    paths: tuple[str, ...] = ()
    """Of read_composite, observe_composite, cancel_composite."""
    value: Any = None
    """Of write: one resource or resource instance. JSON as the type has it: text, number, boolean,
    {"hex": "00ff"} for opaque, "3:0" for an object link, a number of seconds or RFC 3339 text for a
    time; {"0": v, "1": v} for a multiple resource; {"file": name} streams an uploaded file."""
    values: Mapping[str, Any] | None = None
    """Of write (an instance: resource id to value), create (the same; or instance id to such a
    map), write_composite (full path to value; null removes)."""
    arguments: str | None = None
    """Of execute: the OMA argument list, `0='x',1`."""
    is_free_text: bool = False
    """Of execute: send `arguments` unchecked, whatever it is."""
    attributes: Mapping[str, Any] | None = None
    """Of write_attributes: name to number, or null to unset; `cancel` unsets what is not set."""
    mode: str | None = None
    """write: "replace" (PUT, the default) or "update" (POST); cancel_*: "passive" (the default: a
    reset answers the next notification) or "active" (a request with Observe 1)."""
    format: int | None = None
    """Content format for this one order, before every other preference."""
    serialization: str | None = None
    """What the device's `serializationFormat` was when this was asked (SERIALIZATIONS, AUTOMATIC),
    and counts for it in place of what that is when it is sent; None: of then."""
    depth: int | None = None
    """Of discover (LwM2M 1.2): 0 to 3."""
    coap: Mapping[str, Any] | None = field(default=None)
    """Of coap: method, uri, query[], content_format, accept, payload_hex."""
    is_unchecked: bool = False
    """Leave it to the device whether it offers the format, may be read, written or executed there
    by the object model, and lets anybody near object 0; types and levels are checked as ever."""


class Shape(NamedTuple):
    """The fields of one operation's orders."""

    needs: tuple[str, ...]
    may: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()


_CANCEL_MODES: Final = ("passive", "active")

SHAPES: Final[Mapping[str, Shape]] = {
    "read": Shape(("path",), ("format",)),
    "write": Shape(("path",), ("value", "values", "mode", "format"), ("replace", "update")),
    "execute": Shape(("path",), ("arguments", "is_free_text")),
    "create": Shape(("path",), ("values", "format")),
    "delete": Shape(("path",)),
    "discover": Shape(("path",), ("depth",)),
    "write_attributes": Shape(("path", "attributes")),
    "observe": Shape(("path",), ("format",)),
    "cancel_observe": Shape(("path",), ("mode", "format"), _CANCEL_MODES),
    "read_composite": Shape(("paths",), ("format",)),
    "write_composite": Shape(("values",), ("format",)),
    "observe_composite": Shape(("paths",), ("format",)),
    "cancel_composite": Shape(("paths",), ("mode", "format"), _CANCEL_MODES),
    "coap": Shape(("coap",)),
}
"""Operation to what its orders are made of; `is_unchecked` goes with each, and `serialization` with
each that has a `format`."""


def _shown(value: Any) -> str:
    return repr(value)[:60] if not isinstance(value, str) else repr(value[:60])


def _path(name: str, given: Any) -> str:
    if not isinstance(given, str) or not given:
        raise RequestError(f"{name}: {_shown(given)} is not a path such as /3/0/9")
    try:
        return str(Path.parse(given))
    except FormatError as error:
        raise RequestError(f"{name}: {error}") from None


def _paths(name: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= MAX_PATHS:
        raise RequestError(f"{name}: a list of 1 to {MAX_PATHS} paths is needed")
    found = tuple(_path(name, each) for each in given)
    twice = next((each for each in found if found.count(each) > 1), None)
    if twice is not None:
        raise RequestError(f"{name}: {twice} is given twice")
    return found


def _value(name: str, given: Any) -> Any:
    if given is None:
        raise RequestError(f"{name}: null is no value")
    check_value(name, given, Budget())
    return given


def _values(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise RequestError(f"{name}: an object is needed, not {_shown(given)}")
    budget = Budget()
    for key, value in given.items():
        if not isinstance(key, str):
            raise RequestError(f"{name}: {_shown(key)} is not text")
        if value is not None:
            check_value(f"{name}: {key[:60]}", value, budget, levels=2)
    return dict(given)


def _arguments(name: str, given: Any) -> str:
    if not isinstance(given, str):
        raise RequestError(f"{name}: {_shown(given)} is not text")
    try:
        size = len(given.encode())
    except UnicodeEncodeError:
        raise RequestError(f"{name}: {_shown(given)} is not UTF-8") from None
    if size > MAX_ARGUMENT_BYTES:
        raise RequestError(f"{name}: {size} bytes, the limit is {MAX_ARGUMENT_BYTES}")
    return given


def _attributes(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise RequestError(f"{name}: an object is needed, not {_shown(given)}")
    return dict(parse_attributes(given))


def _flag(name: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise RequestError(f"{name}: {_shown(given)} is neither true nor false")
    return given


def _whole(name: str, given: Any, most: int) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= most:
        raise RequestError(f"{name}: {_shown(given)} is not a whole number from 0 to {most}")
    return given


def _format(name: str, given: Any) -> int:
    if _whole(name, given, 65_535) not in FORMATS:
        known = ", ".join(map(str, FORMATS))
        raise RequestError(f"{name}: content format {given} is not known; known are {known}")
    return int(given)


def _serialization(name: str, given: Any) -> str:
    if given != AUTOMATIC and given not in SERIALIZATIONS:
        known = ", ".join((*SERIALIZATIONS, AUTOMATIC))
        raise RequestError(f"{name}: {_shown(given)} is not one of {known}")
    return str(given)


def _mode(name: str, given: Any) -> str:
    if not isinstance(given, str):
        raise RequestError(f"{name}: {_shown(given)} is not text")
    return given


_READ: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "path": _path,
    "paths": _paths,
    "value": _value,
    "values": _values,
    "arguments": _arguments,
    "is_free_text": _flag,
    "attributes": _attributes,
    "mode": _mode,
    "format": _format,
    "serialization": _serialization,
    "depth": lambda name, given: _whole(name, given, MAX_DEPTH),
    "coap": parse_raw,
    "is_unchecked": _flag,
}
_DEFAULTS: Final = {
    each.name: each.default for each in fields(Order) if each.default is not MISSING
}


def parse_order(data: Mapping[str, Any]) -> Order:
    """The order that a JSON object says. A field that is null is as if it were absent.

    RequestError names field, value and limit. What depends on the device (levels, types, formats)
    is not looked at.
    """
    if not isinstance(data, Mapping):
        raise RequestError(f"an order is a JSON object, not {_shown(data)}")
    op = data.get("op")
    shape = SHAPES.get(op) if isinstance(op, str) else None
    if shape is None:
        raise RequestError(f"op: {_shown(op)} is not known; known are {', '.join(SHAPES)}")
    given = {name: value for name, value in data.items() if value is not None and name != "op"}
    also = ("serialization",) if "format" in shape.may else ()
    allowed_names = (*shape.needs, *shape.may, *also, "is_unchecked")
    for name in given:
        if name not in allowed_names:
            allowed = ", ".join(allowed_names)
            raise RequestError(f"{str(name)[:60]}: not a field of {op}, which has {allowed}")
    for name in shape.needs:
        if name not in given:
            raise RequestError(f"{name}: missing, {op} needs it")
    read = {name: _READ[name](name, value) for name, value in given.items()}
    if op == "write_composite":
        read["values"] = _by_path(read["values"])
    order = Order(str(op), **read)
    _check_whole(order, shape)
    return order


def _by_path(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text, value in values.items():
        path = _path("values", text)
        if path in found:
            raise RequestError(f"values: {path} is given twice")
        found[path] = value
    return found


def _check_whole(order: Order, shape: Shape) -> None:
    """What more than one field says."""
    if order.mode is not None and order.mode not in shape.modes:
        raise RequestError(f"mode: {_shown(order.mode)} is not one of {', '.join(shape.modes)}")
    if order.op == "write" and (order.value is None) == (order.values is None):
        raise RequestError("write: either value or values is needed, and not both")
    if order.op == "write_composite" and not order.values:
        raise RequestError("values: none is given")
    if order.op == "execute" and order.arguments and not order.is_free_text:
        parse_arglist(order.arguments)


def serialized(order: Order, name: str) -> Order:
    """`order` as it is asked while the device's `serializationFormat` is `name`."""
    if "format" not in SHAPES[order.op].may:
        return order
    return replace(order, serialization=name)


def order_json(order: Order) -> dict[str, Any]:
    """The JSON object that parse_order() reads as `order`, without what is at its default."""
    found: dict[str, Any] = {"op": order.op}
    for name, default in _DEFAULTS.items():
        value = getattr(order, name)
        if value != default:
            found[name] = list(value) if name == "paths" else value
    return found
