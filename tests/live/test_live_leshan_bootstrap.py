"""A device made with the Leshan client library bootstraps, and registers with what was written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from leshan_device import LeshanDevice
from serving import Server, served, until

KEY, OWN_KEY = bytes(range(16)).hex(), bytes(range(16, 32)).hex()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("leshan-bootstrap") / "data"
    flags = ("--bootstrap", "--bootstrap-port", "0", "--bootstrap-dtls-port", "0")
    env = {"LWM2M_FAST_HTTP__LESHAN_API": "true"}
    with served(data, *flags, "--policy", "provisioned", env=env) as running:
        yield running


def configure(server: Server, name: str, own: dict[str, str], mode: str) -> None:
    security = {"securityMode": mode}
    if mode == "PSK":
        security |= {"pskId": f"id-{name}", "pskKey": KEY}
    scheme, port = ("coap", server.coap[1]) if mode == "NO_SEC" else ("coaps", server.coaps[1])
    body = {
        "endpointId": name,
        "bootstrapSecurity": own,
        "serverSecurity": security,
        "lwm2mServerUri": f"{scheme}://127.0.0.1:{port}",
        "registrationLifetime": 600,
    }
    answer = server.http.post("/api/v1/configurations", json=body)
    assert answer.status_code == 201, answer.text


def begun(server: Server, name: str, directory: Path, *own: str) -> LeshanDevice:
    where = server.bootstraps if own else server.bootstrap
    assert where is not None
    uri = f"{'coaps' if own else 'coap'}://127.0.0.1:{where[1]}"
    return LeshanDevice(name, uri, directory, "bootstrap", *own)


def registered(server: Server, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = server.get(f"/api/v1/devices/{name}")
    found = server.get(f"/api/v1/configurations/{name}")["bootstrap"]
    assert found["state"] == "finished", found
    assert all(step["result"].startswith("2.") for step in found["steps"]), found
    return shown


@pytest.mark.parametrize("mode", ["NO_SEC", "PSK"])
@pytest.mark.parametrize("own_mode", ["NO_SEC", "PSK"])
def test_it_bootstraps_and_registers_with_what_was_written(
    server: Server, tmp_path: Path, own_mode: str, mode: str
) -> None:
    name = f"leshan-{own_mode}-{mode}"
    own = {"bootstrapSecurityMode": own_mode}
    keys = (f"bs-{name}", OWN_KEY) if own_mode == "PSK" else ()
    if keys:
        own |= {"bootstrapId": keys[0], "bootstrapKey": keys[1]}
    configure(server, name, own, mode)
    with closing(begun(server, name, tmp_path, *keys)) as device:
        device.expect("bootstrapped")
        device.expect("registered")
        shown = registered(server, name)
        assert shown["lifetime_s"] == 600
        assert (shown["security_mode"], shown["transport"][:5]) == (
            mode,
            "coaps" if mode == "PSK" else "coap",
        )
        assert shown["identity"] == (f"id-{name}" if mode == "PSK" else None)


def test_it_bootstraps_again_when_it_is_triggered(server: Server, tmp_path: Path) -> None:
    configure(server, "leshan-again", {"bootstrapSecurityMode": "NO_SEC"}, "PSK")
    with closing(begun(server, "leshan-again", tmp_path)) as device:
        device.expect("registered")
        (account,) = server.get("/api/v1/devices/leshan-again")["objects"]["1"]["instances"]
        order = {"op": "execute", "path": f"/1/{account}/9"}
        server.http.post("/api/v1/devices/leshan-again/operations", json=order)
        device.expect("bootstrapped")
        device.expect("registered")
        found = server.get("/api/v1/devices/leshan-again")["objects"]["1"]["instances"]
        assert found == [account]  # no second account of the same server


def test_it_is_refused_with_the_reason_where_it_is_not_configured(
    server: Server, tmp_path: Path
) -> None:
    with closing(begun(server, "leshan-stranger", tmp_path)) as device:
        assert "BAD_REQUEST(400)" in device.expect("bootstrap refused")
    until(lambda: server.count("bootstraps_refused") >= 1)


def test_it_is_configured_through_leshans_own_interface(server: Server, tmp_path: Path) -> None:
    name, port = "leshan-own", server.coaps[1] if server.coaps else 0
    credential = {
        "endpoint": name,
        "tls": {"mode": "psk", "details": {"identity": name, "key": OWN_KEY}},
    }
    answer = server.http.put("/bs/api/security/clients/", json=credential)
    assert answer.status_code == 200, answer.text
    body = {
        "servers": {"0": {"shortId": 1, "lifetime": 86400, "binding": "U"}},
        "security": {
            "1": {
                "uri": f"coaps://127.0.0.1:{port}",
                "bootstrapServer": False,
                "securityMode": "PSK",
                "publicKeyOrId": list(name.encode()),
                "secretKey": list(bytes.fromhex(KEY)),
                "serverId": 1,
            }
        },
        "toDelete": ["/0", "/1"],
    }
    answer = server.http.post(f"/bs/api/bootstrap/{name}", json=body)
    assert answer.status_code == 200, answer.text
    with closing(begun(server, name, tmp_path, name, OWN_KEY)) as device:
        device.expect("registered")
        assert registered(server, name)["identity"] == name
    assert server.http.delete(f"/bs/api/bootstrap/{name}").status_code == 204
