"""The turn over a socket and a store that are scripted: commit, then answer, then tell."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import POST, register, request

from lwm2m_fast import turn as turn_module
from lwm2m_fast.datagram import Inbox
from lwm2m_fast.errors import StoreError
from tests.turn_kit import DEVICE, DEVICE_OBJECT, Scene, play


def test_the_order_is_commit_answer_tell() -> None:
    async def act(scene: Scene) -> None:
        assert (await scene.register()).code == "2.01"
        await scene.until(lambda: scene.sink.events)
        assert scene.log == ["commit", "answer 2.01", "tell registered"]

    play(act)


def test_nothing_is_answered_or_told_before_the_store_has_it() -> None:
    async def act(scene: Scene) -> None:
        scene.store.may.clear()
        scene.udp.arrive((DEVICE, register()))
        await scene.until(scene.store.entered.is_set)
        await scene.rest()
        assert scene.log == []
        assert scene.turns.counters()["commits_waiting"] == 1
        scene.store.may.set()
        assert (await scene.hear())[0].code == "2.01"

    play(act)


def test_a_slow_store_holds_up_nobody_who_needs_it_not() -> None:
    async def act(scene: Scene) -> None:
        location = (await scene.register()).location
        scene.store.may.clear()
        scene.udp.arrive((DEVICE, register("dev-2", mid=2)))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"])
        scene.udp.arrive((DEVICE, request(POST, location, mid=3)))
        (answer,) = await scene.hear()
        assert (answer.code, answer.mid) == ("2.04", 3)

    play(act)


def test_turns_that_wait_are_written_together_and_answered_in_order() -> None:
    async def act(scene: Scene) -> None:
        scene.store.may.clear()
        scene.store.entered.clear()
        scene.udp.arrive((DEVICE, register("dev-0", mid=0)))
        await scene.until(scene.store.entered.is_set)
        for number in range(1, 10):
            scene.udp.arrive((DEVICE, register(f"dev-{number}", mid=number)))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"] == 10)
        scene.store.may.set()
        assert [answer.mid for answer in await scene.hear(10)] == list(range(10))
        assert scene.store.rows() == [[b"dev-0"], [b"dev-%d" % n for n in range(1, 10)]]
        assert [event.endpoint for event in scene.sink.events] == [f"dev-{n}" for n in range(10)]

    play(act)


def test_the_thread_that_writes_pushes_the_loop_off_no_core() -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        (writer,) = (one for one in threading.enumerate() if one.name == "committer")
        assert writer.native_id is not None
        assert os.sched_getscheduler(writer.native_id) == os.SCHED_BATCH
        assert os.sched_getscheduler(0) != os.SCHED_BATCH

    play(act)


def test_an_event_is_told_behind_those_that_still_wait() -> None:
    async def act(scene: Scene) -> None:
        location = (await scene.register()).location
        scene.log.clear()
        scene.store.may.clear()
        scene.udp.arrive((DEVICE, register("dev-2", mid=2)))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"])
        scene.udp.arrive((DEVICE, request(POST, location, mid=3)))
        await scene.hear()
        assert scene.log == ["answer 2.04"]
        scene.store.may.set()
        await scene.until(lambda: len(scene.sink.events) == 3)
        assert [event.kind for event in scene.sink.events] == ["registered"] * 2 + ["updated"]

    play(act)


def test_at_the_bound_of_waiting_turns_nothing_more_is_received(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn_module, "MAX_PENDING", 2)

    async def act(scene: Scene) -> None:
        scene.store.may.clear()
        for number in range(5):
            scene.udp.arrive((DEVICE, register(f"dev-{number}", mid=number)))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"] == 2)
        await scene.rest()
        assert len(scene.udp.coming) == 3
        scene.store.may.set()
        assert [answer.mid for answer in await scene.hear(5)] == list(range(5))

    play(act)


def test_while_the_way_out_is_blocked_nothing_is_received() -> None:
    async def act(scene: Scene) -> None:
        location = (await scene.register()).location
        scene.udp.blocked = True
        scene.udp.arrive((DEVICE, request(POST, location, mid=2)))
        await scene.until(lambda: scene.udp.kept)
        scene.udp.arrive((DEVICE, request(POST, location, mid=3)))
        await scene.rest()
        assert len(scene.udp.coming) == 1
        scene.udp.blocked = False
        assert [answer.mid for answer in await scene.hear(2)] == [2, 3]

    play(act)


def test_a_wake_up_works_off_no_more_batches_than_configured() -> None:
    async def act(scene: Scene) -> None:
        location = (await scene.register()).location
        seen: list[int] = []
        for number in range(7):
            scene.udp.arrive((DEVICE, request(POST, location, mid=10 + number)))
        loop = asyncio.get_running_loop()

        def look() -> None:
            seen.append(7 - len(scene.udp.coming))
            if scene.udp.coming:
                loop.call_soon(look)

        loop.call_soon(look)
        await scene.hear(7)
        steps = {later - now for now, later in itertools.pairwise(seen)}
        assert max(steps) <= 3

    play(act, batches_per_wakeup=3)


def test_what_was_received_is_kept_and_answered_before_the_end() -> None:
    async def act(scene: Scene) -> None:
        scene.store.may.clear()
        scene.udp.arrive(*((DEVICE, register(f"dev-{n}", mid=n)) for n in range(64)))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"])
        stopping = asyncio.ensure_future(scene.turns.stop())
        await scene.rest()
        assert not stopping.done()
        scene.store.may.set()
        await stopping
        assert [answer.code for answer in scene.udp.take()] == ["2.01"] * 64

    play(act)


def test_what_is_kept_last_leaves_no_timer_behind() -> None:
    """The descriptors are closed then, and may be those of other sockets."""

    async def act(scene: Scene) -> None:
        def ask(contacts: object) -> None:
            scene.engine.start("dev-1", DEVICE_OBJECT, 10.0, scene.turns.now())

        await scene.register()
        scene.engine.hears_registers, scene.turns.contacts = True, ask
        scene.store.may.clear()
        scene.udp.arrive((DEVICE, register("dev-2", mid=2)))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"])
        stopping = asyncio.ensure_future(scene.turns.stop())
        await scene.rest()
        scene.store.may.set()
        await stopping
        assert scene.engine.next_timer() < scene.turns.now() + 10  # it would be asked again
        assert scene.turns._timer is None

    play(act)


def test_without_listeners_no_event_is_made() -> None:
    async def act(scene: Scene) -> None:
        scene.sink.listens = False
        scene.turns.listen()
        await scene.register()
        assert scene.sink.events == []
        scene.sink.listens = True
        scene.turns.listen()
        await scene.register("dev-2", mid=2)
        await scene.until(lambda: scene.sink.events)

    play(act)


def test_a_fault_inside_is_5_00_for_one_device_and_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault = RuntimeError("it broke")

    async def act(scene: Scene) -> None:
        scene.engine.fault = fault
        assert (await scene.register()).code == "2.01"
        assert scene.engine.fault is None

    play(act)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[1] is fault


class Failing:
    """An engine that runs out of memory at its first batch, and is the real one but for that."""

    def __init__(self, engine: object) -> None:
        object.__setattr__(self, "engine", engine)
        object.__setattr__(self, "failures", [MemoryError()])

    def receive(self, inbox: object, now: float) -> None:
        if self.failures:
            raise self.failures.pop()
        self.engine.receive(inbox, now)

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.engine, name, value)


def test_a_batch_that_cannot_be_worked_off_does_not_stop_the_next() -> None:
    async def act(scene: Scene) -> None:
        scene.turns._engine = Failing(scene.engine)
        scene.udp.arrive((DEVICE, register()))
        await scene.until(lambda: scene.turns.counters()["internal_faults"])
        assert (await scene.register()).code == "2.01"

    play(act)


def test_queued_work_of_an_endpoint_is_done_between_looks_at_the_sockets() -> None:
    async def act(scene: Scene) -> None:
        done: list[int] = []

        def work(inbox: Inbox) -> None:
            done.append(len(scene.udp.coming))
            scene.udp.queued -= 1
            inbox.load([(DEVICE, register("dev-2", mid=2))] if scene.udp.queued == 0 else [])

        scene.udp.work = work  # type: ignore[method-assign]
        scene.udp.queued = 3
        scene.udp.arrive((DEVICE, register()))
        assert [heard.code for heard in await scene.hear(2)] == ["2.01", "2.01"]
        assert done == [0, 0, 0]

    play(act)


def test_queued_work_waits_while_nothing_is_received() -> None:
    async def act(scene: Scene) -> None:
        location = (await scene.register()).location
        scene.udp.blocked = True
        scene.udp.queued = 1
        scene.udp.work = lambda _: setattr(scene.udp, "queued", 0)  # type: ignore[method-assign]
        scene.udp.arrive((DEVICE, request(POST, location, mid=2)))
        await scene.rest()
        assert scene.udp.queued == 1
        scene.udp.blocked = False
        await scene.until(lambda: scene.udp.queued == 0)

    play(act)


def test_a_tick_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_module, "TICK_S", 0.001)

    async def act(scene: Scene) -> None:
        ticks = itertools.count(1)
        reached: list[int] = []

        def fails() -> None:
            reached.append(next(ticks))
            raise StoreError("the disk is gone")

        worked: list[int] = []
        scene.turns.work = lambda: worked.append(len(reached))
        scene.turns.tick = fails
        await scene.until(lambda: len(reached) >= 3 and worked)
        assert scene.turns.counters()["internal_faults"] >= 3

    play(act)


def test_what_is_asked_of_devices_leaves_although_the_work_before_fails() -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        scene.engine.start("dev-1", DEVICE_OBJECT, 60.0, scene.turns.now())

        def fails() -> None:
            raise RuntimeError("a fault of ours")

        scene.turns.work = fails
        scene.turns.nudge()
        assert [heard.code for heard in await scene.hear()] == ["0.01"]
        assert scene.turns.counters()["internal_faults"] == 1

    play(act)
