"""An authenticated peer that says what it should not. It ends its own session at most."""

from __future__ import annotations

import pytest

from lwm2m_fast.net import dtls_session as dtls
from tests.net.dtls_peer import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, TEXT, watched_pair

CLIENT_HELLO, HELLO_REQUEST, FINISHED = 1, 0, 20


def handshake(kind: int, body: bytes = b"", *, number: int = 0) -> bytes:
    size = len(body).to_bytes(3)
    return bytes([kind]) + size + number.to_bytes(2) + bytes(3) + size + body


@pytest.mark.parametrize("cid_size", [-1, 0, 6])
def test_our_own_reading_of_the_standards_is_understood(cid_size: int) -> None:
    pair, peer = watched_pair(cid_size)
    assert pair.server is not None
    assert pair.server.receive(peer.record(TEXT, b"text"), 0) == (dtls.DATA, [b"text"])


def test_a_text_that_is_too_long_is_dropped_whole() -> None:
    pair, peer = watched_pair()
    assert pair.server is not None
    for size in (dtls.MAX_PLAIN, dtls.MAX_PLAIN + 1, 1600, 1664):
        record = peer.record(TEXT, bytes(size))
        expected = [bytes(size)] if size <= dtls.MAX_PLAIN else []
        assert pair.server.receive(record, 0)[1] == expected
        assert pair.server.receive(peer.record(TEXT, b"next"), 0) == (dtls.DATA, [b"next"])
    # Also with a good one behind it in the same datagram.
    both = peer.record(TEXT, bytes(1300)) + peer.record(TEXT, b"small")
    assert pair.server.receive(both, 0) == (dtls.DATA, [b"small"])


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (CHANGE_CIPHER_SPEC, b"\1"),
        (CHANGE_CIPHER_SPEC, b"\2"),
        (CHANGE_CIPHER_SPEC, b"\1\1"),
        (ALERT, b"\1"),
        (ALERT, b"\1\0\1\0"),
        (ALERT, b"\1\x5a"),
        (ALERT, b""),
        (HANDSHAKE, b""),
        (HANDSHAKE, b"\1"),
        (HANDSHAKE, handshake(FINISHED, bytes(12), number=9)),
        (HANDSHAKE, handshake(HELLO_REQUEST)),
        (HANDSHAKE, b"\1\xff\xff\xff" + bytes(20)),
        (24, b"\1\0\4abcd"),
        (25, b"inside"),
        (0, b"\0"),
        (255, b"?"),
    ],
)
@pytest.mark.parametrize("cid_size", [-1, 6])
def test_nonsense_is_dropped(kind: int, content: bytes, cid_size: int) -> None:
    pair, peer = watched_pair(cid_size)
    assert pair.server is not None
    record = peer.record(kind, content)
    for _ in range(3):
        assert pair.server.receive(record, 0) == (dtls.WAITS, [])
    behind = peer.record(kind, content) + peer.record(TEXT, b"behind")
    event, texts = pair.server.receive(behind, 0)
    assert event in (dtls.WAITS, dtls.DATA) and texts in ([], [b"behind"])
    assert pair.server.receive(peer.record(TEXT, b"text"), 0) == (dtls.DATA, [b"text"])
    assert pair.down(b"down") == [b"down"]


def test_nothing_is_negotiated_again() -> None:
    pair, peer = watched_pair()
    assert pair.server is not None
    assert pair.server.receive(peer.record(TEXT, b"text"), 0) == (dtls.DATA, [b"text"])
    hello = handshake(CLIENT_HELLO, VERSION_AND_RANDOM + b"\0\0\0\2\xc0\xa8\1\0")
    for _ in range(5):
        event, texts = pair.server.receive(peer.record(HANDSHAKE, hello), 0)
        assert event == dtls.WAITS and texts == []
    # At most an alert each, which the client reads and ignores.
    assert len(pair.server.sent) <= 5
    for datagram in pair.server.sent:
        assert pair.client.receive(datagram, 0) == (dtls.WAITS, [])
    assert pair.server.receive(peer.record(TEXT, b"text"), 0) == (dtls.DATA, [b"text"])
    assert pair.down(b"down") == [b"down"]


VERSION_AND_RANDOM = b"\xfe\xfd" + bytes(32)


@pytest.mark.parametrize("content", [b"\2\x28", b"\2\0", b"\2\xff"])
def test_a_fatal_alert_ends_the_session_and_what_could_be_resumed(content: bytes) -> None:
    pair, peer = watched_pair()
    assert pair.server is not None
    memory = pair.client.remember()
    assert pair.server.receive(peer.record(ALERT, content), 0) == (dtls.CLOSED, [])
    assert not pair.server.is_ready and pair.server.why
    pair.client = pair.client_context.open(b"\xc0" * 6, 0)
    pair.client.recall(memory)
    pair.server = None
    pair.client_events.clear()
    pair.server_events.clear()
    assert pair.shake().is_ready
    again = pair.server
    assert again is not None and not again.was_resumed


def test_many_empty_records_cost_nothing_but_themselves() -> None:
    pair, peer = watched_pair()
    assert pair.server is not None
    datagram = b"".join(peer.record(TEXT, b"") for _ in range(40))
    for _ in range(4):
        assert pair.server.receive(datagram, 0) == (dtls.WAITS, [])
        datagram = b"".join(peer.record(TEXT, b"") for _ in range(40))
    assert pair.server.receive(peer.record(TEXT, b"text"), 0) == (dtls.DATA, [b"text"])


def test_a_record_with_another_connection_id_is_not_ours() -> None:
    pair, peer = watched_pair()
    assert pair.server is not None
    peer.cid = b"\x5e" * 5 + b"\x5f"
    assert pair.server.receive(peer.record(TEXT, b"text"), 0) == (dtls.WAITS, [])
    # Nor one without, now that one was agreed on (RFC 9146, section 4).
    peer.cid = b""
    assert pair.server.receive(peer.record(TEXT, b"text"), 0) == (dtls.WAITS, [])
    peer.cid = b"\x5e" * 6
    assert pair.server.receive(peer.record(TEXT, b"text"), 0) == (dtls.DATA, [b"text"])
