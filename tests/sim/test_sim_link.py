"""The lossy link in memory, alone and between the simulated fleet and the server's core."""

from __future__ import annotations

import pytest
from sim_kit import Server
from world_side import WorldSide

from lwm2m_fast.sim import impairment
from lwm2m_fast.sim.impairment import HELD_BACK_NS, Impairment
from lwm2m_fast.sim.link import FleetSide, Link
from lwm2m_fast.sim.simulation import NEW, NOBODY, REGISTER
from tests.scenario.scripted import World

S = 1_000_000_000


def carried(way, count=1000, every_ns=1_000_000):
    """What comes out when so many numbers set out one after the other."""
    out = []
    for n in range(count):
        way.push(n * every_ns, n)
        out += way.due(n * every_ns)
    return out + way.due(count * every_ns + 10 * S)


def test_a_perfect_way_carries_everything_at_once_and_in_order():
    way = Impairment(1)
    assert carried(way) == list(range(1000))
    assert way.next_at() is None


def test_loss_takes_its_share():
    way = Impairment(1, loss=0.2)
    out = carried(way)
    assert len(out) == 1000 - way.counts["lost"]
    assert 150 < way.counts["lost"] < 250
    assert out == sorted(out)


def test_delay_keeps_the_order():
    way = Impairment(1, delay_s=0.5)
    way.push(0, "a")
    way.push(10, "b")
    assert way.next_at() == S // 2
    assert way.due(S // 2 - 1) == []
    assert way.due(S) == ["a", "b"]


def test_a_reordered_datagram_is_overtaken_and_none_is_lost():
    way = Impairment(1, reorder=0.1)
    out = carried(way)
    assert sorted(out) == list(range(1000)) != out
    late = [n for at, n in enumerate(out) if any(later > n for later in out[:at])]
    assert 50 < len(late) <= way.counts["reordered"]
    assert HELD_BACK_NS > 1_000_000


def test_a_duplicate_comes_twice():
    way = Impairment(1, duplicate=0.3)
    out = carried(way)
    assert len(out) == 1000 + way.counts["duplicated"]
    assert set(out) == set(range(1000))
    assert way.counts["duplicated"] > 200


def test_the_same_seed_does_the_same():
    said = [carried(Impairment(seed, loss=0.1, reorder=0.2, duplicate=0.1)) for seed in (5, 5, 6)]
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize("over", [0, 1])
def test_what_does_not_fit_on_the_way_is_lost_and_counted(monkeypatch, over):
    monkeypatch.setattr(impairment, "MOST_WAITING", 3)
    way = Impairment(1, delay_s=1)
    for n in range(3 + over):
        way.push(0, n)
    assert way.counts["overflowed"] == over
    assert way.due(2 * S, 10) == [0, 1, 2]


def fleet_and_world(devices=20, seed=1, fleet=None, **link):
    server = Server(devices=devices, seed=seed, lifetime_s=300, **(fleet or {}))
    world = World()
    between = Link(WorldSide(world), FleetSide(server.fleet), seed, **link)
    server.fleet.load(REGISTER, [NEW], once=True, outstanding=devices)
    return server, world, between


def test_a_fleet_registers_with_the_core_over_a_perfect_link():
    server, world, link = fleet_and_world()
    assert link.run(1, lambda: server.fleet.registered == 20)
    assert world.engine.device_count() == 20
    assert world.shown("sim-000020")["lifetime_s"] == 300


def test_a_third_lost_and_the_rest_reordered_and_doubled_registers_everybody_once():
    server, world, link = fleet_and_world(loss=0.33, reorder=0.2, delay=0.1, duplicate=0.2)
    assert link.run(900, lambda: server.fleet.registered == 20)
    assert link.to_server.counts["lost"] > 5 and link.to_devices.counts["lost"] > 5
    assert world.engine.device_count() == 20
    server.fleet.load(NOBODY, [])
    assert link.run(3000)
    assert server.fleet.registered >= 18
    assert world.engine.device_count() >= 18


def test_the_same_seed_over_the_same_link_says_the_same():
    counts = []
    for seed in (3, 3, 4):
        server, world, link = fleet_and_world(seed=seed, loss=0.3, reorder=0.3, delay=0.2)
        link.run(400)
        counts.append((server.fleet.counters(), link.to_server.counts, world.now))
    assert counts[0] == counts[1] != counts[2]


def test_a_register_in_blocks_arrives_whole_over_a_lossy_link():
    server, world, link = fleet_and_world(
        devices=3, loss=0.2, reorder=0.1, delay=0.05, fleet={"sensors": 128}
    )
    assert link.run(900, lambda: server.fleet.registered == 3)
    assert len(world.shown("sim-000001")["objects"]["3303"]["instances"]) == 128


def test_an_instance_that_is_created_is_told_to_the_core_by_an_update():
    server, world, link = fleet_and_world(devices=1)
    assert link.run(1, lambda: server.fleet.registered == 1)
    server.now = link.now_ns
    assert server.do(2, "/3303", b"\x00\x09", 11542)["code"] == 65
    assert link.run(5)
    assert 9 in world.shown("sim-000001")["objects"]["3303"]["instances"]
