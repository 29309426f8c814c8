"""Identities and endpoints over a live server: who may speak for whom, and what ends that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cryptography import x509
from dtls_device import DtlsDevice, Refused
from dtls_observing import notified, notify, observed
from dtls_settings import coaps, give, with_certificates, write_certificates
from scripted import ACK, DELETE, POST, RST
from serving import Socket, served, until

from tests.certificate_kit import Made, made_certificate


def refused(device: DtlsDevice) -> None:
    with pytest.raises(Refused):
        device.connect()


def test_an_identity_speaks_for_its_own_endpoint_alone(tmp_path: Path) -> None:
    """Register, Update, Send and notification under another identity."""
    with served(tmp_path / "data") as server:
        for endpoint in ("dev-1", "dev-2"):
            give(server, endpoint, f"id of {endpoint}")
        with (
            DtlsDevice(coaps(server), "id of dev-1").connect() as device,
            DtlsDevice(coaps(server), "id of dev-2").connect() as thief,
            notified(server) as told,
        ):
            located = device.register().location
            token = observed(server, device)
            assert thief.register("dev-1").code == "4.03"
            assert thief.ask(POST, located).code == "4.03"
            assert thief.ask(DELETE, located).code == "4.03"
            assert thief.ask(POST, "dp", payload=b"[]").code == "4.04"
            assert notify(thief, token, 2).type == RST
            assert notify(device, token, 3).type == ACK
            assert float(next(told)) == 3
            assert server.get("/api/v1/devices/dev-1")["address"] == device.address
            assert server.count("registrations_current") == 1


def test_the_name_may_be_left_to_the_identity(tmp_path: Path) -> None:
    authority = write_certificates(tmp_path)
    with served(tmp_path / "data", env=with_certificates(tmp_path)) as server:
        give(server, "dev-1", "an identity")
        own = made_certificate("dev-2", authority)
        with (
            DtlsDevice(coaps(server), "an identity").connect() as one,
            DtlsDevice(coaps(server), own=own, anchor=authority).connect() as two,
        ):
            for device in (one, two):
                query = ["lwm2m=1.1", "lt=600"]
                located = device.ask(POST, "rd", query=query, payload=b"</1/0>,</3/0>")
                assert located.code == "2.01"
            assert server.get("/api/v1/devices/dev-1")["identity"] == "an identity"
            assert server.get("/api/v1/devices/dev-2")["security_mode"] == "X509"


def test_a_device_without_security_is_refused_on_the_secure_port(tmp_path: Path) -> None:
    """The reverse of test_live_dtls: the certificate is good, but the endpoint is NO_SEC."""
    authority = write_certificates(tmp_path)
    with served(tmp_path / "data", env=with_certificates(tmp_path)) as server:
        own = made_certificate("dev-1", authority)
        with DtlsDevice(coaps(server), own=own, anchor=authority).connect() as device:
            assert device.register().code == "2.01"
            side = {"server": {"mode": "NO_SEC"}}
            assert server.http.put("/api/v1/credentials/dev-1", json=side).status_code == 201
            until(lambda: server.http.get("/api/v1/devices/dev-1").status_code == 404)
        with DtlsDevice(coaps(server), own=own, anchor=authority) as device:
            refused(device)
        with Socket(server) as plain:
            assert plain.register("dev-1").code == "2.01"


def test_a_replaced_key_ends_the_session_at_once(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        give(server)
        with DtlsDevice(coaps(server)).connect() as device:
            located = device.register().location
            give(server, key=b"another key")
            until(lambda: device.take(0.1) or not device.session.is_ready)
            until(lambda: server.count("dtls_sessions_current") == 0)
        with DtlsDevice(coaps(server)) as device:
            refused(device)
        with DtlsDevice(coaps(server), key=b"another key").connect() as device:
            assert device.ask(POST, located).code == "2.04"


def test_a_session_of_a_pin_that_was_replaced_is_not_resumed(tmp_path: Path) -> None:
    authority = write_certificates(tmp_path)
    old, new = (made_certificate("dev-1", None) for _ in range(2))
    with served(tmp_path / "data", env=with_certificates(tmp_path)) as server:

        def pin(own: Made) -> None:
            side = {"server": {"mode": "X509", "certificate": own.pem.decode()}}
            answer = server.http.put("/api/v1/credentials/dev-1", json=side)
            assert answer.status_code in (200, 201), answer.text

        pin(old)
        with DtlsDevice(coaps(server), own=old, anchor=authority).connect() as device:
            assert device.register().code == "2.01"
            memory = device.session.remember()
            device.renew(memory)
            assert server.count("dtls_handshakes_resumed") == 1
            pin(new)
            until(lambda: server.count("dtls_sessions_current") == 0)
            with pytest.raises(Refused):
                device.renew(memory)
            assert server.count("dtls_handshakes_resumed") == 1
            assert server.count("dtls_sessions_current") == 0


def test_a_further_name_of_a_certificate_that_gets_a_key_is_the_certificates_no_more(
    tmp_path: Path,
) -> None:
    authority = write_certificates(tmp_path)
    own = made_certificate("gateway", authority, others=(x509.DNSName("dev-1"),))
    with (
        served(tmp_path / "data", env=with_certificates(tmp_path)) as server,
        DtlsDevice(coaps(server), own=own, anchor=authority).connect() as device,
    ):
        located = device.register("dev-1").location
        memory = device.session.remember()
        give(server, "dev-1")
        until(lambda: server.http.get("/api/v1/devices/dev-1").status_code == 404)
        device.renew(memory)
        assert server.count("dtls_handshakes_resumed") == 0
        assert device.ask(POST, located).code == "4.04"
        assert device.register("dev-1").code == "4.03"
        assert device.register("gateway").code == "2.01"
