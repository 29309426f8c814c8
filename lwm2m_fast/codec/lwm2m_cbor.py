"""LwM2M CBOR (content format 11544, LwM2M 1.2): nested maps from ids to values (TS Core, 7.4.7).

A key is one id, or an array of ids that says several levels at once; paths begin at the root,
whatever was asked for. Both forms are read, the nested one is written. Holds no time. A null is a
path without a value, an empty map an instance or multiple resource with nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import cbor2

from lwm2m_fast.codec.cbor import wire_form
from lwm2m_fast.codec.cbor_tree import Entry, Map, read_cbor
from lwm2m_fast.codec.kinds import MAX_RECORDS, Kind, PayloadError, TypeSource
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack, pack_nodes
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.plain_value import typed
from lwm2m_fast.codec.single import RESOURCE_DEPTH, as_path
from lwm2m_fast.codec.types import Types, as_types_object, resource_kind
from lwm2m_fast.errors import FormatError

NAME: Final = "LwM2M CBOR"
NUMBER: Final = 11544
RESERVED: Final = 65535
EMPTY: Final[dict[int, Any]] = {}
"""Stands for a container with nothing in it; known by being this object."""


def _fail(path: Path | tuple[int, ...], offset: int, why: str) -> PayloadError:
    text = str(path) if isinstance(path, Path) else "/" + "/".join(map(str, path))
    return PayloadError(NAME, text, offset, why)


def _extended(ids: tuple[int, ...], entry: Entry) -> tuple[int, ...]:
    """The ids of a map's path and one of its keys."""
    key = entry.key if isinstance(entry.key, list) else [entry.key]
    for part in key:
        if isinstance(part, bool) or not isinstance(part, int) or not 0 <= part <= RESERVED:
            raise _fail(ids, entry.offset, f"the key {part!r:.40} is no id in 0..{RESERVED}")
    ids += tuple(key)
    if not key or len(ids) > 4:
        raise _fail(ids[:4], entry.offset, "a path of more than four ids, or a key of none")
    if len(ids) > 1 and ids[1] == RESERVED:
        raise _fail(ids, entry.offset, f"the reserved instance id {RESERVED}")
    return ids


def _values(ids: tuple[int, ...], pairs: Map) -> Iterator[tuple[tuple[int, ...], int, Any]]:
    """Paths, offsets and values of a map and the maps in it."""
    for entry in pairs:
        path = _extended(ids, entry)
        if isinstance(entry.value, Map) and entry.value:
            yield from _values(path, entry.value)
        else:
            yield path, entry.offset, entry.value


def _node(path: Path, offset: int, wire: Any, types: Types) -> Node:
    if wire is None or isinstance(wire, Map):
        return Node(path)
    if path.depth < RESOURCE_DEPTH:
        raise _fail(path, offset, "a value belongs to a resource")
    try:
        kind, value = typed(resource_kind(types, path), wire)
        return Node(path, value, kind)
    except (ValueError, FormatError) as error:
        raise _fail(path, offset, str(error)) from None


def decode(
    payload: bytes,
    base: Path | str,
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """Values at or below `base`; a Pack in the payload's order."""
    place, known = as_path(base), as_types_object(types)
    tree = read_cbor(NAME, str(place), payload)
    if not isinstance(tree, Map):
        raise _fail(place, 0, "not a map")
    nodes: list[Node] = []
    for ids, offset, wire in _values((), tree):
        path = Path(*ids)
        if not place.contains(path):
            raise _fail(path, offset, f"outside {place}")
        if len(nodes) == MAX_RECORDS:
            raise _fail(path, offset, f"more than {MAX_RECORDS} records")
        nodes.append(_node(path, offset, wire, known))
    try:
        return pack_nodes(payload, NUMBER, nodes)
    except FormatError as error:
        raise _fail(place, 0, str(error)) from None


def _place(tree: dict[int, Any], node: Node, index: int) -> None:
    """Put a node's value where its path leads."""
    *parents, last = node.path.ids
    for level, step in enumerate(parents):
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict) or tree is EMPTY:
            above = "/".join(map(str, parents[: level + 1]))
            raise _fail(node.path, index, f"/{above} is empty or has a value")
    if last in tree:
        raise _fail(node.path, index, "is there twice")
    if node.kind is Kind.NONE:
        tree[last] = EMPTY if node.path.depth in (2, 3) else None
    else:
        tree[last] = wire_form(NAME, node, index)


def encode(nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/") -> bytes:
    """The values, all at or below `base`, as nested maps; a time cannot be said."""
    place = as_path(base)
    tree: dict[int, Any] = {}
    for index, node in enumerate([nodes] if isinstance(nodes, Node) else nodes):
        if not place.contains(node.path) or not node.path.depth:
            raise _fail(node.path, index, f"not an id under {place}")
        if node.time_ns is not None:
            raise _fail(node.path, index, "has a time, which the format does not hold")
        if node.kind is not Kind.NONE and node.path.depth < RESOURCE_DEPTH:
            raise _fail(node.path, index, "a value belongs to a resource")
        if index == MAX_RECORDS:
            raise _fail(node.path, index, f"more than {MAX_RECORDS} records")
        _place(tree, node, index)
    return cbor2.dumps(tree)
