# Invariant: a row of the last values is read back as a value or refused, never with an exception;
# what is read is written as the same row again, and its JSON can be made. A list of paths is read
# whatever it is, each path once, in order.
"""Any bytes as a row of the last values: 8 bytes of path, then the row."""

from __future__ import annotations

import orjson

from lwm2m_fast.codec import Kind, Node, ObjectLink
from lwm2m_fast.core.last_values import (
    Origin,
    decode,
    encode,
    packed_path,
    read_paths,
    time_of,
    write_paths,
)
from lwm2m_fast.core.typed_values import value_json


def _seed(node: Node) -> bytes:
    row = encode(node, Origin.NOTIFICATION, 1_700_000_000_000_000_000)
    assert row is not None
    return packed_path(node.path) + row


SEEDS = tuple(
    _seed(node)
    for node in (
        Node("/3/0/0", "text", Kind.STRING),
        Node("/3/0/9", 85, Kind.INTEGER),
        Node("/3/0/9", 85, Kind.UNSIGNED_INTEGER, -1),
        Node("/3303/0/5700", 21.5, Kind.FLOAT),
        Node("/1/0/6", True, Kind.BOOLEAN),
        Node("/5/0/0", b"\0\1", Kind.OPAQUE),
        Node("/3/0/13", 1_700_000_000, Kind.TIME),
        Node("/10/0/1/65535", ObjectLink(3, 0), Kind.OBJLNK),
        Node("/3/0/21", "</3>", Kind.CORELNK),
    )
)
WORDS = (b"\1\3", b"\x31", b"\x47", b"\0\3", b"\xff\xff", bytes(8))


def check(data: bytes) -> None:
    paths = list(read_paths(data))
    assert len(set(paths)) == len(paths) <= len(data) // 8
    if len(paths) == len(data) // 8:
        assert write_paths(paths) == data[: len(data) // 8 * 8]
    packed, row = int.from_bytes(data[:8], "big"), data[8:]
    time_of(row)
    value = decode(packed, row)
    if value is None:
        return
    node = Node(value.path, value.value, value.kind, value.time_ns)
    assert encode(node, value.origin, 0) == row
    assert packed_path(value.path) == data[:8]
    orjson.dumps(value_json(value.kind, value.value))
