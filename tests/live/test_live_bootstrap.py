"""Bootstrap on real sockets: nine pairs of modes, repeated, refused, and by clients that we did not
write; each device then registers with what was written to it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiocoap
import pytest
from aiocoap import resource
from cryptography.hazmat.primitives.serialization import load_der_private_key

sys.path.insert(0, str(Path(__file__).parent))

from bootstrapped_device import Device
from serving import Server, Socket, served, until

pytest.importorskip("mbedtls")

from mbedtls.exceptions import TLSError
from secure_socket import SecureSocket, by_certificate, by_psk

from tests.certificate_kit import Made, made_certificate

MODES = ("NO_SEC", "PSK", "X509")
KEY, OWN_KEY = bytes(range(16)).hex(), bytes(range(16, 32)).hex()
CONFIGURATIONS = "/api/v1/configurations"


@pytest.fixture(scope="module")
def authority() -> Made:
    return made_certificate("an authority", None, is_authority=True)


@pytest.fixture(scope="module")
def server(authority: Made, tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("bootstrap")
    own = made_certificate("the server", authority)
    (directory / "server.pem").write_bytes(own.pem + own.key_pem)
    env = {
        "LWM2M_FAST_DTLS__CERTIFICATE": str(directory / "server.pem"),
        "LWM2M_FAST_REGISTRATION__POLICY": "provisioned",
    }
    flags = ("--bootstrap", "--bootstrap-port", "0", "--bootstrap-dtls-port", "0")
    with served(directory / "data", *flags, "--policy", "provisioned", env=env) as running:
        answer = running.http.post("/api/v1/trust", content=authority.pem)
        assert answer.status_code == 201, answer.text
        yield running


def configure(server: Server, body: dict[str, Any], expected: int = 201) -> dict[str, Any]:
    answer = server.http.post(CONFIGURATIONS, json=body)
    assert answer.status_code == expected, answer.text
    made: dict[str, Any] = answer.json()
    return made


def body_of(server: Server, name: str, own_mode: str, mode: str, device: Made) -> dict[str, Any]:
    own: dict[str, Any] = {"bootstrapSecurityMode": own_mode}
    if own_mode == "PSK":
        own |= {"bootstrapId": f"bs-{name}", "bootstrapKey": OWN_KEY}
    security: dict[str, Any] = {"securityMode": mode}
    if mode == "PSK":
        security |= {"pskId": f"id-{name}", "pskKey": KEY}
    if mode == "X509":
        security |= {
            "x509Certificate": device.pem.decode(),
            "x509PrivateKey": device.key_pem.decode(),
            "certificateUsage": "DOMAIN_ISSUER_CERTIFICATE",
            "x509ServerCertificateName": "default",
        }
    scheme, port = ("coap", server.coap[1]) if mode == "NO_SEC" else ("coaps", server.coaps[1])
    return {
        "endpointId": name,
        "bootstrapSecurity": own,
        "serverSecurity": security,
        "lwm2mServerUri": f"{scheme}://127.0.0.1:{port}",
        "registrationLifetime": 600,
    }


def connect(server: Server, mode: str, is_bootstrap: bool, **own: Any) -> Any:
    plain = server.bootstrap if is_bootstrap else server.coap
    secure = server.bootstraps if is_bootstrap else server.coaps
    if mode == "NO_SEC":
        return Socket(server, plain)
    if mode == "PSK":
        return SecureSocket(secure, by_psk(own["identity"], own["key"]))
    return SecureSocket(secure, by_certificate(own["certificate"]))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("own_mode", MODES)
def test_all_pairs_of_modes_lead_to_a_registration(
    server: Server, authority: Made, own_mode: str, mode: str
) -> None:
    name = f"pair-{own_mode}-{mode}"
    certified = made_certificate(name, authority)
    configure(server, body_of(server, name, own_mode, mode, certified))
    device = Device()
    own = {"identity": f"bs-{name}", "key": bytes.fromhex(OWN_KEY), "certificate": certified}
    with connect(server, own_mode, True, **own) as connection:
        assert device.bootstrap(connection, f"ep={name}", "pct=112") == "2.04"
    account = device.account()
    assert account[2] == {"PSK": 0, "X509": 2, "NO_SEC": 3}[mode]
    if mode == "X509":
        assert account[3] == certified.der
        assert load_der_private_key(account[5], None).private_numbers() == (
            certified.key.private_numbers()
        )
        assert account[15] == 3 and account[4].startswith(b"\x30")
    written = {
        "identity": account.get(3, b"").decode(errors="replace"),
        "key": account.get(5, b""),
        "certificate": certified,
    }
    with connect(server, mode, False, **written) as connection:
        assert connection.register(name).code == "2.01"
    shown = server.get(f"{CONFIGURATIONS}/{name}")
    assert shown["registered"] is True
    assert shown["bootstrap"]["state"] == "finished"


def test_five_bootstraps_leave_no_duplicates(server: Server, authority: Made) -> None:
    body = body_of(server, "five", "NO_SEC", "NO_SEC", authority)
    further = {"uri": "coap://other", "serverId": 7, "security": {"securityMode": "NO_SEC"}}
    configure(server, body | {"furtherServers": [further], "securityInstanceOffset": 2})
    device = Device()
    for _ in range(5):
        with Socket(server, server.bootstrap) as connection:
            assert device.bootstrap(connection, "ep=five") == "2.04"
    assert sorted(device.objects) == ["/0/0", "/0/2", "/0/3", "/1/2", "/1/3"]


def test_other_objects_are_deleted_written_and_read(server: Server, authority: Made) -> None:
    steps = {
        "deletes": ["/2", "/3303"],
        "writes": {"/2/0": {"0": 3, "1": 0, "2": {"1": 15}, "3": 1}, "/32999/5": {"7": "x"}},
        "reads": ["/1"],
        "contentFormat": "SENML_CBOR",
    }
    configure(
        server, body_of(server, "more", "NO_SEC", "NO_SEC", authority) | {"bootstrapSteps": steps}
    )
    device = Device()
    device.objects |= {"/2/4": {0: 1}, "/3303/0": {5700: 1.0}, "/3/0": {0: "maker"}}
    with Socket(server, server.bootstrap) as connection:
        assert device.bootstrap(connection, "ep=more", "pct=11542") == "2.04"
    assert device.asked == [
        "GET /", "DELETE /2", "DELETE /3303", "PUT /0/1", "PUT /1/1", "PUT /2/0", "PUT /32999/5",
        "GET /1", "POST /bs",
    ]  # fmt: skip
    assert sorted(device.objects) == ["/0/0", "/0/1", "/1/1", "/2/0", "/3/0", "/32999/5"]
    assert device.objects["/32999/5"] == {7: "x"}
    shown = until(lambda: server.get(f"{CONFIGURATIONS}/more")["bootstrap"])
    assert any(step["step"] == "READ /1" for step in shown["steps"])
    wrong = {"bootstrapSteps": {"writes": {"/2/0": {"0": "x"}}}}
    answer = server.http.patch(f"{CONFIGURATIONS}/more", json=wrong)
    assert answer.status_code == 400 and "/2/0/0: 'x' is not INTEGER" in answer.text


def test_generated_keys_are_written_and_open_the_server(server: Server) -> None:
    body = {
        "endpointId": "generated",
        "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
        "serverSecurity": {"securityMode": "PSK_GENERATED"},
        "lwm2mServerUri": f"coaps://127.0.0.1:{server.coaps[1]}",
    }
    key = configure(server, body)["generated"]["serverSecurity.pskKey"]
    device = Device()
    with Socket(server, server.bootstrap) as connection:
        assert device.bootstrap(connection, "ep=generated") == "2.04"
    account = device.account()
    assert (account[3], account[5].hex()) == (b"generated", key)
    with SecureSocket(server.coaps, by_psk("generated", account[5])) as connection:
        assert connection.register("generated").code == "2.01"


def test_each_key_is_good_on_its_own_server_only(server: Server, authority: Made) -> None:
    configure(server, body_of(server, "two-keys", "PSK", "PSK", authority))
    key, own_key = bytes.fromhex(KEY), bytes.fromhex(OWN_KEY)
    for where, identity, wrong in (
        (server.coaps, "bs-two-keys", own_key),
        (server.bootstraps, "id-two-keys", key),
    ):
        with pytest.raises(Exception) as caught:
            SecureSocket(where, by_psk(identity, wrong))
        assert not isinstance(caught.value, AssertionError)


def test_a_wrong_key_and_a_wrong_name_are_shown_with_the_device(
    server: Server, authority: Made
) -> None:
    configure(server, body_of(server, "wrong", "PSK", "NO_SEC", authority))

    def reason() -> str:
        found = server.get(f"{CONFIGURATIONS}/wrong")["bootstrap"]
        return str(found and found["reason"])

    def refused() -> bool:
        with pytest.raises(TLSError):  # of refusals one a second is told
            SecureSocket(server.bootstraps, by_psk("bs-wrong", bytes(16)))
        return reason() == "its DTLS handshake was refused: wrong pre-shared key"

    until(refused)
    key = bytes.fromhex(OWN_KEY)
    with SecureSocket(server.bootstraps, by_psk("bs-wrong", key)) as connection:
        assert Device().bootstrap(connection, "ep=wromg") == "4.03"
    assert reason() == "it asked for the bootstrap of 'wromg', which is not its name"
    assert "'wromg'" in server.logged()


def test_a_refused_device_is_told_and_shown_with_the_reason(server: Server) -> None:
    with Socket(server, server.bootstrap) as connection:
        assert Device().bootstrap(connection, "ep=stranger") == "4.00"
    configure(server, {"endpointId": "factory", "serverSecurity": {"securityMode": "NO_SEC"}})
    with Socket(server, server.bootstrap) as connection:
        assert Device().bootstrap(connection, "ep=factory") == "4.00"
    shown = server.get(f"{CONFIGURATIONS}/factory")["bootstrap"]
    assert shown["state"] == "failed"
    assert shown["reason"] == "no bootstrap is configured for this endpoint"
    assert "a bootstrap failed" in server.logged()


def test_a_configured_device_needs_no_bootstrap_and_a_removed_one_is_gone(server: Server) -> None:
    configure(server, {"endpointId": "plain", "serverSecurity": {"securityMode": "NO_SEC"}})
    with Socket(server) as connection:
        assert connection.register("plain").code == "2.01"
        assert connection.register("unknown").code == "4.03"
        assert server.http.delete(f"{CONFIGURATIONS}/plain").status_code == 204
        until(lambda: server.http.get("/api/v1/devices/plain").status_code == 404)
        assert connection.register("plain").code == "4.03"


def test_no_key_is_on_the_disk_or_in_the_log(server: Server) -> None:
    data = Path(server.log_path.parent / "data")
    kept = b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())
    kept += server.logged().encode()
    for key in (KEY, OWN_KEY):
        assert bytes.fromhex(key) not in kept
        assert key.encode() not in kept
    assert b"PRIVATE KEY" not in kept


class Everything(resource.Resource, resource.PathCapable):
    """An aiocoap device's whole tree."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.finished = asyncio.Event()
        self.written: dict[str, bytes] = {}

    async def render(self, request: aiocoap.Message) -> aiocoap.Message:
        path = "/" + "/".join(request.opt.uri_path)
        self.asked.append(f"{request.code} {path}")
        if request.code == aiocoap.GET:
            return aiocoap.Message(
                code=aiocoap.CONTENT, payload=b"</0/0>,</3/0>", content_format=40
            )
        if request.code == aiocoap.PUT:
            self.written[path] = request.payload
        if path == "/bs":
            self.finished.set()
        return aiocoap.Message(
            code=aiocoap.DELETED if request.code == aiocoap.DELETE else aiocoap.CHANGED
        )


def test_an_aiocoap_device_bootstraps(server: Server, authority: Made) -> None:
    configure(server, body_of(server, "aio", "NO_SEC", "X509", made_certificate("aio", authority)))

    async def played() -> Everything:
        tree = Everything()
        context = await aiocoap.Context.create_server_context(tree, bind=("127.0.0.1", 0))
        try:
            uri = "coap://{}:{}/bs?ep=aio&pct=110".format(*server.bootstrap)
            message = aiocoap.Message(code=aiocoap.POST, uri=uri)
            answer = await context.request(message).response
            assert answer.code == aiocoap.CHANGED
            await asyncio.wait_for(tree.finished.wait(), 20)
        finally:
            await context.shutdown()
        return tree

    tree = asyncio.run(played())
    assert tree.asked == ["GET /", "PUT /0/1", "PUT /1/1", "POST /bs"]
    assert b"vd" in tree.written["/0/1"]
    until(lambda: server.get(f"{CONFIGURATIONS}/aio")["bootstrap"]["state"] == "finished")
