"""application/octet-stream (content format 42): the bytes of one Opaque value, as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lwm2m_fast.codec.kinds import Kind, PayloadError, TypeSource
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.single import bare_value, one_node, single_path
from lwm2m_fast.codec.types import Types, resource_kind

NAME: Final = "octet-stream"
NUMBER: Final = 42


def decode(
    payload: bytes,
    base: Path | str,
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """The one Opaque value at `base`; a resource of another type is refused."""
    path = single_path(NAME, base)
    kind = resource_kind(types, path)
    if kind not in (Kind.OPAQUE, None):
        raise PayloadError(NAME, str(path), 0, f"a {kind.name} resource does not have this format")
    return one_node(NUMBER, payload, Node(path, payload, Kind.OPAQUE))


def encode(nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/") -> bytes:
    """The bytes of the one Opaque value in `nodes`."""
    node = bare_value(NAME, nodes, base)
    if node.kind is not Kind.OPAQUE:
        raise PayloadError(NAME, str(node.path), 0, f"{node.kind.name} is not OPAQUE")
    assert isinstance(node.value, bytes)  # noqa: S101 - what the kind says
    return node.value
