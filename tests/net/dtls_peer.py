"""A client whose records are authentic and say anything: what a library would never send.

Works the keys out of the handshake that it watched (RFC 5246, sections 5 and 6.3; RFC 6655; RFC
9146, section 5.3). TLS_PSK_WITH_AES_128_CCM_8 only.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from tests.net.dtls_kit import PSK_SUITES, Pair, psk_client, psk_server

VERSION, CID_TYPE = b"\xfe\xfd", 25
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, TEXT = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2


def _expand(secret: bytes, seed: bytes) -> Iterator[bytes]:
    part = seed
    while True:
        part = hmac.digest(secret, part, "sha256")
        yield hmac.digest(secret, part + seed, "sha256")


def _prf(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    parts, out = _expand(secret, label + seed), b""
    while len(out) < size:
        out += next(parts)
    return out[:size]


class Peer:
    """The client's keys, and its next sequence number."""

    def __init__(self, master: bytes, client_random: bytes, server_random: bytes, cid: bytes):
        block = _prf(master, b"key expansion", server_random + client_random, 40)
        self.seal = AESCCM(block[:16], tag_length=8)
        self.salt = block[32:36]
        self.cid = cid
        self.next = 1000

    def record(self, kind: int, content: bytes) -> bytes:
        """An authentic record of the type `kind` with `content`."""
        number = b"\0\1" + self.next.to_bytes(6)
        self.next += 1
        if self.cid:
            inner = content + bytes([kind])
            about = (
                b"\xff" * 8 + bytes([CID_TYPE, len(self.cid), CID_TYPE])
                + VERSION + number + self.cid + len(inner).to_bytes(2)
            )  # fmt: skip
            head = bytes([CID_TYPE]) + VERSION + number + self.cid
        else:
            inner = content
            about = number + bytes([kind]) + VERSION + len(inner).to_bytes(2)
            head = bytes([kind]) + VERSION + number
        sealed = number + self.seal.encrypt(self.salt + number, inner, about)
        return head + len(sealed).to_bytes(2) + sealed


def watched_pair(cid_size: int = 6) -> tuple[Pair, Peer]:
    """A finished handshake, and who can speak for its client."""
    hellos = {}

    def watch(datagram: bytes, _: bool) -> list[bytes]:
        if datagram[0] == HANDSHAKE and datagram[13] in (CLIENT_HELLO, SERVER_HELLO):
            hellos[datagram[13]] = datagram
        return [datagram]

    options = {"suites": PSK_SUITES[:1], "cid_size": cid_size}
    pair = Pair(psk_client(**options), psk_server(**options, resumptions=1), change=watch).shake()
    assert pair.is_ready
    memory = pair.client.remember()
    at = master_at(memory, hellos[SERVER_HELLO])
    randoms = [hellos[kind][27:59] for kind in (CLIENT_HELLO, SERVER_HELLO)]
    return pair, Peer(memory[at : at + 48], *randoms, b"\x5e" * max(cid_size, 0))


def master_at(memory: bytes, server_hello: bytes) -> int:
    """Where in what a client remembers the master secret is: behind the session id."""
    session_id = server_hello[60:92]
    assert server_hello[59] == 32
    return memory.index(session_id) + 32
