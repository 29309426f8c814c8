"""Where several are told, a fault of ours in one keeps none of the others from hearing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lwm2m_fast.core.events import Event
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.faults import LOG_S, Faults
from lwm2m_fast.queue.durable import Durable
from lwm2m_fast.sink.leveled import Leveled
from lwm2m_fast.sink.stream import StreamSink
from lwm2m_fast.store import Store
from lwm2m_fast.store.memory import MemoryFleet
from lwm2m_fast.vault_file import passing_vault
from tests.turn_kit import Scene, play
from tests.value_kit import Scene as ValueScene

ONE, OTHER = Event("updated", "dev-1", 1.0), Event("updated", "dev-2", 2.0)


class Ear:
    """A sink that notes what it hears, or breaks."""

    listens = True

    def __init__(self, breaks: bool = False) -> None:
        self.breaks = breaks
        self.heard: list[Event] = []

    def hears(self, endpoint: str) -> bool:
        return not self._broken()

    def publish(self, events: Sequence[Event]) -> None:
        self._broken()
        self.heard += events

    def _broken(self) -> bool:
        if self.breaks:
            raise RuntimeError("a fault of ours")
        return False


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


# The piece itself


def test_every_fault_is_counted_and_of_each_kind_one_is_logged_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = [0.0]
    faults = Faults(lambda: clock[0])
    fault = RuntimeError("it broke")
    for clock[0] in (0.0, 1.0, LOG_S - 0.001):
        faults.note(fault, "a sink")
    faults.note(fault, "a tick")
    assert [record.getMessage() for record in errors(caplog)] == [
        "a sink failed inside the server",
        "a tick failed inside the server",
    ]
    clock[0] = LOG_S
    faults.note(fault, "a sink")
    (*_, last) = errors(caplog)
    assert last.exc_info is not None and last.exc_info[1] is fault
    assert vars(last)["faults"] == 3  # since the one that was logged
    assert faults.count == 5


def test_who_is_told_without_a_fault_is_not_counted() -> None:
    faults = Faults()
    heard: list[int] = []
    assert faults.tell("a sink", heard.append, 1)
    assert faults.ask("a sink", lambda: True)
    assert not faults.ask("a sink", lambda: False)
    assert (heard, faults.count) == ([1], 0)


def test_what_ends_the_process_is_no_fault() -> None:
    def ends() -> None:
        raise KeyboardInterrupt

    faults = Faults()
    with pytest.raises(KeyboardInterrupt):
        faults.tell("a sink", ends)
    assert faults.count == 0


# Who tells several


def test_of_sinks_one_that_breaks_keeps_no_other_from_hearing() -> None:
    faults, other = Faults(), Ear()
    sink = Leveled([Ear(breaks=True), other], {}, lambda *_: True, faults)
    assert sink.hears("dev-1")
    sink.publish([ONE])
    assert other.heard == [ONE]
    assert faults.count == 2


def test_of_subscriptions_one_that_breaks_keeps_no_other_from_hearing() -> None:
    async def act() -> None:
        faults = Faults()
        sink = StreamSink(10, faults=faults)

        def breaks(event: Event) -> bool:
            if event is ONE:
                raise RuntimeError("a fault of ours")
            return True

        broken, other = sink.subscribe(only=breaks), sink.subscribe()
        sink.publish([ONE, OTHER])
        for subscription in (broken, other):
            subscription.close()
        assert [event async for event in broken] == [OTHER]
        assert [event async for event in other] == [ONE, OTHER]
        assert faults.count == 1

    asyncio.run(act())


def test_of_the_sinks_of_turns_one_that_breaks_keeps_no_other_from_hearing() -> None:
    async def act(scene: Scene) -> None:
        scene.turns._sinks = [Ear(breaks=True), scene.sink]  # type: ignore[assignment]
        assert (await scene.register()).code == "2.01"
        await scene.until(lambda: scene.sink.events)
        scene.turns.publish([ONE])
        assert [event.kind for event in scene.sink.events] == ["registered", "updated"]
        assert scene.turns.counters()["internal_faults"] == 2

    play(act)


def test_of_those_who_wait_for_rows_one_that_breaks_keeps_no_other_from_going_on() -> None:
    async def act() -> None:
        faults = Faults()
        durable = Durable(MemoryFleet(), faults)

        def breaks(error: object) -> None:
            raise RuntimeError("a fault of ours")

        durable.keep([("space", b"1", b"x")], breaks)
        async with asyncio.timeout(10):
            await durable.put([("space", b"2", b"x")])
            durable.keep([("space", b"3", b"x")], breaks)
            await durable.put([("space", b"4", b"x")])
            await durable.stop()
        assert faults.count == 2

    asyncio.run(act())


@pytest.mark.parametrize(
    "listeners, change",
    [
        ("changed", lambda security: security.tell(["a change"])),
        ("trust_changed", lambda security: security._tell_trust(b"gone")),
    ],
)
def test_of_those_who_hear_of_credentials_one_that_breaks_keeps_no_other_from_hearing(
    listeners: str, change: Callable[[DeviceCredentials], Any]
) -> None:
    async def act() -> None:
        faults, heard = Faults(), []
        security = DeviceCredentials(MemoryFleet(), passing_vault(), faults=faults)

        def breaks(what: object) -> None:
            raise RuntimeError("a fault of ours")

        getattr(security, listeners).extend([breaks, heard.append])
        told = change(security)
        if told is not None:
            await told
        assert len(heard) == faults.count == 1

    asyncio.run(act())


def test_of_the_reports_of_a_turn_one_that_breaks_keeps_no_other_from_being_told(
    memory: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = Ear()
    scene = ValueScene(memory, ear)  # type: ignore[arg-type]
    scene.values._faults = faults = Faults()
    scene.registry.observe(5, "dev-1", "/3303/0/5700")
    scene.registry.observe(6, "dev-1", "/3303/1/5700")
    reported = scene.registry.reported

    def breaks(number: int) -> Any:
        if number == 5:
            raise RuntimeError("a fault of ours")
        return reported(number)

    monkeypatch.setattr(scene.registry, "reported", breaks)
    reports = [(scene.slot, number, 69, 0, b"21", scene.now, 1) for number in (5, 6)]
    (event,) = scene.values.reports(reports)
    assert event.data["observation"] == 6
    assert faults.count == 1
    assert scene.shown() == {"/3303/1/5700": 21.0}


def test_a_listener_that_breaks_keeps_no_other_from_hearing_of_a_report(memory: Store) -> None:
    scene = ValueScene(memory, Ear(breaks=True), Ear())  # type: ignore[arg-type]
    scene.values._faults = faults = Faults()
    scene.registry.observe(5, "dev-1", "/3303/0/5700")
    (event,) = scene.notify(5, b"21")
    assert event.kind == "notification"
    assert faults.count == 1
