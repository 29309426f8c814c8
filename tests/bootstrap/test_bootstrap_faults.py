"""A fault of ours in one bootstrap keeps no other from going on."""

from __future__ import annotations

from typing import Any

import pytest
from bootstrap_kit import Bench, asked, begin

from lwm2m_fast.faults import MESSAGE, Faults


def faulty(monkeypatch: pytest.MonkeyPatch, part: str) -> tuple[Bench, Faults]:
    """A bench where `part` of the driver has a fault about dev-1."""
    world = Bench()
    assert world.driver is not None
    world.driver._faults = faults = Faults()
    usual = getattr(world.driver, part)

    def breaks(endpoint: str, *more: Any) -> Any:
        if endpoint == "dev-1":
            raise RuntimeError("a fault of ours")
        return usual(endpoint, *more)

    monkeypatch.setattr(world.driver, part, breaks)
    return world, faults


def test_one_that_cannot_begin_keeps_no_other_from_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, faults = faulty(monkeypatch, "_begin")
    one, other = world.device("192.0.2.1:5683"), world.device("192.0.2.2:5683")
    begin(one)
    begin(other, "dev-2")
    assert world.driver is not None
    assert faults.count == 1
    one.hear_nothing()
    assert asked(other)


def test_of_those_whose_time_is_over_one_keeps_no_other_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, faults = faulty(monkeypatch, "_end")
    for number, name in enumerate(("dev-1", "dev-2")):
        begin(world.device(f"192.0.2.{number}:5683"), name)
    world.now += 61.0  # before the engine notices that its requests have not been answered
    assert world.driver is not None
    world.driver.tick()
    assert faults.count == 1
    assert [event.endpoint for event in world.told if event.kind == "bootstrap_failed"] == ["dev-2"]


@pytest.mark.parametrize("part", ["configuration", "version"])
def test_one_that_cannot_begin_for_a_fault_ends_and_says_so(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    world = Bench()
    assert world.driver is not None
    world.driver._faults = faults = Faults()

    def breaks(endpoint: str) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(world.offers, part, breaks)
    device = world.device()
    begin(device)
    device.hear_nothing()
    assert (faults.count, world.kinds(), world.reason()) == (1, ["bootstrap_failed"], MESSAGE)
    assert world.engine.device("dev-1") is None  # no row is left until it expires
    outcome = world.driver.outcomes.of("dev-1")
    assert outcome is not None
    assert (outcome.state, outcome.reason) == ("failed", MESSAGE)
    monkeypatch.undo()
    begin(device)
    assert asked(device)


@pytest.mark.parametrize("part", ["_take", "_go_on"])
def test_one_that_meets_a_fault_in_the_middle_ends_at_once_and_says_where(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    world = Bench()
    assert world.driver is not None
    world.driver._faults = faults = Faults()
    device = world.device()
    begin(device)

    def breaks(*_: Any) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(world.driver, part, breaks)
    device.answer(asked(device), "4.04")
    assert faults.count == 1
    assert world.kinds() == ["bootstrap_started", "bootstrap_failed"]
    assert world.reason().endswith(f": {MESSAGE}")
    assert world.engine.device("dev-1") is None
    assert world.driver.counters()["bootstraps_current"] == 0
    world.now += 61.0
    world.driver.tick()
    assert len(world.told) == 2  # and is not ended twice


def test_what_came_of_one_is_told_also_where_the_engine_cannot_let_go_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, faults = faulty(monkeypatch, "_leave")
    assert world.driver is not None
    begin(world.device())
    world.now += 61.0
    world.driver.tick()
    assert faults.count == 1
    assert world.kinds() == ["bootstrap_started", "bootstrap_failed"]
