"""The turn of what we ask of devices, of what they report by themselves, and of contacts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import CONTENT_FORMAT, OBSERVE, POST, code_byte, register, request, write

from lwm2m_fast.core.ask import ReportTuple
from lwm2m_fast.core.events import Event
from lwm2m_fast.errors import StoreError
from tests.turn_kit import DEVICE, DEVICE_OBJECT, Scene, observe, play


async def agreed(scene: Scene) -> bytes:
    """dev-1 has been asked to report, and has agreed; the token."""
    observe(scene)
    (asked,) = await scene.hear()
    answer = write(2, code_byte("2.05"), asked.mid, asked.token, [(OBSERVE, b"\1")], b"1")
    scene.udp.arrive((DEVICE, answer))
    await scene.until(lambda: scene.answers)
    return asked.token


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


def test_a_request_is_sent_again_by_the_loops_clock() -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        scene.engine.start("dev-1", DEVICE_OBJECT, 60.0, scene.turns.now())
        scene.turns.act()
        first, second = await scene.hear(2)
        assert first.data == second.data

    play(act, ack_timeout_s=0.1, ack_random_factor=1.0)


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


@pytest.mark.parametrize("part", ["_resolve", "_reports"])
def test_a_fault_of_who_hears_does_not_keep_the_turn_from_the_store(part: str) -> None:
    def fault(_: object) -> None:
        raise RuntimeError("a fault of ours")

    async def act(scene: Scene) -> None:
        await scene.register()
        token = await agreed(scene)
        scene.engine.start("dev-1", DEVICE_OBJECT, 60.0, scene.turns.now())
        scene.turns.act()
        (asked,) = await scene.hear()
        setattr(scene.turns, part, fault)
        content = code_byte("2.05")
        scene.udp.arrive(
            (DEVICE, write(2, content, asked.mid, asked.token, (), b"x")),
            (DEVICE, write(1, content, 77, token, [(OBSERVE, b"\2")], b"2")),
            ("192.0.2.2:5683", register("dev-2", mid=2)),
        )
        answers = await scene.hear()
        assert [answer.code for answer in answers if answer.mid == 2] == ["2.01"]
        assert scene.store.rows()[-1] == [b"dev-2"]
        assert scene.turns.counters()["internal_faults"] == 1
        if part == "_resolve":  # and none of the reports that came with it
            assert len(scene.reports) == 1

    play(act)


@pytest.mark.parametrize("part", ["contacts", "_publish"])
def test_a_fault_of_who_is_told_does_not_keep_answers_back(part: str) -> None:
    async def act(scene: Scene) -> None:
        scene.engine.hears_registers = True
        scene.store.may.clear()
        for number in range(3):
            scene.udp.arrive((DEVICE, register(f"dev-{number}", mid=number)))
        await scene.until(lambda: scene.turns.counters()["commits_waiting"] == 3)

        def fault(_: object) -> None:
            raise RuntimeError("a fault of ours")

        usual = getattr(scene.turns, part)
        setattr(scene.turns, part, fault)
        scene.store.may.set()
        assert [answer.code for answer in await scene.hear(3)] == ["2.01"] * 3
        await scene.until(lambda: scene.turns.counters()["internal_faults"] == 3)
        assert scene.turns.counters()["commits_waiting"] == 0
        setattr(scene.turns, part, usual)
        assert (await scene.register("dev-3", mid=9)).code == "2.01"
        await scene.until(lambda: scene.contacts and scene.sink.events)
        assert scene.contacts[-1].endpoint == scene.sink.events[-1].endpoint == "dev-3"

    play(act)
