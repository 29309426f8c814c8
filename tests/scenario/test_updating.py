"""Update and De-register (LwM2M TS 1.2 Core, sections 6.2.2 and 6.2.3), and where a device is."""

import pytest
from scripted import (
    DELETE,
    LINKS,
    NON,
    POST,
    UNIX,
    World,
    register,
    request,
)

# Update


def test_an_update_without_parameters_keeps_every_field_and_restarts_the_lifetime():
    world = World()
    device = world.device()
    location = device.register(query=["foo=bar", "Q", "sms=1"])
    before = world.shown("dev-1")
    world.after(200)
    rows = dict(world.rows)
    device.update(location)
    assert world.rows == rows, "an Update of the time alone touches no store"
    after = world.shown("dev-1")
    assert after["updated_at"] == UNIX + 200
    assert after["expires_at"] == UNIX + 200 + 393
    assert {**after, "updated_at": 0, "expires_at": 0} == {
        **before,
        "updated_at": 0,
        "expires_at": 0,
    }


def test_an_update_of_a_field_is_kept():
    world = World()
    device = world.device()
    location = device.register(query=["a=1", "b2=2"])
    device.update(
        location,
        query=["lt=77", "b=UT", "sms=5", "a=9", "c=3"],
        options=[(12, b"\x28")],
        payload=b"</5/0>",
    )
    shown = world.shown("dev-1")
    assert (shown["lifetime_s"], shown["binding"], shown["sms"]) == (77, "UT", "5")
    assert shown["attributes"] == {"a": "9", "b2": "2", "c": "3"}
    assert list(shown["objects"]) == ["5"]
    assert shown["registered_at"] == UNIX


def test_endpoint_version_and_queue_mode_never_change_by_an_update():
    world = World()
    device = world.device()
    location = device.register(query=["Q"])
    device.update(location, query=["ep=other", "lwm2m=1.2"])
    device.update(location, query=["b=U"])
    shown = world.shown("dev-1")
    assert (shown["endpoint"], shown["lwm2m_version"], shown["queue_mode"]) == (
        "dev-1",
        "1.1",
        True,
    )


def test_an_update_that_says_what_is_known_touches_no_store():
    world = World()
    device = world.device()
    location = device.register(query=["a=1"])
    rows = dict(world.rows)
    device.update(location, query=["lt=300", "a=1", "b=U"], payload=LINKS)
    assert world.rows == rows
    assert world.count("registrations_updated") == 1


@pytest.mark.parametrize(
    "version, query",
    [
        ("1.1", "b=UQ"),
        ("1.0", "b=UT"),
        ("1.1", "b=X"),
        ("1.1", "lt=abc"),
        ("1.1", "lt="),
        ("1.1", "lt=4294967296"),
        ("1.1", "b="),
        ("1.0", "Q"),
        ("1.1", "Q=1"),
        ("1.1", "=1"),
    ],
)
def test_an_update_is_refused_for_the_same_faults(version, query):
    world = World()
    device = world.device()
    location = device.register(version=version)
    before = world.shown("dev-1")
    device.update(location, "4.00", query=[query])
    assert world.shown("dev-1") == before


def test_an_update_with_broken_links_changes_nothing():
    world = World()
    device = world.device()
    location = device.register()
    before = world.shown("dev-1")
    device.update(location, "4.00", payload=b"<")
    assert world.shown("dev-1") == before
    assert world.count("link_sets_current") == 1


def test_4096_bytes_of_additional_parameters_fit_and_one_more_does_not():
    # Each takes one byte more than it has: 16 of 255 bytes are 4,096.
    full = [f"k{i:02d}=".ljust(255, "x") for i in range(16)]
    device = World().device()
    location = device.register(query=full[:7])
    device.update(location, query=full[7:14])
    device.update(location, query=full[14:])
    assert len(device.world.shown("dev-1")["attributes"]) == 16
    device.update(location, "4.00", query=["m"])
    device.update(location, "4.00", query=[full[0] + "x"])
    device.update(location, query=["k00=short", "m"])
    assert device.world.shown("dev-1")["attributes"]["m"] is None


@pytest.mark.parametrize(
    "name",
    ["", "AAAAAAAAAAAAAA", "AAAAAAAAAAAAA", "AAAAAAAAAAAAAAA", "!!!!!!!!!!!!!!", "x", "x" * 255],
)
def test_an_unknown_id_is_not_found(name):
    device = World().device()
    device.register()
    options = [(11, b"rd"), (11, name.encode())]
    assert device.ask(POST, "", options=options).code == "4.04"
    assert device.ask(DELETE, "", options=options).code == "4.04"
    assert device.world.engine.device_count() == 1


@pytest.mark.parametrize(
    "parts",
    [{"query": ["lt=abc"]}, {"query": ["b=X"]}, {"payload": b"<"}, {"options": [(12, b"")]}],
    ids=["lifetime", "binding", "links", "format"],
)
def test_that_an_id_is_unknown_is_said_before_anything_else(parts):
    device = World().device()
    device.leave(left := device.register())
    device.update(left, "4.04", **parts)
    device.update(
        device.register(), "4.15" if "options" in parts else "4.00", **{"payload": b"x", **parts}
    )


def test_an_id_with_one_wrong_character_is_not_found():
    device = World().device()
    location = device.register()
    for at in range(3, 17):
        wrong = location[:at] + ("A" if location[at] != "A" else "B") + location[at + 1 :]
        device.update(wrong, "4.04")
    device.update(location)


def test_an_id_of_another_shard_is_not_found():
    location = World(shard=5).device().register()
    assert World(shard=5, chance=None).device().register()[3] == location[3] == "F"
    there = World(shard=6).device()
    there.register()
    there.update(location, "4.04")


def test_a_non_confirmable_update_is_taken():
    world = World()
    location = world.device().register()
    answer = world.device().ask(POST, location, kind=NON, query=["lt=5"])
    assert (answer.type, answer.code) == (NON, "2.04")
    assert world.shown("dev-1")["lifetime_s"] == 5


# Where a device is


def test_an_update_from_a_new_address_moves_the_device():
    world = World()
    before, after = world.device("192.0.2.1:1"), world.device("198.51.100.1:2")
    location = before.register()
    call = world.read("dev-1", 3, 0)
    before.hear()
    after.update(location)
    assert world.outcomes() == [(call, "cancelled")]
    assert world.shown("dev-1")["address"] == "198.51.100.1:2"
    assert world.count("registrations_moved") == 1
    world.read("dev-1", 3, 0)
    before.hear_nothing()
    assert after.hear().code == "0.01"


def test_a_repeated_moving_update_is_a_duplicate():
    world = World()
    location = world.device("192.0.2.1:1").register()
    after = world.device("198.51.100.1:2")
    message = request(POST, location, mid=3)
    assert after.send(message).hear().data == after.send(message).hear().data
    assert world.count("registrations_moved") == 1


def test_a_device_may_leave_from_another_port():
    world = World()
    location = world.device("192.0.2.1:1").register()
    world.device("192.0.2.1:2").leave(location)
    assert world.engine.device_count() == 0


def test_of_two_devices_at_one_address_each_is_reached():
    world = World()
    gateway = world.device()
    gateway.register("older")
    newer = gateway.register("newer")
    for name in ("older", "newer"):
        call = world.read(name, 3, 0, 1)
        gateway.answer(gateway.hear(), payload=name.encode())
        assert world.answers.pop()[:2] == (call, "answered")
    gateway.leave(newer)
    call = world.read("older", 3, 0, 1)
    gateway.answer(gateway.hear(), payload=b"x")
    assert world.outcomes() == [(call, "answered")]


@pytest.mark.parametrize("newer_stays", [True, False])
def test_of_two_devices_at_one_address_the_older_ones_acknowledgement_is_heard(newer_stays):
    world = World()
    gateway = world.device()
    gateway.register("older")
    newer = gateway.register("newer")
    if not newer_stays:
        gateway.leave(newer)
    world.read("older", 3, 0, 1, timeout_s=60)
    asked = gateway.hear()
    gateway.acknowledge(asked)
    world.after(20)
    gateway.hear_nothing()


def test_of_two_devices_at_one_address_the_older_one_leaves_the_newer_alone():
    world = World()
    gateway = world.device()
    older = gateway.register("older")
    gateway.register("newer")
    gateway.leave(older)
    call = world.read("newer", 3, 0, 1)
    gateway.reset(gateway.hear())
    assert world.outcomes() == [(call, "reset")]


def test_more_than_65536_devices_at_one_address_are_each_reached():
    world = World()
    world.engine.tells = False
    gateway = "192.0.2.1:5683"
    count = 0
    while count < 65537:
        batch = [(gateway, register(f"dev-{count + i}", mid=i)) for i in range(64)]
        world.receive(*batch[: 65537 - count])
        count += len(batch[: 65537 - count])
    world.device().inbox.clear()
    world.deregister("dev-0")  # and 65,536 are left
    world.after(250)  # EXCHANGE_LIFETIME
    world.device("203.0.113.9:9").register("elsewhere")
    world.read("dev-1", 3)
    world.device("203.0.113.9:9").hear_nothing()
    assert world.device(gateway).hear().path == [b"3"]


# Our own side


def test_the_operator_removes_a_registration():
    world = World()
    device = world.device()
    location = device.register()
    call = world.read("dev-1", 3, 0)
    world.deregister("dev-1")
    assert world.kinds() == [("registered", "dev-1"), ("deregistered", "dev-1")]
    assert world.outcomes() == [(call, "cancelled")]
    device.hear()
    device.update(location, "4.04")
    assert world.rows == {}
    world.after(100)
    device.hear_nothing()


def test_devices_are_listed_page_by_page():
    world = World()
    device = world.device()
    locations = [device.register(f"dev-{n:03d}") for n in range(100)]
    for location in locations[::3]:
        device.leave(location)
    names, cursor = [], 0
    while cursor is not None:
        page, cursor = world.engine.devices(cursor, 7)
        assert len(page) <= 7
        names += [shown["endpoint"] for shown in page]
    assert sorted(names) == [f"dev-{n:03d}" for n in range(100) if n % 3]
    page, cursor = world.engine.devices(0, 200, "-01")
    assert {shown["endpoint"] for shown in page} == {f"dev-{n:03d}" for n in range(10, 20) if n % 3}


@pytest.mark.parametrize("cursor", [100, 2**32 - 1])
def test_a_cursor_behind_the_end_finds_nothing(cursor):
    world = World()
    world.device().register()
    assert world.engine.devices(cursor, 10) == ([], None)


def test_without_listeners_no_event_is_made_but_all_is_counted():
    world = World()
    world.engine.tells = False
    device = world.device()
    device.leave(device.register())
    assert world.events == []
    assert world.count("registrations_deregistered") == 1


@pytest.mark.parametrize("moment", ["registered", "updated", "deregistered"])
def test_an_event_comes_after_the_devices_answer(moment):
    world = World()
    device = world.device()
    location = device.register()
    world.events.clear()
    world.commits_by_itself = False
    message = {
        "registered": register("dev-2", mid=900),
        "updated": request(POST, location, mid=900, query=["lt=5"]),
        "deregistered": request(DELETE, location, mid=900),
    }[moment]
    device.send(message).hear_nothing()
    assert world.events == []
    world.commit()
    device.hear()
    assert [event.kind for event in world.events] == [moment]
