"""What the formats that hold exactly one value (0, 42, 60) have in common."""

from __future__ import annotations

from collections.abc import Iterable

from lwm2m_fast.codec.kinds import PayloadError
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack, pack_nodes
from lwm2m_fast.codec.path import Path

RESOURCE_DEPTH = 3


def as_path(path: Path | str) -> Path:
    """`path` as a Path."""
    return path if isinstance(path, Path) else Path.parse(path)


def single_path(format_name: str, base: Path | str) -> Path:
    """`base`, which has to name one value: a resource or a resource instance."""
    path = as_path(base)
    if path.depth < RESOURCE_DEPTH:
        raise PayloadError(format_name, str(path), 0, "only a single resource has this format")
    return path


def one_node(content_format: int, payload: bytes, node: Node) -> Pack:
    """The pack of a payload that holds one value."""
    return pack_nodes(payload, content_format, [node])


def bare_value(format_name: str, nodes: Iterable[Node] | Pack, base: Path | str) -> Node:
    """The one Node of `nodes`, which may carry no time: such a format has no room for it."""
    found = [nodes] if isinstance(nodes, Node) else list(nodes)
    if len(found) != 1:
        why = f"{len(found)} values where the format holds one"
        raise PayloadError(format_name, str(base), min(len(found), 1), why)
    if not as_path(base).contains(found[0].path):
        raise PayloadError(format_name, str(found[0].path), 0, f"not under {base}")
    if found[0].time_ns is not None:
        raise PayloadError(format_name, str(found[0].path), 0, "the format holds no time")
    return found[0]
