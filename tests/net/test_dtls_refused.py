"""Handshakes that must fail: with the alert that says why, and words for the operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lwm2m_fast.net import dtls_session as dtls
from lwm2m_fast.net.dtls_session import DtlsContext
from tests.net import certificates
from tests.net.certificates import Certified
from tests.net.dtls_kit import (
    ECDSA_SUITES,
    IDENTITY,
    IS_OWN_BUILD,
    KEY,
    PSK_SUITES,
    Pair,
    psk_client,
    psk_server,
    x509_client,
    x509_server,
)

# RFC 5246, section 7.2; RFC 4279, section 2.
HANDSHAKE_FAILURE, BAD_CERTIFICATE, UNSUPPORTED_CERTIFICATE = 40, 42, 43
CERTIFICATE_EXPIRED, UNKNOWN_CA, ACCESS_DENIED, DECRYPT_ERROR = 45, 48, 49, 51
PROTOCOL_VERSION, UNKNOWN_PSK_IDENTITY = 70, 115

# Mbed TLS's MBEDTLS_X509_BADCERT_*.
EXPIRED, CN_MISMATCH, NOT_TRUSTED, OTHER, FUTURE = 0x01, 0x04, 0x08, 0x0100, 0x0200

HANDSHAKE, CERTIFICATE = 22, 11


def refused(pair: Pair, alert: int, why: str) -> None:
    """The server has refused its client, and both know why."""
    pair.shake()
    assert pair.server_events[-1] == dtls.FAILED
    assert pair.alerts_to_client == [alert]
    assert pair.server is not None and pair.server.why == why
    assert not pair.server.is_ready and pair.server.due == -1
    assert pair.client_events[-1] == dtls.FAILED
    assert pair.client.why.startswith("the peer's alert: ")
    # What comes later changes nothing, and is not answered.
    assert pair.server.receive(b"\x16\xfe\xfd", pair.now) == (dtls.FAILED, [])
    assert pair.server.handle_timeout(pair.now + 10**6) == dtls.FAILED
    assert pair.server.sent == [] and pair.server.save() is None


def from_device(device: Certified) -> DtlsContext:
    return x509_client(chain=device.chain, key=device.key_der)


def test_an_unknown_identity() -> None:
    client = psk_client(own_psk=(b"device-2", KEY))
    refused(Pair(client, psk_server()), UNKNOWN_PSK_IDENTITY, "unknown PSK identity")


@pytest.mark.parametrize("found", [b"", bytes(65)])
def test_a_key_that_cannot_be_one_is_as_no_key(found: bytes) -> None:
    refused(
        Pair(psk_client(), psk_server(psk=lambda _: found)),
        UNKNOWN_PSK_IDENTITY,
        "unknown PSK identity",
    )


@pytest.mark.parametrize("suite", PSK_SUITES)
def test_a_wrong_key(suite: str) -> None:
    client = psk_client(own_psk=(IDENTITY, b"another key"), suites=[suite])
    refused(Pair(client, psk_server()), DECRYPT_ERROR, "wrong pre-shared key")


def test_no_suite_in_common() -> None:
    client, server = psk_client(suites=PSK_SUITES[:1]), psk_server(suites=PSK_SUITES[1:])
    words = "no cipher suite, curve or signature in common"
    refused(Pair(client, server), HANDSHAKE_FAILURE, words)
    refused(Pair(psk_client(), x509_server()), HANDSHAKE_FAILURE, words)


def test_another_version() -> None:
    def older(datagram: bytes, is_up: bool) -> list[bytes]:
        is_hello = is_up and datagram[0] == HANDSHAKE and datagram[13] == 1
        return [datagram[:26] + b"\xff" + datagram[27:] if is_hello else datagram]

    refused(Pair(psk_client(), psk_server(), change=older), PROTOCOL_VERSION, "not DTLS 1.2")


@pytest.mark.parametrize(
    ("device", "alert", "why"),
    [
        (certificates.expired, CERTIFICATE_EXPIRED, "certificate expired"),
        (certificates.not_yet_valid, CERTIFICATE_EXPIRED, "certificate not yet valid"),
        (
            certificates.untrusted,
            UNKNOWN_CA,
            "certificate signed by none of the trusted authorities",
        ),
        (
            certificates.self_signed,
            UNKNOWN_CA,
            "certificate signed by none of the trusted authorities",
        ),
    ],
)
def test_a_certificate_that_is_not_valid(
    device: Callable[[], Certified], alert: int, why: str
) -> None:
    refused(Pair(from_device(device()), x509_server()), alert, why)


def test_a_client_without_certificate() -> None:
    client = DtlsContext(is_client=True, suites=ECDSA_SUITES, anchors=certificates.authority().der)
    refused(Pair(client, x509_server()), HANDSHAKE_FAILURE, "no certificate")


def with_certificate(der: bytes) -> Callable[[bytes, bool], list[bytes]]:
    """A link that puts another certificate in the place of the client's."""
    listed = len(der).to_bytes(3) + der
    body = len(listed).to_bytes(3) + listed

    def change(datagram: bytes, is_up: bool) -> list[bytes]:
        if not is_up or datagram[0] != HANDSHAKE or datagram[13] != CERTIFICATE:
            return [datagram]
        size = 13 + int.from_bytes(datagram[11:13])
        assert datagram[14:17] == datagram[22:25], "a fragment"
        header = datagram[13:14] + len(body).to_bytes(3) + datagram[17:19]
        message = header + bytes(3) + len(body).to_bytes(3) + body
        return [datagram[:11] + len(message).to_bytes(2) + message, datagram[size:]]

    return change


@pytest.mark.parametrize(
    ("der", "alert", "why"),
    [
        (
            certificates.other_curve(384).der,
            UNSUPPORTED_CERTIFICATE,
            "certificate's curve is not supported",
        ),
        (
            certificates.other_curve(521).der,
            UNSUPPORTED_CERTIFICATE,
            "certificate's curve is not supported",
        ),
        (
            certificates.with_rsa().der,
            UNSUPPORTED_CERTIFICATE,
            "certificate's kind of key is not supported",
        ),
        (
            certificates.signed_by_rsa().der,
            UNSUPPORTED_CERTIFICATE,
            "certificate's kind of key is not supported",
        ),
        (bytes(200), BAD_CERTIFICATE, "malformed certificate or handshake message"),
    ],
    ids=["P-384", "P-521", "RSA", "signed by RSA", "no certificate at all"],
)
def test_a_certificate_of_another_kind(der: bytes, alert: int, why: str) -> None:
    refused(Pair(x509_client(), x509_server(), change=with_certificate(der)), alert, why)


def test_a_stolen_certificate_without_its_key() -> None:
    """Its owner's public key does not verify the thief's signature."""
    other = certificates.certify("device-2", certificates.authority())
    change = with_certificate(other.der)
    refused(
        Pair(x509_client(), x509_server(), change=change),
        DECRYPT_ERROR,
        "signature does not fit the certificate",
    )


def test_without_anchors_nobody_is_trusted_but_the_hook_is_asked() -> None:
    seen: list[tuple[bytes, int]] = []

    def verify(leaf: bytes, flags: int) -> int:
        seen.append((leaf, flags))
        return flags

    refused(
        Pair(x509_client(), x509_server(anchors=b"", verify=verify)),
        UNKNOWN_CA,
        "certificate signed by none of the trusted authorities",
    )
    assert seen == [(certificates.device().der, NOT_TRUSTED)]


@pytest.mark.parametrize("anchors", [b"", certificates.authority().der])
def test_the_hook_may_accept_what_it_has_pinned(anchors: bytes) -> None:
    pinned = certificates.self_signed()

    def verify(leaf: bytes, flags: int) -> int:
        return flags & ~NOT_TRUSTED if leaf == pinned.der else flags

    pair = Pair(from_device(pinned), x509_server(anchors=anchors, verify=verify)).shake()
    assert pair.is_ready and pair.up(b"text") == [b"text"]
    assert pair.server is not None and pair.server.fingerprint == pinned.fingerprint


@pytest.mark.skipif(not IS_OWN_BUILD, reason="the system's mbedTLS may know RSA")
@pytest.mark.parametrize("anchors", [b"", certificates.authority().der])
def test_a_certificate_that_cannot_be_read_is_no_matter_for_the_hook(anchors: bytes) -> None:
    """The library skips one that is signed in a way it does not know."""
    asked: list[bytes] = []

    def verify(leaf: bytes, flags: int) -> int:
        asked.append(leaf)
        return 0

    refused(
        Pair(
            x509_client(),
            x509_server(anchors=anchors, verify=verify),
            change=with_certificate(certificates.signed_by_rsa().der),
        ),
        UNSUPPORTED_CERTIFICATE,
        "certificate's kind of key is not supported",
    )
    assert asked == []


def test_the_hook_may_overlook_dates() -> None:
    for device in (certificates.expired(), certificates.not_yet_valid()):
        server = x509_server(verify=lambda leaf, flags: flags & ~(EXPIRED | FUTURE))
        assert Pair(from_device(device), server).shake().is_ready


def test_the_hook_is_asked_once_with_the_flags_of_the_whole_chain() -> None:
    seen: list[tuple[bytes, int]] = []

    def verify(leaf: bytes, flags: int) -> int:
        seen.append((leaf, flags))
        return 0

    late = certificates.by_intermediate(1, days=-2)
    assert Pair(from_device(late), x509_server(verify=verify)).shake().is_ready
    assert seen == [(late.der, EXPIRED)]


@pytest.mark.parametrize(
    ("flags", "alert", "why"),
    [
        (OTHER, ACCESS_DENIED, "certificate refused"),
        (CN_MISMATCH, BAD_CERTIFICATE, "certificate is for another name"),
        (NOT_TRUSTED, UNKNOWN_CA, "certificate signed by none of the trusted authorities"),
    ],
)
def test_the_hook_may_refuse_what_was_fine(flags: int, alert: int, why: str) -> None:
    server = x509_server(verify=lambda leaf, _: flags)
    refused(Pair(x509_client(), server), alert, why)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (certificates.untrusted, "unknown CA"),
        (certificates.expired, "certificate expired"),
        (certificates.not_yet_valid, "certificate expired"),
    ],
)
def test_a_client_refuses_its_server(server: Callable[[], Certified], words: str) -> None:
    one = server()
    pair = Pair(x509_client(), x509_server(chain=one.chain, key=one.key_der)).shake()
    assert pair.client_events[-1] == pair.server_events[-1] == dtls.FAILED
    assert pair.server is not None and pair.server.why == f"the peer's alert: {words}"


def test_a_broken_off_handshake_says_so() -> None:
    pair = Pair(psk_client(), psk_server())
    server = pair.begun()
    alert = bytes([21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 90])
    assert server.receive(alert, pair.now) == (dtls.FAILED, [])
    assert server.why == "the peer's alert: user cancelled"


RECORD_HEADER, MESSAGE = 13, 13 + 12 + 2 + len(IDENTITY)


@pytest.mark.parametrize("at", range(RECORD_HEADER, MESSAGE))
def test_a_message_that_was_altered_on_its_way_makes_no_session(at: int) -> None:
    """The ClientKeyExchange is in the clear; that it is genuine shows at the end."""

    def change(datagram: bytes, is_up: bool) -> list[bytes]:
        if not is_up or datagram[0] != HANDSHAKE or datagram[13] != 16:
            return [datagram]
        return [datagram[:at] + bytes([datagram[at] ^ 0x55]) + datagram[at + 1 :]]

    options: dict[str, Any] = {"retransmit_first_ms": 10, "retransmit_most_ms": 40}
    server = psk_server(psk=lambda _: KEY, **options)
    pair = Pair(psk_client(**options), server, change=change).shake()
    assert not pair.client.is_ready
    assert pair.server is not None and not pair.server.is_ready
