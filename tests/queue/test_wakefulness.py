"""That a device is awake or asleep, as events: told once each, and only what is so."""

from __future__ import annotations

import pytest
from queue_kit import QueueWorld, answer_next
from scripted import POST, register

from lwm2m_fast.core.events import Event
from lwm2m_fast.queue import wakefulness

SEND = {"options": [(12, b"\x70")], "payload": b"\x80"}


def sleeper(at: str | None = "10000", **parts):
    """A device that sleeps ten seconds after it was heard."""
    world = QueueWorld(**parts)
    device = world.device()
    location = device.register(lifetime=86400, query=[f"at={at}"] if at else [])
    return world, device, location


def presence(world: QueueWorld) -> list[tuple[str, str]]:
    """The events of presence so far, taken."""
    told = [(e.kind, e.endpoint) for e in world.told if e.kind in ("awake", "asleep")]
    world.told.clear()
    return told


def ticked(world: QueueWorld, seconds: int) -> list[tuple[str, str]]:
    for _ in range(seconds):
        world.after(1).tick()
    return presence(world)


AWAKE, ASLEEP = ("awake", "dev-1"), ("asleep", "dev-1")


def test_a_device_is_awake_with_its_register_and_asleep_after_its_window():
    world, device, location = sleeper()
    assert presence(world) == [AWAKE]
    assert ticked(world, 10) == []
    assert ticked(world, 1) == [ASLEEP]
    assert ticked(world, 50) == []
    device.update(location)
    assert presence(world) == [AWAKE]
    assert ticked(world, 11) == [ASLEEP]


def test_updates_while_it_is_awake_tell_nothing_and_move_the_end():
    world, device, location = sleeper()
    presence(world)
    for _ in range(3):
        assert ticked(world, 6) == []
        device.update(location)
    assert ticked(world, 10) == []
    assert ticked(world, 1) == [ASLEEP]


def test_a_second_register_while_it_is_awake_tells_nothing():
    world, device, _ = sleeper()
    presence(world)
    device.register(lifetime=86400, query=["at=20000"])
    assert ticked(world, 20) == []
    assert ticked(world, 1) == [ASLEEP]


@pytest.mark.parametrize("how", ["send", "answer"])
def test_whatever_the_device_sends_moves_the_end(how):
    world, device, _ = sleeper()
    presence(world)
    if how == "answer":
        world.submit("dev-1", "/3/0/9")
    ticked(world, 5)
    if how == "send":
        assert device.ask(POST, "dp", **SEND).code == "2.04"
    else:
        answer_next(device)
    assert ticked(world, 10) == []
    assert ticked(world, 1) == [ASLEEP]


def told_of(world: QueueWorld, kind: str, **data) -> None:
    """As the sinks are told of what a device reports, while somebody listens."""
    event = Event(kind, "dev-1", world.now + world.wall, data)
    world.operating.wakefulness.publish([event])


@pytest.mark.parametrize("kind", ["send", "notification", "observe_ended"])
def test_whatever_the_device_sends_wakes_it(kind):
    world, device, _ = sleeper()
    assert ticked(world, 11) == [AWAKE, ASLEEP]
    assert device.ask(POST, "dp", **SEND).code == "2.04"
    told_of(world, kind, values=[])
    assert presence(world) == [AWAKE]
    told_of(world, kind, values=[])
    assert ticked(world, 10) == []
    assert ticked(world, 1) == [ASLEEP]


def test_so_does_a_late_answer_and_no_operation_without_one():
    world, device, _ = sleeper()
    assert ticked(world, 11) == [AWAKE, ASLEEP]
    told_of(world, "operation", state="PENDING", result=None)
    told_of(world, "operation", state="FAILED", result={"error": "refused"})
    assert presence(world) == []
    assert device.ask(POST, "dp", **SEND).code == "2.04"
    told_of(world, "operation", state="SUCCESSFUL", result={"code": "2.05"})
    assert ticked(world, 11) == [AWAKE, ASLEEP]


def test_what_is_told_after_the_window_is_over_wakes_nobody():
    world, _device, _ = sleeper()
    assert ticked(world, 11) == [AWAKE, ASLEEP]
    told_of(world, "send", values=[])
    assert ticked(world, 20) == []


@pytest.mark.parametrize("at", [None, "0"])
def test_a_report_of_one_that_never_sleeps_tells_nothing(at):
    world, device, _ = sleeper(at)
    assert device.ask(POST, "dp", **SEND).code == "2.04"
    told_of(world, "send", values=[])
    assert presence(world) == []
    assert world.operating.counters()["devices_awake_followed_current"] == 0


def test_a_report_of_one_that_has_left_tells_nothing():
    world, device, location = sleeper()
    device.leave(location)
    presence(world)
    told_of(world, "observe_ended")
    assert presence(world) == []


def test_reports_wake_no_more_than_the_bound(monkeypatch):
    monkeypatch.setattr(wakefulness, "MAX_AWAKE", 0)
    world, device, _ = sleeper()
    assert device.ask(POST, "dp", **SEND).code == "2.04"
    told_of(world, "send", values=[])
    assert presence(world) == []
    assert world.operating.counters()["devices_awake_not_followed"] == 2


def test_who_never_sleeps_is_never_told():
    world, device, location = sleeper(None)
    device.update(location)
    assert ticked(world, 100) == []
    assert world.operating.counters()["devices_awake_followed_current"] == 0


@pytest.mark.parametrize("how", ["left", "expired"])
def test_who_has_gone_is_not_asleep(how):
    world = QueueWorld()
    device = world.device()
    location = device.register(lifetime=1, query=["at=86400000"])
    assert presence(world) == [AWAKE]
    if how == "left":
        device.leave(location)
    assert ticked(world, 100) == []
    assert world.operating.counters()["devices_awake_followed_current"] == 0
    device.register(lifetime=86400, query=["at=5000"])
    assert ticked(world, 6) == [AWAKE, ASLEEP]


def test_a_changed_setting_moves_the_end_of_a_window_that_is_open():
    world, device, location = sleeper()
    presence(world)
    ticked(world, 5)
    world.settings_changed("dev-1", awakeTimeRegistrationParameter=2000)
    assert ticked(world, 1) == [ASLEEP]
    device.update(location)
    world.settings_changed("dev-1", awakeTimeRegistrationParameter=20_000)
    assert ticked(world, 20) == [AWAKE]
    assert ticked(world, 1) == [ASLEEP]
    device.update(location)
    world.settings_changed("dev-1", awakeTimeRegistrationParameter=0)
    assert ticked(world, 100) == [AWAKE]


def test_an_update_may_change_the_window():
    world, device, location = sleeper()
    presence(world)
    device.update(location, query=["at=30000"])
    assert ticked(world, 30) == []
    assert ticked(world, 1) == [ASLEEP]


def test_a_refused_register_wakes_nobody():
    world = QueueWorld()
    world.commits_by_itself = False
    device = world.device()
    device.send(register(query=["at=10000"]))
    world.refuse()
    assert ticked(world, 11) == []


def test_of_more_than_the_bound_no_end_is_told_and_they_are_counted(monkeypatch):
    monkeypatch.setattr(wakefulness, "MAX_AWAKE", 2)
    world = QueueWorld()
    for name in ("a", "b", "c"):
        world.device().register(name, query=["at=5000"])
    assert presence(world) == [("awake", "a"), ("awake", "b")]
    counters = world.operating.counters()
    assert counters["devices_awake_followed_current"] == 2
    assert counters["devices_awake_not_followed"] == 1
    assert ticked(world, 6) == [("asleep", "a"), ("asleep", "b")]


def test_many_that_fall_asleep_at_once_are_told_a_slice_at_a_time(monkeypatch):
    monkeypatch.setattr(wakefulness, "SLICE", 2)
    world = QueueWorld()
    for number in range(5):
        world.device().register(f"d{number}", query=["at=5000"])
    presence(world)
    assert [len(ticked(world, 1)) for _ in range(9)] == [0, 0, 0, 0, 0, 2, 2, 1, 0]


def test_a_device_that_comes_and_goes_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr(wakefulness, "SLICE", 10)
    world = QueueWorld()
    device = world.device()
    for _ in range(50):
        device.leave(device.register(query=["at=86400000"]))
    device.register(query=["at=5000"])
    assert len(world.operating.wakefulness._due) <= 13
    presence(world)
    assert ticked(world, 6) == [ASLEEP]
