"""Simulated devices with DTLS sessions, in memory: handshakes, losses, ends of sessions, bounds."""

from __future__ import annotations

import pytest
from dtls_side import DtlsSide
from sim_kit import Server
from world_side import WorldSide

from lwm2m_fast.net.dtls_session import SUITES
from lwm2m_fast.sim.dtls import Dtls
from lwm2m_fast.sim.identities import derived
from lwm2m_fast.sim.link import FleetSide, Link
from lwm2m_fast.sim.simulation import DEREGISTER, NEW, REGISTER, REGISTERED, UPDATE
from tests.scenario.scripted import World

S = 1_000_000_000
SECRET = "a secret"
CCM8 = "TLS_PSK_WITH_AES_128_CCM_8"


class Fleet:
    """A fleet, its sessions, a link and the server's core behind a DTLS server."""

    def __init__(self, devices=20, *, link=None, dtls=None, side=None, identify=None, fleet=None):
        self.server = Server(devices=devices, lifetime_s=300, seed=7, **(fleet or {}))
        self.fleet = self.server.fleet
        name = "sim-{:06}".format
        self.identify = derived(SECRET, "{endpoint}", name)
        keys = {self.identify(n).name: self.identify(n).psk for n in range(1, devices + 1)}
        self.dtls = Dtls(self.fleet, identify or self.identify, seed=7, **(dtls or {}))
        self.world = World()
        self.side = DtlsSide(WorldSide(self.world), keys, **{"cid_size": -1, **(side or {})})
        self.link = Link(self.side, FleetSide(self.dtls), 7, **(link or {}))
        self.load(REGISTER, [NEW])

    def load(self, request, states, outstanding=1000):
        self.fleet.load(
            request, states, once=True, outstanding=outstanding, now_ns=self.link.now_ns
        )

    def registered(self, seconds=5):
        assert self.link.run(seconds, lambda: self.fleet.registered == self.fleet.size)
        return self

    @property
    def counts(self):
        return self.dtls.counters()


def test_every_device_registers_in_a_session_of_its_own():
    it = Fleet().registered()
    assert it.world.engine.device_count() == 20
    assert (it.counts["handshakes"], it.counts["secured"], it.counts["failed"]) == (20, 20, 0)
    assert it.dtls.handshake.count == 20
    assert it.dtls.shown(0) == {"suite": CCM8, "cid": False}


@pytest.mark.parametrize("suite", [name for name in SUITES if "_PSK_" in name])
def test_a_suite_is_the_one_that_was_asked_for(suite):
    it = Fleet(3, dtls={"suites": SUITES[suite]}).registered()
    assert {it.dtls.shown(n)["suite"] for n in range(3)} == {suite}


def test_a_hundred_devices_register_over_a_link_that_loses_and_reorders():
    it = Fleet(100, link={"loss": 0.1, "reorder": 0.1, "duplicate": 0.05, "delay": 0.02})
    it.registered(600)
    assert it.world.engine.device_count() == 100
    assert it.link.to_server.counts["lost"] > 20
    # The request waited for its session, and was then sent for the first time.
    assert it.counts["insecure"] >= 100
    assert it.fleet.counters()["requests"][REGISTER]["endings"].keys() <= {1, 3, 65}
    assert it.fleet.counters()["requests"][REGISTER]["endings"][65] == 100


def test_a_slow_handshake_costs_the_request_none_of_its_retransmissions():
    it = Fleet(5, link={"delay": 3.0})
    it.registered(120)
    assert it.fleet.latency(REGISTER).most < 10 * S < it.dtls.handshake.most


def test_handshakes_keep_the_pace_of_the_requests():
    it = Fleet(50, link={"delay": 1.0})
    it.load(REGISTER, [NEW], outstanding=4)
    it.link.run(2)
    assert it.counts["handshakes"] == 4


def test_a_wrong_key_and_an_unknown_identity_are_counted_by_their_alerts():
    it = Fleet(4)
    right = it.identify
    other = derived("another secret", "{endpoint}", "sim-{:06}".format)
    unknown = derived(SECRET, "nobody-{endpoint}", "sim-{:06}".format)
    per_device = {1: right(1), 2: other(2), 3: unknown(3), 4: right(4)}
    it = Fleet(4, identify=per_device.__getitem__)
    it.link.run(2, lambda: it.fleet.settled == 4)
    assert it.fleet.registered == 2
    assert it.world.engine.device_count() == 2
    assert sum(it.dtls.failures.values()) == it.counts["failed"] >= 2
    assert len(it.dtls.failures) == 2, it.dtls.failures
    assert it.fleet.counters()["requests"][REGISTER]["endings"] == {3: 2, 65: 2}


def test_a_server_that_is_not_there_ends_the_handshake_and_it_is_tried_again():
    it = Fleet(2, link={"loss": 1.0}, dtls={"retransmit_most_s": 2.0})
    it.link.run(60)
    assert it.counts["secured"] == 0
    assert it.counts["handshakes"] > 4
    assert it.counts["failed"] == it.counts["handshakes"] - it.counts["live"] > 2
    assert "" not in it.dtls.failures


def test_a_device_with_a_connection_id_of_its_own_is_answered_with_it():
    it = Fleet(3, dtls={"cid_size": 4}, side={"cid_size": 6}).registered()
    assert it.dtls.shown(0) == {"suite": CCM8, "cid": True}
    it = Fleet(3, dtls={"cid_size": 0}, side={"cid_size": 6}).registered()
    assert it.dtls.shown(0)["cid"] is False
    assert all(session.uses_cid for session in it.side.peers.values())


def test_a_session_that_the_server_closed_is_resumed_by_the_next_request():
    it = Fleet(2, side={"resumptions": 100}).registered()
    it.side.close(0)
    it.link.run(1)
    assert it.counts["closed"] == 1
    it.load(UPDATE, [REGISTERED])
    it.link.run(1)
    assert (it.counts["handshakes"], it.counts["resumed"]) == (3, 1)
    assert it.side.counts["resumed"] == 1
    assert it.fleet.counters()["requests"][UPDATE]["endings"] == {68: 2}


def test_without_resumption_it_is_a_whole_handshake():
    it = Fleet(2, side={"resumptions": 100}, dtls={"resumes": False}).registered()
    it.side.close(0)
    it.link.run(1)
    it.load(UPDATE, [REGISTERED])
    it.link.run(1)
    assert (it.counts["handshakes"], it.counts["resumed"], it.counts["secured"]) == (3, 0, 3)


def test_a_request_that_is_never_answered_gives_the_session_up():
    it = Fleet(3).registered()
    it.side.forget_everything()
    it.load(UPDATE, [REGISTERED])
    it.link.run(120, lambda: it.counts["secured"] == 6)
    assert it.counts["handshakes"] == it.counts["secured"] == 6
    it.registered(60)
    assert it.fleet.counters()["requests"][UPDATE]["endings"] == {1: 3}


def test_a_device_that_reboots_has_forgotten_its_session():
    it = Fleet(2, side={"resumptions": 100}).registered()
    it.fleet.reboot(0, it.link.now_ns)
    it.link.run(2, lambda: it.counts["secured"] == 3)
    assert (it.counts["handshakes"], it.counts["resumed"]) == (3, 0)
    assert it.registered().world.engine.device_count() == 2


def test_only_so_many_sessions_are_live_and_the_others_are_saved():
    it = Fleet(10, dtls={"most_live": 4}, side={"cid_size": 6}).registered()
    for _ in range(3):
        it.load(UPDATE, [REGISTERED], outstanding=1)
        it.link.run(5, lambda: it.fleet.outstanding == 0)
    assert it.dtls.live <= 4
    assert it.counts["saved"] >= 26 and it.counts["woken"] >= 20
    assert it.counts["handshakes"] == 10
    assert it.fleet.counters()["requests"][UPDATE]["endings"] == {68: 30}


def test_what_is_too_long_for_a_record_is_counted_and_lost():
    it = Fleet(1, fleet={"misbehave": ("oversized",)}).registered()
    before = it.counts["unsent"]
    it.fleet.emit(0, bytes(2000), it.link.now_ns)
    it.link.run(0.1)
    assert it.counts["unsent"] == before + 1
    assert it.dtls.is_ready(0)


def test_devices_that_leave_close_their_sessions():
    it = Fleet(5).registered()
    it.load(DEREGISTER, [REGISTERED])
    it.link.run(1, lambda: it.fleet.registered == 0)
    assert it.dtls.close_some(it.link.now_ns) == 5
    assert it.dtls.live == 0 and it.dtls.close_some(it.link.now_ns) == 0
    it.link.run(1)
    assert it.side.counts["ended"] == 5
    assert it.side.peers == {}


def test_rubbish_ends_no_session_and_is_counted_where_there_is_none():
    it = Fleet(1)
    it.dtls.receive_datagram(0, b"\x17\xfe\xfd rubbish", it.link.now_ns)
    assert it.counts["unasked"] == 1
    it.registered()
    for rubbish in (b"", b"\x15\xfe\xfd" + bytes(12), bytes(2000)):
        it.dtls.receive_datagram(0, rubbish, it.link.now_ns)
    it.load(UPDATE, [REGISTERED])
    it.link.run(1)
    assert it.fleet.counters()["requests"][UPDATE]["endings"] == {68: 1}
    with pytest.raises(IndexError):
        it.dtls.receive_datagram(1, b"", it.link.now_ns)
