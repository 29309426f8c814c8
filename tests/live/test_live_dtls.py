"""Devices over DTLS against a real server in its own process, by python-mbedtls and by OpenSSL."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Server, Socket, served, until

pytest.importorskip("mbedtls")

from scripted import ACK, CON, CONTENT_FORMAT, POST, write
from secure_socket import (
    CBC,
    CCM_8,
    CERTIFIED_CCM_8,
    SecureSocket,
    by_certificate,
    by_psk,
)

from lwm2m_fast.config import Config
from lwm2m_fast.fleet.credentials import Credentials
from lwm2m_fast.store import open_store
from lwm2m_fast.vault_file import FILE_NAME, open_vault
from tests.certificate_kit import Made, made_certificate

KEY = bytes(range(16))


def give(server: Server, endpoint: str, identity: str | None = None, key: bytes = KEY) -> None:
    """A pre-shared key for an endpoint."""
    side = {"mode": "PSK", "identity": identity or endpoint, "key": key.hex()}
    answer = server.http.put(f"/api/v1/credentials/{endpoint}", json={"server": side})
    assert answer.status_code in (200, 201), answer.text


def coaps(server: Server) -> tuple[str, int]:
    assert server.coaps is not None
    return server.coaps


def refused(server: Server, configuration: Any) -> None:
    with pytest.raises((OSError, Exception)) as caught:
        SecureSocket(coaps(server), configuration)
    assert not isinstance(caught.value, AssertionError), "it has not even been refused"


@pytest.fixture(scope="module")
def authority() -> Made:
    return made_certificate("an authority", None, is_authority=True)


@pytest.fixture(scope="module")
def certificates(authority: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the server's certificate and key, and the authority."""
    there = tmp_path_factory.mktemp("certificates")
    own = made_certificate("lwm2m.example", authority)
    (there / "server.pem").write_bytes(own.pem + own.key_pem)
    (there / "authority.pem").write_bytes(authority.pem)
    return there


def with_certificates(there: Path) -> dict[str, str]:
    return {
        "LWM2M_FAST_DTLS__CERTIFICATE": str(there / "server.pem"),
        "LWM2M_FAST_DTLS__ANCHORS": str(there / "authority.pem"),
    }


# Pre-shared keys


@pytest.mark.parametrize("cipher", [CCM_8, CBC])
def test_a_device_registers_with_a_pre_shared_key(tmp_path: Path, cipher: str) -> None:
    with served(tmp_path / "data") as server:
        give(server, "dev-1", "an identity")
        with SecureSocket(coaps(server), by_psk("an identity", KEY, cipher)) as device:
            located = device.register("dev-1")
            assert located.code == "2.01"
            assert device.ask(POST, located.location).code == "2.04"
            shown = server.get("/api/v1/devices/dev-1")
            assert (shown["transport"], shown["security_mode"]) == ("coaps", "PSK")
            assert shown["identity"] == "an identity"
            assert shown["address"] == "{}:{}".format(*device.socket.getsockname())
            assert device.register("dev-2").code == "4.03"


def test_a_wrong_key_and_an_unknown_identity_are_refused(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        give(server, "dev-1")
        refused(server, by_psk("dev-1", b"another key"))
        refused(server, by_psk("dev-2", KEY))
        until(lambda: "a handshake was refused" in server.logged())
        assert KEY.hex() not in server.logged()
        assert server.count("principals_current") == 0
        with SecureSocket(coaps(server), by_psk("dev-1", KEY)) as device:
            assert device.register("dev-1").code == "2.01"


def test_a_device_with_a_key_is_refused_on_the_plain_port(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        with Socket(server) as plain:
            assert plain.register("dev-1").code == "2.01"
            give(server, "dev-1")
            assert plain.register("dev-1").code == "4.03"
        # What it had registered there ended with that.
        until(lambda: server.http.get("/api/v1/devices/dev-1").status_code == 404)


def test_the_next_record_after_a_restart_needs_no_handshake(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as server:
        give(server, "dev-1")
        where = coaps(server)
        device = SecureSocket(where, by_psk("dev-1", KEY))
        located = device.register("dev-1").location
        assert server.end() == 0
    with device, served(data, "--dtls-port", str(where[1])) as server:
        assert server.count("dtls_handshakes_done") == 0
        assert device.ask(POST, located).code == "2.04"
        assert server.count("dtls_handshakes_done") == 0
        assert server.get("/api/v1/devices/dev-1")["identity"] == "dev-1"
        answer = server.http.get("/api/v1/devices/dev-1")
        assert answer.status_code == 200


def test_a_killed_server_has_no_sessions_and_every_registration(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as server:
        give(server, "dev-1")
        where = coaps(server)
        device = SecureSocket(where, by_psk("dev-1", KEY))
        located = device.register("dev-1").location
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    device.close()
    with served(data, "--dtls-port", str(where[1])) as server:
        assert server.get("/api/v1/devices/dev-1")["address"] is None
        with SecureSocket(where, by_psk("dev-1", KEY)) as device:
            assert device.ask(POST, located).code == "2.04"


def test_a_removed_credential_ends_session_and_registration(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        give(server, "dev-1")
        with SecureSocket(coaps(server), by_psk("dev-1", KEY)) as device:
            assert device.register("dev-1").code == "2.01"
            with server.http.stream("GET", "/api/v1/events") as events:
                lines = events.iter_lines()
                assert server.http.delete("/api/v1/credentials/dev-1").status_code == 204
                while next(lines) != "event: deregistered":
                    continue
                told = next(line for line in lines if line.startswith("data: "))
            assert "its credentials were removed" in told
            assert server.http.get("/api/v1/devices/dev-1").status_code == 404
        refused(server, by_psk("dev-1", KEY))


def test_a_kill_behind_the_removal_of_a_credential_leaves_no_registration(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as server:
        give(server, "dev-1")
        give(server, "dev-2")
        for name in ("dev-1", "dev-2"):
            with SecureSocket(coaps(server), by_psk(name, KEY)) as device:
                assert device.register(name).code == "2.01"
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
    # What the process had done when it was killed: this, and nothing behind it.
    store = open_store("lmdb", str(data), Config().store)
    Credentials(store.fleet, open_vault(data / FILE_NAME, store.fleet)).remove(["dev-1"])
    store.close()
    with served(data) as server:
        until(lambda: server.http.get("/api/v1/devices/dev-1").status_code == 404)
        assert server.http.get("/api/v1/devices/dev-2").status_code == 200


def test_a_read_reaches_a_secure_device(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        give(server, "dev-1")
        with SecureSocket(coaps(server), by_psk("dev-1", KEY)) as device:
            device.register("dev-1")
            operation = server.http.post(
                "/api/v1/devices/dev-1/operations", json={"op": "read", "path": "/3/0/0"}
            )
            assert operation.status_code in (201, 202), operation.text
            asked = device.hear()
            assert (asked.type, asked.path) == (CON, [b"3", b"0", b"0"])
            device.send(write(ACK, 0x45, asked.mid, asked.token, [(CONTENT_FORMAT, b"")], b"acme"))
            until(lambda: b"acme" in server.http.get("/api/v1/devices/dev-1/operations").content)


# Certificates


def test_devices_with_certificates_and_with_keys_share_the_port(
    tmp_path: Path, authority: Made, certificates: Path
) -> None:
    own = made_certificate("dev-1", authority)
    with served(tmp_path / "data", env=with_certificates(certificates)) as server:
        give(server, "dev-2")
        with (
            SecureSocket(coaps(server), by_certificate(own)) as one,
            SecureSocket(coaps(server), by_psk("dev-2", KEY)) as two,
        ):
            located = one.register("dev-1")
            assert located.code == two.register("dev-2").code == "2.01"
            shown = server.get("/api/v1/devices/dev-1")
            assert (shown["security_mode"], shown["identity"]) == ("X509", "dev-1")
            assert one.register("dev-2").code == "4.03"
        assert "serving DTLS" in server.logged()
        assert "PRIVATE KEY" not in server.logged()


def test_untrusted_certificates_are_refused(
    tmp_path: Path, authority: Made, certificates: Path
) -> None:
    stranger = made_certificate("a stranger", None, is_authority=True)
    with served(tmp_path / "data", env=with_certificates(certificates)) as server:
        refused(server, by_certificate(made_certificate("dev-1", stranger)))
        refused(server, by_certificate(made_certificate("dev-1", authority, days=1)))
        assert server.count("principals_current") == 0


def test_a_certificates_registration_outlives_a_restart(
    tmp_path: Path, authority: Made, certificates: Path
) -> None:
    data, own = tmp_path / "data", made_certificate("dev-1", authority)
    with served(data, env=with_certificates(certificates)) as server:
        where = coaps(server)
        device = SecureSocket(where, by_certificate(own, CERTIFIED_CCM_8))
        located = device.register("dev-1").location
        assert server.end() == 0
    flags = ("--dtls-port", str(where[1]))
    with device, served(data, *flags, env=with_certificates(certificates)) as server:
        assert device.ask(POST, located).code == "2.04"


def test_an_anchor_taken_away_leaves_the_sessions_on_another(
    tmp_path: Path, authority: Made, certificates: Path
) -> None:
    other = made_certificate("another authority", None, is_authority=True)
    only = {"LWM2M_FAST_DTLS__CERTIFICATE": str(certificates / "server.pem")}
    with served(tmp_path / "data", env=only) as server:
        # Both, so that the devices can check the server.
        both = server.http.post("/api/v1/trust", content=authority.pem + other.pem)
        assert both.status_code == 201, both.text
        leaving = by_certificate(made_certificate("dev-1", other))
        staying = by_certificate(made_certificate("dev-2", authority))
        with SecureSocket(coaps(server), leaving), SecureSocket(coaps(server), staying) as two:
            located = two.register("dev-2").location
            until(lambda: server.count("dtls_sessions_current") == 2)
            gone = server.http.delete(f"/api/v1/trust/{other.sha256}")
            assert gone.status_code == 204, gone.text
            until(lambda: server.count("dtls_sessions_current") == 1)
            assert two.ask(POST, located).code == "2.04"
        refused(server, leaving)


def test_an_anchor_taken_away_ends_the_sessions_on_it(
    tmp_path: Path, authority: Made, certificates: Path
) -> None:
    own = made_certificate("dev-1", authority)
    only = {"LWM2M_FAST_DTLS__CERTIFICATE": str(certificates / "server.pem")}
    with served(tmp_path / "data", env=only) as server:
        refused(server, by_certificate(own))  # nobody is trusted yet
        added = server.http.post("/api/v1/trust", content=authority.pem)
        assert added.status_code == 201, added.text
        with SecureSocket(coaps(server), by_certificate(own)) as device:
            assert device.register("dev-1").code == "2.01"
            gone = server.http.delete(f"/api/v1/trust/{authority.sha256}")
            assert gone.status_code == 204, gone.text
            until(lambda: server.get("/api/v1/devices/dev-1")["session"] is None)
        refused(server, by_certificate(own))


def test_a_changed_certificate_file_is_taken_up_within_5_s(
    tmp_path: Path, authority: Made, certificates: Path
) -> None:
    there = tmp_path / "certificates"
    shutil.copytree(certificates, there)
    with served(tmp_path / "data", env=with_certificates(there)) as server:
        give(server, "dev-1")
        with SecureSocket(coaps(server), by_psk("dev-1", KEY)) as device:
            located = device.register("dev-1").location
            fresh = made_certificate("lwm2m-2.example", authority)
            (there / "server.pem").write_bytes(fresh.pem + fresh.key_pem)
            until(lambda: "lwm2m-2.example" in server.logged(), 5.0)
            assert device.ask(POST, located).code == "2.04"
        with SecureSocket(coaps(server), by_certificate(made_certificate("dev-2", authority))) as d:
            assert d.register("dev-2").code == "2.01"


# The switch, and another library


def test_switched_off_no_dtls_port_is_opened(tmp_path: Path) -> None:
    off = {"LWM2M_FAST_DTLS__ENABLED": "false"}
    with served(tmp_path / "data", env=off) as server:
        assert server.coaps is None
        assert "DTLS is switched off" in server.logged()
        with Socket(server) as device:
            assert device.register("dev-1").code == "2.01"


def openssl(server: Server, *arguments: str) -> str:
    """What s_client says of a handshake."""
    where = "{}:{}".format(*coaps(server))
    command = ["openssl", "s_client", "-dtls1_2", "-connect", where, *arguments]
    found = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False)
    return (found.stdout + found.stderr).decode(errors="replace")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
@pytest.mark.parametrize("cipher", ["PSK-AES128-CCM8", "PSK-AES128-CBC-SHA256"])
def test_openssl_handshakes_with_a_pre_shared_key(tmp_path: Path, cipher: str) -> None:
    with served(tmp_path / "data") as server:
        give(server, "dev-1")
        said = openssl(server, "-psk_identity", "dev-1", "-psk", KEY.hex(), "-cipher", cipher)
        assert f"Cipher is {cipher}" in said, said
        said = openssl(server, "-psk_identity", "dev-9", "-psk", KEY.hex(), "-cipher", cipher)
        assert "unknown psk identity" in said or "alert" in said, said


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_openssl_handshakes_with_a_certificate(
    tmp_path: Path, authority: Made, certificates: Path
) -> None:
    own = made_certificate("dev-1", authority)
    (tmp_path / "own.pem").write_bytes(own.pem)
    (tmp_path / "own.key").write_bytes(own.key_pem)
    files = ("-cert", str(tmp_path / "own.pem"), "-key", str(tmp_path / "own.key"))
    trust = ("-CAfile", str(certificates / "authority.pem"), "-verify_return_error")
    with served(tmp_path / "data", env=with_certificates(certificates)) as server:
        said = openssl(server, *files, *trust, "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
        assert "Cipher is ECDHE-ECDSA-AES128-CCM8" in said, said
        assert "Verify return code: 0 (ok)" in said, said
