"""The turn over a socket and a store that are scripted: commit, then answer, then tell."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import (
    CONTENT_FORMAT,
    OBSERVE,
    POST,
    code_byte,
    register,
    request,
    write,
)

from lwm2m_fast import turn as turn_module
from lwm2m_fast.config import StoreConfig
from lwm2m_fast.core.ask import CoapRequest, ReportTuple
from lwm2m_fast.core.events import Event
from lwm2m_fast.datagram import Inbox
from lwm2m_fast.errors import StoreError
from lwm2m_fast.service import RunningServer
from lwm2m_fast.sink.stream import StreamSink
from lwm2m_fast.store import open_store
from tests.turn_kit import DEVICE, Scene, play

DEVICE_OBJECT = CoapRequest(1, (b"3", b"0"))


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_module, "PROBE_S", 0.01)


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


@pytest.mark.parametrize("error", [StoreError("no space"), RuntimeError("a fault of the store")])
def test_a_refused_turn_is_5_03_and_the_store_is_tried_until_it_works(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(scene: Scene) -> None:
        scene.store.error = error
        assert (await scene.register()).code == "5.03"
        assert str(error) in (scene.turns.store_problem or "")
        assert scene.engine.device_count() == 0
        assert (await scene.register(mid=2)).code == "5.03", "at once: the store is down"
        assert scene.sink.events == []
        scene.store.error = None
        await scene.until(lambda: scene.turns.store_problem is None)
        assert (await scene.register(mid=3)).code == "2.01"
        assert scene.turns.counters()["commits_failed"] == 1

    play(act)
    said = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert said == ["the store failed; registrations are refused until it works"]


def test_turns_behind_a_refused_one_are_refused_too() -> None:
    async def act(scene: Scene) -> None:
        scene.store.may.clear()
        scene.store.entered.clear()
        scene.udp.arrive((DEVICE, register("dev-0", mid=0)))
        await scene.until(scene.store.entered.is_set)
        for number in range(1, 4):
            scene.udp.arrive((DEVICE, register(f"dev-{number}", mid=number)))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"] == 4)
        scene.store.error = StoreError("no space")
        scene.store.may.set()
        answers = await scene.hear(4)
        assert [(answer.mid, answer.code) for answer in answers] == [(n, "5.03") for n in range(4)]
        assert scene.engine.device_count() == 0
        assert scene.turns.counters()["commits_waiting"] == 0
        scene.store.error = None
        await scene.until(lambda: scene.turns.store_problem is None)
        assert scene.store.rows() == [[]]  # the probe alone: what was refused is never written
        assert (await scene.register("dev-0", mid=9)).code == "2.01"

    play(act)


def test_updates_go_on_while_the_store_is_down() -> None:
    async def act(scene: Scene) -> None:
        location = (await scene.register()).location
        scene.store.error = StoreError("no space")
        assert (await scene.register("dev-2", mid=2)).code == "5.03"
        scene.udp.arrive((DEVICE, request(POST, location, mid=3)))
        assert (await scene.hear())[0].code == "2.04"

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


def test_after_the_end_nobody_probes_the_store() -> None:
    async def act(scene: Scene) -> None:
        scene.store.error = StoreError("no space")
        await scene.register()
        await scene.turns.stop()
        scene.store.entered.clear()
        await asyncio.sleep(0.1)  # ten times PROBE_S
        assert not scene.store.entered.is_set()

    play(act)


def test_answers_of_devices_reach_those_who_asked() -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        call = scene.engine.start("dev-1", DEVICE_OBJECT, 60.0, scene.turns.now())
        scene.turns.act()
        (asked,) = await scene.hear()
        scene.udp.arrive((DEVICE, write(2, code_byte("2.05"), asked.mid, asked.token, (), b"x")))
        await scene.until(lambda: scene.answers)
        assert scene.answers == [(call, "answered", 69, None, b"x", None, None, 0)]

    play(act)


def observe(scene: Scene) -> None:
    """Ask dev-1 to report."""
    scene.engine.wants_reports = True
    scene.engine.observe("dev-1", DEVICE_OBJECT, b"ctx", 10.0, scene.turns.now())
    scene.turns.act()


async def agreed(scene: Scene) -> bytes:
    """dev-1 has been asked to report, and has agreed; the token."""
    observe(scene)
    (asked,) = await scene.hear()
    answer = write(2, code_byte("2.05"), asked.mid, asked.token, [(OBSERVE, b"\1")], b"1")
    scene.udp.arrive((DEVICE, answer))
    await scene.until(lambda: scene.answers)
    return asked.token


def test_an_observe_leaves_behind_its_commit_and_reports_reach_who_wants_them() -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        scene.log.clear()
        token = await agreed(scene)
        assert scene.log[:2] == ["commit", "answer 0.01"]
        scene.log.clear()
        scene.udp.arrive(
            (DEVICE, write(0, code_byte("2.05"), 900, token, [(OBSERVE, b"\2")], b"2"))
        )
        (answer,) = await scene.hear()
        assert (answer.type, answer.mid) == (2, 900)
        await scene.until(lambda: scene.reports)
        assert [report[4] for report in scene.reports] == [b"2"]

    play(act)


def test_reports_do_not_wait_for_the_store_and_contacts_do() -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        token = await agreed(scene)
        await scene.rest()
        scene.engine.hears_registers = True
        scene.engine.watch("dev-1", True)
        scene.contacts.clear()
        scene.store.may.clear()
        notification = write(1, code_byte("2.05"), 900, token, [(OBSERVE, b"\2")], b"2")
        scene.udp.arrive((DEVICE, register("dev-2", mid=2)), (DEVICE, notification))
        await scene.until(lambda: scene.reports)
        assert scene.contacts == []
        scene.store.may.set()
        await scene.until(lambda: scene.contacts)
        assert [tuple(contact) for contact in scene.contacts] == [
            ("dev-2", "registered"),
            ("dev-1", "uplink"),
        ]

    play(act)


def test_of_a_refused_turn_only_the_register_is_no_contact() -> None:
    async def act(scene: Scene) -> None:
        location = (await scene.register()).location
        scene.engine.hears_registers = True
        scene.engine.watch("dev-1", True)
        scene.store.may.clear()
        scene.store.entered.clear()
        scene.udp.arrive((DEVICE, register("dev-2", mid=2)))
        await scene.until(scene.store.entered.is_set)
        scene.udp.arrive((DEVICE, request(POST, location, mid=3)))
        await scene.hear()
        scene.store.error = StoreError("no space")
        scene.store.may.set()
        await scene.until(lambda: scene.contacts)
        assert [tuple(contact) for contact in scene.contacts] == [("dev-1", "updated")]

    play(act)


def test_a_refused_observe_is_answered_and_never_sent() -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        scene.store.error = StoreError("no space")
        observe(scene)
        await scene.until(lambda: scene.answers)
        assert scene.answers[0][1] == "store"
        assert scene.udp.take() == []
        assert scene.engine.observations("dev-1") == []

    play(act)


def test_a_request_that_waited_for_a_register_leaves_right_behind_its_answer() -> None:
    async def act(scene: Scene) -> None:
        scene.store.may.clear()
        scene.udp.arrive((DEVICE, register()))
        await scene.until(lambda: scene.engine.device_count())
        scene.engine.start("dev-1", DEVICE_OBJECT, 60.0, scene.turns.now())
        scene.turns.act()
        await scene.rest()
        assert scene.udp.sent == []
        scene.store.may.set()
        assert [heard.code for heard in await scene.hear(2)] == ["2.01", "0.01"]

    play(act)


def test_a_read_of_a_refused_register_is_cancelled_at_once() -> None:
    async def act(scene: Scene) -> None:
        scene.store.may.clear()
        scene.store.error = StoreError("no space")
        scene.udp.arrive((DEVICE, register()))
        await scene.until(lambda: scene.engine.device_count())
        call = scene.engine.start("dev-1", DEVICE_OBJECT, 60.0, scene.turns.now())
        scene.turns.act()
        scene.store.may.set()
        await scene.until(lambda: scene.answers)
        assert scene.answers[0][:2] == (call, "cancelled")

    play(act)


def test_a_request_is_sent_again_by_the_loops_clock() -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        scene.engine.start("dev-1", DEVICE_OBJECT, 60.0, scene.turns.now())
        scene.turns.act()
        first, second = await scene.hear(2)
        assert first.data == second.data

    play(act, ack_timeout_s=0.1, ack_random_factor=1.0)


@pytest.mark.parametrize("kept", [True, False])
def test_the_operator_is_told_of_a_removal_only_when_the_store_has_it(kept: bool) -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        fleet = open_store("memory", "", StoreConfig())
        service = RunningServer(scene.engine, fleet, StreamSink(9), dict)
        service.attach(scene.turns)
        scene.store.may.clear()
        scene.store.error = None if kept else StoreError("no space")
        removing = asyncio.ensure_future(service.deregister("dev-1"))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"])
        await scene.rest()
        assert not removing.done()
        scene.store.may.set()
        if kept:
            assert await removing is True
        else:
            with pytest.raises(StoreError):
                await removing

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


def test_changes_that_are_no_turn_are_kept_between_turns() -> None:
    async def act(scene: Scene) -> None:
        scene.store.may.clear()
        scene.store.entered.clear()
        scene.udp.arrive((DEVICE, register("dev-0", mid=0)))
        await scene.until(scene.store.entered.is_set)
        kept = [asyncio.ensure_future(scene.turns.keep(b"%d" % n)) for n in range(2)]
        await scene.rest()
        scene.udp.arrive((DEVICE, register("dev-1", mid=1)))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"] == 2)
        assert not any(future.done() for future in kept)
        scene.store.may.set()
        await asyncio.gather(*kept)
        await scene.hear(2)
        _, second, third, last = scene.store.applied
        assert b"dev-1" in second, "a turn waits for no more than one of them"
        assert (third, last) == (b"0", b"1")

    play(act)


def test_changes_that_are_no_turn_fail_alone() -> None:
    async def act(scene: Scene) -> None:
        scene.store.error = StoreError("no space")
        with pytest.raises(StoreError, match="no space"):
            await scene.turns.keep(b"values")
        assert scene.turns.store_problem is None, "the next turn finds out for itself"
        scene.store.error = None
        assert (await scene.register()).code == "2.01"
        await scene.turns.keep(b"values")
        assert scene.store.applied[-1] == b"values"

    play(act)


def test_a_stop_keeps_what_was_handed_over_and_takes_nothing_new() -> None:
    async def act(scene: Scene) -> None:
        kept = asyncio.ensure_future(scene.turns.keep(b"values"))
        await asyncio.sleep(0)
        await scene.turns.stop()
        await kept
        assert scene.store.applied == [b"values"]
        with pytest.raises(StoreError, match="stopping"):
            await scene.turns.keep(b"more")

    play(act)


OTHER = "192.0.2.2:5683"


def sent(mid: int) -> bytes:
    """A Send; what is in it is nobody's business here."""
    options = [(CONTENT_FORMAT, b"\x70")]
    return request(POST, "dp", mid=mid, options=options, payload=b"\x80")


def reporting(scene: Scene) -> list[int]:
    """Report as values.py does: one event each; the slots, in order."""
    slots: list[int] = []

    def report(reports: Sequence[ReportTuple]) -> list[Event]:
        slots.extend(each[0] for each in reports)
        scene.log.append("report")
        return [Event("send", "dev-1", 0.0) for _ in reports]

    scene.turns._reports = report
    scene.engine.wants_reports = True
    return slots


def test_what_devices_report_is_taken_at_once_and_told_behind_the_turn() -> None:
    async def act(scene: Scene) -> None:
        slots = reporting(scene)
        await scene.register()
        await scene.until(lambda: "tell registered" in scene.log)
        scene.log.clear()
        scene.udp.arrive((DEVICE, sent(5)), (OTHER, register("dev-2", mid=1)))
        await scene.until(lambda: "tell send" in scene.log)
        assert scene.log == [
            "answer 2.04", "report", "commit", "answer 2.01", "tell registered", "tell send",
        ]  # fmt: skip
        assert slots == [0]

    play(act)


def test_what_devices_report_is_told_whatever_the_store_says() -> None:
    async def act(scene: Scene) -> None:
        reporting(scene)
        await scene.register()
        await scene.until(lambda: "tell registered" in scene.log)
        scene.log.clear()
        scene.store.error = StoreError("no space")
        scene.udp.arrive((DEVICE, sent(5)), (OTHER, register("dev-2", mid=1)))
        await scene.until(lambda: "tell send" in scene.log)
        assert scene.log == ["answer 2.04", "report", "answer 5.03", "tell send"]

    play(act)


def test_without_a_reader_no_report_is_made() -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        scene.engine.wants_reports = False
        scene.udp.arrive((DEVICE, sent(5)))
        assert (await scene.hear())[0].code == "2.04"
        scene.engine.wants_reports = True
        scene.udp.arrive((DEVICE, sent(6)))
        await scene.hear()
        assert len(scene.reports) == 1

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
