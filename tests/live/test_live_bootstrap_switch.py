"""The bootstrap server switched off and on while a real server runs; it stays as it was said."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bootstrapped_device import Device
from serving import POST, Server, Socket, served, until

PATH = "/api/v1/bootstrap"
FLAGS = ("--bootstrap", "--bootstrap-port", "0", "--bootstrap-dtls-port", "0")
BODY = {
    "endpointId": "dev-1",
    "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
    "serverSecurity": {"securityMode": "NO_SEC"},
    "lwm2mServerUri": "coap://127.0.0.1:5783",
}


def switched(server: Server, enabled: bool | None) -> dict[str, Any]:
    answer = server.http.put(PATH, json={"enabled": enabled})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    server.bootstrap = ("127.0.0.1", found["coap_port"]) if found["coap_port"] else None
    return found


def is_bound(port: int) -> bool:
    """Whether somebody has a UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        try:
            other.bind(("0.0.0.0", port))
        except OSError as error:
            assert error.errno == errno.EADDRINUSE
            return True
    return False


def bootstrapped(server: Server) -> str:
    with Socket(server, server.bootstrap) as connection:
        return Device().bootstrap(connection, "ep=dev-1")


def test_off_closes_the_ports_and_what_is_under_way_says_why(tmp_path: Path) -> None:
    with served(tmp_path / "data", *FLAGS) as server:
        assert server.http.post("/api/v1/configurations", json=BODY).status_code == 201
        assert server.bootstrap is not None and server.bootstraps is not None
        ports = (server.bootstrap[1], server.bootstraps[1])
        shown = server.get(PATH)
        assert (shown["coap_port"], shown["dtls_port"]) == ports
        with Socket(server, server.bootstrap) as connection:
            assert connection.ask(POST, "bs", query=["ep=dev-1"]).code == "2.04"
            until(lambda: server.get(PATH)["counts"]["bootstraps_current"] == 1)
            assert switched(server, False)["enabled"] is False
            assert [is_bound(port) for port in ports] == [False, False]
        found = server.get("/api/v1/configurations/dev-1")["bootstrap"]
        assert found["state"] == "failed"
        assert found["reason"] == "DISCOVER /: the bootstrap server was switched off"
        assert server.count("bootstraps_failed") == 1
        # The LwM2M server beside it goes on.
        with Socket(server) as connection:
            assert connection.register("dev-1").code == "2.01"
        assert switched(server, True)["enabled"] is True
        assert bootstrapped(server) == "2.04"
        until(lambda: server.get(PATH)["counts"]["bootstraps_finished"] == 1)


@pytest.mark.parametrize("said", [False, True])
def test_what_was_said_is_so_after_a_restart(tmp_path: Path, said: bool) -> None:
    flags = FLAGS if not said else FLAGS[1:]
    with served(tmp_path / "data", *flags) as server:
        assert server.http.post("/api/v1/configurations", json=BODY).status_code == 201
        assert (server.bootstrap is None) is said
        switched(server, said)
        assert server.end() == 0
    with served(tmp_path / "data", *flags) as server:
        assert (server.bootstrap is not None) is said
        assert server.get(PATH)["decided_by"] == "operator"
        assert "not as configured, but as it was switched" in server.logged()
        if said:
            assert bootstrapped(server) == "2.04"
        assert switched(server, None)["enabled"] is not said


def test_a_port_that_another_has_is_a_conflict(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        flags = ("--bootstrap-port", "0", "--bootstrap-dtls-port", str(taken.getsockname()[1]))
        with served(tmp_path / "data", *flags) as server:
            answer = server.http.put(PATH, json={"enabled": True})
            assert answer.status_code == 409
            assert "bootstrap.dtls_port: cannot listen" in answer.json()["detail"]
            assert server.get(PATH)["enabled"] is False
            assert server.get(PATH)["decided_by"] == "configuration"


def test_the_setting_of_a_port_that_another_has_is_named_at_the_start(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = str(taken.getsockname()[1])
        flags = ("--bootstrap", "--bootstrap-port", port, "--bootstrap-dtls-port", "0")
        with (
            pytest.raises(AssertionError, match=r"bootstrap\.port: cannot listen"),
            served(tmp_path / "data", *flags),
        ):
            pass


def test_what_was_switched_on_and_cannot_be_had_keeps_no_device_from_its_server(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        with served(tmp_path / "data", "--bootstrap-port", "0", *FLAGS[3:]) as server:
            switched(server, True)
            assert server.end() == 0
        flags = ("--bootstrap-port", str(port), *FLAGS[3:])
        with served(tmp_path / "data", *flags) as server:
            assert server.bootstrap is None and server.bootstraps is None
            with Socket(server) as connection:
                assert connection.register("dev-1").code == "2.01"
            shown = server.get(PATH)
            assert (shown["enabled"], shown["decided_by"]) == (False, "operator")
            assert shown["problem"].startswith("bootstrap.port: cannot listen")
            assert shown["problem"] in server.logged()
            assert shown["problem"] in server.get("/readyz")["problems"][0]
            assert server.count("bootstrap_not_opened_current") == 1
            assert server.http.put(PATH, json={"enabled": True}).status_code == 409
            taken.close()
            shown = switched(server, True)
            assert (shown["coap_port"], shown["problem"]) == (port, None)
            assert server.http.post("/api/v1/configurations", json=BODY).status_code == 201
            assert bootstrapped(server) == "2.04"
