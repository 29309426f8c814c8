"""Device profiles of a running server: bootstrapped by one, registered, and asked by its keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bootstrapped_device import Device
from serving import Server, Socket, served, until

pytest.importorskip("mbedtls")

from secure_socket import SecureSocket, by_psk

from tests.fleet.profile_samples import NEWER, OLDER, changed

CONFIGURATIONS = "/api/v1/configurations"
OWN_URI = "coap://127.0.0.1:5687"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--bootstrap", "--bootstrap-port", "0", "--bootstrap-dtls-port", "0")
    env = {"LWM2M_FAST_BOOTSTRAP__URI": OWN_URI}
    with served(tmp_path_factory.mktemp("profiles") / "data", *flags, env=env) as running:
        yield running


def shaped(server: Server, shape: str) -> dict[str, Any]:
    """A profile whose server listens everywhere, as the far side's interface fills it in."""
    psk = {"host": "0.0.0.0", "port": server.coaps[1], "securityMode": "PSK"}
    at = "bootstrap__0" if shape == "newer" else "bootstrap__lwm2mServer"
    more = {f"{at}__{name}": value for name, value in psk.items()}
    base = NEWER if shape == "newer" else OLDER
    return changed(base, bootstrapServerUpdateEnable=True, **more)


def configure(server: Server, name: str, profile: dict[str, Any], mode: str) -> None:
    answer = server.http.put(f"/api/v1/profiles/{name}", json=profile)
    assert answer.status_code == 201, answer.text
    body = {
        "endpointId": name,
        "deviceProfile": name,
        "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
        "serverSecurity": {"securityMode": mode},
    }
    answer = server.http.post(CONFIGURATIONS, json=body)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("shape", ["older", "newer"])
def test_a_device_registers_with_what_its_profile_wrote(server: Server, shape: str) -> None:
    configure(server, shape, shaped(server, shape), "PSK_GENERATED")
    device = Device()
    with Socket(server, server.bootstrap) as connection:
        assert device.bootstrap(connection, f"ep={shape}", "pct=11542") == "2.04"
    assert device.asked == ["GET /", "PUT /0/0", "PUT /0/1", "PUT /1/1", "POST /bs"]
    none = {3: b"", 4: b"", 5: b""}  # mandatory in object 0
    assert device.objects["/0/0"] == {0: OWN_URI, 1: True, 2: 3, **none, 11: 1, 12: 0}
    account = device.account(123)
    assert account[0] == f"coaps://127.0.0.1:{server.coaps[1]}"
    assert (account[10], account[3]) == (123, shape.encode())
    assert device.objects["/1/1"] == {0: 123, 1: 300, 2: 1, 6: True, 7: "U"}
    with SecureSocket(server.coaps, by_psk(shape, account[5])) as connection:
        assert connection.register(shape).code == "2.01"
        heard = connection.hear()  # the first of what its profile wants observed
        assert (heard.path, heard.option(6)) == ([b"3", b"0", b"9"], b"")
    until(lambda: server.get(f"{CONFIGURATIONS}/{shape}")["bootstrap"]["state"] == "finished")
    assert server.http.delete(f"/api/v1/profiles/{shape}").status_code == 409


def test_modes_that_differ_are_told_where_users_look(server: Server) -> None:
    configure(server, "differs", shaped(server, "newer"), "NO_SEC")
    with Socket(server, server.bootstrap) as connection:
        assert connection.ask(2, "bs", query=["ep=differs"]).code == "2.04"
    until(lambda: server.get(f"{CONFIGURATIONS}/differs")["bootstrap"] is not None)
    shown = server.get(f"{CONFIGURATIONS}/differs")["bootstrap"]
    assert shown["state"] == "failed"
    assert "has the mode NO_SEC, but its profile has PSK" in shown["reason"]
