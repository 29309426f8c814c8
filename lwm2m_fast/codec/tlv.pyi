from collections.abc import Iterable

from lwm2m_fast.codec.kinds import TypeSource
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.pack import Pack
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.types import Types

NAME: str
NUMBER: int

def decode(
    payload: bytes,
    base: Path | str,
    types: Types | TypeSource | None = None,
    *,
    now_ns: int | None = None,
    root: str = "/",
) -> Pack:
    """Values at or below `base`, an object or deeper; a Pack in the payload's order."""

def encode(nodes: Iterable[Node] | Pack, base: Path | str = "/", *, root: str = "/") -> bytes:
    """The values, all at or below `base` (an object or deeper), ordered by path."""
