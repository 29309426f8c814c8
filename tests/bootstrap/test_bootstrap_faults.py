"""A fault of ours in one bootstrap keeps no other from going on."""

from __future__ import annotations

from typing import Any

import pytest
from bootstrap_kit import Bench, asked, begin

from lwm2m_fast.faults import Faults


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
