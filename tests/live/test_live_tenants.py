"""Two tenants on one running server, and the connector, on real sockets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Server, Socket, served

from lwm2m_fast.fleet.tenants import CONNECTOR

POST = 2
CREATED, CHANGED, NOT_FOUND = "2.01", "2.04", "4.04"
WHERE = f"/api/v1/devices/{CONNECTOR}"
LEGACY = (
    "ID;IDTYPE;CREDENTIALS;NAME;TYPE;SHELL;c8y_GenericUi;com_cumulocity_model_Agent;"
    "endpoint id;lwm2m server uri;securityMode\n"
    "ours;c8y_Id;Aa1!Aa1!Aa1!;ours;c8y_lwm2m;1;{};1;ours;coap://h;NO_SEC\n"
)


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with served(tmp_path / "data") as running:
        yield running


def of_tenant(server: Server, tenant: str) -> httpx.Client:
    wanted = {"name": tenant, "role": "admin", "tenant": tenant}
    made = server.http.post("/api/v1/tokens", json=wanted)
    assert made.status_code == 201, made.text
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    return httpx.Client(
        base_url=server.http.base_url, headers=headers, trust_env=False, timeout=20.0
    )


def run(client: httpx.Client, text: str) -> dict[str, Any]:
    answer = client.post(f"{WHERE}/shell", params={"wait": 20}, content=text)
    assert answer.status_code == 200, answer.text
    operation: dict[str, Any] = answer.json()["commands"][0]["operation"]
    return operation


def test_tenants_share_a_server_without_seeing_each_other(server: Server) -> None:
    with (
        of_tenant(server, "acme") as acme,
        of_tenant(server, "beta") as beta,
        Socket(server) as device,
    ):
        body = {"endpointId": "ours", "serverSecurity": {"securityMode": "NO_SEC"}}
        assert acme.post("/api/v1/configurations", json=body).status_code == 201
        assert device.register("ours").code == CREATED
        assert device.register("of-nobody").code == CREATED
        one = "/api/v1/devices/ours"
        shown = acme.get(one)
        assert shown.status_code == 200
        assert beta.get(one).status_code == server.http.get(one).status_code == 404
        names = [
            [each["endpoint"] for each in client.get("/api/v1/devices").json()["devices"]]
            for client in (acme, beta, server.http)
        ]
        assert names == [["ours"], [], ["of-nobody"]]

        # Registrations are ended by id, by whom they belong to.
        number = shown.json()["registration_id"]
        command = f"invalidateRegistrationById {number}"
        assert run(beta, command)["state"] == run(server.http, command)["state"] == "FAILED"
        assert device.ask(POST, f"rd/{number}").code == CHANGED
        assert run(acme, command)["state"] == "SUCCESSFUL"
        assert device.ask(POST, f"rd/{number}").code == NOT_FOUND
        assert device.register("ours").code == CREATED
        assert run(acme, "invalidateRegistrationsForEndpoint ours")["state"] == "SUCCESSFUL"
        assert acme.get(one).status_code == 404

        # A duplicate of a legacy file is kept, and told to who sent it alone.
        with beta.stream("GET", "/api/v1/events") as events:
            lines = events.iter_lines()
            assert next(lines) == ": connected"
            sent = beta.post(
                "/service/lwm2m-agent/deviceRegistration/bulk",
                content=LEGACY,
                headers={"Content-Type": "text/csv"},
            )
            assert sent.status_code == 202, sent.text
            alarm = next(line for line in lines if line == "event: alarm")
            data = next(lines)
        assert alarm and '"severity":"MAJOR"' in data and '"endpoint":"ours"' in data
        assert [each["endpointId"] for each in beta.get("/api/v1/unbound").json()["unbound"]] == [
            "ours"
        ]
        assert acme.get("/api/v1/unbound").json()["unbound"] == []
        assert acme.get("/api/v1/configurations/ours").status_code == 200


def test_devices_of_older_ways_are_migrated(server: Server) -> None:
    server.http.put("/api/v1/provisioned/listed")
    psk = {"endpoint": "by-psk", "server": {"mode": "PSK", "identity": "i", "key": "0a0b"}}
    assert server.http.post("/api/v1/credentials", json=psk).status_code == 201
    assert run(server.http, "migrateLwm2mDevices")["result"]["succeeded"] == 2
    assert run(server.http, "migrateLwm2mDevices")["result"]["rows"] == 0
    found = server.get("/api/v1/configurations")["configurations"]
    assert [one["endpointId"] for one in found] == ["by-psk", "listed"]
    assert server.get("/api/v1/provisioned")["endpoints"] == ["listed"]
    assert run(server.http, "cleanupClusterTenantObjectsForEndpoint listed")["state"] == (
        "SUCCESSFUL"
    )
    assert [one["state"] for one in server.get(f"{WHERE}/operations")["operations"]] == [
        "SUCCESSFUL"
    ] * 3
