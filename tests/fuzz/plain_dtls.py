"""A plain reading of a ClientHello (RFC 6347, section 4.3.2; RFC 5246, section 7.4.1.2).

For the fuzz targets of DTLS: slow, short, and written from the standards alone.
"""

from __future__ import annotations

from dataclasses import dataclass


class Malformed(Exception):
    """Not a ClientHello in one piece."""


@dataclass(frozen=True)
class ClientHello:
    """What a server without state needs of it."""

    cookie: bytes
    cookie_at: int
    extensions: dict[int, bytes]


class Reader:
    """Vectors out of bytes."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise Malformed
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))


def read(datagram: bytes) -> ClientHello:
    """Malformed: it is to be ignored."""
    record = Reader(datagram)
    kind, version, epoch, _ = (record.number(size) for size in (1, 2, 2, 6))
    message = Reader(record.vector(2))
    is_hello = kind == 22 and version >> 8 == 0xFE and epoch == 0 and message.number(1) == 1
    size, _, offset, fragment = (message.number(size) for size in (3, 2, 3, 3))
    if not is_hello or offset or fragment != size or len(message.data) != 12 + size:
        raise Malformed
    body = Reader(message.take(size))
    if body.number(1) != 0xFE:
        raise Malformed
    body.take(1 + 32)
    if len(body.vector(1)) > 32:
        raise Malformed
    cookie_at = 13 + 12 + body.at
    cookie = body.vector(1)
    suites, compressions = body.vector(2), body.vector(1)
    if len(suites) < 2 or len(suites) % 2 or not compressions:
        raise Malformed
    extensions = {}
    if body.at < size:
        inside = Reader(body.vector(2))
        if body.at != size:
            raise Malformed
        try:
            while inside.at < len(inside.data):
                extensions[inside.number(2)] = inside.vector(2)
        except Malformed:  # found out by who reads them
            pass
    return ClientHello(cookie, cookie_at, extensions)


def with_cookie(datagram: bytes, cookie: bytes) -> bytes:
    """The same ClientHello with another cookie."""
    at = read(datagram).cookie_at
    end = 13 + int.from_bytes(datagram[11:13])
    body = datagram[25:at] + bytes([len(cookie)]) + cookie + datagram[at + 1 + datagram[at] : end]
    size = len(body).to_bytes(3)
    header = datagram[13:14] + size + datagram[17:19] + bytes(3) + size
    return datagram[:11] + (len(body) + 12).to_bytes(2) + header + body
