"""Simulated devices on real sockets over DTLS: with keys, with certificates, behind a NAT."""

from __future__ import annotations

import json
from typing import Any

import pytest
from certificate_files import authority_in, server_of
from dtls_server import DtlsServer

from lwm2m_fast.cli import main
from lwm2m_fast.sim.answers import Naming
from lwm2m_fast.sim.certificates import in_directory
from lwm2m_fast.sim.identities import derived
from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.simulation import Simulation

SECRET = "for trials"
NAMING = Naming("sim-", 6)


def keys(devices: int, secret: str = SECRET) -> dict[bytes, bytes]:
    identify = derived(secret, "{endpoint}", NAMING.name)
    return {identify(n).name: identify(n).psk for n in range(1, devices + 1)}


def simulated(server: DtlsServer, **options: Any) -> Any:
    given = {"devices": 100, "psk_secret": SECRET, "mode": "update", "duration_s": 0.1, "seed": 3}
    given |= {"ack_timeout_s": 0.3, "server": server.url, **options}
    return Simulation(Options(**given), lambda snapshot: None).run()


@pytest.mark.parametrize("sockets", ["shared", "device"])
def test_a_hundred_devices_with_keys_of_their_own_register_and_leave(sockets):
    with DtlsServer(keys(100), cid_size=-1) as server:
        report = simulated(server, sockets=sockets)
    assert report.complete
    assert (report.dtls.handshakes, report.dtls.secured, report.dtls.failures) == (100, 100, {})
    assert 0 < report.dtls.p50_ms <= report.dtls.max_ms
    # Those who left said so, to the core and to its DTLS.
    assert server.world.engine.device_count() == 0
    assert server.side.counts["ended"] == 100


def test_a_hundred_devices_with_certificates_signed_in_memory_register(tmp_path):
    authority = authority_in(tmp_path)
    with DtlsServer({}, cid_size=-1, **server_of(authority)) as server:
        report = simulated(server, psk_secret="", x509=str(tmp_path), deregister=False)
        assert server.world.shown("sim-000100")["lifetime_s"] == 300
    assert report.complete, report
    assert report.dtls.secured == 100 and report.dtls.failures == {}
    assert len(server.side.numbers) == 100


def test_a_hundred_devices_register_though_a_tenth_of_everything_is_lost():
    with DtlsServer(keys(100), cid_size=6) as server:
        report = simulated(server, loss=0.1, cid=0, duration_s=1.0, deregister=False)
    assert report.registered == 100
    assert server.side.counts["full"] >= 100


@pytest.mark.parametrize("sockets", ["shared", "device"])
def test_with_connection_ids_addresses_change_and_no_handshake_is_needed(sockets):
    with DtlsServer(keys(50), cid_size=6) as server:
        report = simulated(
            server, sockets=sockets, devices=50, cid=4, rebind_s=0.5, duration_s=2.0, rate=200.0
        )
    assert report.complete
    assert report.counters["rebound"] > 100
    assert server.side.moved > 50
    assert report.dtls.handshakes == 50, report.dtls
    update = [row for phase in report.phases for row in phase.rows if row.request == "update"]
    assert sum(row.timeouts for row in update) == 0


def test_without_connection_ids_a_device_that_moved_shakes_hands_anew():
    with DtlsServer(keys(5), cid_size=-1, resumptions=100) as server:
        report = simulated(
            server, devices=5, rebind_s=1.0, duration_s=5.0, rate=20.0, ack_timeout_s=0.1
        )
    assert report.dtls.handshakes > 5
    assert report.dtls.resumed > 0
    assert server.side.counts["resumed"] == report.dtls.resumed


def test_wrong_keys_are_told_by_their_alert():
    with DtlsServer(keys(10, "another secret"), cid_size=-1) as server:
        report = simulated(server, devices=10)
    assert not report.complete and report.registered == 0
    ((why, count),) = report.dtls.failures.items()
    assert count >= 10 and why
    (row,) = [row for row in report.phases[0].rows if row.request == "register"]
    assert row.endings["no session"] >= 10


def test_the_command_tells_of_handshakes_and_writes_what_a_server_must_know(tmp_path, capsys):
    file = tmp_path / "fleet.csv"
    with DtlsServer(keys(3), cid_size=6) as server:
        line = ["simulate", "--devices", "3", "--server", server.url, "--duration", "0.1"]
        line += ["--mode", "register", "--cid", "2"]
        with pytest.raises(SystemExit) as ended:
            main([*line, "--psk-secret", SECRET, "--write-psk", str(file)])
        assert ended.value.code == 0
        assert server.side.counts["opened"] == 0
        assert file.stat().st_mode & 0o777 == 0o600
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*line, "--psk", str(file), "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["dtls"]["secured"] == 3


@pytest.mark.parametrize("is_known", [True, False])
def test_a_server_is_known_by_its_certificate_or_not_at_all(tmp_path, monkeypatch, is_known):
    authority = authority_in(tmp_path)
    own, other = server_of(authority), server_of(authority)
    of_authority = in_directory(tmp_path, "sim-{:06}".format, range(1, 4))
    pinned = (own if is_known else other)["chain"]
    monkeypatch.setattr(
        "lwm2m_fast.sim.securing.identify",
        lambda options: lambda n: of_authority(n)._replace(anchors=b"", pinned=pinned),
    )
    with DtlsServer({}, cid_size=-1, **own) as server:
        report = simulated(
            server, devices=3, psk_secret="", x509=str(tmp_path), deregister=False, duration_s=0.1
        )
    assert report.complete == is_known
    assert report.dtls.secured == report.registered == (3 if is_known else 0)
    assert (report.dtls.failures == {}) == is_known
