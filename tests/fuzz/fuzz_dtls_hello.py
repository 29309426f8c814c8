# Invariant: exactly the ClientHellos that a plain reading of the standards accepts are answered, by
# less than came, and the cookie of the answer lets in that ClientHello from that source alone.
"""Any bytes from somebody who has no session."""

from __future__ import annotations

from random import Random

from lwm2m_fast.net import dtls_session as dtls
from tests.fuzz import plain_dtls
from tests.net.dtls_kit import SOURCE, Pair, psk_client, psk_server

SERVER = psk_server(cid_size=6)


def _first(**options: object) -> bytes:
    pair = Pair(psk_client(**options), SERVER)
    pair.client.connect(0)
    return pair.client.sent[0]


HELLO = _first(suites=["TLS_PSK_WITH_AES_128_CCM_8"])
SEEDS = (
    HELLO, _first(cid_size=-1), plain_dtls.with_cookie(HELLO, bytes(17)),
    plain_dtls.with_cookie(HELLO, bytes(255)), HELLO + HELLO,
    HELLO[:60] + b"\0\0\2\xc0\xa8\1\0",
    b"\x19\xfe\xfd\0\1\0\0\0\0\0\1abcdef\0\x10" + bytes(16),
)  # fmt: skip
WORDS = (b"\xfe\xff", b"\xfe\xfd", b"\0\0\0", b"\x16\xfe", b"\xc0\xa8", b"\0\x17\0\0", b"\xff\xff")


def mutate(data: bytes, random: Random) -> bytes:
    """Change a byte, and make the outer lengths fit what there is, or almost."""
    changed = bytearray(data[:300] or HELLO)
    changed += bytes(max(0, 40 - len(changed)))
    for _ in range(random.randrange(1, 4)):
        changed[random.randrange(len(changed))] = random.getrandbits(8)
    if random.getrandbits(1):
        del changed[random.randrange(25, len(changed)) :]
    size = len(changed) - 25 + random.choice((0, 0, 0, 0, 0, 1, -1))
    size = max(size, 0)
    changed[0], changed[1], changed[3:5] = 22, 0xFE, b"\0\0"
    changed[11:13] = (size + 12).to_bytes(2)
    changed[13:17] = b"\1" + size.to_bytes(3)
    changed[19:25] = bytes(3) + size.to_bytes(3)
    return bytes(changed)


def check(data: bytes) -> None:
    cid = SERVER.record_cid(data)
    assert (cid is not None) == (len(data) >= 19 and data[0] == 25)
    assert cid is None or cid == data[11:17]
    answer = SERVER.hello(SOURCE, data, 0)
    try:
        plain = plain_dtls.read(data)
    except plain_dtls.Malformed:
        assert answer is None
        return
    assert isinstance(answer, bytes) and dtls.is_client_hello(data)
    assert len(answer) <= min(64, len(data))
    assert answer[27] == len(answer[28:]) == 17
    again = plain_dtls.with_cookie(data, answer[28:])
    assert SERVER.hello(SOURCE, again, 0) is True
    assert plain_dtls.read(again).extensions == plain.extensions
    assert isinstance(SERVER.hello(SOURCE + b"0", again, 0), bytes)
    # Whatever is in it, the library behind copes.
    session = SERVER.open(bytes(6), 0)
    assert session.receive(again, 0)[0] in (dtls.WAITS, dtls.FAILED)
