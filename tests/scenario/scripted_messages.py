"""CoAP's bytes by a few lines of their own, so that no message is judged by the code under test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH = range(1, 8)
ETAG, OBSERVE, LOCATION_PATH, URI_PATH, CONTENT_FORMAT = 4, 6, 8, 11, 12
MAX_AGE, URI_QUERY, ACCEPT, BLOCK2, BLOCK1, SIZE2, SIZE1 = 14, 15, 17, 23, 27, 28, 60
LINK_FORMAT = 40

LINKS = b'</>;rt="oma.lwm2m";ct="60 110",</1/0>,</3/0>;ver=1.1,</3303/0>'


def number_bytes(value: int) -> bytes:
    """A CoAP uint: no leading zeros (RFC 7252, section 3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def block(number: int, more: bool, size: int) -> bytes:
    """The value of a Block option (RFC 7959, section 2.2)."""
    return number_bytes(number << 4 | (8 if more else 0) | (size.bit_length() - 5))


@dataclass(frozen=True)
class Heard:
    """A message as read from its bytes."""

    data: bytes
    type: int
    code: str
    mid: int
    token: bytes
    options: list[tuple[int, bytes]] = field(default_factory=list)
    payload: bytes = b""

    def option(self, number: int) -> bytes | None:
        return next((value for n, value in self.options if n == number), None)

    def number(self, number: int) -> int | None:
        value = self.option(number)
        return None if value is None else int.from_bytes(value, "big")

    def block(self, number: int) -> tuple[int, bool, int] | None:
        """(number, more, size) of a Block option."""
        value = self.number(number)
        return None if value is None else (value >> 4, bool(value & 8), 1 << (value & 7) + 4)

    @property
    def path(self) -> list[bytes]:
        return [value for n, value in self.options if n == URI_PATH]

    @property
    def location(self) -> str:
        return "/".join(value.decode() for n, value in self.options if n == LOCATION_PATH)


def read(data: bytes) -> Heard:
    """RFC 7252, section 3; an AssertionError when `data` is not well-formed."""
    assert len(data) >= 4 and data[0] >> 6 == 1, data
    token_size = data[0] & 15
    assert token_size <= 8 and len(data) >= 4 + token_size
    options: list[tuple[int, bytes]] = []
    at, number = 4 + token_size, 0
    while at < len(data) and data[at] != 0xFF:
        delta, size = data[at] >> 4, data[at] & 15
        at += 1
        assert delta < 15 and size < 15
        extended = []
        for nibble in (delta, size):
            wide = {13: 1, 14: 2}.get(nibble, 0)
            more = int.from_bytes(data[at : at + wide], "big")
            extended.append(nibble if nibble < 13 else more + (13 if nibble == 13 else 269))
            at += wide
        number += extended[0]
        options.append((number, data[at : at + extended[1]]))
        at += extended[1]
        assert at <= len(data)
    assert at != len(data) - 1, "a payload marker without a payload"
    return Heard(
        data,
        data[0] >> 4 & 3,
        f"{data[1] >> 5}.{data[1] & 31:02d}",
        data[2] << 8 | data[3],
        data[4 : 4 + token_size],
        options,
        data[at + 1 :],
    )


def _extended(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, (value - 269).to_bytes(2, "big")


def write(
    kind: int,
    code: int,
    mid: int,
    token: bytes = b"",
    options: Iterable[tuple[int, bytes]] = (),
    payload: bytes = b"",
) -> bytes:
    """A message; options in any order."""
    data = bytearray([1 << 6 | kind << 4 | len(token), code, mid >> 8, mid & 255]) + token
    last = 0
    for number, value in sorted(options, key=lambda pair: pair[0]):
        delta, delta_more = _extended(number - last)
        size, size_more = _extended(len(value))
        data += bytes([delta << 4 | size]) + delta_more + size_more + value
        last = number
    return bytes(data + (b"\xff" + payload if payload else b""))


def code_byte(text: str) -> int:
    whole, _, detail = text.partition(".")
    return int(whole) << 5 | int(detail)


def path_options(path: str) -> list[tuple[int, bytes]]:
    return [(URI_PATH, part.encode()) for part in path.split("/") if part]


def request(
    code: int,
    path: str,
    *,
    mid: int,
    kind: int = CON,
    token: bytes = b"tk",
    query: Sequence[str | bytes] = (),
    options: Iterable[tuple[int, bytes]] = (),
    payload: bytes = b"",
) -> bytes:
    """A request by path and query."""
    items = [item.encode() if isinstance(item, str) else item for item in query]
    every = [*path_options(path), *((URI_QUERY, item) for item in items), *options]
    return write(kind, code, mid, token, every, payload)


def register_parts(
    endpoint: str | bytes = "dev-1",
    *,
    lifetime: int | None = 300,
    version: str | None = "1.1",
    query: Sequence[str | bytes] = (),
    options: Iterable[tuple[int, bytes]] = (),
    payload: bytes = LINKS,
    **parts: Any,
) -> dict[str, Any]:
    """What makes a request to /rd a Register."""
    name = endpoint.encode() if isinstance(endpoint, str) else endpoint
    basic: list[str | bytes] = [b"ep=" + name]
    if lifetime is not None:
        basic.append(f"lt={lifetime}")
    if version is not None:
        basic.append(f"lwm2m={version}")
    options = list(options)
    if not any(number == CONTENT_FORMAT for number, _ in options):
        options.append((CONTENT_FORMAT, bytes([LINK_FORMAT])))
    return {"query": [*basic, *query], "options": options, "payload": payload, **parts}


def register(endpoint: str | bytes = "dev-1", *, mid: int = 1, **parts: Any) -> bytes:
    """The bytes of a Register."""
    return request(POST, "rd", mid=mid, **register_parts(endpoint, **parts))
