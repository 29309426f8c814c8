"""The stateless cookie exchange: who gets one, for whom it holds, and what is not answered."""

from __future__ import annotations

import os

import pytest

from lwm2m_fast.net import dtls_session as dtls
from tests.net.dtls_kit import SOURCE, Pair, psk_client, psk_server

RANDOM_AT, SESSION_ID_AT, COOKIE_AT = 13 + 12 + 2, 13 + 12 + 34, 13 + 12 + 35
COOKIE_BYTES = 17
MINUTE = 60_000


def hello(**options: object) -> bytes:
    """A client's first ClientHello, without a cookie or a session id."""
    pair = Pair(psk_client(**options), psk_server())
    pair.client.connect(0)
    [datagram] = pair.client.sent
    assert datagram[SESSION_ID_AT] == datagram[COOKIE_AT] == 0
    return datagram


def answer_to(datagram: bytes, server: dtls.DtlsContext, now: int = 0) -> bytes:
    answer = server.hello(SOURCE, datagram, now)
    assert isinstance(answer, bytes)
    return answer


def with_cookie(datagram: bytes, cookie: bytes) -> bytes:
    """The second ClientHello, of the same offers."""
    datagram = datagram[:COOKIE_AT] + bytes([len(cookie)]) + cookie + datagram[COOKIE_AT + 1 :]
    size = len(datagram) - 25
    record, message = (size + 12).to_bytes(2), size.to_bytes(3)
    return (
        datagram[:11] + record + datagram[13:14] + message
        + datagram[17:22] + message + datagram[25:]
    )  # fmt: skip


def second(datagram: bytes, answer: bytes) -> bytes:
    assert answer[27] == COOKIE_BYTES == len(answer[28:])
    return with_cookie(datagram, answer[28:])


def test_a_cookie_costs_no_more_bytes_than_came() -> None:
    first = hello()
    answer = answer_to(first, psk_server())
    assert len(answer) <= 64 < len(first)
    # HelloVerifyRequest: DTLS 1.0's version, the ClientHello's record number and message number.
    assert answer[:3] == b"\x16\xfe\xff" and answer[3:11] == first[3:11]
    assert answer[13] == 3 and answer[17:19] == first[17:19]


def test_a_cookie_lets_in_who_it_was_made_for() -> None:
    server = psk_server()
    first = hello()
    datagram = second(first, answer_to(first, server))
    assert server.hello(SOURCE, datagram, 0) is True
    # As often as it comes: the answer to it may have been lost.
    assert server.hello(SOURCE, datagram, 1) is True


@pytest.mark.parametrize("source", [b"192.0.2.1:40001", b"192.0.2.1:4000", b"", SOURCE + b"0"])
def test_a_cookie_is_bound_to_its_source(source: bytes) -> None:
    server = psk_server()
    first = hello()
    datagram = second(first, answer_to(first, server))
    assert isinstance(server.hello(source, datagram, 0), bytes)


def test_a_cookie_is_bound_to_its_client_hello() -> None:
    server = psk_server()
    first, other = hello(), hello(suites=["TLS_PSK_WITH_AES_128_CCM_8"])
    cookie = answer_to(first, server)[28:]
    altered = bytearray(with_cookie(first, cookie))
    altered[RANDOM_AT] ^= 1
    assert isinstance(server.hello(SOURCE, bytes(altered), 0), bytes)
    assert isinstance(server.hello(SOURCE, with_cookie(other, cookie), 0), bytes)


@pytest.mark.parametrize("at", range(COOKIE_BYTES))
def test_a_wrong_cookie_is_as_none(at: int) -> None:
    server = psk_server()
    first = hello()
    cookie = bytearray(answer_to(first, server)[28:])
    cookie[at] ^= 0x80
    again = server.hello(SOURCE, with_cookie(first, bytes(cookie)), 0)
    assert isinstance(again, bytes)
    assert server.hello(SOURCE, second(first, again), 0) is True


@pytest.mark.parametrize("size", [1, 16, 18, 32, 255])
def test_a_cookie_of_another_length_is_as_none(size: int) -> None:
    server = psk_server()
    first = hello()
    cookie = (answer_to(first, server)[28:] + bytes(255))[:size]
    assert isinstance(server.hello(SOURCE, with_cookie(first, cookie), 0), bytes)


def test_another_server_makes_other_cookies() -> None:
    first = hello()
    answer = answer_to(first, psk_server())
    assert isinstance(psk_server().hello(SOURCE, second(first, answer), 0), bytes)


@pytest.mark.parametrize(
    ("later", "is_valid"),
    [
        ([MINUTE - 1], True),
        ([MINUTE], True),  # of the period before
        ([MINUTE, 2 * MINUTE], False),  # two periods later
        ([2 * MINUTE], False),
        ([2 * MINUTE - 1], True),
        ([1000 * MINUTE], False),
    ],
)
def test_a_cookie_holds_for_its_period_and_the_next(later: list[int], is_valid: bool) -> None:
    server = psk_server()
    first = hello()
    datagram = second(first, answer_to(first, server, now=0))
    results = [server.hello(SOURCE, datagram, now) for now in later]
    assert (results[-1] is True) is is_valid
    if not is_valid:
        assert isinstance(results[-1], bytes)


def test_periods_go_on_for_longer_than_their_number_counts() -> None:
    server = psk_server()
    first = hello()
    for period in range(600):
        now = period * MINUTE
        datagram = second(first, answer_to(first, server, now))
        assert server.hello(SOURCE, datagram, now) is True
        assert server.hello(SOURCE, datagram, now + MINUTE) is True


def test_what_is_cut_short_is_ignored() -> None:
    server = psk_server()
    first = hello()
    whole = second(first, answer_to(first, server))
    for datagram in (first, whole):
        for size in range(len(datagram)):
            assert server.hello(SOURCE, datagram[:size], 0) is None
    # With its lengths made to fit, each part is malformed in itself, but where a part may end.
    body = whole[25:]
    ends = {len(body), len(body) - 2 - int.from_bytes(extensions_size(body))}
    for size in range(len(body)):
        part = record(message(body[:size]))
        assert (server.hello(SOURCE, part, 0) is not None) is (size in ends)


def extensions_size(body: bytes) -> bytes:
    at = 34
    at += 1 + body[at]
    at += 1 + body[at]
    at += 2 + int.from_bytes(body[at : at + 2])
    at += 1 + body[at]
    return body[at : at + 2]


def message(body: bytes, *, kind: int = 1, offset: int = 0, whole: int | None = None) -> bytes:
    size = len(body) if whole is None else whole
    return (
        bytes([kind]) + size.to_bytes(3) + bytes(2)
        + offset.to_bytes(3) + len(body).to_bytes(3) + body
    )  # fmt: skip


def record(
    content: bytes, *, kind: int = 22, version: bytes = b"\xfe\xff", epoch: int = 0
) -> bytes:
    return (
        bytes([kind]) + version + epoch.to_bytes(2) + bytes(6) + len(content).to_bytes(2) + content
    )


def test_what_is_no_client_hello_in_one_piece_is_ignored() -> None:
    server = psk_server()
    body = hello()[25:]
    assert isinstance(server.hello(SOURCE, record(message(body)), 0), bytes)
    odd = [
        record(message(body), kind=23),
        record(message(body), kind=25),
        record(message(body), version=b"\x03\x03"),
        record(message(body), epoch=1),
        record(message(body, kind=2)),
        record(message(body[:60], whole=len(body))),
        record(message(body[60:], offset=60, whole=len(body))),
        record(message(body, offset=1)),
        record(message(body) + b"\0"),
        record(message(b"\x03" + body[1:])),
        record(message(body[:34] + b"\x21" + bytes(33) + body[35:])),  # session id of 33 bytes
        record(message(body[:36] + b"\0\0" + b"\x01\0")),  # no suites
        record(message(body[:36] + b"\0\x03\0\0\0" + b"\x01\0")),  # an odd number of bytes
        record(message(body[:36] + b"\0\x02\0\xa8" + b"\0")),  # no compression method
    ]
    for datagram in odd:
        assert server.hello(SOURCE, datagram, 0) is None
    for size in range(0, 1500, 7):
        assert server.hello(SOURCE, os.urandom(size), 0) is None
    # What follows in the datagram is not looked at.
    assert isinstance(server.hello(SOURCE, record(message(body)) + b"more", 0), bytes)


def test_a_source_has_its_longest() -> None:
    server = psk_server()
    assert isinstance(server.hello(bytes(64), hello(), 0), bytes)
    assert server.hello(bytes(65), hello(), 0) is None


def test_a_client_hello_is_known_by_its_first_bytes() -> None:
    first = hello()
    assert dtls.is_client_hello(first)
    assert not dtls.is_client_hello(first[:25])
    assert not dtls.is_client_hello(b"\x17" + first[1:])
    assert not dtls.is_client_hello(first[:4] + b"\x01" + first[5:])
    assert not dtls.is_client_hello(b"")


def test_a_connection_id_is_found_where_one_is() -> None:
    server = psk_server(cid_size=3)
    header = b"\x19\xfe\xfd\0\1\0\0\0\0\0\1"
    assert server.record_cid(header + b"abc\0\1x") == b"abc"
    assert server.record_cid(header + b"abc\0\0") == b"abc"
    assert server.record_cid(header + b"abc\0") is None
    assert server.record_cid(b"\x17" + header[1:] + b"abc\0\1x") is None
    assert psk_server(cid_size=0).record_cid(header + b"abc\0\1x") is None
    assert psk_server(cid_size=-1).record_cid(header + b"abc\0\1x") is None
