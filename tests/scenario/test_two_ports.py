"""One core behind two ports of one host: a registration belongs to the port it came in by.

The number of the port is put on by the socket, so this is the one scenario over real ones.
"""

import socket

import pytest
from scripted import (
    ACK,
    CON,
    DELETE,
    NON,
    OBSERVE,
    POST,
    RST,
    World,
    code_byte,
    read,
    register,
    request,
    write,
)

from lwm2m_fast.datagram import Inbox
from lwm2m_fast.net.udp import UdpEndpoint


class Ports:
    """The core behind port 0 and port 1, and a device that can talk to either."""

    def __init__(self) -> None:
        self.world = World()
        self.endpoints = [
            UdpEndpoint(
                "127.0.0.1", 0, local=n, receive_buffer_bytes=1 << 16, send_buffer_bytes=1 << 16
            )
            for n in (0, 1)
        ]
        self.device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.device.bind(("127.0.0.1", 0))

    def ask(self, port: int, message: bytes):
        inbox = Inbox()
        self.device.sendto(message, ("127.0.0.1", self.endpoints[port].port))
        self.endpoints[port].receive(inbox)
        assert inbox.count == 1
        self.world.engine.receive(inbox, self.world.now)
        self.world.finish_turn()
        return self.heard.hear()

    def give(self, port: int, *messages: bytes) -> None:
        """Send by a port, whatever is heard."""
        inbox = Inbox()
        for message in messages:
            self.device.sendto(message, ("127.0.0.1", self.endpoints[port].port))
            self.endpoints[port].receive(inbox)
            self.world.engine.receive(inbox, self.world.now)
            self.world.finish_turn()

    @property
    def heard(self):
        """What the device hears, as World puts it."""
        return self.world.device("{}:{}".format(*self.device.getsockname()))

    def close(self) -> None:
        for thing in (*self.endpoints, self.device):
            thing.close()


@pytest.fixture
def ports():
    ports = Ports()
    yield ports
    ports.close()


@pytest.mark.parametrize("code", [POST, DELETE])
def test_an_update_or_deregister_by_another_port_is_refused(ports, code):
    location = ports.ask(0, register("dev-1", mid=1)).location
    before = ports.world.shown("dev-1")
    assert ports.ask(1, request(code, location, mid=2)).code == "4.00"
    assert ports.world.shown("dev-1") == before
    assert ports.ask(0, request(code, location, mid=3)).code in ("2.04", "2.02")


def test_one_address_may_hold_two_registrations_by_two_ports(ports):
    one = ports.ask(0, register("dev-1", mid=1))
    two = ports.ask(1, register("dev-2", mid=1))
    assert one.code == two.code == "2.01"
    assert ports.ask(0, request(POST, one.location, mid=2)).code == "2.04"
    assert ports.ask(1, request(POST, two.location, mid=2)).code == "2.04"
    assert ports.world.count("peers_current") == 2


def test_a_register_by_the_other_port_takes_the_device_with_it(ports):
    first = ports.ask(0, register("dev-1", mid=1)).location
    second = ports.ask(1, register("dev-1", mid=2)).location
    assert ports.ask(0, request(POST, first, mid=3)).code == "4.04"
    assert ports.ask(0, request(POST, second, mid=4)).code == "4.00"
    assert ports.ask(1, request(POST, second, mid=5)).code == "2.04"


def test_a_duplicate_by_another_port_is_no_duplicate(ports):
    message = register("dev-1", mid=1)
    first = ports.ask(0, message)
    assert ports.ask(0, message).data == first.data
    assert ports.ask(1, message).location != first.location
    assert read(message).mid == 1


@pytest.mark.parametrize("kind", [CON, NON])
def test_a_notification_by_another_port_is_not_told_and_changes_nothing(ports, kind):
    ports.ask(0, register("dev-1", mid=1))
    ports.world.observe()
    asked = ports.heard.hear()
    content = code_byte("2.05")
    ports.give(0, write(ACK, content, asked.mid, asked.token, [(OBSERVE, b"\1")], b"20"))
    before = ports.world.shown("dev-1")
    ports.give(1, write(kind, content, 7, asked.token, [(OBSERVE, b"\2")], b"21"))
    assert [m.type for _, m in ports.heard.hear_all()] == ([RST] if kind == CON else [])
    assert ports.world.reports == []
    assert ports.world.shown("dev-1") == before
    assert ports.world.states() == {b"3303/0/5700": "active"}
    ports.give(0, write(NON, content, 8, asked.token, [(OBSERVE, b"\2")], b"22"))
    assert ports.world.told() == [b"22"]


def test_an_answer_by_another_port_is_none(ports):
    ports.ask(0, register("dev-1", mid=1))
    call = ports.world.read("dev-1", 3)
    asked = ports.heard.hear()
    ports.give(1, write(ACK, code_byte("2.05"), asked.mid, asked.token, [], b"x"))
    assert ports.world.answers == []
    ports.give(0, write(ACK, code_byte("2.05"), asked.mid, asked.token, [], b"x"))
    assert ports.world.outcomes() == [(call, "answered")]
