"""Sleeping devices: what waits for them, and when it goes (requirements Q1, Q2; 1.8)."""

from __future__ import annotations

import pytest
from queue_kit import QueueWorld, answer_all, answer_next, asked

KINDS = [
    {"op": "read", "path": "/3/0/9"},
    {"op": "write", "path": "/3/0/14", "value": "+01:00"},
    {"op": "execute", "path": "/3/0/4"},
    {"op": "create", "path": "/3303", "values": {"9": {"5700": 1.5}}},
    {"op": "delete", "path": "/3303/0"},
    {"op": "discover", "path": "/3"},
    {"op": "write_attributes", "path": "/3/0/9", "attributes": {"pmin": 10}},
    {"op": "observe", "path": "/3/0/9"},
    {"op": "read_composite", "paths": ["/3/0/9", "/3303/0/5700"]},
    {"op": "write_composite", "values": {"/3/0/14": "+01:00"}},
    {"op": "observe_composite", "paths": ["/3/0/9"]},
    {"op": "coap", "coap": {"method": "get", "uri": "/3/0/9"}},
]


def sleeper(at: str | None = "10000", **parts) -> tuple[QueueWorld, object, str]:
    """A device that sleeps ten seconds after it was heard."""
    world = QueueWorld(**parts)
    device = world.device()
    location = device.register(lifetime=86400, query=[f"at={at}"] if at else [])
    return world, device, location


@pytest.mark.parametrize("order", KINDS, ids=lambda order: order["op"])
def test_inside_the_window_it_is_sent_at_once_and_a_millisecond_after_it_waits(order):
    world, device, location = sleeper()
    world.after(10.0)
    [inside] = world.submit("dev-1", order)
    device.hear()
    assert world.state("dev-1", inside) == "EXECUTING"

    world, device, location = sleeper()
    world.after(10.001)
    [outside] = world.submit("dev-1", order)
    device.hear_nothing()
    assert world.state("dev-1", outside) == "PENDING"
    world.after(3600).tick()
    assert world.state("dev-1", outside) == "PENDING"
    device.update(location)
    device.hear()
    assert world.state("dev-1", outside) == "EXECUTING"


def test_what_waited_goes_first_created_first_with_the_next_update():
    world, device, location = sleeper()
    world.after(60)
    paths = [f"/3/0/{number}" for number in (3, 1, 2, 0)]
    for path in paths:
        world.submit("dev-1", path)
        world.after(10)
    device.hear_nothing()
    device.update(location)
    assert answer_all(device) == paths


def test_an_operation_never_fails_because_its_device_sleeps():
    world, device, location = sleeper()
    world.after(60)
    [one] = world.submit("dev-1", "/3/0/1", timeout_s=10)
    for _ in range(20):
        world.after(3600).tick()
    shown = world.shown_operation("dev-1", one)
    assert (shown["state"], shown["attempts"]) == ("PENDING", 0)
    device.update(location)
    answer_next(device)
    assert world.state("dev-1", one) == "SUCCESSFUL"


def test_each_answer_keeps_the_window_open():
    world, device, _ = sleeper()
    world.submit("dev-1", *["/3/0/1"] * 5)
    for _ in range(4):
        heard = device.hear()
        device.acknowledge(heard)
        world.after(9)
        device.answer(heard, kind=0, options=[(12, b"")], payload=b"x")
        acknowledgement, asked_next = device.hear_all()
        assert acknowledgement[1].type == 2
        device.inbox.append((world.now, asked_next[1].data))
    assert asked(device) == "/3/0/1"


def test_a_setting_beats_the_device_s_word_and_zero_is_always():
    world, device, location = sleeper("10000", queue={"awake_time_ms": 5000})
    world.settings.set("dev-1", awakeTimeRegistrationParameter=2000)
    world.after(2.001)
    world.submit("dev-1", "/3/0/1")
    device.hear_nothing()
    world.settings.set("dev-1", awakeTimeRegistrationParameter=0)
    device.update(location)
    answer_next(device)
    world.after(80000)
    device.update(location)
    world.after(3600)
    world.submit("dev-1", "/3/0/2")
    assert asked(device) == "/3/0/2"


def test_the_device_s_word_beats_the_global_window():
    world, device, _ = sleeper("10000", queue={"awake_time_ms": 5000})
    world.after(9)
    world.submit("dev-1", "/3/0/1")
    assert asked(device) == "/3/0/1"


def test_without_either_the_global_window_counts():
    world, device, _ = sleeper(None, queue={"awake_time_ms": 5000})
    world.after(5.001)
    world.submit("dev-1", "/3/0/1")
    device.hear_nothing()


def test_a_global_window_of_zero_is_always_open():
    world, device, _ = sleeper(None)
    world.after(80000)
    world.submit("dev-1", "/3/0/1")
    assert asked(device) == "/3/0/1"


def test_a_changed_setting_applies_to_the_running_window():
    world, device, _ = sleeper("10000")
    world.after(15)
    world.submit("dev-1", "/3/0/1")
    device.hear_nothing()
    world.settings_changed("dev-1", awakeTimeRegistrationParameter=20_000)
    assert answer_next(device) == "/3/0/1"
    world.settings_changed("dev-1", awakeTimeRegistrationParameter=1000)
    world.after(1.001)
    world.submit("dev-1", "/3/0/2")
    device.hear_nothing()


def test_a_window_survives_a_restart():
    world, device, _location = sleeper("3600000")
    world = world.restarted(after_s=5)
    device = world.device()
    world.submit("dev-1", "/3/0/1")
    assert asked(device) == "/3/0/1"


def test_presence_says_who_decided_and_until_when():
    world, _device, _ = sleeper("10000")
    world.after(4)
    shown = world.desk.presence("dev-1")
    assert shown == {
        "awake": True,
        "awake_time_ms": 10_000,
        "awake_until": pytest.approx(world.now + world.wall + 6),
        "source": "registration",
    }
    world.after(6.001)
    assert world.desk.presence("dev-1")["awake"] is False
    world.settings.set("dev-1", awakeTimeRegistrationParameter=0)
    assert world.desk.presence("dev-1") == {
        "awake": True, "awake_time_ms": 0, "awake_until": None, "source": "settings",
    }  # fmt: skip
    assert world.desk.presence("nobody") is None


def test_only_devices_with_something_to_do_are_listened_to():
    world, device, location = sleeper()
    world.after(60)
    assert not world.engine.hears_registers
    world.submit("dev-1", "/3/0/1")
    assert world.engine.hears_registers
    device.update(location)
    answer_next(device)
    world.tick()
    assert not world.engine.hears_registers
    calls = []
    world._contacts = calls.append  # a contact would be told here
    device.update(location)
    assert [each for each in calls if each] == []
