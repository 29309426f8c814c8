"""A Reply as one CoAP message: options, and the block of it that was asked for (RFC 7959).

Pure: values in, bytes out.
"""

from __future__ import annotations

from typing import Any, Final

from lwm2m_fast.sim.operations import CONTENT, Reply
from lwm2m_fast.sim.refused import BAD_REQUEST
from lwm2m_fast.wire.coap import build

CON, NON, ACK, RST = range(4)
ETAG, OBSERVE, LOCATION_PATH, CONTENT_FORMAT, BLOCK2, BLOCK1, SIZE2 = 4, 6, 8, 12, 23, 27, 28
CONTINUE: Final = 0x5F


def is_long(reply: Reply, szx: int) -> bool:
    """Whether it needs several blocks of size 16 << szx."""
    return reply.code == CONTENT and len(reply.payload) > 16 << szx


def message(
    type: int,
    mid: int,
    token: bytes,
    reply: Reply,
    *,
    szx: int = 6,
    block2: tuple[int, bool, int] | None = None,
    block1: int | None = None,
    observe: int | None = None,
    second: int = 0,
) -> bytes:
    """`szx` is the largest block of the device, `block2` what the request asked for, `second` the
    moment of the values, which is the ETag of an answer in blocks."""
    options: list[tuple[int, Any]] = [(LOCATION_PATH, each.encode()) for each in reply.location]
    if observe is not None:
        options.append((OBSERVE, observe & 0xFFFFFF))
    if block1 is not None:
        options.append((BLOCK1, block1))
    payload = reply.payload
    if reply.content_format is not None:
        options.append((CONTENT_FORMAT, reply.content_format))
    if reply.code == CONTENT and (block2 is not None or is_long(reply, szx)):
        number, _, asked = block2 or (0, False, szx)
        used = min(asked, szx)
        # A larger block than the device makes is cut: its first byte stays where it was asked for.
        start = number << (asked + 4)
        if asked > 6 or (number and start >= len(payload)):
            return build(type, BAD_REQUEST, mid, token)
        more = len(payload) > start + (16 << used)
        options += [
            (ETAG, second.to_bytes(4, "big")),
            (BLOCK2, (start >> (used + 4)) << 4 | (8 if more else 0) | used),
        ]
        if number == 0:
            options.append((SIZE2, len(payload)))
        payload = payload[start : start + (16 << used)]
    return build(type, reply.code, mid, token, options, payload)
