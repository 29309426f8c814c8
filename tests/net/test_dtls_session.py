"""csrc/lf_dtls by its Python face: handshakes over good and bad links, records, connection ids."""

from __future__ import annotations

from itertools import product

import pytest

from lwm2m_fast.config import dtls as settings
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.net import dtls_base
from lwm2m_fast.net import dtls_session as dtls
from lwm2m_fast.net.dtls_session import DtlsContext
from lwm2m_fast.sim import dtls as simulated
from tests.net import certificates
from tests.net.dtls_kit import (
    ECDSA_SUITES,
    IDENTITY,
    IS_OWN_BUILD,
    KEY,
    PSK_SUITES,
    Pair,
    bad_link,
    known,
    psk_client,
    psk_server,
    x509_client,
    x509_server,
)

CID_SIZES = (-1, 0, 1, 2, 4, 6, 8, 16)
TYPE, EPOCH, TYPE_CID, TYPE_DATA, TYPE_ALERT = 0, slice(3, 5), 25, 23, 21
LONGEST = dtls.longest_key()


def talks(pair: Pair) -> bool:
    """Both directions carry text."""
    return pair.up(b"up") == [b"up"] and pair.down(b"down") == [b"down"]


def test_every_list_of_suites_says_the_same() -> None:
    assert dtls.SUITES == dtls_base.SUITES == simulated.SUITES
    assert tuple(dtls.SUITES) == settings.SUITES


@pytest.mark.parametrize("suite", PSK_SUITES)
def test_a_psk_suite_handshakes_and_carries_text(suite: str) -> None:
    pair = Pair(psk_client(suites=[suite]), psk_server(suites=[suite])).shake()
    assert pair.is_ready and talks(pair)
    assert pair.server is not None
    assert pair.server.suite == pair.client.suite == suite
    assert pair.server.kind == dtls.KIND_PSK
    assert pair.server.identity == IDENTITY
    assert pair.server.fingerprint == b""
    assert pair.server.due == pair.client.due == -1


@pytest.mark.parametrize("suite", ECDSA_SUITES)
def test_a_certificate_suite_handshakes_and_carries_text(suite: str) -> None:
    pair = Pair(x509_client(suites=[suite]), x509_server(suites=[suite])).shake()
    assert pair.is_ready and talks(pair)
    assert pair.server is not None
    assert pair.server.suite == suite
    assert pair.server.kind == dtls.KIND_X509
    assert pair.server.identity == b""
    assert pair.server.fingerprint == certificates.device().fingerprint
    assert pair.client.fingerprint == certificates.server().fingerprint


def test_one_server_takes_psk_and_certificates_in_our_order() -> None:
    server = x509_server(psk=known)
    assert Pair(psk_client(), server).shake().client.suite == PSK_SUITES[0]
    assert Pair(x509_client(), server).shake().client.suite == ECDSA_SUITES[0]
    assert Pair(psk_client(suites=PSK_SUITES[1:]), server).shake().client.suite == PSK_SUITES[1]


@pytest.mark.parametrize("size", [1, 16, min(48, LONGEST), LONGEST])
def test_a_key_may_have_up_to_64_bytes(size: int) -> None:
    key = bytes(range(size))
    pair = Pair(psk_client(own_psk=(IDENTITY, key)), psk_server(psk=lambda _: key)).shake()
    assert pair.is_ready and talks(pair)


def test_an_identity_may_have_128_bytes() -> None:
    identity = "ß".encode() * 64
    pair = Pair(psk_client(own_psk=(identity, KEY)), psk_server(psk=lambda _: KEY)).shake()
    assert pair.is_ready and pair.server is not None
    assert pair.server.identity == identity


@pytest.mark.parametrize(("ours", "theirs"), [*product(CID_SIZES, CID_SIZES)])
def test_each_side_has_its_own_length_of_connection_id(ours: int, theirs: int) -> None:
    server_context, client_context = psk_server(cid_size=ours), psk_client(cid_size=theirs)
    pair = Pair(client_context, server_context).shake()
    assert pair.is_ready and pair.server is not None
    both = ours >= 0 and theirs >= 0
    up, down = pair.client.write(b"up"), pair.server.write(b"down")
    for record, size, context, mark, session in (
        (up, ours, server_context, 0x5E, pair.server),
        (down, theirs, client_context, 0xC0, pair.client),
    ):
        used = both and size > 0
        assert session.uses_cid is used
        assert record[TYPE] == (TYPE_CID if used else TYPE_DATA)
        assert context.record_cid(record) == (bytes([mark]) * size if used else None)
        # Header, id, explicit nonce, the type inside, tag: no padding.
        expected = 13 + max(size, 0) * used + 8 + used + 8 + (2 if record is up else 4)
        padding = 0 if IS_OWN_BUILD or not used else 16
        assert expected <= len(record) <= expected + padding
    assert pair.server.receive(up, pair.now) == (dtls.DATA, [b"up"])
    assert pair.client.receive(down, pair.now) == (dtls.DATA, [b"down"])


@pytest.mark.parametrize("suite", dtls.SUITES)
def test_the_longest_text_fits_with_the_largest_overhead(suite: str) -> None:
    options = {"suites": [suite], "cid_size": 16}
    is_psk = suite in PSK_SUITES
    pair = Pair(
        psk_client(**options) if is_psk else x509_client(**options),
        psk_server(**options) if is_psk else x509_server(**options),
    ).shake()
    text = bytes(dtls.MAX_PLAIN)
    assert pair.up(text) == [text] and pair.down(text) == [text]
    for size in range(dtls.MAX_PLAIN - 40, dtls.MAX_PLAIN + 1):
        # A peer's id may have 32 bytes, 16 more than here.
        assert len(pair.client.write(bytes(size))) - size <= dtls.OVERHEAD - 16
    with pytest.raises(ValueError, match="1281"):
        pair.client.write(bytes(dtls.MAX_PLAIN + 1))


def test_an_empty_record_is_no_text() -> None:
    pair = Pair(psk_client(), psk_server()).shake()
    assert pair.up(b"") == []
    assert talks(pair)


def test_several_records_in_one_datagram_are_all_read() -> None:
    pair = Pair(psk_client(), psk_server()).shake()
    assert pair.server is not None
    texts = [b"%d" % number for number in range(5)]
    records = [pair.client.write(text) for text in texts]
    assert pair.server.receive(b"".join(records), pair.now) == (dtls.DATA, texts)
    # A bad one among them costs nothing but itself and what follows it.
    records = [pair.client.write(text) for text in texts]
    records[2] = records[2][:-1] + bytes([records[2][-1] ^ 1])
    event, read = pair.server.receive(b"".join(records), pair.now)
    assert event == dtls.DATA and read[:2] == texts[:2] and b"2" not in read
    assert talks(pair)


def test_text_may_come_with_the_last_handshake_message() -> None:
    pair = Pair(psk_client(), psk_server(resumptions=1)).shake()
    again = Pair(pair.client_context, pair.server_context)
    again.client.recall(pair.client.remember())
    again.client.connect(again.now)
    again.gather()
    while not again.client.is_ready:
        again.arrive_at_server(again.to_server.pop(0))
        again.gather()
        again.client.receive(again.to_client.pop(0), again.now)
        again.gather()
    assert again.server is not None and not again.server.is_ready
    last = again.to_server.pop() + again.client.write(b"at once")
    assert again.server.receive(last, again.now) == (dtls.READY, [b"at once"])


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("make", ["psk", "x509"])
def test_a_handshake_survives_loss_doubling_and_reordering(make: str, seed: int) -> None:
    options = {"mtu": 400, "retransmit_most_ms": 600_000}
    client = psk_client(**options) if make == "psk" else x509_client(**options)
    server = psk_server(**options) if make == "psk" else x509_server(**options)
    pair = Pair(client, server, change=bad_link(seed, 0.15)).shake()
    assert pair.is_ready
    assert talks(pair)


@pytest.mark.parametrize("mtu", [256, 512, 1280])
def test_no_datagram_of_a_handshake_is_longer_than_the_mtu(mtu: int) -> None:
    lengths: list[int] = []

    def measure(datagram: bytes, _: bool) -> list[bytes]:
        lengths.append(len(datagram))
        return [datagram]

    pair = Pair(x509_client(mtu=mtu), x509_server(mtu=mtu), change=measure).shake()
    assert pair.is_ready
    assert max(lengths) <= mtu
    assert talks(pair) and pair.up(bytes(1280)) == [bytes(1280)]


def test_a_chain_of_three_is_taken_in_fragments() -> None:
    device = certificates.by_intermediate(2)
    assert len(device.above) == 2
    client = x509_client(chain=device.chain, key=device.key_der, mtu=300)
    pair = Pair(client, x509_server(mtu=300), change=bad_link(7, 0.1)).shake()
    assert pair.is_ready and pair.server is not None
    assert pair.server.fingerprint == device.fingerprint


def test_flights_are_sent_again_after_doubling_times_and_then_no_more() -> None:
    client = psk_client(retransmit_first_ms=1000, retransmit_most_ms=8000)
    pair = Pair(client, psk_server(), now=0, change=lambda datagram, is_up: [])
    pair.client.connect(0)
    waits = []
    event = dtls.WAITS
    while event == dtls.WAITS:
        before = pair.now
        pair.now = pair.client.due
        waits.append(pair.now - before)
        assert pair.client.handle_timeout(pair.now - 1) == dtls.WAITS
        event = pair.client.handle_timeout(pair.now)
    assert waits == [1000, 2000, 4000, 8000]
    assert event == dtls.FAILED and pair.client.why == "no answer"
    assert pair.client.due == -1 and not pair.client.is_ready
    assert pair.client.receive(b"late", pair.now) == (dtls.FAILED, [])


def test_a_server_gives_up_a_client_that_is_gone() -> None:
    pair = Pair(psk_client(), psk_server(retransmit_first_ms=500, retransmit_most_ms=2000))
    server = pair.begun()
    flights, began, event = 0, pair.now, dtls.WAITS
    while event == dtls.WAITS:
        flights += bool(server.sent)
        server.sent.clear()
        pair.now = server.due
        event = server.handle_timeout(pair.now)
    assert event == dtls.FAILED and server.why == "no answer"
    assert flights == 3 and pair.now - began == 500 + 1000 + 2000
    assert server.sent == []  # nobody is there to be told


def test_a_late_datagram_is_read_though_the_timer_was_due() -> None:
    pair = Pair(psk_client(), psk_server())
    pair.client.connect(pair.now)
    pair.now += 100_000
    pair.deliver()
    assert pair.is_ready


def test_the_last_flight_is_sent_again_when_the_peer_missed_it() -> None:
    pair = Pair(psk_client(), psk_server())
    pair.client.connect(pair.now)
    lost: list[bytes] = []

    def lose_last(datagram: bytes, is_up: bool) -> list[bytes]:
        is_last = not is_up and datagram[TYPE] == 20
        if is_last and not lost:
            lost.append(datagram)
            return []
        return [datagram]

    pair.change = lose_last
    pair.deliver()
    assert pair.server is not None and pair.server.is_ready and not pair.client.is_ready
    pair.now = pair.client.due
    assert pair.client.handle_timeout(pair.now) == dtls.WAITS
    pair.deliver()
    assert lost and pair.is_ready and talks(pair)


def test_a_record_is_read_once() -> None:
    pair = Pair(psk_client(), psk_server()).shake()
    assert pair.server is not None
    records = [pair.client.write(b"%d" % number) for number in range(70)]
    for record in (records[1], records[0], records[69]):
        assert pair.server.receive(record, pair.now)[0] == dtls.DATA
        assert pair.server.receive(record, pair.now) == (dtls.WAITS, [])
    # Behind the window of 64 nothing is taken.
    assert pair.server.receive(records[2], pair.now) == (dtls.WAITS, [])
    assert pair.server.receive(records[10], pair.now) == (dtls.DATA, [b"10"])


def test_only_a_record_newer_than_all_before_may_move_an_address() -> None:
    pair = Pair(psk_client(), psk_server()).shake()
    assert pair.server is not None
    old, new, forged = (pair.client.write(b"x") for _ in range(3))
    forged = forged[:-1] + bytes([forged[-1] ^ 1])
    seen = []
    for record in (new, old, new, forged, b"", pair.client.write(b"x")):
        pair.server.receive(record, pair.now)
        seen.append(pair.server.was_newest)
    assert seen == [True, False, False, False, False, True]


def forgeries(pair: Pair) -> list[bytes]:
    """What anybody could send to the server without a key."""
    record = pair.client.write(b"genuine")
    altered = [
        record[:at] + bytes([record[at] ^ bit]) + record[at + 1 :]
        for at in range(len(record))
        for bit in (1, 0x80)
    ]
    cut = [record[:size] for size in range(len(record))]
    plain = [
        bytes([kind, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 99, 0, len(body)]) + body
        for kind in (20, 21, 22, 23, 24, 25, 26)
        for epoch in (0, 1, 2)
        for body in (b"\x01", b"\x02\x28", b"\x01\x00", bytes(32), bytes(3), b"")
    ]
    return [*altered, *cut, *plain, record + b"\xff", b"\0" * 2000]


@pytest.mark.parametrize("had_text", [False, True])
@pytest.mark.parametrize("suite", [PSK_SUITES[0], PSK_SUITES[2]])
def test_nothing_unauthentic_ends_a_session(suite: str, had_text: bool) -> None:
    pair = Pair(psk_client(suites=[suite]), psk_server(suites=[suite])).shake()
    assert pair.server is not None
    if had_text:
        assert talks(pair)
    genuine = 0
    for forged in forgeries(pair):
        event, texts = pair.server.receive(forged, pair.now)
        genuine += texts == [b"genuine"]
        assert event in (dtls.WAITS, dtls.DATA)
        assert texts in ([], [b"genuine"])
    # The record itself, and the same in an altered length of what is not read, come through once.
    assert genuine == 1
    hello = Pair(psk_client(), psk_server())
    hello.client.connect(0)
    hello.gather()
    assert pair.server.receive(hello.to_server[0], pair.now) == (dtls.WAITS, [])
    assert talks(pair)


def test_a_session_that_is_made_costs_another_nothing() -> None:
    """RFC 6347, section 4.2.8: the caller keeps the old one until the new one is authenticated."""
    server = psk_server(psk=lambda identity: KEY if identity == IDENTITY else None)
    old = Pair(psk_client(), server).shake()
    wrong = Pair(psk_client(own_psk=(IDENTITY, b"wrong")), server).shake()
    assert wrong.server_events[-1] == dtls.FAILED
    assert talks(old)
    new = Pair(psk_client(), server).shake()
    assert new.is_ready and talks(new) and talks(old)


@pytest.mark.parametrize("from_server", [False, True])
def test_close_notify_ends_a_session(from_server: bool) -> None:
    pair = Pair(psk_client(), psk_server()).shake()
    assert talks(pair) and pair.server is not None
    here, there = (pair.server, pair.client) if from_server else (pair.client, pair.server)
    notice = here.close()
    assert notice and not here.is_ready and here.close() == b""
    with pytest.raises(ValueError, match="no record"):
        here.write(b"more")
    assert there.receive(notice, pair.now) == (dtls.CLOSED, [])
    assert not there.is_ready and there.why == "the peer closed the session"
    assert there.receive(notice, pair.now) == (dtls.FAILED, [])


def test_text_before_a_close_notify_in_the_same_datagram_is_read() -> None:
    pair = Pair(psk_client(), psk_server()).shake()
    assert pair.server is not None
    last = pair.client.write(b"last")
    assert pair.server.receive(last + pair.client.close(), 0) == (dtls.CLOSED, [b"last"])


def test_what_a_callable_raises_comes_out() -> None:
    def psk(identity: bytes) -> bytes:
        raise LookupError(identity)

    with pytest.raises(LookupError, match="device-1"):
        Pair(psk_client(), psk_server(psk=psk)).shake()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cid_size": 17}, "cid_size"),
        ({"cid_size": -2}, "cid_size"),
        ({"mtu": 255}, "mtu"),
        ({"mtu": 70_000}, "mtu"),
        ({"retransmit_first_ms": 0}, "retransmit_first_ms"),
        ({"retransmit_first_ms": 9, "retransmit_most_ms": 8}, "retransmit_most_ms"),
        ({"suites": ["TLS_NULL"]}, "TLS_NULL"),
        ({"suites": []}, "no cipher suite"),
        ({"suites": ECDSA_SUITES}, "no cipher suite"),
        ({"chain": b"\x30\x03abc", "key": b"x"}, "certificate chain"),
        ({"chain": b"-----BEGIN", "key": b"x"}, "certificate chain"),
        ({"anchors": b"\x30\x82"}, "trust anchors"),
        ({"chain": certificates.server().der, "key": b"x"}, "private key"),
        (
            {"chain": certificates.server().der, "key": certificates.device().key_der},
            "private key is not that",
        ),
        (
            {"chain": certificates.other_curve().der, "key": certificates.other_curve().key_der},
            "secp256r1",
        ),
        (
            {
                "chain": certificates.by_intermediate(1, 20_000).chain,
                "key": certificates.by_intermediate(1, 20_000).key_der,
            },
            "longer than a handshake message",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        psk_server(**options)


def test_a_client_has_limits_for_its_identity_and_key() -> None:
    with pytest.raises(ConfigError, match="128 bytes"):
        psk_client(own_psk=(bytes(129), KEY))
    with pytest.raises(ConfigError, match="64 bytes"):
        psk_client(own_psk=(IDENTITY, bytes(65)))


def test_a_session_outlives_its_callers_reference_to_the_context() -> None:
    pair = Pair(psk_client(), psk_server()).shake()
    session = pair.server
    assert session is not None
    del pair.server_context
    pair.server_context = DtlsContext(psk=known)
    assert talks(pair)


def test_the_library_says_what_it_is() -> None:
    assert dtls.library().startswith("Mbed TLS 3.6.")
