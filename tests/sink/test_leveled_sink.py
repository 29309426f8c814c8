"""What is told outside goes by each device's log level; what is inside hears all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from lwm2m_fast.core.events import Event
from lwm2m_fast.fleet.log_levels import LEVELS, LIFECYCLE_KINDS, TRAFFIC_KINDS, is_told
from lwm2m_fast.sink.leveled import Leveled

DATA = ("notification", "send", "observe_ended", "operation", "alarm", "bulk_operation")
"""Not the log of a device: what it reports, and what was asked for."""


class Ear:
    """Takes down what it hears."""

    def __init__(self, listens: bool = True, only: str | None = None) -> None:
        self.listens, self.only = listens, only
        self.heard: list[str] = []

    def hears(self, endpoint: str) -> bool:
        return self.only in (None, endpoint)

    def publish(self, events: Sequence[Event]) -> None:
        self.heard += [f"{event.endpoint}:{event.kind}" for event in events]


def told(levels: dict[str, str], *events: tuple[str, str]) -> tuple[list[str], int]:
    ear = Ear()
    sink = Leveled([ear], levels, is_told)
    sink.publish([Event(kind, endpoint, 1.0) for endpoint, kind in events])
    return ear.heard, sink.counters()["events_left_out"]


@pytest.mark.parametrize("kind", sorted(LIFECYCLE_KINDS))
@pytest.mark.parametrize("level", LEVELS)
def test_the_life_of_a_device_is_told_unless_its_level_is_none(level: str, kind: str) -> None:
    heard, left_out = told({"dev-1": level}, ("dev-1", kind))
    assert heard == ([] if level == "NONE" else [f"dev-1:{kind}"])
    assert left_out == (level == "NONE")


@pytest.mark.parametrize("kind", sorted(TRAFFIC_KINDS))
@pytest.mark.parametrize("level", LEVELS)
def test_its_traffic_is_told_where_the_level_says_so(level: str, kind: str) -> None:
    heard, _ = told({"dev-1": level}, ("dev-1", kind))
    assert bool(heard) is (level in ("TRAFFIC", "VERBOSE"))


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("level", LEVELS)
def test_what_a_device_reports_is_no_log(level: str, kind: str) -> None:
    heard, left_out = told({"dev-1": level}, ("dev-1", kind))
    assert (heard, left_out) == ([f"dev-1:{kind}"], 0)


def test_each_device_has_a_level_of_its_own_and_a_change_counts_at_once() -> None:
    levels: dict[str, str] = {}
    ear = Ear()
    sink = Leveled([ear], levels, is_told)
    both = [Event("updated", name, 1.0) for name in ("dev-1", "dev-2")]
    sink.publish(both)
    levels["dev-1"] = "NONE"
    sink.publish(both)
    del levels["dev-1"]
    sink.publish(both)
    assert ear.heard == [
        "dev-1:updated", "dev-2:updated", "dev-2:updated", "dev-1:updated", "dev-2:updated",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "ears, listens, hears",
    [
        ([Ear(False), Ear(False)], False, False),
        ([Ear(True, "dev-2"), Ear(False)], True, False),
        ([Ear(True, "dev-1"), Ear(False)], True, True),
    ],
)
def test_it_listens_as_those_behind_it_do(ears: list[Any], listens: bool, hears: bool) -> None:
    sink = Leveled(ears, {}, is_told)
    assert (sink.listens, sink.hears("dev-1")) == (listens, hears)
