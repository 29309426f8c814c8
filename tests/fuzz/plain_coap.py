"""CoAP datagrams in plain Python (RFC 7252, section 3), written from the RFC and nothing else.

The second opinion for the compiled parser, and what mutations that keep the structure work on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from random import Random

CON, NON, ACK, RST = range(4)
OPTION_NUMBERS = (
    1,
    3,
    4,
    5,
    6,
    7,
    8,
    11,
    11,
    12,
    14,
    15,
    15,
    15,
    17,
    23,
    27,
    28,
    35,
    39,
    60,
    65000,
)
VALUES = (
    b"", b"\0", b"\x01", b"\x06", b"\x0e", b"\x18", b"\x28", b"rd", b"bs", b".well-known", b"core",
    b"ep=a", b"ep=", b"lt=0", b"lt=abc", b"lt=4294967295", b"lwm2m=1.0", b"lwm2m=1.1", b"lwm2m=2.0",
    b"b=U", b"b=UQ", b"b=UT", b"Q", b"sms=1", b"ep=" + b"x" * 255, b"\xff\xff", b"\0\0\0\0",
)  # fmt: skip
FIRST = itemgetter(0)
LINKS = b'</>;rt="oma.lwm2m";ct="60 110",</1/0>,</3/0>;ver=1.1,</3303/0>'


class Malformed(ValueError):
    """No CoAP message."""


@dataclass
class Plain:
    """A message as its parts, options as they stand."""

    type: int
    code: int
    mid: int
    token: bytes = b""
    options: list[tuple[int, bytes]] = field(default_factory=list)
    payload: bytes = b""

    def texts(self, number: int) -> list[bytes]:
        return [value for n, value in self.options if n == number]


def _extended(data: bytes, at: int, nibble: int) -> tuple[int, int]:
    """A number of 13 or more (section 3.1), and where it ends."""
    if nibble == 15:
        raise Malformed("reserved")
    end = at + nibble - 12
    if end > len(data):
        raise Malformed("the bytes end")
    return int.from_bytes(data[at:end], "big") + (13 if nibble == 13 else 269), end


def read(data: bytes) -> Plain:
    """A datagram's parts, or Malformed."""
    size = len(data)
    if size < 4:
        raise Malformed("the bytes end")
    first, code = data[0], data[1]
    kind = first >> 4 & 3
    if first >> 6 != 1:
        raise Malformed("version")
    if first & 15 > 8:
        raise Malformed("token length")
    at = 4 + (first & 15)
    if at > size:
        raise Malformed("the bytes end")
    message = Plain(kind, code, data[2] << 8 | data[3], data[4:at])
    if code == 0 and (size > 4 or kind == NON):
        raise Malformed("an empty message is four bytes, and confirmable, ACK or RST")
    # Sections 4.2 and 4.3: which codes a type may carry; section 12.1: the classes in use.
    if code and (kind == RST or (kind == ACK and code < 32)):
        raise Malformed("this type does not carry this code")
    if code >> 5 not in (0, 2, 3, 4, 5):
        raise Malformed("reserved class")
    number, options = 0, message.options
    while at < size:
        head = data[at]
        at += 1
        if head == 0xFF:
            message.payload = data[at:]
            if not message.payload:
                raise Malformed("a payload marker and no payload")
            break
        delta, length = head >> 4, head & 15
        if delta > 12:
            delta, at = _extended(data, at, delta)
        number += delta
        if number > 65535:
            raise Malformed("no such option")
        if length > 12:
            length, at = _extended(data, at, length)
        if at + length > size:
            raise Malformed("the bytes end")
        options.append((number, data[at : at + length]))
        at += length
    return message


def _nibble(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, (value - 269).to_bytes(2, "big")


def write(message: Plain) -> bytes:
    """The datagram; options in order of their numbers."""
    mid, token = message.mid, message.token
    data = bytearray((64 | message.type << 4 | len(token), message.code, mid >> 8, mid & 255))
    data += token
    last = 0
    for number, value in sorted(message.options, key=FIRST):
        delta, size, last = number - last, len(value), number
        if delta < 13 and size < 13:
            data.append(delta << 4 | size)
        else:
            (delta, more), (size, rest) = _nibble(delta), _nibble(size)
            data.append(delta << 4 | size)
            data += more + rest
        data += value
    if message.payload:
        data.append(0xFF)
        data += message.payload
    return bytes(data)


def _token(m: Plain, random: Random) -> None:
    m.token = random.randbytes(random.randint(0, 8))


def _mid(m: Plain, random: Random) -> None:
    m.mid = random.choice((0, 1, m.mid, (m.mid + 1) % 65536, 65535))


def _type(m: Plain, random: Random) -> None:
    m.type = random.randrange(4)


def _code(m: Plain, random: Random) -> None:
    m.code = random.choice((0, 1, 2, 3, 4, 5, 31, 65, 68, 69, 95, 128, 132, 160, 191, 224))


def _drop_option(m: Plain, random: Random) -> None:
    if m.options:
        del m.options[random.randrange(len(m.options))]


def _add_option(m: Plain, random: Random) -> None:
    m.options.append((random.choice(OPTION_NUMBERS), random.choice(VALUES)))


def _repeat_option(m: Plain, random: Random) -> None:
    if m.options:
        m.options += [random.choice(m.options)] * random.choice((1, 1, 2, 40))


def _set_option(m: Plain, random: Random) -> None:
    if m.options:
        at = random.randrange(len(m.options))
        value = random.choice(
            (random.choice(VALUES), random.randbytes(random.choice((1, 2, 3, 4, 300))))
        )
        m.options[at] = (m.options[at][0], value)


def _payload(m: Plain, random: Random) -> None:
    m.payload = random.choice((b"", b"x", LINKS, LINKS[:16], m.payload * 2, m.payload[:64]))[:1500]


CHANGES = (
    _token, _mid, _type, _code, _drop_option, _add_option, _add_option, _repeat_option, _set_option,
    _payload,
)  # fmt: skip


def mutate(data: bytes, random: Random) -> bytes:
    """A datagram with some parts changed; what is no datagram becomes one."""
    try:
        message = read(data)
    except Malformed:
        message = Plain(CON, 2, 1, b"tk", [(11, b"rd"), (15, b"ep=a"), (15, b"lwm2m=1.1")], LINKS)
    for _ in range(random.choice((1, 1, 2, 4))):
        random.choice(CHANGES)(message, random)
    return write(message)


def register(endpoint: bytes = b"a", mid: int = 1, payload: bytes = LINKS) -> bytes:
    """A Register as most devices send it."""
    options = [(11, b"rd"), (12, b"\x28"), (15, b"ep=" + endpoint), (15, b"lt=300")]
    options += [(15, b"lwm2m=1.1"), (15, b"b=U"), (15, b"maker=x")]
    return write(Plain(CON, 2, mid, b"tk", options, payload))
