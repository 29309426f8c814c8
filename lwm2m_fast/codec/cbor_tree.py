"""CBOR (RFC 8949) to plain Python values, strict and bounded, for formats that are read as a whole.

Not a general decoder: no sharing, no references, no custom types; an unknown tag is passed over.
Maps become lists of pairs, so that nothing is lost when a key is there twice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from lwm2m_fast.codec.kinds import MAX_DEPTH, MAX_RECORDS, PayloadError
from lwm2m_fast.codec.moment import text_to_seconds

INDEFINITE: Final = 31
BREAK: Final = 0xFF
MAX_ITEMS: Final = 8 * MAX_RECORDS
MAX_BIG_BYTES: Final = 64
MAX_EXPONENT: Final = 400
FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
SIMPLE: Final[dict[int, Any]] = {20: False, 21: True, 22: None}


class EpochTime(NamedTuple):
    """What stands behind tag 0 or 1: seconds since 1970."""

    seconds: int | float


class Entry(NamedTuple):
    """One pair of a map, and where its key begins."""

    offset: int
    key: Any
    value: Any


class Map(list[Entry]):
    """The pairs of a map in their order."""


class _Reader:
    def __init__(self, format_name: str, path: str, payload: bytes) -> None:
        self.format_name, self.path, self.payload = format_name, path, payload
        self.at = 0
        self.items = 0

    def fail(self, why: str, at: int | None = None) -> PayloadError:
        return PayloadError(self.format_name, self.path, self.at if at is None else at, why)

    def take(self, size: int) -> bytes:
        if size > len(self.payload) - self.at:
            raise self.fail(f"{size} bytes are announced, {len(self.payload) - self.at} are left")
        self.at += size
        return self.payload[self.at - size : self.at]

    def head(self) -> tuple[int, int, int]:
        """Major type, the low five bits, and the argument."""
        start = self.at
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info, info
        if info == INDEFINITE and major not in (0, 1, 6):
            return major, info, 0
        if info > 27:
            raise self.fail("a head that is reserved (RFC 8949, section 3)", start)
        return major, info, int.from_bytes(self.take(1 << (info - 24)), "big")

    def item(self, depth: int) -> Any:
        start = self.at
        self.items += 1
        if self.items > MAX_ITEMS:
            raise self.fail(f"more than {MAX_ITEMS} items")
        major, info, argument = self.head()
        if depth < 0 and major >= 4 and major != 7:
            raise self.fail(f"nested deeper than {MAX_DEPTH}", start)
        return READ[major](self, info, argument, depth)

    def unsigned(self, info: int, argument: int, depth: int) -> int:
        return argument

    def negative(self, info: int, argument: int, depth: int) -> int:
        return -1 - argument

    def bytes_(self, info: int, argument: int, depth: int) -> bytes:
        return b"".join(self.chunks(2)) if info == INDEFINITE else self.take(argument)

    def text(self, info: int, argument: int, depth: int) -> str:
        start = self.at
        chunks = list(self.chunks(3)) if info == INDEFINITE else [self.take(argument)]
        try:
            return "".join([chunk.decode() for chunk in chunks])
        except UnicodeDecodeError:
            raise self.fail("not UTF-8", start) from None

    def chunks(self, major: int) -> Iterator[bytes]:
        while not self.ends():
            start = self.at
            found, info, size = self.head()
            if found != major or info == INDEFINITE:
                raise self.fail("a chunk that is no plain string of its kind", start)
            yield self.take(size)

    def ends(self) -> bool:
        """Is the next byte a break? Consumes it."""
        if self.at >= len(self.payload):
            raise self.fail("the payload ends early")
        if self.payload[self.at] != BREAK:
            return False
        self.at += 1
        return True

    def counted(self, info: int, argument: int) -> Iterator[None]:
        """One turn for each entry of an array or map."""
        if info == INDEFINITE:
            while not self.ends():
                yield
            return
        if argument > len(self.payload) - self.at:
            raise self.fail(f"{argument} entries are announced, the payload ends before")
        for _ in range(argument):
            yield

    def array(self, info: int, argument: int, depth: int) -> list[Any]:
        return [self.item(depth - 1) for _ in self.counted(info, argument)]

    def map_(self, info: int, argument: int, depth: int) -> Map:
        pairs = Map()
        for _ in self.counted(info, argument):
            offset = self.at
            pairs.append(Entry(offset, self.item(depth - 1), self.item(depth - 1)))
        return pairs

    def simple(self, info: int, argument: int, depth: int) -> Any:
        if info in FLOATS:
            size = 1 << (info - 24)
            return struct.unpack(FLOATS[info], argument.to_bytes(size, "big"))[0]
        if info in SIMPLE:
            return SIMPLE[info]
        raise self.fail("a break or a simple value that means nothing here", self.at - 1)

    def tag(self, info: int, argument: int, depth: int) -> Any:
        start = self.at
        content = self.item(depth - 1)
        if argument not in TAGS:
            return content
        try:
            return TAGS[argument](content)
        except (TypeError, ValueError) as error:
            raise self.fail(f"tag {argument}: {error}", start) from None


READ: Final[tuple[Callable[[_Reader, int, int, int], Any], ...]] = (
    _Reader.unsigned,
    _Reader.negative,
    _Reader.bytes_,
    _Reader.text,
    _Reader.array,
    _Reader.map_,
    _Reader.tag,
    _Reader.simple,
)


def _text_time(content: Any) -> EpochTime:
    if not isinstance(content, str):
        raise ValueError("not text")
    return EpochTime(text_to_seconds(content.encode()))


def _time(content: Any) -> EpochTime:
    if isinstance(content, bool) or not isinstance(content, int | float):
        raise ValueError("not a number")
    return EpochTime(content)


def _big(content: Any) -> int:
    if not isinstance(content, bytes) or len(content) > MAX_BIG_BYTES:
        raise ValueError(f"not a string of at most {MAX_BIG_BYTES} bytes")
    return int.from_bytes(content, "big")


def _decimal(content: Any) -> Decimal:
    exponent, mantissa = content
    for part in (exponent, mantissa):
        if isinstance(part, bool) or not isinstance(part, int):
            raise ValueError("not two whole numbers")
    if abs(exponent) > MAX_EXPONENT:
        raise ValueError(f"an exponent beyond {MAX_EXPONENT}")
    return Decimal((mantissa < 0, tuple(map(int, str(abs(mantissa)))), exponent))


TAGS: Final[dict[int, Callable[[Any], Any]]] = {
    0: _text_time,
    1: _time,
    2: _big,
    3: lambda content: -1 - _big(content),
    4: _decimal,
}


def read_cbor(format_name: str, path: str, payload: bytes) -> Any:
    """The one item that `payload` is; PayloadError with the offset when it is anything else."""
    reader = _Reader(format_name, path, payload)
    value = reader.item(MAX_DEPTH - 1)
    if reader.at < len(payload):
        raise reader.fail("something behind the end")
    return value
