"""text/plain (content format 0): one value as text (OMA TS Core, 7.4.1 and appendix C).

Numbers are written without an exponent; one that is received is understood. Opaque is base64
with its padding. A resource that nobody knows is a String. Holds no list, no time and no instance.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from lwm2m_fast.codec.kinds import (
    MAX_NUMBER_CHARACTERS,
    Kind,
    ObjectLink,
    PayloadError,
    TypeSource,
    Value,
)
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.single import bare_value, one_node, single_path
from lwm2m_fast.codec.types import Types, resource_kind
from lwm2m_fast.errors import FormatError

NAME: Final = "text/plain"
NUMBER: Final = 0
MAX_FLOAT_CHARACTERS: Final = 400
"""The smallest doubles, written out in full, take some 345."""

INTEGER: Final = re.compile(r"-?[0-9]+")
FLOAT: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,4})?")
LINK: Final = re.compile(r"[0-9]{1,5}:[0-9]{1,5}")
BOOLEANS: Final = {"0": False, "1": True}


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARACTERS or not INTEGER.fullmatch(text):
        raise ValueError("not a whole number")
    return int(text)


def _float(text: str) -> float:
    if len(text) > MAX_FLOAT_CHARACTERS or not FLOAT.fullmatch(text):
        raise ValueError("not a decimal number")
    if math.isinf(value := float(text)):
        raise ValueError("beyond the largest number")
    return value


def _boolean(text: str) -> bool:
    if text not in BOOLEANS:
        raise ValueError("neither 0 nor 1")
    return BOOLEANS[text]


def _opaque(text: str) -> bytes:
    value = base64.b64decode(text, validate=True)
    if base64.b64encode(value).decode() != text:
        raise ValueError("base64 that nobody would write")
    return value


def _link(text: str) -> ObjectLink:
    if not LINK.fullmatch(text):
        raise ValueError("not object:instance")
    return ObjectLink(*map(int, text.split(":")))


READ: Final[dict[Kind, Callable[[str], Value]]] = {
    Kind.STRING: str,
    Kind.CORELNK: str,
    Kind.INTEGER: _integer,
    Kind.UNSIGNED_INTEGER: _integer,
    Kind.TIME: _integer,
    Kind.FLOAT: _float,
    Kind.BOOLEAN: _boolean,
    Kind.OPAQUE: _opaque,
    Kind.OBJLNK: _link,
}


def plain_number(value: float) -> str:
    """The number in decimal digits without an exponent; FormatError when it is not finite."""
    if not math.isfinite(value):
        raise FormatError(f"{value} has no decimal form")
    return format(Decimal(repr(value)), "f")


WRITE: Final[dict[Kind, Callable[[Value], str]]] = {
    Kind.STRING: str,
    Kind.CORELNK: str,
    Kind.INTEGER: str,
    Kind.UNSIGNED_INTEGER: str,
    Kind.TIME: str,
    Kind.FLOAT: lambda value: plain_number(float(value)),  # type: ignore[arg-type]
    Kind.BOOLEAN: lambda value: "1" if value else "0",
    Kind.OPAQUE: lambda value: base64.b64encode(value).decode(),  # type: ignore[arg-type]
    Kind.OBJLNK: str,
}


def decode(
    payload: bytes,
    base: Path | str,
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """The one value at `base`, a resource or resource instance."""
    path = single_path(NAME, base)
    known = resource_kind(types, path)
    kind = known if known in READ else Kind.STRING
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise PayloadError(NAME, str(path), error.start, "not UTF-8") from None
    try:
        return one_node(NUMBER, payload, Node(path, READ[kind](text), kind))
    except (ValueError, binascii.Error, FormatError) as error:
        why = f"{text[:40]!r} is not {kind.name}: {error}"
        raise PayloadError(NAME, str(path), 0, why) from None


def encode(nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/") -> bytes:
    """The text of the one value in `nodes`."""
    node = bare_value(NAME, nodes, base)
    if node.kind not in WRITE:
        raise PayloadError(NAME, str(node.path), 0, f"{node.kind.name} has no text")
    try:
        return WRITE[node.kind](node.value).encode()
    except FormatError as error:
        raise PayloadError(NAME, str(node.path), 0, str(error)) from None
