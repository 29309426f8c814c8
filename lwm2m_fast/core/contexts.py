"""What an observation is about, as the bytes that are stored beside it: paths and format.

    version 1 byte | flags 1: 1 composite, 2 has a format | format 2 | paths: depth 1, ids 2 each

Paths are sorted: the same set in any order gives the same bytes. Knows no token and no device.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from lwm2m_fast.codec import Path
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import FormatError, RequestError

MAX_BYTES: Final = 1024
"""What the engine stores with an observation."""

_VERSION: Final = 1
_COMPOSITE: Final = 1
_FORMATTED: Final = 2
_HEAD: Final = struct.Struct("!BBH")
_MAX_DEPTH: Final = 4
_COMPOSITE_OPS: Final = frozenset({"observe_composite", "cancel_composite"})


class ObservedContext(NamedTuple):
    """What a notification's values are about."""

    paths: tuple[str, ...]
    accept: int | None
    """The content format that was asked for."""
    is_composite: bool


def paths_of(order: Order) -> tuple[str, ...]:
    """The paths of an observe, observe_composite, or of the cancel of either, as read_context()
    gives them: what they are compared by, whatever the format."""
    texts = order.paths if order.op in _COMPOSITE_OPS else (order.path or "",)
    return tuple(str(path) for path in sorted(map(Path.parse, texts)))


def context_of(order: Order, request: CoapRequest) -> bytes:
    """The context of an observe, observe_composite, or of the cancel of either.

    RequestError when the paths are too many to be stored.
    """
    is_composite = order.op in _COMPOSITE_OPS
    texts = paths_of(order)
    flags = _COMPOSITE * is_composite | _FORMATTED * (request.accept is not None)
    parts = [_HEAD.pack(_VERSION, flags, request.accept or 0)]
    for path in map(Path.parse, texts):
        parts.append(struct.pack(f"!B{path.depth}H", path.depth, *path.ids))
    context = b"".join(parts)
    if len(context) > MAX_BYTES:
        raise RequestError(
            f"paths: {len(texts)} take {len(context)} bytes; an observation holds {MAX_BYTES}"
        )
    return context


@lru_cache(maxsize=4096)
def read_context(context: bytes) -> ObservedContext:
    """What context_of() wrote; FormatError for anything else."""
    if len(context) < _HEAD.size or context[0] != _VERSION:
        raise FormatError("an observation's context of an unknown version")
    _, flags, accept = _HEAD.unpack_from(context)
    paths: list[str] = []
    at = _HEAD.size
    while at < len(context):
        depth = context[at]
        if depth > _MAX_DEPTH or at + 1 + 2 * depth > len(context):
            raise FormatError("an observation's context that ends in the middle of a path")
        paths.append(str(Path(*struct.unpack_from(f"!{depth}H", context, at + 1))))
        at += 1 + 2 * depth
    is_composite = bool(flags & _COMPOSITE)
    if not paths or (not is_composite and len(paths) != 1):
        raise FormatError(f"an observation's context of {len(paths)} paths")
    return ObservedContext(tuple(paths), accept if flags & _FORMATTED else None, is_composite)
