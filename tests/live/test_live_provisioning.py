"""From a CSV file to a registered fleet, by the commands that an operator has: devices import, then
simulated devices that know nothing but their bootstrap server.

LWM2M_FAST_FLEET_DEVICES=1000 pytest -s tests/live/test_live_provisioning.py runs it with so many
and prints how long each step took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import ROOT, TOKEN, Server, served

from tests.certificate_kit import Made, made_certificate

DEVICES = int(os.environ.get("LWM2M_FAST_FLEET_DEVICES", "200"))
HEADER = "endpoint id;securityMode;bootstrapSecurityMode;lwm2m server uri"
OWN_KEY = "0f" * 16
LIMIT_S = 300.0


@pytest.fixture(scope="module")
def authority() -> Made:
    return made_certificate("an authority", None, is_authority=True)


@pytest.fixture(scope="module")
def server(authority: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("provisioning")
    own = made_certificate("127.0.0.1", authority)
    (directory / "server.pem").write_bytes(own.pem + own.key_pem)
    env = {"LWM2M_FAST_DTLS__CERTIFICATE": str(directory / "server.pem")}
    flags = ("--bootstrap", "--bootstrap-port", "0", "--bootstrap-dtls-port", "0")
    with served(directory / "data", *flags, "--policy", "provisioned", env=env) as running:
        answer = running.http.post("/api/v1/trust", content=authority.pem)
        assert answer.status_code == 201, answer.text
        yield running


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lwm2m_fast", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


def imported(server: Server, path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows, ""]))
    done = command("devices", "import", path, "--url", server.http.base_url, "--token", TOKEN)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert f"{len(rows)} rows done, 0 refused" in done.stdout


def simulated(server: Server, prefix: str, devices: int, *words: object) -> tuple[int, Any]:
    where = words or ("--bootstrap", "coap://{}:{}".format(*server.bootstrap))
    done = command(
        "simulate", "--json", "--stay", "--duration", 0.1, "--prefix", prefix, "--devices", devices,
        *where,
    )  # fmt: skip
    assert done.stderr == "", done.stderr
    return done.returncode, json.loads(done.stdout)


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:06}" for number in range(1, count + 1)]


def coaps(server: Server) -> str:
    return "coaps://{}:{}".format(*server.coaps)


def test_a_csv_becomes_a_fleet_that_is_registered_over_dtls(server: Server, tmp_path: Path) -> None:
    rows = [f"{name};PSK_GENERATED;NO_SEC;{coaps(server)}" for name in names("csv-", DEVICES)]
    began = time.monotonic()
    imported(server, tmp_path / "fleet.csv", HEADER, rows)
    took_s = time.monotonic() - began
    finished = server.count("bootstraps_finished")
    code, report = simulated(server, "csv-", DEVICES)
    print(
        f"\n{DEVICES} devices: imported in {took_s:.1f} s, bootstrapped in "
        f"{report['bootstrap']['seconds']:.1f} s, registered in "
        f"{report['phases'][0]['seconds']:.1f} s; failures: "
        f"{report['bootstrap']['failures'] or 'none'}, {report['dtls']['failures'] or 'none'}"
    )
    assert code == 0
    assert report["bootstrap"]["failures"] == report["dtls"]["failures"] == {}
    assert report["bootstrap"]["finished"] == report["dtls"]["secured"] == DEVICES
    assert report["registered"] == DEVICES
    assert server.count("bootstraps_finished") - finished == DEVICES
    shown = server.get("/api/v1/devices/csv-000001")
    assert (shown["transport"], shown["identity"]) == ("coaps", "csv-000001")


def test_bootstrap_is_secured_by_its_own_keys(server: Server, tmp_path: Path) -> None:
    rows = [
        f"{name};PSK_GENERATED;PSK;{coaps(server)};bs-{name};{OWN_KEY}"
        for name in names("own-", 20)
    ]
    header = f"{HEADER};bootstrap psk_id;bootstrap psk_key"
    imported(server, tmp_path / "fleet.csv", header, rows)
    where = ("--bootstrap", "coaps://{}:{}".format(*server.bootstraps))
    keys = ("--psk-identity", "bs-{endpoint}", "--psk-key")
    code, report = simulated(server, "own-", 20, *where, *keys, OWN_KEY)
    assert (code, report["registered"], report["bootstrap"]["failures"]) == (0, 20, {})
    code, report = simulated(server, "own-", 2, *where, *keys, "00" * 16)
    assert (code, report["registered"], report["bootstrap"]["finished"]) == (1, 0, 0)
    assert sum(report["bootstrap"]["failures"].values()) == 2


def test_devices_without_a_configuration_are_counted_and_never_register(
    server: Server, tmp_path: Path
) -> None:
    where = "coap://{}:{}".format(*server.coap)
    rows = [f"{name};NO_SEC;NO_SEC;{where}" for name in names("some-", 6)[::2]]
    imported(server, tmp_path / "fleet.csv", HEADER, rows)
    code, report = simulated(server, "some-", 6)
    assert code == 1
    assert report["bootstrap"]["failures"] == {"4.00": 3}
    assert (report["bootstrap"]["finished"], report["registered"]) == (3, 3)
    for name, status in zip(names("some-", 6), [200, 404] * 3, strict=True):
        assert server.http.get(f"/api/v1/devices/{name}").status_code == status


def test_written_certificates_open_the_server(server: Server, authority: Made) -> None:
    for name in names("cert-", 3):
        device = made_certificate(name, authority)
        security = {
            "securityMode": "X509",
            "x509Certificate": device.pem.decode(),
            "x509PrivateKey": device.key_pem.decode(),
            "certificateUsage": "DOMAIN_ISSUER_CERTIFICATE",
            "x509ServerCertificateName": "default",
        }
        body = {
            "endpointId": name,
            "serverSecurity": security,
            "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
            "lwm2mServerUri": coaps(server),
        }
        answer = server.http.post("/api/v1/configurations", json=body)
        assert answer.status_code == 201, answer.text
    code, report = simulated(server, "cert-", 3)
    assert report["bootstrap"]["failures"] == report["dtls"]["failures"] == {}
    assert (code, report["registered"]) == (0, 3)
    shown = server.get("/api/v1/devices/cert-000001")
    assert shown["transport"] == "coaps"
