"""The UDP endpoint on loopback: batches in and out, and errors that must not stop it.

Nothing here waits: what was sent over loopback is there when the call returns.
"""

import errno
import socket

import pytest

from lwm2m_fast.datagram import Inbox, Outbox
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.net.udp import UdpEndpoint
from tests.this_machine import has_ipv6

BUFFERS = {"receive_buffer_bytes": 1 << 20, "send_buffer_bytes": 1 << 20}
SLOTS, SLOT_BYTES = 64, 2048


@pytest.fixture
def endpoint():
    endpoint = UdpEndpoint("127.0.0.1", 0, **BUFFERS)
    yield endpoint
    endpoint.close()


@pytest.fixture
def device():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        device.settimeout(5)
        yield device


def text(device: socket.socket) -> str:
    host, port = device.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def outbox(*datagrams: tuple[str, bytes]) -> Outbox:
    box = Outbox()
    for to, data in datagrams:
        box.append(to, data)
    return box


def test_port_0_is_any_free_port(endpoint):
    assert endpoint.port > 0


def test_a_port_that_is_taken_is_refused_by_name(endpoint):
    with pytest.raises(ConfigError, match=rf"coap\.port.*127\.0\.0\.1.*{endpoint.port}"):
        UdpEndpoint("127.0.0.1", endpoint.port, **BUFFERS)


def test_a_host_that_is_no_address_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"coap\.host: 'no such host'"):
        UdpEndpoint("no such host", 0, **BUFFERS)


def test_the_buffers_in_effect_are_told(endpoint):
    counters = endpoint.counters()
    assert counters["udp_receive_buffer_bytes"] == endpoint.receive_buffer_bytes > 0
    assert counters["udp_send_buffer_bytes"] == endpoint.send_buffer_bytes > 0


def test_nothing_waiting_is_an_empty_batch(endpoint):
    inbox = Inbox()
    assert endpoint.receive(inbox) is False
    assert inbox.count == 0


@pytest.mark.parametrize("count, more", [(1, False), (63, False), (64, True)])
def test_a_batch_is_up_to_64_datagrams(endpoint, device, count, more):
    for number in range(count):
        device.sendto(b"%d" % number, ("127.0.0.1", endpoint.port))
    inbox = Inbox()
    assert endpoint.receive(inbox) is more
    assert inbox.count == count
    assert endpoint.counters()["udp_received"] == count


def test_the_65th_datagram_comes_with_the_next_batch(endpoint, device):
    for _ in range(65):
        device.sendto(b"x", ("127.0.0.1", endpoint.port))
    inbox = Inbox()
    endpoint.receive(inbox)
    endpoint.receive(inbox)
    assert inbox.count == 1


@pytest.mark.parametrize("size, kept", [(0, 1), (SLOT_BYTES, 1), (SLOT_BYTES + 1, 0), (60000, 0)])
def test_a_datagram_longer_than_a_slot_is_dropped_and_counted(endpoint, device, size, kept):
    device.sendto(bytes(size), ("127.0.0.1", endpoint.port))
    inbox = Inbox()
    endpoint.receive(inbox)
    assert inbox.count == kept
    assert endpoint.counters()["udp_truncated"] == 1 - kept


def test_a_truncated_datagram_leaves_its_neighbours_alone(endpoint, device):
    from lwm2m_fast.config import Config
    from lwm2m_fast.core.engine import Engine

    engine = Engine(Config(), (1, 2), bytes, 0.0, 0.0)
    inbox = Inbox()
    for _ in range(20):  # buffers are swapped, so more than once
        for mid, data in enumerate((bytes(3000), b"", bytes(2049), b"", b"", bytes(9999), b"")):
            ping = b"\x40\x00\x00" + bytes([mid])
            device.sendto(data or ping, ("127.0.0.1", endpoint.port))
        endpoint.receive(inbox)
        assert inbox.count == 4
        engine.receive(inbox, 1.0)
        answers = engine.outbox.drain()
        assert [(to, data[3]) for to, data in answers] == [(text(device), n) for n in (1, 3, 4, 6)]


def test_a_batch_leaves_in_order(endpoint, device):
    sent = [b"%d" % number for number in range(200)]
    box = outbox(*((text(device), data) for data in sent))
    assert endpoint.send(box) is True
    assert len(box) == 0
    assert [device.recv(100) for _ in sent] == sent
    assert endpoint.counters()["udp_sent"] == 200


def test_an_empty_outbox_is_sent_at_once(endpoint):
    assert endpoint.send(Outbox()) is True


def test_one_address_that_cannot_be_reached_does_not_hold_up_the_others(endpoint, device):
    box = outbox(
        (text(device), b"first"),
        ("[2001:db8::1]:1", b"another family"),
        ("255.255.255.255:1", b"not allowed"),
        ("127.0.0.1:0", b"no port"),
        (text(device), b"last"),
    )
    assert endpoint.send(box) is True
    assert [device.recv(100), device.recv(100)] == [b"first", b"last"]
    assert endpoint.counters()["udp_send_refused"] == 3


def test_a_datagram_too_long_for_udp_is_refused_alone(endpoint, device):
    assert endpoint.send(outbox((text(device), bytes(70000)), (text(device), b"next"))) is True
    assert device.recv(100) == b"next"
    assert endpoint.counters()["udp_send_refused"] == 1


def test_a_closed_device_socket_never_stops_the_endpoint(endpoint, device):
    gone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gone.bind(("127.0.0.1", 0))
    where = text(gone)
    gone.close()
    inbox = Inbox()
    for _ in range(20):  # each is answered by ICMP port unreachable
        assert endpoint.send(outbox((where, b"x"), (text(device), b"y"))) is True
        assert device.recv(10) == b"y"
        device.sendto(b"z", ("127.0.0.1", endpoint.port))
        while not (endpoint.receive(inbox) or inbox.count):
            pass
        assert inbox.count == 1


def test_a_closed_endpoint_says_so(device):
    endpoint = UdpEndpoint("127.0.0.1", 0, **BUFFERS)
    endpoint.close()
    with pytest.raises(OSError) as caught:
        endpoint.receive(Inbox())
    assert caught.value.errno == errno.EBADF


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_a_socket_on_all_addresses_serves_both_families(device):
    endpoint = UdpEndpoint("::", 0, **BUFFERS)
    six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        six.bind(("::1", 0))
        six.settimeout(5)
        device.sendto(b"four", ("127.0.0.1", endpoint.port))
        six.sendto(b"six", ("::1", endpoint.port))
        inbox = Inbox()
        endpoint.receive(inbox)
        assert inbox.count == 2
        assert endpoint.send(outbox((text(device), b"4"), (text(six), b"6"))) is True
        assert device.recv(10) == b"4"
        assert six.recv(10) == b"6"
    finally:
        six.close()
        endpoint.close()


def test_kernel_drops_are_counted(device):
    endpoint = UdpEndpoint("127.0.0.1", 0, receive_buffer_bytes=4096, send_buffer_bytes=4096)
    try:
        for _ in range(200):
            device.sendto(bytes(1000), ("127.0.0.1", endpoint.port))
        inbox = Inbox()
        received = 0
        while endpoint.receive(inbox) or inbox.count:
            received += inbox.count
        device.sendto(b"one more tells", ("127.0.0.1", endpoint.port))
        endpoint.receive(inbox)
        assert 0 < received < 200
        assert endpoint.counters()["udp_kernel_dropped"] == 200 - received
    finally:
        endpoint.close()
