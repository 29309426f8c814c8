"""The DTLS endpoint over loopback: handshakes, records both ways, who is who."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from lwm2m_fast.datagram import Inbox
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.net import dtls_session as dtls
from lwm2m_fast.net.dtls import DtlsOptions, principal_of
from tests.net import certificates
from tests.net.endpoint_kit import PSK, UNIX, X509, Change, World, as_text, unchanged

PSK_SUITES = [name for name in dtls.SUITES if name.startswith("TLS_PSK")]


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def test_a_handshake_and_a_record_each_way(world: World) -> None:
    device = world.device()
    device.shake()
    assert device.session.is_ready
    principal = principal_of(PSK, b"device-1")
    assert world.listener.heard == [("opened", principal, PSK, b"device-1", ("device-1",))]
    assert device.up(b"up") == [(as_text(principal), b"up")]
    world.send(b"device-1", b"down")
    assert device.hear() == [b"down"]
    assert world.count("handshakes_done") == world.count("sessions_current") == 1
    assert world.count("records_received") == world.count("records_sent") == 1


@pytest.mark.parametrize("suite", PSK_SUITES)
@pytest.mark.parametrize("cid_size", [-1, 0, 6])
def test_every_psk_suite_with_and_without_connection_id(suite: str, cid_size: int) -> None:
    with World() as world:
        device = world.ready(suites=(suite,), cid_size=cid_size)
        assert world.endpoint.where(device.principal) == {
            "address": device.address, "cid": cid_size >= 0, "suite": suite, "kind": PSK,
            "identity": "device-1", "since": UNIX, "live": True,
        }  # fmt: skip
        world.send(b"device-1", b"down")
        assert device.hear() == [b"down"]


@pytest.mark.parametrize("length", [None, 0, 1, 2, 3, 4, 6, 16])
def test_our_connection_ids_have_the_length_that_is_configured(length: int | None) -> None:
    with World(cid_length=length, shard=7) as world:
        world.ready(b"other")
        device = world.ready()
        record = device.session.write(b"x")
        cid = record[11 : 11 + (length or 0)]
        assert record[0] == (25 if length else 23)
        if length == 1:
            assert cid == b"\1", "no room for the shard"
        elif length:
            assert (cid[0], int.from_bytes(cid[1:4])) == (7, 1), "the second session"
        device.transmit(record)
        assert world.turn() == [(as_text(device.principal), b"x")]


def test_psk_and_x509_on_one_port() -> None:
    with World(certified=True) as world:
        world.ready()
        who = certificates.device()
        device = world.certified_device(who)
        device.shake()
        assert device.session.is_ready, world.listener.heard
        principal = principal_of(X509, b"CN=device-1")
        names = ("device-1", "urn:dev:1")
        assert world.listener.heard[-1] == ("opened", principal, X509, b"CN=device-1", names)
        assert device.up(b"up") == [(as_text(principal), b"up")]
        assert world.credentials.certified == [(who.der, 0)]
        where = world.endpoint.where(principal)
        assert where is not None
        assert (where["kind"], where["identity"]) == (X509, "CN=device-1")


def test_an_untrusted_certificate_leaves_nothing() -> None:
    with World(certified=True) as world:
        device = world.certified_device(certificates.untrusted())
        device.shake()
        assert device.events[-1] == dtls.FAILED
        assert world.listener.take() == ["refused"]
        assert world.count("handshakes_current") == world.count("sessions_current") == 0


@pytest.mark.parametrize("key", [b"another key", None])
def test_a_wrong_key_or_an_unknown_identity_leaves_nothing(key: bytes | None) -> None:
    with World() as world:
        world.credentials.keys[b"device-1"] = key
        device = world.device()
        device.shake()
        assert device.events[-1] == dtls.FAILED
        ((_, address, why, identity),) = world.listener.heard
        assert (address, identity) == (device.address, "device-1")
        assert why
        assert b"another key".decode() not in why
        assert world.count("handshakes_failed") == 1
        assert world.count("handshakes_current") == world.count("sessions_current") == 0
        assert world.count("sessions_live_current") == 0


def test_refusals_are_told_once_a_second_and_all_counted(world: World) -> None:
    world.credentials.keys[b"device-1"] = None
    for _ in range(3):
        world.device().shake()
    assert world.listener.kinds() == ["refused"]
    world.now += 1.0
    world.device().shake()
    assert world.listener.kinds() == ["refused"] * 2
    assert world.count("handshakes_failed") == 4


def test_a_fault_of_the_credentials_ends_one_handshake_and_is_told(world: World) -> None:
    error = world.credentials.error = RuntimeError("the store is gone")
    device = world.device()
    device.shake()
    assert device.events[-1] == dtls.FAILED
    assert world.endpoint.fault is error
    assert world.endpoint.fault is None
    assert world.count("faults") == 1
    world.credentials.error = None
    world.ready()


def test_a_fault_of_the_listener_ends_that_session(world: World) -> None:
    world.listener.error = MemoryError()
    device = world.device()
    device.shake()
    world.turn()
    device.hear()
    assert dtls.CLOSED in device.events
    assert world.count("sessions_current") == 0
    assert isinstance(world.endpoint.fault, MemoryError)


def test_names_come_from_the_credentials(world: World) -> None:
    world.credentials.names[b"device-1"] = ("a", "b", "c" * 255)
    world.ready()
    assert world.listener.heard[0][4] == ("a", "b", "c" * 255)


@pytest.mark.parametrize("size", [1, 1279, 1280])
def test_records_of_every_size(world: World, size: int) -> None:
    device = world.ready()
    text = bytes(size)
    assert device.up(text)[0][1] == text
    world.send(b"device-1", text)
    assert device.hear() == [text]


def test_a_datagram_that_fits_into_no_record_is_counted(world: World) -> None:
    world.ready()
    world.send(b"device-1", bytes(1281))
    world.send(b"nobody", b"x")
    assert world.count("send_failed") == 1
    assert world.count("send_without_session") == 1


def test_many_records_in_a_datagram_are_all_read(world: World) -> None:
    device = world.ready()
    device.transmit(b"".join(device.session.write(b"%d" % n) for n in range(10)))
    assert [text for _, text in world.turn()] == [b"%d" % n for n in range(10)]


def test_what_finds_no_room_in_the_inbox_is_dropped_and_what_comes_later_waits(
    world: World,
) -> None:
    device = world.ready()
    for at in range(10):
        records = [device.session.write(b"%d" % (10 * at + n)) for n in range(10)]
        device.transmit(b"".join(records))
    first, second = world.receive(), world.receive()
    assert [int(text) for _, text in first] == list(range(64))
    assert [int(text) for _, text in second] == list(range(70, 100))
    assert world.count("inbox_full") == 6


def test_a_peer_that_closes_is_gone(world: World) -> None:
    device = world.ready()
    world.listener.take()
    device.transmit(device.session.close())
    world.turn()
    assert world.listener.heard == [("ended", device.principal)]
    assert world.count("sessions_current") == world.count("sessions_live_current") == 0
    assert world.endpoint.where(device.principal) is None


def test_a_session_is_ended_by_us(world: World) -> None:
    device = world.ready()
    world.listener.take()
    assert world.endpoint.end(device.principal) is True
    assert world.listener.heard == [("ended", device.principal)]
    device.hear()
    assert device.events[-1] == dtls.CLOSED
    assert world.endpoint.end(device.principal) is False
    with pytest.raises(ValueError, match="16 bytes"):
        world.endpoint.end(b"short")


def test_a_replayed_and_a_forged_record_are_dropped_and_counted(world: World) -> None:
    device = world.ready()
    record = device.session.write(b"once")
    forged = record[:-1] + bytes([record[-1] ^ 1])
    device.transmit(record, record, forged)
    assert [text for _, text in world.turn()] == [b"once"]
    assert world.count("records_dropped") == 2
    assert device.up(b"more")[0][1] == b"more"


@pytest.mark.parametrize(
    "datagram, counter",
    [
        (b"", "malformed"),
        (bytes(12), "malformed"),
        (b"\x16\xfe\xff" + bytes(10) + b"\1" + bytes(60), "malformed"),
        (b"\x17\xfe\xfd\0\1" + bytes(30), "unknown_address"),
        (b"\x19\xfe\xfd\0\1" + bytes(30), "unknown_cid"),
        (bytes(range(200)), "unknown_address"),
    ],
)
def test_what_belongs_to_nobody_is_counted(world: World, datagram: bytes, counter: str) -> None:
    device = world.device()
    device.transmit(datagram)
    assert world.turn() == []
    assert world.count(counter) == 1
    assert device.hear_raw() == []


def test_another_certificate_is_for_new_handshakes(world: World) -> None:
    device = world.ready()
    server = certificates.server()
    anchors = certificates.authority().der
    world.endpoint.set_certificate(server.chain, server.key_der, anchors)
    newcomer = world.certified_device(certificates.device())
    newcomer.shake()
    assert newcomer.session.is_ready
    assert device.up(b"still here")[0][1] == b"still here"
    with pytest.raises(ConfigError, match="dtls"):
        world.endpoint.set_certificate(server.chain, b"no key", anchors)
    world.ready(b"device-2")


def bad_link(seed: int) -> Change:
    """Loses one in five, doubles one in five, and lets one in ten be overtaken."""
    random, held = Random(seed), []

    def change(datagram: bytes) -> list[bytes]:
        out, chance = list(held), random.random()
        held.clear()
        if chance < 0.2:
            return out
        if chance < 0.3:
            held.append(datagram)
            return out
        return [datagram, *out, datagram] if chance > 0.8 else [datagram, *out]

    return change


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("cid_size", [-1, 6])
@pytest.mark.parametrize("certified", [False, True])
def test_handshakes_over_a_bad_link(seed: int, cid_size: int, certified: bool) -> None:
    with World(certified=certified, retransmit_first_s=1.0) as world:
        who = certificates.device()
        options: dict[str, Any] = {"cid_size": cid_size}
        if certified:
            trusted = certificates.authority().der
            options |= {"chain": who.chain, "key": who.key_der, "anchors": trusted}
            options["own_psk"] = None
        device = world.device(**options)
        device.change_up, device.change_down = bad_link(seed), bad_link(seed + 100)
        device.connect()
        for _ in range(120):
            device.step()
            if device.session.is_ready:
                break
            world.pass_time(1.0)
            now = int(world.now * 1000)
            if 0 <= device.session.due <= now:
                assert device.session.handle_timeout(now) != dtls.FAILED
                device.flush()
        assert device.session.is_ready
        device.change_up = device.change_down = unchanged
        world.turn()
        assert device.up(b"here")[-1][1] == b"here"
        assert world.count("sessions_current") == 1


def test_counters_are_all_dtls(world: World) -> None:
    assert all(name.startswith("dtls_") for name in world.counters)
    assert world.count("udp_received") == 0
    inbox = Inbox()
    assert world.endpoint.receive(inbox) is False


@pytest.mark.parametrize(
    "options, setting",
    [
        ({"suites": ("TLS_NULL",)}, "suites"),
        ({"suites": ()}, "suites"),
        ({"cid_length": 17}, "cid_length"),
        ({"max_sessions": 0}, "max_sessions"),
        ({"max_sessions": (1 << 24) + 1}, "max_sessions"),
        ({"mtu": 100}, "mtu"),
    ],
)
def test_an_option_that_cannot_be_is_named(options: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError, match=f"dtls.{setting}"):
        DtlsOptions(**options)


def test_a_port_that_is_taken_is_named(world: World) -> None:
    with pytest.raises(ConfigError, match=rf"dtls\.port.*{world.endpoint.port}"):
        type(world.endpoint)(
            "127.0.0.1",
            world.endpoint.port,
            receive_buffer_bytes=1 << 16,
            send_buffer_bytes=1 << 16,
            credentials=world.credentials,
            listener=world.listener,
        )
