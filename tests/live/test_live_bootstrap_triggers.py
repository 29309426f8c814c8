"""Bootstrap and registration as people set them off or switch them off, on real sockets: row B13's
triggers, B11's times on the device, B3's and C3's switches, C1's ports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bootstrapped_device import Device
from serving import Server, Socket, served, until

from tests.scenario.scripted import CON, POST, Heard

LINKS = b"</1/0>,</1/1>,</3/0>"
BOOTSTRAP = ("--bootstrap", "--bootstrap-port", "0", "--bootstrap-dtls-port", "0")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("triggers")
    env = {"LWM2M_FAST_BOOTSTRAP__URI": "coap://127.0.0.1:5683"}
    flags = (*BOOTSTRAP, "--policy", "provisioned")
    with served(directory / "data", *flags, env=env) as running:
        yield running


def configure(server: Server, name: str, **more: Any) -> None:
    own = {"bootstrapSecurityMode": "NO_SEC", **more.pop("bootstrapSecurity", {})}
    body = {
        "endpointId": name,
        "bootstrapSecurity": own,
        "serverSecurity": {"securityMode": "NO_SEC"},
        "lwm2mServerUri": f"coap://127.0.0.1:{server.coap[1]}",
        **more,
    }
    answer = server.http.post("/api/v1/configurations", json=body)
    assert answer.status_code == 201, answer.text


def bootstrapped(server: Server, device: Device, name: str) -> str:
    with Socket(server, server.bootstrap) as connection:
        code = device.bootstrap(connection, f"ep={name}")
    if code == "2.04":
        until(lambda: bootstrap_of(server, name)["state"] == "finished")
    return code


def bootstrap_of(server: Server, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/api/v1/configurations/{name}")["bootstrap"]
    return found


def ordered(server: Server, name: str, line: str) -> int:
    answer = server.http.post(f"/api/v1/devices/{name}/shell", content=line)
    assert answer.status_code in (200, 202), answer.text
    (command,) = answer.json()["commands"]
    return int(command["operation"]["id"])


def asked(connection: Socket, path: str) -> Heard:
    """The request for `path`, answered with 2.04."""
    while True:
        heard = connection.hear()
        if heard.type == CON and heard.code == "0.02":
            assert b"/".join(heard.path).decode() == path
            connection.send(acknowledged(heard))
            return heard


def acknowledged(heard: Heard) -> bytes:
    head = bytes([0x60 | len(heard.token), 0x44, heard.mid >> 8, heard.mid & 255])
    return head + heard.token


def done(server: Server, name: str, number: int) -> bool:
    found = server.get(f"/api/v1/devices/{name}/operations/{number}")
    return bool(found["state"] == "SUCCESSFUL")


def test_a_device_that_is_told_to_bootstrap_again_ends_registered(server: Server) -> None:
    configure(server, "again", registrationLifetime=600)
    device = Device()
    assert bootstrapped(server, device, "again") == "2.04"
    first = bootstrap_of(server, "again")["at"]
    with Socket(server) as connection:
        assert connection.register("again", payload=LINKS).code == "2.01"
        number = ordered(server, "again", "execute /1/1/9")
        asked(connection, "1/1/9")
        until(lambda: done(server, "again", number))
    # What it was configured with meanwhile is what the second bootstrap brings.
    group = "/api/v1/configurations/again/servers"
    servers = server.get(group)
    servers[0]["registrationLifetime"] = 700
    answer = server.http.put(group, json=servers)
    assert answer.status_code == 200, answer.text
    assert bootstrapped(server, device, "again") == "2.04"
    assert bootstrap_of(server, "again")["at"] > first
    assert sorted(device.objects) == ["/0/0", "/0/1", "/1/1"]
    lifetime = device.objects["/1/1"][1]
    assert lifetime == 700
    with Socket(server) as connection:
        registered = connection.register("again", payload=LINKS, lifetime=lifetime)
        assert registered.code == "2.01"
    assert server.get("/api/v1/devices/again")["lifetime_s"] == 700


def test_a_device_that_is_told_to_update_does(server: Server) -> None:
    configure(server, "update")
    with Socket(server) as connection:
        registered = connection.register("update", payload=LINKS, lifetime=300)
        number = ordered(server, "update", "execute /1/0/8")
        asked(connection, "1/0/8")
        updated = connection.ask(POST, registered.location, query=["lt=400"])
        assert updated.code == "2.04"
    until(lambda: done(server, "update", number))
    assert server.get("/api/v1/devices/update")["lifetime_s"] == 400


def test_hold_off_and_account_timeout_reach_the_device(server: Server) -> None:
    further = {"uri": "coap://other", "serverId": 7, "security": {"securityMode": "NO_SEC"}}
    configure(
        server,
        "times",
        bootstrapSecurity={"clientHoldOffTime": 20, "bootstrapServerAccountTimeout": 3600},
        generateBootstrapServerConfig=True,
        clientHoldOffTime=5,
        furtherServers=[further | {"clientHoldOffTime": 0}],
    )
    device = Device()
    assert bootstrapped(server, device, "times") == "2.04"
    (own,) = [v for p, v in device.objects.items() if p.startswith("/0/") and v.get(1)]
    assert (own[11], own[12]) == (20, 3600)
    assert device.account(1)[11] == 5
    assert device.account(7)[11] == 0
    assert 12 not in device.account(1)


def test_unset_times_are_not_written(server: Server) -> None:
    configure(server, "timeless")
    device = Device()
    assert bootstrapped(server, device, "timeless") == "2.04"
    assert not {11, 12} & device.account(1).keys()


def test_the_failed_bootstrap_of_a_device_that_never_registered_is_shown(server: Server) -> None:
    configure(server, "secure-only", bootstrapSecurity={"bootstrapSecurityMode": "X509"})
    assert bootstrapped(server, Device(), "secure-only") == "4.00"
    command = [sys.executable, "-m", "lwm2m_fast", "devices", "show", "secure-only"]
    env = {**os.environ, "LWM2M_FAST_URL": str(server.http.base_url)}
    env["LWM2M_FAST_TOKEN"] = server.http.headers["Authorization"].split()[1]
    shown = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert "registered       no" in shown.stdout
    assert "reason  it is to bootstrap with X509, but came without security" in shown.stdout


def test_without_the_bootstrap_server_its_ports_are_not_opened(tmp_path: Path) -> None:
    with served(tmp_path / "data", "--preset", "thingsboard", "--no-bootstrap") as running:
        assert (running.bootstrap, running.bootstraps) == (None, None)
        assert udp_ports(running) == {running.coap[1], (running.coaps or ("", 0))[1]}
        with Socket(running) as connection:
            assert connection.register("dev-1").code == "2.01"


def test_switched_off_no_port_for_devices_is_open(tmp_path: Path) -> None:
    flags = ("--preset", "cumulocity", *BOOTSTRAP)
    with served(tmp_path / "data", *flags, env={"LWM2M_ENABLED": "false"}) as running:
        assert running.coap[1] == 0
        assert (running.coaps, running.bootstrap, running.bootstraps) == (None, None, None)
        assert udp_ports(running) == set()
        assert running.get("/api/v1/devices")["devices"] == []
        assert running.http.put("/api/v1/provisioned/later").status_code in (201, 204)
        order = {"op": "read", "path": "/3/0/9"}
        queued = running.http.post("/api/v1/devices/later/operations", json=order)
        assert queued.status_code == 202  # people go on; it waits until there are ports again
        assert running.end() == 0


def test_what_wins_over_a_preset_wins_port_by_port_and_the_loser_is_told(tmp_path: Path) -> None:
    unused = str(free_port())
    flags = ("--preset", "thingsboard", "--bootstrap-port", "0", "--bootstrap-dtls-port", "0")
    env = {"LWM2M_BS_BIND_PORT": unused}
    with served(tmp_path / "data", *flags, env=env, host="::1") as running:
        assert running.bootstrap is not None
        assert running.bootstrap[1] != int(unused)
        told = "LWM2M_BS_BIND_PORT is not used: bootstrap.port is set by the command line"
        assert running.logged().count(told) == 1
        assert len(udp_ports(running)) == 4


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def udp_ports(server: Server) -> set[int]:
    """The UDP ports of the server's process, by the kernel's word."""
    inodes = set()
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        target = os.readlink(link)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found
