"""DTLS sessions that come back: over a restart, and resumed by a handshake."""

from __future__ import annotations

import hashlib

import pytest

from lwm2m_fast.net import dtls_session as dtls
from tests.net import certificates
from tests.net.endpoint_kit import KEY, World, as_text, psk_principal

CCM8, CBC = "TLS_PSK_WITH_AES_128_CCM_8", "TLS_PSK_WITH_AES_128_CBC_SHA256"
IDLE_S = 10.0

Rows = list[tuple[bytes, bytes]]


def sequence_of(record: bytes, cid_size: int = 0) -> int:
    """The nonce of an AEAD record: the explicit one in front of the encrypted bytes."""
    at = 13 + (cid_size if record[0] == 25 else 0)
    return int.from_bytes(record[at : at + 8])


# Over a restart


def restarted(world: World, rows: Rows, seconds: float = 1.0) -> None:
    """The same port is not needed: devices are told the new one by the kit."""
    world.endpoint.close()
    world.listener.heard.clear()
    world.now += seconds
    world.unix += seconds
    world.start(rows)


@pytest.mark.parametrize("cid_size", [-1, 6])
def test_sessions_go_on_over_a_restart(cid_size: int) -> None:
    with World(idle_save_s=IDLE_S) as world:
        world.credentials.names[b"device-1"] = ("a", "b")
        gone = world.ready(b"gone")
        saved = world.ready(b"saved", cid_size=cid_size)
        world.pass_time(IDLE_S + 1)
        live = world.ready(cid_size=cid_size)
        before = world.endpoint.where(live.principal)
        world.endpoint.end(gone.principal)
        rows = list(world.endpoint.save())
        assert sorted(key for key, _ in rows) == sorted([saved.principal, live.principal])
        restarted(world, rows)
        assert world.loaded == 2
        assert sorted(world.listener.heard) == sorted(
            [
                ("opened", live.principal, 1, b"device-1", ("a", "b")),
                ("opened", saved.principal, 1, b"saved", ("saved",)),
            ]
        )
        assert before is not None
        assert world.endpoint.where(live.principal) == {**before, "live": False}
        for device in (live, saved):
            assert device.up(b"up") == [(as_text(device.principal), b"up")]
            world.send(device.identity, b"down")
            assert device.hear() == [b"down"]
        world.ready(b"newcomer")
        assert world.count("sessions_current") == 3


def test_a_session_of_a_suite_that_cannot_be_saved_is_closed_at_a_stop() -> None:
    with World() as world:
        device = world.ready(suites=(CBC,))
        assert list(world.endpoint.save()) == []
        restarted(world, [])
        device.hear()
        assert device.events[-1] == dtls.CLOSED


def test_rows_that_are_of_no_use_are_passed_over_and_counted() -> None:
    with World(session_timeout_s=1000.0) as world:
        devices = [world.ready(b"device-%d" % n) for n in range(4)]
        rows = list(world.endpoint.save())
        world.credentials.gone.add(b"device-0")
        bad: Rows = [
            rows[0],  # its credential was removed
            (rows[2][0], rows[1][1]),  # under another's key
            (rows[2][0], b""),
            (rows[2][0], b"\2" + rows[2][1][1:]),
            (rows[2][0], rows[2][1][:-1]),
            (rows[2][0], rows[2][1][:20]),
        ]
        restarted(world, [*bad, rows[3], rows[3]])
        assert world.loaded == 1
        assert world.count("sessions_not_loaded") == len(bad) + 1
        assert devices[3].up(b"x")[0][1] == b"x"
        assert [each[3] for each in world.listener.heard] == [b"device-3"]


def test_a_damaged_blob_ends_when_it_is_woken() -> None:
    with World() as world:
        device = world.ready()
        ((principal, row),) = list(world.endpoint.save())
        restarted(world, [(principal, row[:-1] + bytes([row[-1] ^ 1]))])
        assert device.up(b"x") == []
        assert world.count("wakes_failed") == 1
        assert world.listener.kinds() == ["opened", "ended"]
        device.renew()
        device.shake()
        assert device.session.is_ready


def test_sessions_of_another_length_of_connection_ids_are_not_loaded() -> None:
    with World() as world:
        world.ready()
        rows = list(world.endpoint.save())
    with World(cid_length=4, rows=rows) as other:
        assert other.loaded == 0


def test_a_session_that_was_silent_for_too_long_is_not_loaded() -> None:
    with World(session_timeout_s=100.0) as world:
        world.ready()
        rows = list(world.endpoint.save())
        restarted(world, rows, 101.0)
        assert world.loaded == 0


@pytest.mark.parametrize("seconds", [0.01, 0.5, 3.0, 1e6])
def test_a_copy_of_the_store_never_makes_us_use_a_nonce_twice(seconds: float) -> None:
    """Copy the store, run, die, restore the copy: what was sent before is never sent again."""
    with World(session_timeout_s=1e8) as world:
        device = world.ready(suites=(CCM8,), cid_size=-1)
        device.hear_raw()
        rows = list(world.endpoint.save())
        used: list[int] = []
        for _ in range(4):
            restarted(world, rows, seconds)  # the very same rows each time
            for n in range(30):
                world.send(b"device-1", b"%d" % n)
            nonces = [sequence_of(record) for record in device.hear_raw() if record[0] == 23]
            assert len(nonces) == 30
            used += nonces
        assert len(set(used)) == len(used)
        assert used == sorted(used)


def test_many_sessions_find_their_places_again() -> None:
    with World(idle_save_s=IDLE_S) as world:
        devices = [world.ready(b"device-%d" % n, cid_size=(-1, 6)[n % 2]) for n in range(60)]
        for device in devices[::3]:
            world.endpoint.end(device.principal)
        rows = list(world.endpoint.save())
        restarted(world, rows[::-1])
        assert world.loaded == 40
        for _ in range(30):
            world.ready(b"new", cid_size=6)
        for n, device in enumerate(devices):
            if n % 3:
                assert device.up(b"x") == [(as_text(device.principal), b"x")]


# Resumption


@pytest.mark.parametrize("changed", [None, "key", "names", "gone"])
def test_a_session_is_resumed_as_long_as_the_credential_is_the_same(changed: str | None) -> None:
    with World(resumptions=10) as world:
        device = world.ready()
        memory = device.session.remember()
        assert memory
        if changed == "key":
            world.credentials.keys[b"device-1"] = b"another key"
        elif changed == "names":
            world.credentials.names[b"device-1"] = ("another",)
        elif changed == "gone":
            world.credentials.keys[b"device-1"] = None
        world.listener.take()
        device.renew().recall(memory)
        device.shake()
        assert world.count("handshakes_resumed") == (changed is None)
        assert device.session.is_ready == (changed in (None, "names"))
        if changed is None:
            assert world.listener.take() == ["opened", "replaced"]
            assert device.up(b"x") == [(as_text(device.principal), b"x")]


def test_a_resumed_certificate_has_its_names() -> None:
    with World(certified=True, resumptions=10) as world:
        device = world.certified_device(certificates.device())
        device.shake()
        device.up(b"x")
        opened = world.listener.heard[-1]
        for is_current in (True, False):
            memory = device.session.remember()
            world.listener.take()
            if not is_current:
                world.credentials.gone.add(b"CN=device-1")
            device.renew().recall(memory)
            device.shake()
            assert world.listener.heard[0] == opened
        assert world.count("handshakes_resumed") == 1
        assert len(world.credentials.certified) == 2
        leaf = hashlib.sha256(world.credentials.certified[0][0]).digest()
        asked = (leaf, b"CN=device-1", ("device-1", "urn:dev:1"))
        assert world.credentials.resumed == [asked, asked]


def test_text_right_behind_a_handshake_is_read() -> None:
    """A resumed handshake ends with the client's flight: its first record may be in the queue."""
    with World(resumptions=10) as world:
        device = world.ready()
        memory = device.session.remember()
        device.renew().recall(memory)
        device.connect()
        for _ in range(2):
            world.turn()
            device.hear()
        assert device.session.is_ready
        device.transmit(device.session.write(b"at once"))
        assert [text for _, text in world.turn()] == [b"at once"]


def test_no_key_is_in_what_people_see() -> None:
    with World() as world:
        device = world.ready()
        shown = repr((world.counters, world.endpoint.where(device.principal), world.listener.heard))
        assert KEY.decode() not in shown


def test_what_vouches_for_a_certificate_stays_with_its_session_and_counts_at_a_start() -> None:
    with World(certified=True) as world:
        world.credentials.by = b"anchor-1"
        certified = world.certified_device(certificates.device())
        certified.shake()
        certified.up(b"hello")
        psk = world.ready(b"device-2")
        (principal,) = [each[1] for each in world.listener.heard if each[2:3] == (2,)]
        assert world.endpoint.anchor(principal) == b"anchor-1"
        assert world.endpoint.anchor(psk.principal) == b""
        assert world.endpoint.anchor(psk_principal(b"nobody")) == b""
        world.pass_time(IDLE_S + 1)
        assert world.endpoint.anchor(principal) == b"anchor-1"
        rows = list(world.endpoint.save())
        world.endpoint.close()
        world.start(rows)
        assert world.loaded == 2
        assert world.endpoint.anchor(principal) == b"anchor-1"
        rows = list(world.endpoint.save())
        world.endpoint.close()
        world.credentials.gone.add(b"anchor-1")
        world.start(rows)
        assert world.loaded == 1  # the one with a key
        assert world.count("sessions_current") == 1
