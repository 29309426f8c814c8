"""OMA JSON (content format 11543, 1543 before LwM2M 1.0): OMA TS LightweightM2M 1.0, 6.4.4.

One base name and time for all entries; text is `sv`, opaque is `sv` as base64 with its padding, a
link is `ov`. Names are the base name and the entry's own, one behind the other. Of interest for
LwM2M 1.0 devices only, so not written for speed.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import orjson

from lwm2m_fast.codec.json_text import check_json
from lwm2m_fast.codec.kinds import (
    MAX_DEPTH,
    MAX_RECORDS,
    RELATIVE_TIME_LIMIT_S,
    Kind,
    PayloadError,
    TypeSource,
)
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack, pack_nodes
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.plain_value import as_link, typed
from lwm2m_fast.codec.single import RESOURCE_DEPTH, as_path
from lwm2m_fast.codec.types import Types, as_types_object, resource_kind
from lwm2m_fast.errors import FormatError

NAME: Final = "OMA JSON"
NUMBER: Final = 11543
VALUE_FIELDS: Final = ("v", "bv", "sv", "ov")
NS: Final = 1_000_000_000
MAX_SECONDS: Final = Decimal((1 << 63) - 1) / NS
EXPONENT_CHARACTERS: Final = 4


def _fail(path: Path | str, offset: int, why: str) -> PayloadError:
    return PayloadError(NAME, str(path), offset, why)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which no field is there twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is there twice")
    return fields


def _fraction(text: str) -> Decimal:
    """A number with a fraction or exponent; the exponent bounds the work of what follows."""
    number = Decimal(text) if len(text.lower().partition("e")[2]) <= EXPONENT_CHARACTERS else None
    if number is None:
        raise ValueError(f"the exponent of {text[:40]} is beyond any number")
    return number


def _load(payload: bytes, place: Path) -> dict[str, Any]:
    """The payload as a dict; numbers with a fraction as Decimal, so that times stay exact."""
    offset, why = check_json(payload, MAX_DEPTH)
    if why:
        raise _fail(place, offset, why)
    try:
        pack = json.loads(payload, parse_float=_fraction, object_pairs_hook=_object)
    except ValueError as error:
        raise _fail(place, 0, str(error)) from None
    if not isinstance(pack, dict) or not isinstance(pack.get("e"), list):
        raise _fail(place, 0, 'not an object with a list "e"')
    return pack


def _text(fields: dict[str, Any], name: str) -> str:
    if not isinstance(value := fields.get(name, ""), str):
        raise ValueError(f"{name!r} is not text")
    return value


def _path(base_name: str, name: str, place: Path, root: str) -> Path:
    """The path of an entry; names without a base name may be relative to what was asked for."""
    full = base_name + name
    if not full:
        return place
    if not base_name and not full.startswith("/"):
        full = f"{'' if not place.depth else place}/{full}"
    elif root.strip("/"):
        prefix = "/" + root.strip("/")
        if not full.startswith(prefix):
            raise ValueError(f"{full[:64]!r} is outside the root path")
        full = full[len(prefix) :]
    return Path.parse(full)


def _nanoseconds(fields: dict[str, Any], name: str) -> int | None:
    seconds = fields.get(name)
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | Decimal):
        raise ValueError(f"{name!r} is not a number")
    if not -MAX_SECONDS <= seconds <= MAX_SECONDS:
        raise ValueError(f"{name!r} is beyond 64 bits of nanoseconds")
    exact = Fraction(seconds) * NS
    if exact.denominator != 1:
        raise ValueError(f"{name!r} is finer than nanoseconds")
    return int(exact)


def _moment(base_ns: int | None, own_ns: int | None, now_ns: int | None) -> int | None:
    if base_ns is None and own_ns is None:
        return None
    total = (base_ns or 0) + (own_ns or 0)
    if total < RELATIVE_TIME_LIMIT_S * NS:
        if now_ns is None:
            raise ValueError(f"{total} ns is relative and the present was not given")
        total += now_ns
    return total


def _opaque(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


def _wire(fields: dict[str, Any], kind: Kind | None) -> Any:
    """The one value among an entry's fields, as `typed` takes it."""
    found = [name for name in VALUE_FIELDS if name in fields]
    if len(found) != 1:
        raise ValueError(f"{len(found)} values where one belongs")
    wire = fields[found[0]]
    if found[0] in ("sv", "ov") and not isinstance(wire, str):
        raise ValueError(f"{found[0]!r} is not text")
    if found[0] == "ov":
        return wire if kind is Kind.OBJLNK else as_link(wire)
    if found[0] == "sv" and kind is Kind.OPAQUE:
        return _opaque(wire)
    return wire


def _entry(fields: Any, path: Path, types: Types | TypeSource | None, time_ns: int | None) -> Node:
    known = resource_kind(types, path)
    kind, value = typed(known, _wire(fields, known))
    return Node(path, value, kind, time_ns)


def decode(
    payload: bytes,
    base: Path | str,
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """Values at or below `base`; a Pack in the payload's order. Offsets count entries."""
    place = as_path(base)
    pack = _load(payload, place)
    entries = pack["e"]
    if len(entries) > MAX_RECORDS:
        raise _fail(place, MAX_RECORDS, f"more than {MAX_RECORDS} records")
    known = as_types_object(types)
    nodes: list[Node] = []
    path = place
    try:
        base_name, base_ns = _text(pack, "bn"), _nanoseconds(pack, "bt")
        for fields in entries:
            path = place
            if not isinstance(fields, dict):
                raise ValueError("not an object")
            path = _path(base_name, _text(fields, "n"), place, root)
            if not place.contains(path) or path.depth < RESOURCE_DEPTH:
                raise ValueError(f"not a resource at or below {place}")
            time_ns = _moment(base_ns, _nanoseconds(fields, "t"), now_ns)
            nodes.append(_entry(fields, path, known, time_ns))
        return pack_nodes(payload, NUMBER, nodes)
    except (ValueError, FormatError) as error:
        raise _fail(path, len(nodes), str(error)) from None


def _finite(value: Any) -> Any:
    if not math.isfinite(value):
        raise ValueError(f"JSON has no {value}")
    return value


WRITE: Final[dict[Kind, tuple[str, Callable[[Any], Any]]]] = {
    Kind.STRING: ("sv", str),
    Kind.CORELNK: ("sv", str),
    Kind.INTEGER: ("v", int),
    Kind.UNSIGNED_INTEGER: ("v", int),
    Kind.TIME: ("v", int),
    Kind.FLOAT: ("v", _finite),
    Kind.BOOLEAN: ("bv", bool),
    Kind.OPAQUE: ("sv", lambda value: base64.b64encode(value).decode()),
    Kind.OBJLNK: ("ov", str),
}


def _seconds(ns: int) -> bytes:
    """Nanoseconds as decimal seconds, in as few digits as say it."""
    whole, rest = divmod(abs(ns), NS)
    text = f"{'-' if ns < 0 else ''}{whole}"
    return (f"{text}.{rest:09}".rstrip("0") if rest else text).encode()


def _written(node: Node, index: int, place: Path, prefix: Path, base_ns: int | None) -> bytes:
    """One entry as JSON."""
    if node.kind not in WRITE or not place.contains(node.path):
        raise _fail(node.path, index, f"{node.kind.name} there is nothing the format holds")
    name, wire = WRITE[node.kind]
    fields: dict[str, Any] = {}
    if node.path != prefix:
        fields["n"] = "/".join(map(str, node.path.ids[prefix.depth :]))
    try:
        fields[name] = wire(node.value)
    except ValueError as error:
        raise _fail(node.path, index, str(error)) from None
    entry = orjson.dumps(fields)
    if node.time_ns is None or node.time_ns == base_ns:
        return entry
    if node.time_ns < RELATIVE_TIME_LIMIT_S * NS:
        raise _fail(node.path, index, f"the time {node.time_ns} ns would be read as relative")
    return b'%b,"t":%b}' % (entry[:-1], _seconds(node.time_ns - (base_ns or 0)))


def encode(nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/") -> bytes:
    """The values, all at or below `base`, in the given order."""
    found = [nodes] if isinstance(nodes, Node) else list(nodes)
    place = as_path(base)
    if len(found) > MAX_RECORDS:
        raise _fail(place, MAX_RECORDS, f"more than {MAX_RECORDS} records")
    same = bool(found) and all(node.path == found[0].path for node in found)
    prefix = found[0].path if same else Path(*place.ids[:RESOURCE_DEPTH])
    if any(node.path == prefix for node in found) and not same:
        raise _fail(prefix, 0, "is both a value and a multiple resource")
    times = [node.time_ns for node in found]
    first = times[0] if times and None not in times else None
    if first is not None and first < RELATIVE_TIME_LIMIT_S * NS:
        raise _fail(found[0].path, 0, f"the time {first} ns would be read as relative")
    name = root.rstrip("/") + ("" if not prefix.depth else str(prefix)) + ("" if same else "/")
    start = b'{"bn":%b,' % orjson.dumps(name)
    if first is not None:
        start += b'"bt":%b,' % _seconds(first)
    entries = [_written(node, i, place, prefix, first) for i, node in enumerate(found)]
    return b'%b"e":[%b]}' % (start, b",".join(entries))
