# Invariant: what nobody authenticated changes nothing and is never read; an authentic record is
# read once, and ends the session only if it is a fatal alert or a close_notify.
"""Datagrams and authentic records of any content for an established session.

Input: parts, each a byte (odd: content of an authentic record, whose type is the next byte; even:
a datagram as it is; its second bit: in one datagram with what comes next), a length, the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from lwm2m_fast.net import dtls_session as dtls
from tests.net.dtls_peer import ALERT, TEXT, Peer, watched_pair


def _quiet(cid_size: int) -> tuple[dtls.DtlsContext, bytes, Peer]:
    pair, peer = watched_pair(cid_size)
    assert pair.up(b"first") == [b"first"] and pair.server is not None
    blob = pair.server.save()
    assert blob is not None
    return pair.server_context, blob, peer


SESSIONS = tuple(_quiet(cid_size) for cid_size in (6, 0))
MOST_PARTS = 40
AUTHENTIC, TOGETHER = 1, 2


def part(flags: int, data: bytes) -> bytes:
    return bytes([flags]) + len(data).to_bytes(2) + data


SEEDS = (
    b"\0" + part(AUTHENTIC, b"\x17text") + part(0, b"\x17\xfe\xfd\0\1" + bytes(6) + b"\0\1x"),
    b"\1" + part(AUTHENTIC | TOGETHER, b"\x17text") + part(AUTHENTIC, b"\x17more"),
    b"\0" + part(AUTHENTIC, b"\x15\1\0"),
    b"\0" + part(AUTHENTIC, b"\x15\2\x28"),
    b"\1" + part(AUTHENTIC, b"\x16\1\0\0\x2a\0\0\0\0\0\0\0\x2a\xfe\xfd" + bytes(34)
                 + b"\0\2\xc0\xa8\1\0"),
    b"\0" + part(AUTHENTIC, b"\x16\x14\0\0\x0c\0\3\0\0\0\0\0\x0c" + bytes(12)),
    b"\0" + part(AUTHENTIC, b"\x14\1") + part(AUTHENTIC, b"\x17"),
    b"\1" + part(AUTHENTIC, b"\x17" + bytes(1600)) + part(AUTHENTIC | TOGETHER, b"\x17a"),
    b"\1" + part(TOGETHER, b"\x19\xfe\xfd\0\1") + part(AUTHENTIC, b"\x17a"),
    b"\0" + part(0, b"\x16\xfe\xfd" + bytes(8) + b"\0\1\1") + part(AUTHENTIC, b"\x17a"),
)  # fmt: skip
WORDS = (b"\x15\2", b"\x15\1\0", b"\x17", b"\x16\1", b"\x19\xfe\xfd\0\1", b"\0\0\0", b"\1\0\4")


def mutate(data: bytes, random: Random) -> bytes:
    """Add, drop or repeat a whole part."""
    parts = list(parts_of(data[1:]))
    if parts and random.getrandbits(1):
        del parts[random.randrange(len(parts))]
    for _ in range(random.randrange(3)):
        kind = random.choice((20, 21, 22, 23, 23, 24, 25, random.getrandbits(8)))
        body = bytes([kind]) + random.randbytes(random.choice((0, 1, 2, 2, 3, 12, 30, 1300)))
        parts.insert(random.randrange(len(parts) + 1), (random.getrandbits(2), body))
    return bytes(data[:1]) + b"".join(part(*one) for one in parts)


def parts_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 3 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 3])
        yield data[at], data[at + 3 : at + 3 + size]
        at += 3 + size


def meant(kind: int, content: bytes, has_cid: bool) -> tuple[int, bytes]:
    """With a connection id the type stands at the end, before zeros (RFC 9146, section 4)."""
    inner = (content + bytes([kind])).rstrip(b"\0") if has_cid else content + bytes([kind])
    return (inner[-1], inner[:-1]) if inner else (0, b"")


def check(data: bytes) -> None:
    if not data:
        return
    context, blob, peer = SESSIONS[data[0] & 1]
    session = context.load(blob, 0, 0)
    assert session is not None
    peer.next = 1000
    said: list[bytes] = []
    may_end, datagram = False, b""
    for number, (flags, body) in enumerate(parts_of(data[1:])):
        if number == MOST_PARTS:
            break
        if flags & AUTHENTIC:
            kind, content = (body[0], body[1:3000]) if body else (TEXT, b"")
            datagram += peer.record(kind, content)
            kind, content = meant(kind, content, bool(peer.cid))
            if kind == TEXT:
                said.append(content)
            may_end |= kind == ALERT and (content[:1] == b"\2" or content == b"\1\0")
        else:
            datagram += body
        if flags & TOGETHER:
            continue
        event, texts = session.receive(datagram, 0)
        datagram = b""
        assert event in (dtls.WAITS, dtls.DATA) or (event == dtls.CLOSED and may_end)
        for text in texts:
            assert text in said and len(text) <= dtls.MAX_PLAIN
            said.remove(text)
        if event == dtls.CLOSED:
            assert not session.is_ready and session.why
            return
    event, texts = session.receive(peer.record(TEXT, b"still here"), 0)
    assert (event, texts) == (dtls.DATA, [b"still here"])
    assert session.was_newest and session.is_ready
    assert session.write(b"and we")
    assert session.save() is not None
