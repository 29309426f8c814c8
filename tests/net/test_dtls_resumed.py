"""Resumption by session id: who may, for how long, how many, and what is known of them."""

from __future__ import annotations

import pytest

from lwm2m_fast.net import dtls_session as dtls
from lwm2m_fast.net.dtls_session import DtlsContext
from tests.net import certificates
from tests.net.dtls_kit import (
    IDENTITY,
    KEY,
    PSK_SUITES,
    Pair,
    known,
    psk_client,
    psk_server,
    x509_client,
    x509_server,
)
from tests.net.dtls_peer import HANDSHAKE, SERVER_HELLO, master_at


def resume(memory: bytes, client: DtlsContext, server: DtlsContext, now: int = 1_000) -> Pair:
    pair = Pair(client, server, now=now)
    pair.client.recall(memory)
    pair.shake()
    assert pair.is_ready
    assert pair.up(b"up") == [b"up"] and pair.down(b"down") == [b"down"]
    return pair


def was_resumed(pair: Pair) -> bool:
    assert pair.server is not None
    return pair.server.was_resumed


@pytest.mark.parametrize("suite", dtls.SUITES)
def test_a_client_resumes_and_is_known(suite: str) -> None:
    asked: list[tuple[int, bytes]] = []
    psks: list[bytes] = []
    leaves: list[bytes] = []

    def may_resume(kind: int, identity: bytes) -> bool:
        asked.append((kind, identity))
        return True

    def psk(identity: bytes) -> bytes | None:
        psks.append(identity)
        return known(identity)

    def verify(leaf: bytes, flags: int) -> int:
        leaves.append(leaf)
        return flags

    is_psk = suite in PSK_SUITES
    client = psk_client(suites=[suite]) if is_psk else x509_client(suites=[suite])
    server = x509_server(psk=psk, verify=verify, suites=[suite], resumptions=3, resume=may_resume)
    first = Pair(client, server).shake()
    assert first.is_ready and not was_resumed(first)
    again = resume(first.client.remember(), client, server)
    assert was_resumed(again) and again.server is not None
    assert again.server.suite == suite
    # Nobody was asked for a key or a certificate a second time.
    assert len(psks) + len(leaves) == 1
    fingerprint = b"" if is_psk else certificates.device().fingerprint
    assert again.server.kind == (dtls.KIND_PSK if is_psk else dtls.KIND_X509)
    assert again.server.identity == (IDENTITY if is_psk else b"")
    assert again.server.fingerprint == fingerprint
    assert asked == [(again.server.kind, IDENTITY if is_psk else fingerprint)]
    if "CBC" not in suite:
        blob = again.server.save()
        assert blob is not None
        again.server = server.load(blob, 0, again.now)
        assert again.server is not None and again.server.fingerprint == fingerprint
        assert again.up(b"up") == [b"up"]


def test_a_resumed_session_has_its_own_connection_ids() -> None:
    server = psk_server(resumptions=3)
    first = Pair(psk_client(), server).shake()
    other = Pair(psk_client(cid_size=2), server)
    other.client.recall(first.client.remember())
    assert other.shake().is_ready and was_resumed(other)
    assert other.server is not None
    assert other.client_context.record_cid(other.server.write(b"x")) == b"\xc0\xc0"
    # Both live: neither knows the other's keys.
    assert first.up(b"up") == [b"up"] and other.up(b"up") == [b"up"]


def test_who_is_no_longer_welcome_shakes_hands_in_full() -> None:
    welcome = {IDENTITY}
    server = psk_server(
        resumptions=3,
        resume=lambda _, identity: identity in welcome,
        psk=lambda identity: KEY if identity in welcome else None,
    )
    memory = Pair(psk_client(), server).shake().client.remember()
    assert was_resumed(resume(memory, psk_client(), server))
    welcome.clear()
    refused = Pair(psk_client(), server)
    refused.client.recall(memory)
    refused.shake()
    assert refused.server is not None and refused.server.why == "unknown PSK identity"
    assert not refused.server.was_resumed
    # Welcome again, but what was refused once is forgotten.
    welcome.add(IDENTITY)
    assert not was_resumed(resume(memory, psk_client(), server))


def test_a_hook_that_fails_refuses() -> None:
    def may_resume(kind: int, identity: bytes) -> bool:
        raise LookupError("no store")

    server = psk_server(resumptions=3, resume=may_resume)
    memory = Pair(psk_client(), server).shake().client.remember()
    pair = Pair(psk_client(), server)
    pair.client.recall(memory)
    with pytest.raises(LookupError, match="no store"):
        pair.shake()


def test_the_owners_note_comes_back() -> None:
    server = psk_server(resumptions=2)
    pair = Pair(psk_client(), server)
    pair.client.connect(pair.now)
    pair.gather()
    while pair.server is None:
        pair.arrive_at_server(pair.to_server.pop(0))
        if pair.to_client:
            pair.client.receive(pair.to_client.pop(0), pair.now)
        pair.gather()
    pair.server.set_note(b"urn:dev:1" * 50)
    pair.deliver()
    assert pair.is_ready
    again = resume(pair.client.remember(), psk_client(), server)
    assert again.server is not None and again.server.note == b"urn:dev:1" * 50
    with pytest.raises(ValueError, match="1025"):
        again.server.set_note(bytes(1025))


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_the_oldest_is_forgotten_at_the_bound(most: int) -> None:
    server = psk_server(resumptions=most)
    memories = [Pair(psk_client(), server).shake().client.remember() for _ in range(most + 1)]
    assert was_resumed(resume(memories[-1], psk_client(), server))
    assert was_resumed(resume(memories[1], psk_client(), server))
    # This one takes a place, and so the next oldest goes.
    assert not was_resumed(resume(memories[0], psk_client(), server))
    assert not was_resumed(resume(memories[1], psk_client(), server))


def test_none_are_kept_if_none_are_wanted() -> None:
    server = psk_server(resumptions=0)
    memory = Pair(psk_client(), server).shake().client.remember()
    assert memory == b"" or not was_resumed(resume(memory, psk_client(), server))


@pytest.mark.parametrize(("later", "expected"), [(60_000, True), (60_001, False)])
def test_a_resumption_has_its_time(later: int, expected: bool) -> None:
    server = psk_server(resumptions=3, resumption_s=60)
    first = Pair(psk_client(), server, now=5_000).shake()
    pair = resume(first.client.remember(), psk_client(), server, now=first.now + later)
    assert was_resumed(pair) is expected


def test_another_suite_is_a_new_session() -> None:
    server = psk_server(resumptions=3)
    memory = Pair(psk_client(suites=PSK_SUITES[:1]), server).shake().client.remember()
    assert not was_resumed(resume(memory, psk_client(suites=PSK_SUITES[1:2]), server))


def test_another_server_does_not_know_the_session() -> None:
    memory = Pair(psk_client(), psk_server(resumptions=3)).shake().client.remember()
    assert not was_resumed(resume(memory, psk_client(), psk_server(resumptions=3)))


def test_a_client_with_the_id_but_not_the_secret_gets_nothing() -> None:
    """The id is in the clear in every ClientHello; the secret is not."""
    server = psk_server(resumptions=3)
    seen: list[bytes] = []

    def watch(datagram: bytes, _: bool) -> list[bytes]:
        seen.append(datagram)
        return [datagram]

    first = Pair(psk_client(), server, change=watch).shake()
    [server_hello] = [one for one in seen if one[0] == HANDSHAKE and one[13] == SERVER_HELLO]
    memory = bytearray(first.client.remember())
    memory[master_at(memory, server_hello)] ^= 1
    thief = Pair(psk_client(), server)
    thief.client.recall(bytes(memory))
    thief.shake()
    assert not thief.client.is_ready
    assert thief.server is not None and not thief.server.is_ready
    # The rightful one is not disturbed.
    assert was_resumed(resume(first.client.remember(), psk_client(), server))


def test_a_damaged_memory_is_refused() -> None:
    pair = Pair(psk_client(), psk_server())
    with pytest.raises(ValueError, match="remembered"):
        pair.client.recall(b"\x03\x06\x06")
