"""A server at several ports of a kind, as the older layout of another transport has them."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bootstrapped_device import Device
from serving import Server, Socket, served, until

pytest.importorskip("mbedtls")

from secure_socket import SecureSocket, by_psk

from tests.scenario.scripted import DELETE, POST

KEY = bytes(range(16))
HERE = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports that nobody has at the moment."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for one in sockets:
        one.bind((HERE, 0))
    numbers = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return numbers


class Ports:
    def __init__(self) -> None:
        self.coap, self.coaps, self.bootstrap, self.bootstraps = free_ports(4)


@pytest.fixture(scope="module")
def ports() -> Ports:
    return Ports()


@pytest.fixture(scope="module")
def server(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    env = {
        "LWM2M_FAST_COAP__MORE_PORTS": str(ports.coap),
        "LWM2M_FAST_DTLS__MORE_PORTS": str(ports.coaps),
        "LWM2M_FAST_BOOTSTRAP__MORE_PORTS": str(ports.bootstrap),
        "LWM2M_FAST_BOOTSTRAP__MORE_DTLS_PORTS": str(ports.bootstraps),
    }
    flags = ("--bootstrap", "--bootstrap-port", "0", "--bootstrap-dtls-port", "0")
    with served(tmp_path_factory.mktemp("ports") / "data", *flags, env=env) as running:
        yield running


def give(server: Server, name: str) -> None:
    side = {"mode": "PSK", "identity": name, "key": KEY.hex()}
    answer = server.http.put(f"/api/v1/credentials/{name}", json={"server": side})
    assert answer.status_code == 201, answer.text


def test_the_further_ports_are_told(server: Server, ports: Ports) -> None:
    told = [json.loads(line) for line in server.logged().splitlines() if "further ports" in line]
    assert {one["side"]: (one["coap"], one["coaps"]) for one in told} == {
        "server": ([ports.coap], [ports.coaps]),
        "bootstrap": ([ports.bootstrap], [ports.bootstraps]),
    }


def test_plain_devices_register_at_each_and_belong_to_theirs(server: Server, ports: Ports) -> None:
    with Socket(server) as first, Socket(server, (HERE, ports.coap)) as further:
        assert first.register("at-first").code == "2.01"
        answer = further.register("at-further")
        assert answer.code == "2.01"
        assert further.ask(POST, answer.location).code == "2.04"
        assert first.ask(POST, answer.location).code == "4.00"
        assert server.count("registrations_current") >= 2
        assert further.ask(DELETE, answer.location).code == "2.02"


def test_a_request_leaves_by_the_port_of_its_device(server: Server, ports: Ports) -> None:
    with Socket(server, (HERE, ports.coap)) as device:
        device.register("asked")
        server.http.post("/api/v1/devices/asked/operations", json={"op": "read", "path": "/3/0/0"})
        asked = device.hear()  # a connected socket hears that port only
        assert (asked.code, asked.path) == ("0.01", [b"3", b"0", b"0"])


def test_secure_devices_come_in_at_each(server: Server, ports: Ports) -> None:
    for name, where in (("psk-first", server.coaps), ("psk-further", (HERE, ports.coaps))):
        give(server, name)
        with SecureSocket(where, by_psk(name, KEY)) as device:
            assert device.register(name).code == "2.01"
            order = {"op": "read", "path": "/3/0/0"}
            server.http.post(f"/api/v1/devices/{name}/operations", json=order)
            assert device.hear().path == [b"3", b"0", b"0"]
    assert server.get("/api/v1/devices/psk-further")["security_mode"] == "PSK"


def test_devices_bootstrap_at_the_further_ports(server: Server, ports: Ports) -> None:
    for name, own in (
        ("bs-plain", {"bootstrapSecurityMode": "NO_SEC"}),
        (
            "bs-psk",
            {"bootstrapSecurityMode": "PSK", "bootstrapId": "bs-psk", "bootstrapKey": KEY.hex()},
        ),
    ):
        body = {
            "endpointId": name,
            "bootstrapSecurity": own,
            "serverSecurity": {"securityMode": "NO_SEC"},
            "lwm2mServerUri": f"coap://{HERE}:{ports.coap}",
        }
        assert server.http.post("/api/v1/configurations", json=body).status_code == 201
    with Socket(server, (HERE, ports.bootstrap)) as connection:
        assert Device().bootstrap(connection, "ep=bs-plain") == "2.04"
    with SecureSocket((HERE, ports.bootstraps), by_psk("bs-psk", KEY)) as connection:
        assert Device().bootstrap(connection, "ep=bs-psk") == "2.04"
    for name in ("bs-plain", "bs-psk"):
        path = f"/api/v1/configurations/{name}"
        until(lambda path=path: server.get(path)["bootstrap"]["state"] == "finished")


def test_off_closes_the_further_ports_too(server: Server, ports: Ports) -> None:
    assert server.http.put("/api/v1/bootstrap", json={"enabled": False}).status_code == 200
    for port in (ports.bootstrap, ports.bootstraps):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HERE, port))
    assert server.http.put("/api/v1/bootstrap", json={"enabled": True}).status_code == 200
    with Socket(server, (HERE, ports.bootstrap)) as connection:
        assert Device().bootstrap(connection, "ep=bs-plain") == "2.04"
