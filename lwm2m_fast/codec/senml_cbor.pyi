from collections.abc import Iterable

from lwm2m_fast.codec.kinds import TypeSource
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.types import Types

NAME: str
NUMBER: int
ETCH_NUMBER: int

def decode(
    payload: bytes,
    base: Path | str = "/",
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """Values at or below `base`; a Pack in the payload's order."""

def decode_etch(
    payload: bytes,
    base: Path | str = "/",
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """A FETCH list (paths: Kind.NONE) or a patch, where null (Kind.NULL) removes a value."""

def encode(nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/") -> bytes:
    """The values, in the given order, as CBOR."""

def encode_etch(nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/") -> bytes:
    """A FETCH list (nodes of Kind.NONE) or a patch (values, and Kind.NULL to remove one)."""
