"""Who was heard when: contacts of watched devices, and the moment of the last uplink."""

import pytest
from scripted import (
    ACK,
    CON,
    CONTENT_FORMAT,
    POST,
    START,
    UNIX,
    World,
    reachable,
    register,
    request,
)

from lwm2m_fast.errors import UnknownDevice

SEND = {"options": [(CONTENT_FORMAT, b"\x70")], "payload": b"\x80"}


def heard(world):
    """The contacts so far, taken."""
    contacts = [tuple(contact) for contact in world.contacts]
    world.contacts.clear()
    return contacts


def watched():
    world = World()
    device = world.device()
    location = device.register(lifetime=86400)
    world.engine.watch("dev-1", True)
    return world, device, location


# Contacts


def test_only_watched_devices_are_told_of():
    world, device, location = watched()
    device.register("dev-2")
    device.update(location)
    assert heard(world) == [("dev-1", "updated")]
    world.engine.watch("dev-1", False)
    device.update(location)
    assert heard(world) == []


def test_every_kind_of_uplink_is_a_contact():
    world, device, location = watched()
    token = device.observed().token
    assert heard(world) == [("dev-1", "uplink")], "a response"
    device.notify(token, 2)
    assert heard(world) == [("dev-1", "uplink")]
    device.ask(POST, "dp", **SEND)
    assert heard(world) == [("dev-1", "uplink")]
    device.update(location)
    assert heard(world) == [("dev-1", "updated")]
    device.register(lifetime=86400)
    assert heard(world) == [("dev-1", "registered")]


def test_a_watch_outlives_a_new_registration_and_ends_with_leaving():
    world, device, _ = watched()
    location = device.register(lifetime=86400)
    heard(world)
    device.update(location)
    assert heard(world) == [("dev-1", "updated")]
    device.leave(location)
    location = device.register(lifetime=86400)
    device.update(location)
    assert heard(world) == []


def test_who_hears_registers_hears_all_of_them():
    world = World()
    world.engine.hears_registers = True
    device = world.device()
    device.register("a")
    location = device.register("b")
    device.update(location)
    device.register("a")
    assert heard(world) == [("a", "registered"), ("b", "registered"), ("a", "registered")]
    world.engine.hears_registers = False
    device.register("c")
    assert heard(world) == []


def test_a_contact_is_told_once_the_store_has_it():
    world = World()
    world.engine.hears_registers = True
    world.commits_by_itself = False
    world.device().send(register("a"))
    assert heard(world) == []
    world.commit()
    assert heard(world) == [("a", "registered")]


def test_a_refused_register_is_no_contact():
    world, device, _location = watched()
    world.engine.hears_registers = True
    world.commits_by_itself = False
    device.send(register("a", mid=9))
    world.refuse()
    assert heard(world) == []


def test_a_watch_survives_a_refused_deregister():
    world, device, location = watched()
    world.commits_by_itself = False
    world.deregister("dev-1")
    world.refuse()
    device.update(location)
    assert heard(world) == [("dev-1", "updated")]


def test_what_is_ignored_is_no_contact():
    world, device, _ = watched()
    token = device.observed().token
    heard(world)
    world.device("192.0.2.1:9").notify(token, 2, kind=CON)
    world.device("192.0.2.1:9").inbox.clear()
    world.device("192.0.2.1:9").ask(POST, "dp", **SEND)
    device.notify(b"\x80" + bytes(7), 2)
    device.inbox.clear()
    device.ask(POST, "rd/AAAAAAAAAAAAAA")
    assert heard(world) == []


def test_nobody_is_watched_who_is_not_there():
    with pytest.raises(UnknownDevice):
        World().engine.watch("nobody", True)


def test_a_register_with_observations_is_a_contact_that_finds_them_lapsed():
    world, device = reachable()
    world.engine.hears_registers = True
    device.observed()
    device.register(lifetime=86400)
    assert heard(world) == [("dev-1", "registered")]
    assert world.states() == {b"3303/0/5700": "lapsed"}


# The last uplink


def test_heard_at_is_the_last_uplink_of_any_kind():
    world, device, location = watched()
    assert world.engine.heard_at("dev-1") == START
    token = device.observed().token
    moments = iter(range(10, 100, 10))

    def later():
        world.at(START + next(moments))
        return world.now

    now = later()
    device.notify(token, 2)
    assert world.engine.heard_at("dev-1") == now
    now = later()
    device.ask(POST, "dp", **SEND)
    assert world.engine.heard_at("dev-1") == now
    now = later()
    device.update(location)
    assert world.engine.heard_at("dev-1") == now
    world.read("dev-1", 3)
    now = later()
    asked = device.hear_all()[0][1]
    device.answer(asked)
    assert world.engine.heard_at("dev-1") == now
    now = later()
    device.register(lifetime=86400)
    assert world.engine.heard_at("dev-1") == now


def test_heard_at_is_exact_to_ten_milliseconds():
    world, device = reachable()
    token = device.observed().token
    world.at(START + 1.239)
    device.notify(token, 2)
    assert world.engine.heard_at("dev-1") == pytest.approx(START + 1.23)
    assert world.engine.heard_at("nobody") is None


def test_a_notification_prolongs_no_lifetime():
    world = World()
    device = world.device()
    device.register(lifetime=100)
    token = device.observed().token
    before = world.shown("dev-1")
    world.at(START + 90)
    device.notify(token, 2, kind=CON)
    assert device.hear().type == ACK
    assert world.shown("dev-1") == before
    world.at(START + 194)
    assert world.engine.device("dev-1") is None


def test_what_is_ignored_was_not_heard():
    world, device = reachable()
    token = device.observed().token
    world.at(START + 50)
    world.device("192.0.2.1:9").notify(token, 2)
    world.device("192.0.2.1:9").ask(POST, "dp", **SEND)
    assert world.engine.heard_at("dev-1") == START


def test_years_of_notifications_without_an_update_are_counted():
    world = World()
    device = world.device()
    device.register(lifetime=0)
    token = device.observed().token
    world.engine.handle_timer(world.now)
    world.now += 400 * 86400.0
    device.notify(token, 2)
    assert world.engine.heard_at("dev-1") == world.now
    world.now += 400 * 86400.0
    device.notify(token, 3)
    assert world.engine.heard_at("dev-1") == pytest.approx(START + 497.1 * 86400, rel=1e-4)


def test_it_survives_a_restart_without_the_lifetime():
    world = World(contact_flush_s=60.0)
    device = world.device()
    device.register(lifetime=3600)
    token = device.observed().token
    world.at(START + 30)
    device.notify(token, 2)
    world.at(START + 61)
    after = world.restarted()
    assert after.engine.heard_at("dev-1") == 500 - 31
    assert after.shown("dev-1")["updated_at"] == UNIX
    assert after.shown("dev-1")["expires_at"] == UNIX + 3600 + 93 + 2 * 60


def test_a_contact_row_far_in_the_future_counts_as_now():
    world, _device = reachable()
    rows = {**world.rows, (2, bytes(4)): bytes(8) + b"\x7f" + b"\xff" * 7 + bytes(16 * 63)}
    after = World(rows)
    assert after.engine.heard_at("dev-1") == START
    assert after.shown("dev-1")["updated_at"] == UNIX


def test_an_endpoint_is_found_by_its_slot():
    world, device = reachable()
    assert world.engine.endpoint_of(0) == "dev-1"
    for slot in (1, 4_000_000_000):
        with pytest.raises(UnknownDevice, match=f"slot {slot}"):
            world.engine.endpoint_of(slot)
    device.send(request(POST, "dp", mid=9, **SEND))
    assert world.reports[0].slot == 0


def test_one_attribute_is_told_as_the_whole_registration_has_it():
    world, device = reachable()
    device.register(lifetime=86400, query=["at=1000", "flag", "b=U"])
    assert world.shown("dev-1")["attributes"] == {"at": "1000", "flag": None}
    told = [world.engine.attribute("dev-1", name) for name in ("at", "flag", "b", "")]
    assert told == ["1000", None, None, None]
    device.register(lifetime=86400)
    assert world.engine.attribute("dev-1", "at") is None
    assert world.engine.attribute("nobody", "at") is None
