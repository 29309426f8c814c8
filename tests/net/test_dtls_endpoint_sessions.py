"""What becomes of DTLS sessions: replaced, moved, saved, woken, and brought over a restart."""

from __future__ import annotations

import hashlib

import pytest

from lwm2m_fast.net import dtls_session as dtls
from tests.net import certificates
from tests.net.endpoint_kit import KEY, Device, World, as_text, psk_principal

CCM8, CBC = "TLS_PSK_WITH_AES_128_CCM_8", "TLS_PSK_WITH_AES_128_CBC_SHA256"
IDLE_S = 10.0

Rows = list[tuple[bytes, bytes]]


def sequence_of(record: bytes, cid_size: int = 0) -> int:
    """The nonce of an AEAD record: the explicit one in front of the encrypted bytes."""
    at = 13 + (cid_size if record[0] == 25 else 0)
    return int.from_bytes(record[at : at + 8])


# One peer after another


def test_a_session_of_the_same_principal_replaces_the_old_one() -> None:
    with World() as world:
        old = world.ready()
        world.listener.take()
        new = world.ready()
        assert world.listener.heard == [
            ("opened", new.principal, 1, b"device-1", ("device-1",)), ("replaced", new.principal),
        ]  # fmt: skip
        assert world.count("sessions_current") == world.count("sessions_live_current") == 1
        assert old.up(b"too late") == []
        world.send(b"device-1", b"down")
        assert (old.hear(), new.hear()) == ([], [b"down"])


@pytest.mark.parametrize("cid_size", [-1, 6])
def test_a_client_that_starts_anew_on_its_5_tuple(cid_size: int) -> None:
    with World() as world:
        device = world.ready(cid_size=cid_size)
        world.listener.take()
        old = device.session
        device.renew()
        device.connect()
        world.turn()
        device.hear()
        world.turn()
        # Half way: whoever has the keys is still served.
        device.transmit(old.write(b"old"))
        assert [text for _, text in world.turn()] == [b"old"]
        assert world.listener.take() == []
        device.hear()
        device.step()
        assert device.session.is_ready
        assert world.listener.take() == ["opened", "replaced"]
        assert device.up(b"new")[0][1] == b"new"
        device.transmit(old.write(b"old"))
        assert world.turn() == []


@pytest.mark.parametrize("cid_size", [-1, 6])
def test_a_hello_on_a_live_5_tuple_that_is_not_authenticated_changes_nothing(cid_size: int) -> None:
    with World() as world:
        device = world.ready(cid_size=cid_size)
        world.listener.take()
        old = device.session
        liar = Device(world, b"device-1", b"not the key", cid_size=cid_size)
        liar.socket.close()
        liar.socket = device.socket
        liar.shake()
        assert liar.events[-1] == dtls.FAILED
        assert world.listener.take() == ["refused"]
        device.session = old
        assert device.up(b"still here")[0][1] == b"still here"
        assert world.count("sessions_current") == 1


def test_another_principal_on_the_same_5_tuple_displaces_the_old_one() -> None:
    with World() as world:
        device = world.ready(cid_size=-1)
        world.listener.take()
        other = Device(world, b"device-2", cid_size=-1)
        other.socket.close()
        other.socket = device.socket
        other.shake()
        assert world.listener.heard[0] == ("ended", psk_principal(b"device-1"))
        assert world.listener.kinds() == ["ended", "opened"]
        assert world.count("sessions_displaced") == world.count("sessions_current") == 1


def test_a_client_that_starts_anew_in_the_middle_of_a_handshake() -> None:
    with World() as world:
        device = world.device()
        device.connect()
        world.turn()
        device.hear()
        world.turn()
        assert world.count("handshakes_current") == 1
        device.hear_raw()
        device.renew()
        device.shake()
        assert device.session.is_ready
        assert world.count("handshakes_restarted") == 1
        assert world.count("handshakes_current") == 0


def test_a_late_copy_of_the_hello_begins_nothing() -> None:
    with World() as world:
        device = world.device(cid_size=-1)
        sent: list[bytes] = []
        device.change_up = lambda datagram: sent.append(datagram) or [datagram]  # type: ignore[func-returns-value]
        device.shake()
        begun = world.count("handshakes_begun")
        device.transmit(sent[1])
        world.turn()
        assert world.count("handshakes_begun") == begun == 1


# Addresses


def test_an_address_moves_with_a_newer_record_and_a_connection_id() -> None:
    with World() as world:
        device = world.ready()
        delayed = device.session.write(b"older")
        device.move()
        assert device.up(b"newer") == [(as_text(device.principal), b"newer")]
        where = world.endpoint.where(device.principal)
        assert where is not None
        assert where["address"] == device.address
        world.send(b"device-1", b"down")
        assert device.hear() == [b"down"]
        there = device.address
        device.move()
        device.transmit(delayed)
        assert [text for _, text in world.turn()] == [b"older"], "authentic, and not a replay"
        where = world.endpoint.where(device.principal)
        assert where is not None
        assert where["address"] == there
        assert world.count("addresses_moved") == 1


def test_a_forged_or_replayed_record_moves_nothing() -> None:
    with World() as world:
        device = world.ready()
        there, record = device.address, device.session.write(b"x")
        device.transmit(record)
        world.turn()
        device.move()
        device.transmit(record, record[:-1] + bytes([record[-1] ^ 1]))
        assert world.turn() == []
        where = world.endpoint.where(device.principal)
        assert where is not None
        assert where["address"] == there


def test_without_a_connection_id_another_address_is_nobody() -> None:
    with World() as world:
        device = world.ready(cid_size=-1)
        device.move()
        assert device.up(b"x") == []
        assert world.count("unknown_address") == 1


def test_a_wrong_connection_id_is_nobody() -> None:
    with World() as world:
        device = world.ready()
        record = bytearray(device.session.write(b"x"))
        for at in range(11, 17):  # shard, number, chance
            wrong = bytearray(record)
            wrong[at] ^= 1
            device.transmit(bytes(wrong))
        assert world.turn() == []
        assert world.count("unknown_cid") == 6


# Idle


@pytest.mark.parametrize("cid_size", [-1, 6])
def test_an_idle_session_is_saved_and_woken_from_both_sides(cid_size: int) -> None:
    with World(idle_save_s=IDLE_S) as world:
        device = world.ready(cid_size=cid_size)
        world.pass_time(IDLE_S - 1)
        assert world.count("sessions_live_current") == 1
        world.pass_time(1.2)
        assert world.count("sessions_live_current") == 0
        assert world.count("sessions_saved_current") == 1
        where = world.endpoint.where(device.principal)
        assert where is not None
        assert not where["live"]
        assert device.up(b"up") == [(as_text(device.principal), b"up")]
        assert world.count("sessions_live_current") == 1
        world.pass_time(IDLE_S + 1)
        assert world.count("sessions_live_current") == 0
        world.send(b"device-1", b"down")
        assert device.hear() == [b"down"]
        assert world.count("wakes") == world.count("saves") == 2
        assert "ended" not in world.listener.kinds()


def test_a_session_that_hears_something_is_not_saved() -> None:
    with World(idle_save_s=IDLE_S) as world:
        device = world.ready()
        for _ in range(5):
            world.pass_time(IDLE_S - 1)
            device.up(b"x")
        assert world.count("saves") == 0


@pytest.mark.parametrize("cid_size", [-1, 6])
def test_a_forged_record_wakes_nobody_for_long(cid_size: int) -> None:
    with World(idle_save_s=IDLE_S) as world:
        device = world.ready(cid_size=cid_size)
        forged = bytearray(device.session.write(b"x"))
        forged[-1] ^= 1
        world.pass_time(IDLE_S + 1)
        device.transmit(bytes(forged))
        assert world.turn() == []
        assert (world.count("sessions_live_current"), world.count("wakes")) == (0, 1)
        assert device.up(b"real")[0][1] == b"real"


def test_what_is_not_encrypted_wakes_nobody() -> None:
    with World(idle_save_s=IDLE_S) as world:
        device = world.ready(cid_size=-1)
        world.pass_time(IDLE_S + 1)
        device.transmit(b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\0")
        world.turn()
        assert (world.count("wakes"), world.count("plaintext_records_dropped")) == (0, 1)


def test_a_replay_across_a_save_is_found() -> None:
    with World(idle_save_s=IDLE_S) as world:
        device = world.ready()
        record = device.session.write(b"once")
        device.transmit(record)
        world.turn()
        world.pass_time(IDLE_S + 1)
        device.transmit(record)
        assert world.turn() == []


def test_a_suite_that_cannot_be_saved_stays_live() -> None:
    with World(idle_save_s=IDLE_S) as world:
        device = world.ready(suites=(CBC,))
        world.pass_time(IDLE_S * 3)
        assert world.count("sessions_live_current") == 1
        assert device.up(b"x")[0][1] == b"x"


@pytest.mark.parametrize("suite", [CCM8, CBC])
def test_a_session_ends_when_nothing_is_heard_for_long(suite: str) -> None:
    with World(idle_save_s=IDLE_S, session_timeout_s=100.0) as world:
        device = world.ready(suites=(suite,))
        world.pass_time(99.0)
        assert world.count("sessions_current") == 1
        world.pass_time(2.0)
        assert world.listener.heard[-1] == ("ended", device.principal)
        assert world.count("sessions_current") == world.count("sessions_saved_current") == 0
        assert world.count("sessions_expired") == 1


def test_a_saved_session_is_ended_by_us_with_a_goodbye() -> None:
    with World(idle_save_s=IDLE_S) as world:
        device = world.ready()
        world.pass_time(IDLE_S + 1)
        assert world.endpoint.end(device.principal)
        device.hear()
        assert device.events[-1] == dtls.CLOSED


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
