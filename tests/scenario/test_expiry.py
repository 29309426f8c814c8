"""How long a registration lives, and how many there may be."""

import pytest
from scripted import (
    POST,
    START,
    World,
    register,
    register_parts,
)

# How long a device stays


def test_a_registration_ends_exactly_after_lifetime_and_grace():
    world = World(grace_s=93.0)
    world.device().register(lifetime=300)
    world.kinds()
    world.at(START + 392.99)
    assert world.engine.device_count() == 1
    world.at(START + 393.2)  # the wheel turns every 128 ms
    assert world.engine.device_count() == 0
    assert world.kinds() == [("expired", "dev-1")]
    assert world.rows == {}
    assert world.count("registrations_expired") == 1


def test_a_registration_without_grace_ends_with_its_lifetime():
    world = World(grace_s=0.0)
    location = world.device().register(lifetime=1)
    world.at(START + 0.99)
    world.device().update(location)
    world.at(START + 1.98)
    assert world.engine.device_count() == 1
    world.at(START + 2.2)
    assert world.engine.device_count() == 0
    world.device().update(location, "4.04")


def test_within_the_grace_an_update_still_counts():
    world = World()
    location = world.device().register(lifetime=60)
    world.at(START + 152)
    world.device().update(location)
    world.at(START + 152 + 152)
    assert world.engine.device_count() == 1


def test_each_update_moves_the_end():
    world = World()
    location = world.device().register(lifetime=60)
    for _ in range(50):
        world.after(100)
        world.device().update(location)
    last = world.now
    world.at(last + 152.9)
    assert world.engine.device_count() == 1
    world.at(last + 153.2)
    assert world.engine.device_count() == 0


def test_a_shorter_lifetime_ends_earlier():
    world = World()
    location = world.device().register(lifetime=86400)
    world.device().update(location, query=["lt=10"])
    world.at(START + 102.9)
    assert world.engine.device_count() == 1
    world.at(START + 103.2)
    assert world.engine.device_count() == 0


def test_a_longer_lifetime_ends_later():
    world = World()
    location = world.device().register(lifetime=10)
    world.device().update(location, query=["lt=86400"])
    world.at(START + 86492)
    assert world.engine.device_count() == 1
    world.at(START + 86493.2)
    assert world.engine.device_count() == 0


def test_a_lifetime_of_zero_is_forever():
    world = World(contact_flush_s=3600.0)
    location = world.device().register(lifetime=0)
    assert world.shown("dev-1")["expires_at"] is None
    world.at(START + 365 * 86400)
    assert world.engine.device_count() == 1
    world.device().update(location)
    world.device().update(location, query=["lt=10"])
    world.after(103.2)
    assert world.engine.device_count() == 0


def test_an_end_becomes_forever():
    world = World()
    location = world.device().register(lifetime=10)
    world.device().update(location, query=["lt=0"])
    world.after(1000)
    assert world.engine.device_count() == 1


def test_an_expired_device_has_its_requests_cancelled():
    world = World()
    world.device().register(lifetime=10)
    world.at(START + 100)
    call = world.read("dev-1", 3, timeout_s=60)
    world.at(START + 104)
    assert world.outcomes() == [(call, "cancelled")]
    assert world.count("requests_current") == 0


def test_many_that_expire_at_once_all_go():
    world = World()
    for number in range(700):
        world.device(f"192.0.2.1:{1000 + number}").register(f"dev-{number}", lifetime=10)
    world.after(104)
    assert world.engine.device_count() == 0
    assert world.count("registrations_expired") == 700
    assert world.count("link_sets_current") == 0


def test_the_longest_lifetime_ends_after_136_years():
    world = World()
    world.device().register(lifetime=4294967295)

    def leap(moment: float) -> None:
        world.now = moment
        for _ in range(20):
            world.engine.handle_timer(moment)
            world.finish_turn()

    leap(START + 4294967295 + 92.9)
    assert world.engine.device_count() == 1
    leap(START + 4294967295 + 93.3)
    assert world.engine.device_count() == 0


@pytest.mark.parametrize("hours", [-1000, 1000])
def test_a_system_clock_that_is_set_ends_no_registration_early_or_late(hours):
    world = World()
    world.device().register(lifetime=300)
    world.at(START + 100)
    world.wall += hours * 3600
    world.engine.set_wall_clock(world.now, world.now + world.wall)
    assert world.shown("dev-1")["expires_at"] == START + world.wall + 393
    world.at(START + 392.9)
    assert world.engine.device_count() == 1
    world.at(START + 393.2)
    assert world.engine.device_count() == 0


# Bounds


def test_of_those_that_left_65536_are_remembered_and_the_oldest_goes_first():
    world = World()
    world.engine.tells = False
    count = 65537
    for first in range(0, count, 64):
        numbers = range(first, min(first + 64, count))
        world.receive(
            *[(f"10.0.0.{n >> 15}:{1 + (n & 32767)}", register(f"d{n}", mid=1)) for n in numbers]
        )
        for number in numbers:
            world.engine.deregister(f"d{number}", world.now)
        world.finish_turn()
    assert world.count("peers_lingering") == world.count("peers_current") == 65536
    assert world.count("peers_evicted") == 1
    assert world.count("registrations_current") == 0


def test_max_devices_are_taken_and_one_more_is_not():
    world = World(max_devices=3)
    device = world.device()
    locations = [device.register(f"dev-{n}") for n in range(3)]
    device.register("dev-3", expected="5.03")
    assert world.count("register_full") == 1
    device.register("dev-2")  # replacing needs no room
    device.leave(locations[0])
    device.register("dev-3")
    assert world.engine.device_count() == 3
    assert world.count("link_sets_current") == 1


def test_link_sets_are_kept_once_and_up_to_their_bound():
    world = World(max_link_bytes=65536)
    device = world.device()
    kept = 0
    while True:
        payload = b"</3/0>," + b"".join(b"</%d/%d>," % (3000 + kept, n) for n in range(80))
        answer = device.ask(POST, "rd", **register_parts(f"dev-{kept}", payload=payload))
        if answer.code != "2.01":
            break
        kept += 1
    assert answer.code == "5.03"
    assert kept > 20
    assert world.count("link_sets_bytes") <= 65536
    same = b"</3/0>," + b"".join(b"</%d/%d>," % (3000, n) for n in range(80))
    location = device.register("one-more", payload=same)
    device.update(location, "5.03", payload=payload)
    assert world.count("link_sets_current") == kept


def test_what_leaves_gives_its_links_back():
    world = World()
    device = world.device()
    locations = [
        device.register(f"dev-{n}", payload=b"</3/0>,</%d/0>" % (n // 2)) for n in range(10)
    ]
    assert world.count("link_sets_current") == 5
    for location in locations:
        device.leave(location)
    assert (world.count("link_sets_current"), world.count("link_sets_bytes")) == (0, 0)
