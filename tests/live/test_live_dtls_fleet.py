"""Simulated fleets over DTLS against a real server in its own process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Server, served

from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.report import Report
from lwm2m_fast.sim.securing import write_credentials
from lwm2m_fast.sim.simulation import Simulation
from tests.certificate_kit import made_certificate

DEVICES = 100


def options(server: Server, **given: Any) -> Options:
    assert server.coaps is not None
    url = "coaps://{}:{}".format(*server.coaps)
    parts = {"devices": DEVICES, "mode": "update", "duration_s": 1.0, "rate": 300.0, "seed": 5}
    return Options(**{**parts, "server": url, "deregister": False, **given})


def run(given: Options) -> Report:
    return Simulation(given, lambda snapshot: None).run()


def introduce(server: Server, given: Options, path: Path) -> None:
    """The keys of all devices, as the command writes them for the server."""
    write_credentials(given, path / "fleet.json")
    body = (path / "fleet.json").read_text()
    assert len(json.loads(body)) == given.devices
    answer = server.http.post(
        "/api/v1/credentials", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (200, 201), answer.text


def test_a_fleet_with_keys_moves_between_addresses_and_needs_no_second_handshake(
    tmp_path: Path,
) -> None:
    with served(tmp_path / "data") as server:
        given = options(server, psk_secret="of a trial", cid=0, rebind_s=0.3)
        introduce(server, given, tmp_path)
        report = run(given)
        assert report.complete and report.dtls is not None, report
        assert (report.dtls.secured, report.dtls.failures) == (DEVICES, {})
        assert report.dtls.handshakes == DEVICES
        assert report.counters["rebound"] > DEVICES
        shown = server.get("/api/v1/devices/sim-000042")
        assert (shown["transport"], shown["identity"]) == ("coaps", "sim-000042")


@pytest.mark.parametrize("suite", ["TLS_PSK_WITH_AES_128_CBC_SHA256", "TLS_PSK_WITH_AES_128_CCM_8"])
def test_a_fleet_gets_through_though_a_tenth_is_lost(tmp_path: Path, suite: str) -> None:
    with served(tmp_path / "data") as server:
        given = options(
            server, psk_secret="of a trial", suites=(suite,), loss=0.1, ack_timeout_s=0.3
        )
        introduce(server, given, tmp_path)
        report = run(given)
        assert report.registered == DEVICES, report
        assert server.get("/api/v1/devices/sim-000001")["session"]["suite"] == suite


def test_a_fleet_with_certificates_registers(tmp_path: Path) -> None:
    authority = made_certificate("an authority", None, is_authority=True)
    own = made_certificate("lwm2m.example", authority)
    (tmp_path / "server.pem").write_bytes(own.pem + own.key_pem)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "ca.key").write_bytes(authority.key_pem)
    environment = {
        "LWM2M_FAST_DTLS__CERTIFICATE": str(tmp_path / "server.pem"),
        "LWM2M_FAST_DTLS__ANCHORS": str(tmp_path / "ca.pem"),
    }
    with served(tmp_path / "data", env=environment) as server:
        report = run(options(server, x509=str(tmp_path), cid=4))
        assert report.complete and report.dtls is not None, report
        assert (report.dtls.handshakes, report.dtls.failures) == (DEVICES, {})
        assert server.get("/api/v1/devices/sim-000100")["security_mode"] == "X509"


def test_wrong_keys_and_unknown_identities_are_counted(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        introduce(server, options(server, psk_secret="of a trial", devices=5), tmp_path)
        wrong = run(options(server, psk_secret="of another", devices=10))
        assert wrong.registered == 0 and wrong.dtls is not None
        assert wrong.dtls.secured == 0 and len(wrong.dtls.failures) == 2, wrong.dtls.failures
