"""Sessions as bytes: what goes on after a load, and that no sequence number is ever used twice."""

from __future__ import annotations

import pytest

from lwm2m_fast.net import dtls_session as dtls
from lwm2m_fast.net.dtls_session import DtlsSession
from tests.net import certificates
from tests.net.dtls_kit import (
    PSK_SUITES,
    Pair,
    psk_client,
    psk_server,
    x509_client,
    x509_server,
)

AEAD = [name for name in dtls.SUITES if "CBC" not in name]
WITH_CBC = [name for name in dtls.SUITES if "CBC" in name]


def pair_of(suite: str, **options: object) -> Pair:
    options = {"suites": [suite], **options}
    if suite in PSK_SUITES:
        pair = Pair(psk_client(**options), psk_server(**options))
    else:
        pair = Pair(x509_client(**options), x509_server(**options))
    assert pair.shake().is_ready
    return pair


def saved(pair: Pair) -> bytes:
    """The server's half, after a first record made it quiet."""
    assert pair.up(b"first") == [b"first"]
    assert pair.server is not None
    blob = pair.server.save()
    assert blob is not None
    pair.server = None
    return blob


def load(pair: Pair, blob: bytes, least: int = 0) -> DtlsSession:
    session = pair.server_context.load(blob, least, pair.now)
    assert session is not None
    pair.server = session
    return session


def number(record: bytes) -> int:
    return int.from_bytes(record[5:11])


@pytest.mark.parametrize("cid_size", [-1, 0, 6, 16])
@pytest.mark.parametrize("suite", AEAD)
def test_both_directions_go_on_after_a_load(suite: str, cid_size: int) -> None:
    pair = pair_of(suite, cid_size=cid_size)
    assert pair.down(b"down") == [b"down"]
    blob = saved(pair)
    assert len(blob) < 300
    session = load(pair, blob)
    assert session.is_ready and session.suite == suite and session.due == -1
    assert session.uses_cid is (cid_size > 0)
    assert pair.up(b"up") == [b"up"] and pair.down(b"down") == [b"down"]
    is_psk = suite in PSK_SUITES
    assert session.kind == (dtls.KIND_PSK if is_psk else dtls.KIND_X509)
    assert session.fingerprint == (b"" if is_psk else certificates.device().fingerprint)
    # And once more, by the loaded one; the client's half can be saved too.
    load(pair, saved(pair))
    mine = pair.client.save()
    assert mine is not None
    again = pair.client_context.load(mine, 0, pair.now)
    assert again is not None
    pair.client = again
    assert pair.up(b"up") == [b"up"] and pair.down(b"down") == [b"down"]


def test_a_record_from_before_is_not_read_again_after_a_load() -> None:
    pair = pair_of(AEAD[0])
    old, older = pair.client.write(b"old"), pair.client.write(b"older")
    assert pair.server is not None
    assert pair.server.receive(old, 0)[1] == [b"old"]
    session = load(pair, saved(pair))
    assert session.receive(old, 0) == (dtls.WAITS, [])
    assert session.receive(older, 0) == (dtls.DATA, [b"older"])
    assert not session.was_newest


def test_a_session_is_not_saved_before_its_first_record() -> None:
    """Its last flight may have to be sent again."""
    pair = pair_of(AEAD[0])
    assert pair.server is not None
    assert pair.server.save() is None
    assert pair.server.is_ready
    assert len(saved(pair)) > 200


@pytest.mark.parametrize("suite", WITH_CBC)
def test_a_suite_that_is_not_aead_is_not_saved_and_lives_on(suite: str) -> None:
    pair = pair_of(suite)
    assert pair.up(b"up") == [b"up"] and pair.server is not None
    assert pair.server.save() is None
    assert pair.server.is_ready and pair.up(b"up") == [b"up"]


def test_a_session_in_its_handshake_or_over_is_not_saved() -> None:
    pair = Pair(psk_client(), psk_server())
    assert pair.client.save() is None
    pair.shake()
    pair.client.close()
    assert pair.client.save() is None


def test_what_was_saved_is_over() -> None:
    pair = pair_of(AEAD[0])
    session = pair.server
    saved(pair)
    assert session is not None and not session.is_ready
    with pytest.raises(ValueError, match="saved"):
        session.write(b"x")


def test_the_next_number_is_the_one_after_the_last() -> None:
    pair = pair_of(AEAD[0])
    assert pair.server is not None
    last = number(pair.server.write(b"x"))
    assert number(load(pair, saved(pair)).write(b"x")) == last + 1


@pytest.mark.parametrize("least", [0, 5, 1 << 20, (1 << 48) - 2])
def test_the_wall_raises_the_number_and_never_lowers_it(least: int) -> None:
    pair = pair_of(AEAD[0])
    assert pair.server is not None
    last = [number(pair.server.write(b"x")) for _ in range(10)][-1]
    session = load(pair, saved(pair), least)
    record = session.write(b"over the wall")
    assert number(record) == max(last + 1, least)
    assert pair.client.receive(record, 0) == (dtls.DATA, [b"over the wall"])


def test_numbers_do_not_begin_again_when_they_are_used_up() -> None:
    pair = pair_of(AEAD[0])
    session = load(pair, saved(pair), (1 << 48) - 2)
    assert number(session.write(b"x")) == (1 << 48) - 2
    for _ in range(3):
        with pytest.raises(ValueError, match="no record"):
            session.write(b"x")
    assert pair.up(b"up") == [b"up"]
    assert session.close() == b"" and not session.is_ready
    assert pair.server_context.load(saved(pair_of(AEAD[0])), 1 << 48, 0) is None


def test_two_loads_of_the_same_bytes_never_use_a_number_twice() -> None:
    """Even if somebody restored a copy: the later load starts above all that the earlier sent."""
    pair = pair_of(AEAD[0])
    began = pair.now
    blob = saved(pair)
    used: list[int] = []
    for now in (began + 10_000, began + 10_100, began + 60_000):
        session = load(pair, blob, dtls.sequence_wall(now - began))
        # As many as a session sends in 100 ms when it is busier than any device.
        used += [number(session.write(b"x")) for _ in range(2000)]
    assert len(set(used)) == len(used)
    assert [dtls.sequence_wall(ms) for ms in (-1, 0, 1, 1000)] == [0, 0, 64, 64_000]
    assert dtls.sequence_wall(100 * 365 * 86_400_000) < 1 << 48


@pytest.mark.parametrize("suite", [AEAD[0], AEAD[2]])
def test_damaged_bytes_are_refused(suite: str) -> None:
    pair = pair_of(suite)
    blob = saved(pair)
    for at in range(len(blob)):
        damaged = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        assert pair.server_context.load(damaged, 0, 0) is None
        assert pair.server_context.load(blob[:at], 0, 0) is None
    assert pair.server_context.load(blob + b"\0", 0, 0) is None
    assert pair.server_context.load(bytes(2000), 0, 0) is None
    load(pair, blob)
    assert pair.up(b"up") == [b"up"]


def test_a_context_with_other_settings_refuses() -> None:
    blob = saved(pair_of(AEAD[0]))
    assert psk_server(cid_size=4).load(blob, 0, 0) is None
    assert psk_server(cid_size=-1).load(blob, 0, 0) is None
    assert psk_server(suites=AEAD[1:2]).load(blob, 0, 0) is None
    assert x509_server().load(blob, 0, 0) is None
    # A new process with the same settings, other keys and cookies does not.
    assert psk_server(suites=AEAD[:1]).load(blob, 0, 0) is not None
