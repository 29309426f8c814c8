"""What a DTLS endpoint does at its bounds: strangers cost nothing, old work wins, floods wait."""

from __future__ import annotations

import os
import socket

import pytest

from tests.net.endpoint_kit import Device, World

STRANGERS = 10_000
QUEUE = 512
"""Datagrams of handshakes that wait at most (net/dtls.pyx); new ones get half of it."""


def hello(device: Device) -> bytes:
    """A ClientHello without a cookie."""
    device.session.connect(0)
    return device.session.sent.pop()


def another(hello: bytes) -> bytes:
    """The same from another client: its random is another."""
    return hello[:27] + os.urandom(28) + hello[55:]


def test_strangers_without_a_cookie_leave_no_memory() -> None:
    with World() as world:
        device = world.device()
        first = hello(device)
        world.turn()
        before = world.count("table_bytes")
        for _ in range(STRANGERS // 50):
            device.transmit(*(another(first) for _ in range(50)))
            world.turn()
            answers = device.hear_raw()
            assert len(answers) == 50
            assert max(map(len, answers)) <= len(first)
        assert world.count("hello_verifies") == STRANGERS
        assert world.count("handshakes_begun") == world.count("handshakes_current") == 0
        assert world.count("table_bytes") == before
        assert world.listener.heard == []


def test_a_cookie_is_no_good_from_another_address() -> None:
    with World() as world:
        device = world.device()
        device.connect()
        world.turn()
        (verify,) = device.hear_raw()
        device.session.receive(verify, 0)
        device.move()
        device.flush()
        world.turn()
        assert world.count("handshakes_begun") == 0
        assert world.count("hello_verifies") == 2


def half_open(world: World, identity: bytes) -> Device:
    """A device that has returned its cookie and heard nothing since."""
    device = world.device(identity)
    device.connect()
    world.turn()
    (verify,) = device.hear_raw()
    device.session.receive(verify, int(world.now * 1000))
    device.flush()
    return device


def test_as_many_handshakes_as_may_be_and_then_no_new_one() -> None:
    with World(max_handshakes=3) as world:
        first = half_open(world, b"device-0")
        others = [half_open(world, b"device-%d" % n) for n in range(1, 4)]
        world.turn()
        assert world.count("handshakes_current") == 3
        assert world.count("handshakes_over_limit") == 1
        for device in (first, *others[:2]):
            device.hear()
            device.step()
            assert device.session.is_ready
        assert not others[2].session.is_ready
        assert world.count("handshakes_current") == 0


def test_a_handshake_that_takes_too_long_makes_room() -> None:
    with World(max_handshakes=1, handshake_timeout_s=5, retransmit_most_s=60) as world:
        half_open(world, b"device-0")
        world.turn()
        world.pass_time(4.9)
        assert world.count("handshakes_current") == 1
        world.pass_time(0.2)
        assert world.count("handshakes_current") == 0
        assert world.count("handshakes_timed_out") == world.count("handshakes_failed") == 1
        assert world.count("sessions_live_current") == 0
        world.ready()


def test_flights_are_repeated_by_the_endpoints_timer() -> None:
    with World(retransmit_first_s=2.0) as world:
        device = half_open(world, b"device-0")
        world.turn()
        flight = device.hear_raw()
        assert flight
        world.pass_time(2.1)
        assert len(device.hear_raw()) == len(flight)


def test_as_many_sessions_as_may_be_and_then_only_those_again() -> None:
    with World(max_sessions=2) as world:
        devices = [world.ready(b"device-%d" % n) for n in range(2)]
        world.listener.take()
        newcomer = world.device(b"device-2")
        newcomer.shake()
        newcomer.hear()
        assert not newcomer.session.is_ready
        assert world.count("sessions_over_limit") == 1
        assert world.listener.take() == ["refused"]
        devices[0].renew()
        devices[0].shake()
        assert devices[0].session.is_ready
        assert world.listener.take() == ["opened", "replaced"]
        assert world.count("sessions_current") == 2


def test_a_short_connection_id_bounds_the_sessions() -> None:
    with World(cid_length=1, max_handshakes=1000) as world:
        for n in range(256):
            half_open(world, b"device-%d" % n)
        half_open(world, b"one more")
        world.turn()
        assert world.count("handshakes_current") == 256
        assert world.count("handshakes_over_limit") == 1


@pytest.mark.parametrize("rate, begun", [(0.0, 8), (4.0, 4), (0.5, 1)])
def test_handshakes_are_rationed_by_source_prefix(rate: float, begun: int) -> None:
    with World(handshakes_per_prefix_s=rate) as world:
        for n in range(8):
            half_open(world, b"device-%d" % n)
        world.turn()
        assert world.count("handshakes_begun") == begun
        assert world.count("handshakes_over_prefix_limit") == 8 - begun
        if rate:
            world.now += 1 / rate
            half_open(world, b"later")
            world.turn()
            assert world.count("handshakes_begun") == begun + 1


def test_another_prefix_has_tokens_of_its_own() -> None:
    with World(handshakes_per_prefix_s=1.0) as world:
        half_open(world, b"device-0")
        device = world.device(b"device-1")
        device.socket.close()
        device.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        device.socket.bind(("127.0.1.1", 0))
        device.socket.setblocking(False)
        device.shake()
        assert device.session.is_ready


def test_new_handshakes_get_half_of_the_queue() -> None:
    with World(max_handshakes=2000) as world:
        old = half_open(world, b"old")
        world.turn()
        for n in range(QUEUE // 2 + 3):
            half_open_without_work(world, b"device-%d" % n)
        world.receive()
        assert world.endpoint.queued == QUEUE // 2
        assert world.count("handshake_queue_full") == 3
        for datagram in old.hear_raw():
            old.session.receive(datagram, 0)
        old.flush()
        world.receive()
        assert world.endpoint.queued > QUEUE // 2
        world.turn()
        old.hear()
        assert old.session.is_ready


def half_open_without_work(world: World, identity: bytes) -> None:
    device = world.device(identity)
    device.connect()
    world.receive()
    (verify,) = device.hear_raw()
    device.session.receive(verify, 0)
    device.flush()
    world.receive()


def test_a_flood_of_handshakes_does_not_hold_up_records() -> None:
    """In every turn all records are served, and no more handshakes than the clock allows."""
    with World(max_handshakes=2000, handshake_ms_per_wakeup=5.0) as world:
        devices = [world.ready(b"device-%d" % n) for n in range(8)]
        for n in range(100):
            half_open_without_work(world, b"stranger-%d" % n)
        assert world.endpoint.queued == 100
        begun = world.count("handshakes_begun")
        world.clock_step = 0.002  # each look at the clock: a step of a handshake takes 2 ms
        for turn in range(1, 6):
            for device in devices:
                device.transmit(device.session.write(b"here"))
            assert len(world.receive()) == len(devices)
            world.endpoint.work(world.inbox)
            assert world.count("handshakes_begun") - begun == 3 * turn
        world.clock_step = 0.0
        world.turn()
        assert world.count("handshakes_begun") - begun == 100


def test_at_least_one_step_is_done_whatever_it_takes() -> None:
    with World(handshake_ms_per_wakeup=0.0) as world:
        half_open_without_work(world, b"a")
        half_open_without_work(world, b"b")
        world.endpoint.work(world.inbox)
        assert world.endpoint.queued == 1
