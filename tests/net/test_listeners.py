"""Several sockets as one way out: each datagram leaves by the one its address names."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from lwm2m_fast.datagram import Inbox, Outbox
from lwm2m_fast.net.listeners import Listeners
from lwm2m_fast.net.udp import UdpEndpoint
from tests.net.endpoint_kit import World

SMALL = {"receive_buffer_bytes": 1 << 20, "send_buffer_bytes": 1 << 20}


def plain(local: int) -> UdpEndpoint:
    return UdpEndpoint("127.0.0.1", 0, local=local, **SMALL)


@pytest.fixture
def device() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        device.setblocking(False)
        yield device


def heard(device: socket.socket) -> list[tuple[bytes, int]]:
    """What has come, and from which port."""
    found = []
    while True:
        try:
            data, (_, port) = device.recvfrom(2048)
        except BlockingIOError:
            return found
        found.append((data, port))


def address(device: socket.socket) -> str:
    return "{}:{}".format(*device.getsockname())


@pytest.mark.parametrize("locals_", [[0], [0, 0], [0, 1, 0, 2, 2, 1, 0], [2] * 100])
def test_a_datagram_leaves_by_its_endpoint_in_order(
    device: socket.socket, locals_: list[int]
) -> None:
    endpoints = [plain(local) for local in range(3)]
    listeners = Listeners(endpoints)
    outbox = Outbox()
    for number, local in enumerate(locals_):
        outbox.append(address(device), b"%d" % number, local)
    assert listeners.send(outbox) is True
    assert len(outbox) == 0
    found = heard(device)
    assert sorted(found) == sorted(
        (b"%d" % number, endpoints[local].port) for number, local in enumerate(locals_)
    )
    for endpoint in endpoints:
        own = [int(data) for data, port in found if port == endpoint.port]
        assert own == sorted(own)
    listeners.close()


def test_one_endpoint_sends_whatever_there_is(device: socket.socket) -> None:
    listeners = Listeners([plain(0)])
    outbox = Outbox()
    outbox.append(address(device), b"x")
    assert listeners.send(outbox) is True
    assert listeners.send(outbox) is True
    assert [data for data, _ in heard(device)] == [b"x"]
    assert listeners.next_timer() == float("inf")
    listeners.close()


def test_a_datagram_for_no_endpoint_is_counted(device: socket.socket) -> None:
    listeners = Listeners([plain(0), plain(1)])
    outbox = Outbox()
    for local in (0, 7, 1):
        outbox.append(address(device), b"%d" % local, local)
    assert listeners.send(outbox) is True
    assert sorted(data for data, _ in heard(device)) == [b"0", b"1"]
    assert listeners.counters()["listeners_unknown"] == 1
    listeners.close()


def test_without_endpoints_nothing_is_sent_and_all_of_it_counted(device: socket.socket) -> None:
    listeners = Listeners([])
    outbox = Outbox()
    for _ in range(3):
        outbox.append(address(device), b"lost", 0)
    assert listeners.send(outbox) is True
    assert listeners.counters() == {"listeners_unknown": 3}
    assert listeners.next_timer() == float("inf")
    listeners.handle_timer(0.0)
    assert heard(device) == []
    listeners.close()


def test_endpoints_have_different_numbers() -> None:
    endpoints = [plain(local) for local in (0, 0)]
    with pytest.raises(ValueError, match="different numbers"):
        Listeners(endpoints)
    for endpoint in endpoints:
        endpoint.close()


def test_a_plain_and_a_secure_endpoint_feed_one_inbox(device: socket.socket) -> None:
    with World() as world:
        secure = world.ready()
        listeners = Listeners([plain(0), world.endpoint])
        outbox = Outbox()
        outbox.append(address(device), b"plain", 0)
        outbox.append(f"[{_text(secure.principal)}]:0", b"secure", 1)
        assert listeners.send(outbox) is True
        assert [data for data, _ in heard(device)] == [b"plain"]
        assert secure.hear() == [b"secure"]
        assert listeners.next_timer() == world.endpoint.next_timer() < float("inf")
        listeners.handle_timer(world.now + 100)
        assert world.count("sessions_saved_current") == 1
        assert {"udp_sent", "dtls_udp_sent"} <= listeners.counters().keys()
        listeners.endpoints[0].close()


def _text(principal: bytes) -> str:
    return ":".join(principal[at : at + 2].hex() for at in range(0, 16, 2))


def test_work_of_a_plain_endpoint_is_nothing() -> None:
    endpoint, inbox = plain(0), Inbox()
    inbox.load([("192.0.2.1:1", b"x")])
    endpoint.work(inbox)
    assert (inbox.count, endpoint.queued) == (0, 0)
    endpoint.close()
