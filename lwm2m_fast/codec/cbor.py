"""CBOR (content format 60): one value as a CBOR item (OMA TS Core, 7.4.3).

Time carries tag 1 (RFC 8949, section 3.4.2); an object link is the text "object:instance". Holds
no list and no instance.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import cbor2

from lwm2m_fast.codec.cbor_tree import read_cbor
from lwm2m_fast.codec.cbor_value import decode_plain
from lwm2m_fast.codec.kinds import Kind, PayloadError, TypeSource
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.plain_value import typed
from lwm2m_fast.codec.single import bare_value, one_node, single_path
from lwm2m_fast.codec.types import Types, resource_kind
from lwm2m_fast.errors import FormatError

NAME: Final = "CBOR"
NUMBER: Final = 60
TAG_TIME: Final = 1


def decode(
    payload: bytes,
    base: Path | str,
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """The one value at `base`, a resource or resource instance."""
    return decode_plain(payload, base, types) or decode_any(payload, base, types)


def decode_any(payload: bytes, base: Path | str, types: Types | TypeSource | None = None) -> Pack:
    """decode() in all forms there are: tags, decimals, strings in chunks; and what is wrong."""
    path = single_path(NAME, base)
    wire = read_cbor(NAME, str(path), payload)
    try:
        kind, value = typed(resource_kind(types, path), wire)
        return one_node(NUMBER, payload, Node(path, value, kind))
    except (ValueError, FormatError) as error:
        raise PayloadError(NAME, str(path), 0, str(error)) from None


def wire_form(format_name: str, node: Node, index: int) -> Any:
    """What cbor2 is to write for a node that has a value."""
    if node.kind is Kind.TIME:
        return cbor2.CBORTag(TAG_TIME, node.value)
    if node.kind is Kind.OBJLNK:
        return str(node.value)
    if node.kind in (Kind.NONE, Kind.NULL):
        raise PayloadError(format_name, str(node.path), index, f"{node.kind.name} is no value")
    return node.value


def encode(nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/") -> bytes:
    """The CBOR item of the one value in `nodes`."""
    return cbor2.dumps(wire_form(NAME, bare_value(NAME, nodes, base), 0))
