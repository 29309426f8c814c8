"""What becomes of DTLS sessions: replaced, moved, saved and woken."""

from __future__ import annotations

import pytest

from lwm2m_fast.net import dtls_session as dtls
from tests.net.endpoint_kit import Device, World, as_text, psk_principal

CCM8, CBC = "TLS_PSK_WITH_AES_128_CCM_8", "TLS_PSK_WITH_AES_128_CBC_SHA256"
IDLE_S = 10.0


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
