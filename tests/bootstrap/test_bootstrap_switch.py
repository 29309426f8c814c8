"""The bootstrap server on and off, with ports that are only said to be open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from lwm2m_fast.bootstrap.outcomes import Outcomes
from lwm2m_fast.bootstrap.switch import SWITCHED_OFF, BootstrapSwitch
from lwm2m_fast.errors import ConfigError, Conflict, StoreError
from lwm2m_fast.store.base import FleetChange
from lwm2m_fast.store.memory import MemoryFleet


class Ports:
    coap_port, dtls_port = 5683, 5684

    def __init__(self) -> None:
        self.is_started = False
        self.ended: list[str] = []

    def start(self) -> None:
        self.is_started = True

    async def stop(self, why: str) -> None:
        self.ended.append(why)

    def counters(self) -> dict[str, int]:
        return {"bootstrap_udp_received": 3, "bootstraps_current": 2}


class House:
    """A process: what is on disk, and what was opened."""

    def __init__(self, fleet: MemoryFleet | None = None) -> None:
        self.fleet = fleet or MemoryFleet()
        self.made: list[Ports] = []
        self.trouble: str | None = None

    def make(self) -> Ports:
        if self.trouble is not None:
            raise ConfigError(self.trouble)
        self.made.append(Ports())
        return self.made[-1]

    def started(self, *, is_configured: bool = True, is_served: bool = True) -> BootstrapSwitch:
        switch = BootstrapSwitch(
            self.fleet, self.make, Outcomes(), is_configured=is_configured, is_served=is_served
        )
        switch.open()
        switch.start()
        return switch


def test_off_closes_the_ports_and_ends_what_is_under_way() -> None:
    house = House()
    switch = house.started()
    assert switch.ports == (5683, 5684)
    shown = asyncio.run(switch.switch(False))
    assert switch.ports is None
    assert house.made[0].ended == [SWITCHED_OFF]
    assert (shown["enabled"], shown["coap_port"], shown["decided_by"]) == (False, None, "operator")


def test_on_opens_them_again_and_serves() -> None:
    house = House()
    switch = house.started()

    async def both() -> None:
        await switch.switch(False)
        await switch.switch(True)

    asyncio.run(both())
    assert switch.ports == (5683, 5684)
    assert [ports.is_started for ports in house.made] == [True, True]


def test_on_twice_opens_once() -> None:
    house = House()
    switch = house.started()
    asyncio.run(switch.switch(True))
    assert len(house.made) == 1 and house.made[0].ended == []


@pytest.mark.parametrize("said", [True, False])
def test_what_was_said_counts_before_the_configuration_after_a_restart(said: bool) -> None:
    house = House()
    asyncio.run(house.started(is_configured=not said).switch(said))
    again = House(house.fleet).started(is_configured=not said)
    assert again.shown()["enabled"] is said
    assert again.shown()["configured"] is not said


def test_null_takes_it_back() -> None:
    house = House()
    switch = house.started(is_configured=True)

    async def both() -> None:
        await switch.switch(False)
        await switch.switch(None)

    asyncio.run(both())
    assert switch.shown()["enabled"] is True
    assert switch.shown()["decided_by"] == "configuration"
    assert House(house.fleet).started(is_configured=False).shown()["enabled"] is False


def test_a_port_that_is_taken_is_a_conflict_and_nothing_is_kept() -> None:
    house = House()
    switch = house.started(is_configured=False)
    house.trouble = "coap.port: cannot listen"
    with pytest.raises(Conflict, match=r"coap\.port: cannot listen"):
        asyncio.run(switch.switch(True))
    assert switch.shown()["decided_by"] == "configuration"
    assert House(house.fleet).started(is_configured=False).ports is None


class FullFleet(MemoryFleet):
    def apply(self, changes: Sequence[FleetChange]) -> None:
        raise StoreError("no space left")


@pytest.mark.parametrize("is_configured", [True, False])
def test_a_store_that_refuses_leaves_it_as_it_was(is_configured: bool) -> None:
    switch = House(FullFleet()).started(is_configured=is_configured)
    with pytest.raises(StoreError):
        asyncio.run(switch.switch(not is_configured))
    assert switch.shown()["enabled"] is is_configured
    assert switch.shown()["decided_by"] == "configuration"


class SlowFleet(MemoryFleet):
    def __init__(self) -> None:
        super().__init__()
        self.may, self.entered = threading.Event(), threading.Event()

    def apply(self, changes: Sequence[FleetChange]) -> None:
        self.entered.set()
        assert self.may.wait(5)
        super().apply(changes)


def test_who_gives_up_leaves_no_port_open_that_nobody_serves() -> None:
    fleet = SlowFleet()
    house = House(fleet)
    switch = house.started(is_configured=False)

    async def both() -> None:
        asked = asyncio.create_task(switch.switch(True))
        await asyncio.to_thread(fleet.entered.wait, 5)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert switch.ports is None
        fleet.may.set()
        await switch.switch(True)

    asyncio.run(both())
    assert [ports.is_started for ports in house.made] == [False, True]


def test_nothing_is_opened_where_no_port_may_be_open() -> None:
    house = House()
    switch = house.started(is_configured=True, is_served=False)
    with pytest.raises(Conflict, match="`enabled` is false"):
        asyncio.run(switch.switch(True))
    assert house.made == []
    assert asyncio.run(switch.switch(False))["enabled"] is False


def test_the_end_of_the_process_is_no_decision() -> None:
    house = House()
    switch = house.started()
    asyncio.run(switch.stop())
    assert switch.ports is None
    assert House(house.fleet).started().shown()["decided_by"] == "configuration"


def test_what_bootstraps_came_to_is_counted_beyond_a_switch() -> None:
    house = House()
    switch = house.started()
    switch.outcomes.counts["bootstraps_finished"] = 7
    asyncio.run(switch.switch(False))
    assert switch.shown()["counts"]["bootstraps_finished"] == 7
    assert switch.shown()["counts"]["bootstraps_current"] == 0
    assert "bootstrap_udp_received" not in switch.counters()


def switched_on() -> MemoryFleet:
    """What is on disk where somebody has switched it on."""
    house = House()
    asyncio.run(house.started(is_configured=False).switch(True))
    return house.fleet


def test_what_was_switched_on_and_cannot_be_opened_keeps_nobody_from_starting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House(switched_on())
    house.trouble = "bootstrap.port: cannot listen"
    switch = house.started(is_configured=False)
    shown = switch.shown()
    assert (shown["enabled"], shown["decided_by"]) == (False, "operator")
    assert shown["problem"] == switch.problem == house.trouble
    assert switch.counters()["bootstrap_not_opened_current"] == 1
    (said,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert said.reason == house.trouble  # type: ignore[attr-defined]


def test_it_can_be_switched_on_again_when_the_port_is_free() -> None:
    house = House(switched_on())
    house.trouble = "bootstrap.port: cannot listen"
    switch = house.started(is_configured=False)
    house.trouble = "bootstrap.dtls_port: cannot listen"
    with pytest.raises(Conflict, match=r"bootstrap\.dtls_port: cannot listen"):
        asyncio.run(switch.switch(True))
    assert switch.problem == house.trouble
    house.trouble = None
    shown = asyncio.run(switch.switch(True))
    assert (shown["enabled"], shown["problem"]) == (True, None)
    assert house.made[0].is_started
    assert switch.counters()["bootstrap_not_opened_current"] == 0


@pytest.mark.parametrize("said", [False, None])
def test_who_takes_it_back_has_no_problem_any_more(said: bool | None) -> None:
    house = House(switched_on())
    house.trouble = "bootstrap.port: cannot listen"
    switch = house.started(is_configured=False)
    assert asyncio.run(switch.switch(said))["problem"] is None
    assert House(house.fleet).started(is_configured=False).problem is None


def test_what_the_configuration_has_open_stops_the_start() -> None:
    house = House(switched_on())
    house.trouble = "bootstrap.port: cannot listen"
    with pytest.raises(ConfigError, match=r"bootstrap\.port"):
        house.started(is_configured=True)
