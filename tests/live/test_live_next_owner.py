"""A name that was one tenant's and is another's: nothing that was the former's is shown or done to
the latter, over HTTP (row P14)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Socket, served, until
from test_live_tenants import of_tenant

from tests.scenario.scripted import ACK, CON, OBSERVE, POST, RST, code_byte, write

CREATED, NOT_FOUND = "2.01", "4.04"
BODY = {"endpointId": "name", "serverSecurity": {"securityMode": "NO_SEC"}}
CONFIGURATION = "/api/v1/configurations/name"
ONE = "/api/v1/devices/name"
READ = {"op": "read", "path": "/3/0/9"}


def taken(client: httpx.Client) -> None:
    answer = client.post("/api/v1/configurations", json=BODY)
    assert answer.status_code == 201, answer.text


def imported(client: httpx.Client) -> None:
    """The same by a file."""
    rows = "endpoint id;securityMode;bootstrapSecurityMode;lwm2m server uri\n"
    rows += "name;NO_SEC;NO_SEC;coap://127.0.0.1\nanother;NO_SEC;NO_SEC;coap://127.0.0.1\n"
    path = "/service/lwm2m-agent/deviceRegistration/bulk"
    made = client.post(path, content=rows, headers={"Content-Type": "text/csv"})
    assert made.status_code == 202, made.text

    def ended() -> bool:
        (job,) = client.get("/api/v1/imports").json()["imports"]
        return bool(job["status"] == "SUCCESSFUL")

    until(ended)


def answered(device: Socket, value: bytes) -> None:
    """Answer the one request that the device gets."""
    heard = device.hear()
    device.send(write(ACK, code_byte("2.05"), heard.mid, heard.token, [(12, b"")], value))


def numbers(client: httpx.Client) -> list[int] | int:
    answer = client.get(f"{ONE}/operations")
    if answer.status_code != 200:
        return answer.status_code
    return [one["id"] for one in answer.json()["operations"]]


def test_the_next_owner_of_a_name_finds_nothing_of_the_former(tmp_path: Path) -> None:
    with (
        served(tmp_path / "data") as server,
        of_tenant(server, "acme") as acme,
        of_tenant(server, "beta") as beta,
        Socket(server) as device,
    ):
        taken(acme)
        assert device.register("name").code == CREATED
        done = acme.post(f"{ONE}/operations", json=READ).json()["id"]
        answered(device, b"55")
        until(lambda: acme.get(f"{ONE}/operations/{done}").json()["state"] == "SUCCESSFUL")
        waiting = acme.post(f"{ONE}/operations", json=READ).json()["id"]
        device.hear()  # and answers no more
        assert acme.get(f"{ONE}/values").json()["values"][0]["value"] == 55
        assert acme.delete(CONFIGURATION).status_code == 204

        # Nobody has the name: it is of who runs the server, who finds nothing of it either.
        assert numbers(server.http) == numbers(acme) == 404
        taken(beta)
        assert numbers(beta) == 404  # not registered, and nothing asked
        for number in (done, waiting):
            for method, more in (("GET", ""), ("GET", "?wait=1"), ("DELETE", "")):
                answer = beta.request(method, f"{ONE}/operations/{number}{more}")
                assert answer.status_code == 404, answer.text
        assert beta.get(f"{ONE}/values").status_code == 404
        own = beta.post(f"{ONE}/operations", json={"op": "read", "path": "/3/0/0"}).json()["id"]
        assert numbers(beta) == [own]
        with Socket(server) as another:
            assert another.register("name").code == CREATED
            heard = another.hear()
            assert heard.path == [b"3", b"0", b"0"]
            assert beta.get(f"{ONE}/values").json()["values"] == []

        # Back with the former owner, after a restart: what has ended has stayed.
        assert beta.delete(CONFIGURATION).status_code == 204
        taken(acme)
        assert numbers(acme) == [waiting, done]
        shown = acme.get(f"{ONE}/operations/{waiting}").json()
        assert (shown["state"], shown["reason"]) == (
            "FAILED",
            "the device's configuration was removed",
        )
        tokens = (acme.headers["Authorization"], beta.headers["Authorization"])
        assert server.end() == 0
    again(tmp_path, *tokens, ended=[waiting, done], own=[own])


def again(tmp_path: Path, acme: str, beta: str, ended: list[int], own: list[int]) -> None:
    with served(tmp_path / "data") as server:

        def of(token: str) -> Any:
            return httpx.Client(
                base_url=server.http.base_url, headers={"Authorization": token}, trust_env=False
            )

        with of(acme) as first, of(beta) as second:
            assert (numbers(first), numbers(second)) == (ended, 404)
            assert first.delete(CONFIGURATION).status_code == 204
            taken(second)
            assert numbers(second) == own


def test_lists_of_commands_and_files_are_a_tenants_own(tmp_path: Path) -> None:
    with (
        served(tmp_path / "data") as server,
        of_tenant(server, "acme") as acme,
        of_tenant(server, "beta") as beta,
        Socket(server) as ours,
        Socket(server) as nobodys,
    ):
        taken(acme)
        for name, client in (("acme", acme), ("server", server.http)):
            commands = {"commands": [f"write /3/0/14 {name}"]}
            assert client.put("/api/v1/post-registration", json=commands).status_code == 200
        assert beta.get("/api/v1/post-registration").json() == {"commands": []}
        for device, name, wanted in ((ours, "name", b"acme"), (nobodys, "other", b"server")):
            assert device.register(name).code == CREATED
            assert device.hear().payload.endswith(wanted)

        assert acme.put("/api/v1/files/image", content=b"of acme").status_code == 201
        assert beta.get("/api/v1/files").json() == server.get("/api/v1/files") == {"files": []}
        assert beta.delete("/api/v1/files/image").status_code == 404


@pytest.mark.parametrize("is_many", [False, True], ids=["one", "in a file of many"])
def test_a_tenant_finds_nothing_of_a_device_that_was_nobodys(tmp_path: Path, is_many: bool) -> None:
    with (
        served(tmp_path / "data") as server,
        of_tenant(server, "acme") as acme,
        Socket(server) as device,
    ):
        default = server.http
        location = device.register("name").location
        done = default.post(f"{ONE}/operations", json=READ).json()["id"]
        answered(device, b"55")
        until(lambda: default.get(f"{ONE}/operations/{done}").json()["state"] == "SUCCESSFUL")
        attributes = {"op": "write_attributes", "path": "/3/0/9", "attributes": {"pmin": 5}}
        default.post(f"{ONE}/operations", json=attributes)
        heard = device.hear()
        device.send(write(ACK, code_byte("2.04"), heard.mid, heard.token))
        default.post(f"{ONE}/operations", json={"op": "observe", "path": "/3/0/9"})
        observed = device.hear()
        options = [(OBSERVE, b"\1"), (12, b"")]
        device.send(write(ACK, code_byte("2.05"), observed.mid, observed.token, options, b"56"))
        until(lambda: default.get(f"{ONE}/observations").json()["observations"])
        waiting = default.post(f"{ONE}/operations", json=READ).json()["id"]
        device.hear()  # and answers no more
        assert default.get(f"{ONE}/values").json()["values"][0]["value"] == 56
        assert default.put("/api/v1/provisioned/name").status_code == 201
        settings = {"awakeTimeRegistrationParameter": 5000}
        assert default.put(f"{ONE}/settings", json=settings).status_code == 200

        if is_many:
            imported(acme)
        else:
            taken(acme)
        # Its registration has ended, and so has what it was observed for: a notification is reset.
        assert acme.get(ONE).status_code == acme.get(f"{ONE}/values").status_code == 404
        assert numbers(acme) == numbers(default) == 404
        device.send(write(CON, code_byte("2.05"), 4711, observed.token, [(OBSERVE, b"\3")], b"57"))
        heard = device.hear()
        assert (heard.type, heard.mid) == (RST, 4711)
        assert acme.get(f"{ONE}/values").status_code == 404
        # It finds out at its next Update, and begins anew, with the next owner.
        assert device.ask(POST, location).code == NOT_FOUND
        assert device.register("name").code == CREATED
        assert acme.get(f"{ONE}/values").json()["values"] == []
        assert acme.get(f"{ONE}/observations").json()["observations"] == []
        # Nor is anything done to it that the former owner wanted.
        own = acme.post(f"{ONE}/operations", json={"op": "read", "path": "/3/0/0"}).json()["id"]
        assert device.hear().path == [b"3", b"0", b"0"]
        assert numbers(acme) == [own]
        assert waiting not in (own, done)
        assert acme.get("/api/v1/provisioned").json()["endpoints"] == []
        assert acme.get(f"{ONE}/settings").json()["awakeTimeRegistrationParameter"] is None
        # What was the server's is not with it, once the name is nobody's again.
        assert acme.delete(CONFIGURATION).status_code == 204
        assert default.get(f"{ONE}/values").status_code == 404
