"""The last values of one device: their stored form, and which of them go.

Pure: knows no store and no clock. A value is kept under its path packed into eight bytes; beside
the values is a list of their paths, so that they are found without a search. Rows read back are
trusted in nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from lwm2m_fast.codec import Kind, Node, ObjectLink, Pack, Path, Value
from lwm2m_fast.errors import FormatError


class Origin(IntEnum):
    """What told us a value."""

    READ_RESPONSE = 1
    OBSERVATION_RESPONSE = 2
    NOTIFICATION = 3
    SEND = 4


class LastValue(NamedTuple):
    """A value as it was last heard."""

    path: Path
    kind: Kind
    value: Value
    time_ns: int
    """When it was so, in nanoseconds since 1970: the device's word, else when it arrived."""
    origin: Origin


FORM = 1
_HEAD = struct.Struct(">BBBq")  # form · origin · depth and kind · time
_PATH = struct.Struct(">Q")
_LEAST_DEPTH, _MOST_DEPTH = 3, 4
_FOUR_BYTES = 1 << 32


class _Content(NamedTuple):
    write: Callable[[object], bytes]
    read: Callable[[bytes], Value]


def _struct(form: str) -> _Content:
    packed = struct.Struct(form)

    def read(content: bytes) -> Value:
        (value,) = packed.unpack(content)
        return value  # type: ignore[no-any-return]

    return _Content(packed.pack, read)


def _read_flag(content: bytes) -> bool:
    if content not in (b"\0", b"\1"):
        raise ValueError("neither 0 nor 1")
    return content == b"\1"


_LINK = struct.Struct(">HH")
_TEXT = _Content(lambda value: str(value).encode(), lambda content: content.decode())
_INTEGER = _struct(">q")

_CONTENTS: dict[Kind, _Content] = {
    Kind.STRING: _TEXT,
    Kind.INTEGER: _INTEGER,
    Kind.UNSIGNED_INTEGER: _struct(">Q"),
    Kind.FLOAT: _struct(">d"),
    Kind.BOOLEAN: _Content(lambda value: b"\1" if value else b"\0", _read_flag),
    Kind.OPAQUE: _Content(lambda value: value, lambda content: content),  # type: ignore[arg-type, return-value]
    Kind.TIME: _INTEGER,
    Kind.OBJLNK: _Content(
        lambda value: _LINK.pack(*value),  # type: ignore[misc]
        lambda content: ObjectLink(*_LINK.unpack(content)),
    ),
    Kind.CORELNK: _TEXT,
}
"""How the value of a kind is written; NONE and NULL are no values."""


def packed_path(path: Path) -> bytes:
    """What a value's key ends with. A resource and its instance 0 share one: it is either."""
    return _PATH.pack(path.packed)


def encode(node: Node, origin: Origin, at_ns: int) -> bytes | None:
    """The stored form of a value heard at `at_ns`; None for what is no value of a resource."""
    found = _encoded(node, origin, at_ns)
    return None if found is None else found[2]


def _encoded(node: Node, origin: Origin, at_ns: int) -> tuple[int, int, bytes] | None:
    """Packed path, time and row."""
    kind, path, time_ns = node.kind, node.path, node.time_ns
    content = _CONTENTS.get(kind)
    depth = path.depth
    if content is None or depth < _LEAST_DEPTH:
        return None
    if time_ns is None:
        time_ns = at_ns
    head = _HEAD.pack(FORM, origin, depth << 4 | kind, time_ns)
    return path.packed, time_ns, head + content.write(node.value)


def decode(packed: int, row: bytes) -> LastValue | None:
    """What encode() made for this path; None when it is anything else."""
    if len(row) < _HEAD.size:
        return None
    form, origin, depth_kind, time_ns = _HEAD.unpack_from(row)
    depth, kind = depth_kind >> 4, depth_kind & 15
    try:
        known, said = Kind(kind), Origin(origin)
        if form != FORM or not _LEAST_DEPTH <= depth <= _MOST_DEPTH:
            return None
        value = _CONTENTS[known].read(row[_HEAD.size :])
        ids = [packed >> shift & 0xFFFF for shift in (48, 32, 16, 0)]
        if any(ids[depth:]):
            return None
        return LastValue(Path(*ids[:depth]), known, value, time_ns, said)
    except (KeyError, ValueError, struct.error, FormatError):
        return None


def time_of(row: bytes) -> int:
    """The time of a stored value, for finding the oldest; 0 of what is none."""
    return int(_HEAD.unpack_from(row)[3]) if len(row) >= _HEAD.size else 0


@lru_cache(maxsize=256)
def read_paths(row: bytes | None) -> Mapping[int, None]:
    """The stored list of packed paths, in its order; of a damaged one what can be read.

    Kept for the next device: those of one firmware mostly have the same.
    """
    if not row:
        return {}
    count = len(row) // _PATH.size
    return dict.fromkeys(struct.unpack_from(f">{count}Q", row))


def write_paths(paths: Iterable[int]) -> bytes:
    """The stored form of a list of packed paths."""
    known = list(paths)
    return struct.pack(f">{len(known)}Q", *known)


Gone = Callable[[int], bool]
"""Whether the value at a packed path is to be forgotten."""


def at_or_below(paths: Iterable[Path]) -> Gone:
    """Everything at or below one of these."""
    wanted = [(path.packed, ~((1 << 64 - 16 * path.depth) - 1)) for path in paths]
    return lambda packed: any((packed ^ base) & mask == 0 for base, mask in wanted)


def unlisted(asked: Path, listed: Iterable[Path]) -> Gone:
    """What a Discover of `asked` would have listed and did not (row D12).

    A list that goes down to the instances of an object says which there are, one that goes down to
    the resources of an instance the same of those; of what lies deeper it says nothing.
    """
    known = list(listed)
    objects = {each.packed >> 48 for each in known if each.depth >= 2}
    instances = {each.packed >> 32 for each in known if each.depth >= 2}
    detailed = {each.packed >> 32 for each in known if each.depth >= 3}
    resources = {each.packed >> 16 for each in known if each.depth >= 3}
    is_asked = at_or_below([asked])

    def is_gone(packed: int) -> bool:
        if not is_asked(packed) or packed >> 48 not in objects:
            return False
        instance = packed >> 32
        if instance not in instances:
            return True
        return instance in detailed and packed >> 16 not in resources

    return is_gone


class DeviceValues:
    """The rows of one device as they are after some changes, beginning with what is stored."""

    def __init__(self, stored: Mapping[int, None]) -> None:
        self.stored = stored
        self.changes: dict[int, bytes | None] = {}
        """Packed path to the new row; None: it goes."""
        self.too_large = 0

    def put(self, pack: Pack, origin: Origin, at_ns: int, max_bytes: int) -> None:
        """Take the values of a report over; of several moments the most recent."""
        newest: dict[int, int] = {}
        for node in pack:
            found = _encoded(node, origin, at_ns)
            if found is None:
                continue
            packed, time_ns, row = found
            if len(row) - _HEAD.size > max_bytes:
                self.too_large += 1
            elif packed not in newest or newest[packed] <= time_ns:
                newest[packed] = time_ns
                self.changes[packed] = row

    def remove(self, gone: Gone) -> None:
        """Forget what `gone` says."""
        for packed in [*self.stored, *self.changes]:
            if gone(packed):
                self.changes[packed] = None

    @property
    def is_reshaped(self) -> bool:
        """Whether there is a path more or less than before."""
        stored = self.stored
        for packed, row in self.changes.items():  # noqa: SIM110 - runs once for each device
            if row is None or packed not in stored:
                return True
        return False

    def paths(self) -> dict[int, None]:
        """What there is now, what was there before first."""
        changes = self.changes
        kept = {each: None for each in self.stored if changes.get(each, b"") is not None}
        return kept | {each: None for each, row in changes.items() if row is not None}

    def evict(self, limit: int, stored_row: Callable[[int], bytes | None]) -> int:
        """Forget the oldest beyond `limit`; how many those were."""
        paths = self.paths()
        excess = len(paths) - limit
        if excess <= 0:
            return 0
        by_time = sorted(paths, key=lambda each: time_of(self.row(each, stored_row) or b""))
        for packed in by_time[:excess]:
            self.changes[packed] = None
        return excess

    def row(self, packed: int, stored_row: Callable[[int], bytes | None]) -> bytes | None:
        """The row at a path after the changes."""
        return self.changes[packed] if packed in self.changes else stored_row(packed)
