# Invariant: whatever a link does to a handshake, a session comes of it only for who has the key,
# and then it works; nothing else but WAITS and FAILED comes before.
"""A link that spoils handshakes.

Input: a byte (odd: certificates; its second bit: small datagrams), then orders for one datagram
after another: a byte for what is done, two for where, one for how.
"""

from __future__ import annotations

from random import Random

from lwm2m_fast.net import dtls_session as dtls
from tests.net.dtls_kit import (
    IDENTITY,
    Pair,
    psk_client,
    psk_server,
    x509_client,
    x509_server,
)

QUICK = {"retransmit_first_ms": 10, "retransmit_most_ms": 40}
CONTEXTS = tuple(
    (client(mtu=mtu, **QUICK), server(mtu=mtu, resumptions=2, **QUICK))
    for mtu in (1280, 300)
    for client, server in ((psk_client, psk_server), (x509_client, x509_server))
)
NOTHING, LOSE, DOUBLE, ALTER, CUT, APPEND, INSERT, HOLD, SET_16, SWAP_HALVES = range(10)
ORDER_BYTES = 4


def order(what: int, at: int = 0, how: int = 0) -> bytes:
    return bytes([what]) + at.to_bytes(2) + bytes([how])


SEEDS = (
    b"\0", b"\1", b"\2", b"\3",
    b"\0" + order(LOSE) * 3 + order(DOUBLE) * 5,
    b"\0" + order(NOTHING) * 4 + order(ALTER, 30, 1),
    b"\1" + order(NOTHING) * 4 + order(ALTER, 200, 255),
    b"\3" + order(HOLD) + order(NOTHING) * 4 + order(HOLD) + order(INSERT, 7, 9),
    b"\0" + order(NOTHING) * 2 + order(CUT, 40) + order(APPEND, 5, 22) + order(SET_16, 11, 200),
)  # fmt: skip
WORDS = tuple(order(what) for what in range(10))


def mutate(data: bytes, random: Random) -> bytes:
    """Another order somewhere."""
    orders = [data[at : at + ORDER_BYTES] for at in range(1, len(data), ORDER_BYTES)]
    new = order(random.randrange(10), random.randrange(400), random.getrandbits(8))
    where = random.randrange(min(len(orders), 20) + 1)
    if random.getrandbits(1):
        orders[where : where + 1] = [new]
    else:
        orders.insert(where, new)
    return bytes(data[:1] or b"\0") + b"".join(orders[:60])


class Link:
    """Carries out the orders, and nothing more when they are used up."""

    def __init__(self, orders: bytes):
        self.orders, self.at, self.held = orders, 0, [b"", b""]

    def __call__(self, datagram: bytes, is_up: bool) -> list[bytes]:
        order = self.orders[self.at : self.at + ORDER_BYTES]
        self.at += ORDER_BYTES
        late = [self.held[is_up]] if self.held[is_up] else []
        self.held[is_up] = b""
        if len(order) < ORDER_BYTES:
            return [datagram, *late]
        what, how = order[0] % 10, order[3]
        at = int.from_bytes(order[1:3]) % max(len(datagram), 1)
        if what == HOLD:
            self.held[is_up] = datagram
            return late
        return [*self.changed(datagram, what, at, how), *late]

    @staticmethod
    def changed(datagram: bytes, what: int, at: int, how: int) -> list[bytes]:
        head, tail = datagram[:at], datagram[at:]
        return {
            NOTHING: [datagram],
            LOSE: [],
            DOUBLE: [datagram, datagram],
            ALTER: [head + bytes([tail[0] ^ (how or 1)]) + tail[1:]],
            CUT: [head, datagram] if how & 1 else [head],
            APPEND: [datagram + bytes([how]) * (at % 40 + 1)],
            INSERT: [head + bytes([how]) * (how % 5 + 1) + tail],
            SET_16: [head + how.to_bytes(2) + tail[2:]],
            SWAP_HALVES: [tail + head, datagram],
        }[what]


def check(data: bytes) -> None:
    if not data:
        return
    client, server = CONTEXTS[data[0] & 3]
    pair = Pair(client, server, change=Link(data[1 : 1 + 60 * ORDER_BYTES]))
    pair.shake(rounds=12)
    for end, events in ((pair.client, pair.client_events), (pair.server, pair.server_events)):
        # An end that has finished is told by the other that it has not.
        told = [event for event in events if event not in (dtls.WAITS, dtls.FAILED)]
        assert told in ([], [dtls.READY], [dtls.READY, dtls.CLOSED])
        if told[-1:] == [dtls.CLOSED] or dtls.FAILED in events:
            assert end is not None and not end.is_ready and end.why and end.due == -1
    assert pair.server_texts == []
    if pair.server is not None and pair.server.is_ready:
        assert pair.server.identity == (b"" if data[0] & 1 else IDENTITY)
    if pair.is_ready:
        pair.change = lambda datagram, _: [datagram]
        assert pair.up(b"up") == [b"up"] and pair.down(b"down") == [b"down"]
