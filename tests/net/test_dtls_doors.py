"""Further ports of a DTLS endpoint: the same sessions, and each peer answered by its own port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lwm2m_fast.datagram import Outbox
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.net.dtls import DtlsDoor
from lwm2m_fast.net.listeners import Listeners
from tests.net.endpoint_kit import BUFFERS, Device, World, as_text, psk_principal


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def at(world: World, door: DtlsDoor, identity: bytes) -> Device:
    """A device that knows this port, with a session."""
    device = world.device(identity)
    device.port = door.port
    device.shake()
    assert device.session.is_ready, world.listener.heard
    return device


def test_a_handshake_and_a_record_each_way_by_a_further_port(world: World) -> None:
    door = world.open_door()
    device = at(world, door, b"device-1")
    assert device.up(b"up") == [(as_text(psk_principal(b"device-1")), b"up")]
    world.send(b"device-1", b"down")
    assert device.hear() == [b"down"]
    assert device.heard_from == {door.port}


def test_each_peer_is_answered_by_the_port_that_it_came_by(world: World) -> None:
    doors = [world.open_door(local) for local in (16, 17)]
    devices = [
        world.ready(b"device-0"),
        *(at(world, door, b"at-%d" % door.local) for door in doors),
    ]
    outbox = Outbox()
    for text in (b"1", b"2"):
        for device in devices:
            outbox.append(as_text(device.principal), text, world.endpoint.local)
    Listeners([world.endpoint, *doors]).send(outbox)
    assert [device.hear() for device in devices] == [[b"1", b"2"]] * 3
    ports = [world.endpoint.port, *(door.port for door in doors)]
    assert [device.heard_from for device in devices] == [{port} for port in ports]


def test_a_peer_may_go_to_another_port_by_its_connection_id(world: World) -> None:
    door = world.open_door()
    device = world.ready(cid_size=6)
    device.heard_from.clear()
    device.port = door.port
    assert [text for _, text in device.up(b"up")] == [b"up"]
    world.send(b"device-1", b"down")
    assert device.hear() == [b"down"]
    assert device.heard_from == {door.port}


def test_a_session_is_known_at_its_port_only_without_a_connection_id(world: World) -> None:
    door = world.open_door()
    device = world.ready(cid_size=-1)
    device.port = door.port
    assert device.up(b"astray") == []
    assert world.count("unknown_address") == 1


def test_a_saved_session_is_answered_by_its_port_again_or_counted() -> None:
    with World() as world:
        device = at(world, world.open_door(), b"device-1")
        device.up(b"hello")
        rows = list(world.endpoint.save())
        world.doors.pop().close()
        world.endpoint.close()
        world.start(rows)
        world.open_door(local=17)
        assert world.loaded == 1
        world.send(b"device-1", b"lost")
        assert world.count("unknown_ports") == 1
        world.open_door()
        world.send(b"device-1", b"down")
        assert device.hear() == [b"down"]


def test_the_sockets_are_counted_together(world: World) -> None:
    door = world.open_door()
    at(world, door, b"device-1")
    world.ready(b"device-2")
    own = [each.counters()["dtls_udp_received"] for each in (world.endpoint, door)]
    assert all(count > 0 for count in own)
    counted = Listeners([world.endpoint, door]).counters()
    assert counted["dtls_udp_received"] == sum(own)
    assert counted["dtls_handshakes_done"] == 2


def test_a_port_that_is_taken_is_named(world: World) -> None:
    with pytest.raises(ConfigError, match=r"dtls\.port: cannot listen"):
        DtlsDoor(world.endpoint, "127.0.0.1", world.endpoint.port, local=16, **BUFFERS)
    world.ready()  # and nothing was added
