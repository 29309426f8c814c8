"""The turn when the store refuses, and what else the store is given between turns."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import ACK, POST, register, request, write

from lwm2m_fast.committer import Committer
from lwm2m_fast.config import StoreConfig
from lwm2m_fast.errors import StoreError
from lwm2m_fast.service import RunningServer
from lwm2m_fast.sink.stream import StreamSink
from lwm2m_fast.store import open_store
from tests.turn_kit import DEVICE, DEVICE_OBJECT, Scene, observe, play


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


@pytest.mark.parametrize("is_kept", [True, False])
def test_what_waits_for_the_turn_of_an_answer_goes_on_when_that_is_kept_or_refused(
    is_kept: bool,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.register()
        observe(scene)
        (asked,) = await scene.hear()
        went: list[int] = []
        resolve = scene.turns._resolve

        def resolved(answers: Any) -> None:
            resolve(answers)
            scene.turns.when_kept(lambda: went.append(scene.turns.commits))

        scene.turns._resolve = resolved
        scene.store.may.clear()
        if not is_kept:
            scene.store.error = StoreError("no space")
        before = scene.turns.commits
        agreed = write(ACK, 69, asked.mid, asked.token, [(6, b"\1")], b"0")
        scene.udp.arrive((DEVICE, agreed))
        await scene.until(lambda: scene.answers)
        await scene.rest()
        assert went == []
        scene.store.may.set()
        await scene.until(lambda: went)
        assert went == [before + is_kept]
        scene.turns.when_kept(lambda: went.append(-1))
        await scene.until(lambda: went[1:])
        assert went[1:] == [-1]

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


def test_after_the_end_nobody_probes_the_store() -> None:
    async def act(scene: Scene) -> None:
        scene.store.error = StoreError("no space")
        await scene.register()
        await scene.turns.stop()
        scene.store.entered.clear()
        await asyncio.sleep(0.1)  # ten times PROBE_S
        assert not scene.store.entered.is_set()

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


def test_the_thread_that_writes_outlives_turns_that_it_cannot_put_together() -> None:
    async def act(scene: Scene) -> None:
        ended: list[StoreError | None] = []
        committer = Committer(
            scene.store,  # type: ignore[arg-type]
            lambda turns, error: ended.append(error),
        )
        for changes in (None, b""):  # of the first there is no joining, as without memory
            committer.submit(SimpleNamespace(changes=changes))  # type: ignore[arg-type]
            committer.resume()
        await committer.stop()
        assert [type(each) for each in ended] == [StoreError, type(None)]

    play(act)
