"""A fault of ours about one device or one operation keeps no other from what is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from queue_kit import QueueWorld, answer_next, asked

from lwm2m_fast.core.ask import Contact
from lwm2m_fast.faults import Faults


def world_with_faults(**parts: Any) -> QueueWorld:
    world = QueueWorld(**parts)
    world.faults = faults = Faults()
    assert world.operating is not None
    dispatch = world.operating.dispatch
    world.operating._faults = dispatch._faults = dispatch.delivery._faults = faults
    return world


def breaking(usual: Callable[..., Any], *, for_name: str) -> Callable[..., Any]:
    """As usual, but with a fault about one device."""

    def called(about: Any, *more: Any) -> Any:
        if for_name in (about, getattr(about, "endpoint", None)):
            raise RuntimeError("a fault of ours")
        return usual(about, *more)

    return called


def registered(world: QueueWorld, *names: str) -> dict[str, Any]:
    found = {}
    for number, name in enumerate(names):
        found[name] = world.device(f"192.0.2.{number}:5683")
        found[name].register(name)
    return found


def test_of_devices_that_were_heard_one_keeps_no_other_from_what_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with_faults()
    assert world.operating is not None
    for name in ("dev-1", "dev-2"):
        world.submit(name, "/3/0/0")
    pending = world.operating.dispatch.pending
    monkeypatch.setattr(pending, "heard", breaking(pending.heard, for_name="dev-1"))
    contacts: list[Contact] = []
    monkeypatch.setattr(world, "_contacts", contacts.extend)
    devices = registered(world, "dev-1", "dev-2")
    world.operating.contacts(contacts)  # both of one turn
    world.finish_turn()
    assert world.faults.count == 1
    devices["dev-1"].hear_nothing()
    assert asked(devices["dev-2"]) == "/3/0/0"


def test_of_devices_that_are_ready_one_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with_faults()
    assert world.operating is not None
    for name in ("dev-1", "dev-2"):
        world.submit(name, "/3/0/0")
    monkeypatch.setattr(world, "_contacts", lambda contacts: None)
    devices = registered(world, "dev-1", "dev-2")
    dispatch = world.operating.dispatch
    monkeypatch.setattr(dispatch, "kick", breaking(dispatch.kick, for_name="dev-1"))
    dispatch.ready(["dev-1", "dev-2"])
    world.finish_turn()
    assert world.faults.count == 1
    devices["dev-1"].hear_nothing()
    assert asked(devices["dev-2"]) == "/3/0/0"


def test_of_operations_that_expire_one_keeps_no_other_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with_faults()
    assert world.operating is not None
    until = world.now + world.wall + 10.0
    names = ("dev-1", "dev-2")
    numbers = {name: world.submit(name, "/3/0/0", valid_until=until)[0] for name in names}
    delivery = world.operating.dispatch.delivery
    monkeypatch.setattr(delivery, "_expired", breaking(delivery._expired, for_name="dev-1"))
    world.at(world.now + 11.0).tick()
    assert world.faults.count == 1
    assert world.shown_operation("dev-2", numbers["dev-2"])["reason"] == "expired"


def test_of_operations_that_hang_one_keeps_no_other_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with_faults()
    assert world.operating is not None
    devices = registered(world, "dev-1", "dev-2")
    numbers = {name: world.submit(name, "/3/0/0")[0] for name in devices}
    delivery = world.operating.dispatch.delivery
    monkeypatch.setattr(delivery, "_swept", breaking(delivery._swept, for_name="dev-1"))
    world.operating.dispatch.delivery.sweep(world.now + world.wall + 1.0)
    world.finish_turn()
    assert world.faults.count == 1
    assert world.shown_operation("dev-2", numbers["dev-2"])["reason"] == "stale"


@pytest.mark.parametrize("part", ["told", "event"])
def test_who_hears_of_an_operation_keeps_neither_the_other_nor_the_next_operation_back(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    world = world_with_faults()
    assert world.operating is not None
    device = registered(world, "dev-1")["dev-1"]
    world.engine.tells = True

    def breaks(_: object) -> None:
        raise RuntimeError("a fault of ours")

    told: list[int] = []
    if part == "told":
        monkeypatch.setattr(world.operating.desk, "told", breaks)
    else:
        monkeypatch.setattr(world.operating, "_publish", breaks)
        monkeypatch.setattr(world.operating.desk, "told", lambda one: told.append(one.id))
    first, second = world.submit("dev-1", "/3/0/0", "/3/0/1")
    assert answer_next(device) == "/3/0/0"
    assert answer_next(device) == "/3/0/1"
    assert world.states("dev-1") == [(second, "SUCCESSFUL"), (first, "SUCCESSFUL")]
    assert world.faults.count > 0
    if part == "told":
        assert [event.kind for event in world.told if event.kind == "operation"]
    else:
        assert {first, second} <= set(told)
