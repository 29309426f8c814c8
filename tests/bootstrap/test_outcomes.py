"""Outcomes of bootstraps: bounded in memory, a row per device behind it, written together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lwm2m_fast.bootstrap import outcome_rows
from lwm2m_fast.bootstrap.outcome_rows import TABLE, OutcomeRows, reader
from lwm2m_fast.bootstrap.outcomes import MAX_REASON, Outcome, Outcomes
from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.memory import MemoryState

STEPS = (("DISCOVER /", "2.05"), ("FINISH /bs", "4.06"))


def failed(at: float = 1.0, reason: str = "no") -> Outcome:
    return Outcome("failed", at, reason, STEPS)


class Scene:
    """Outcomes over a store in memory that can fail."""

    def __init__(self, state: MemoryState | None = None, most: int = 1_000) -> None:
        self.state = state or MemoryState()
        self.read: list[bytes] = []
        self.writes = 0
        self.error: str | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.outcomes = Outcomes(most, self._row)
        self.rows = OutcomeRows(self.outcomes, self._keep)

    def _row(self, key: bytes) -> bytes | None:
        self.read.append(key)
        return reader(self.state)(key)

    async def _keep(self, changes: bytes) -> None:
        self.meanwhile()
        if self.error is not None:
            raise StoreError(self.error)
        self.writes += 1
        self.state.apply(changes)

    def write(self) -> None:
        asyncio.run(self.rows.close())

    def stored(self) -> dict[str, Outcome | None]:
        return {key.decode(): Outcome.from_row(row) for key, row in self.state.load(TABLE)}


def test_the_latest_of_each_device_is_there_after_a_restart_and_read_when_asked_for() -> None:
    scene = Scene()
    for number in range(300):
        scene.outcomes.note(f"dev-{number}", failed(1.0))
        scene.outcomes.note(f"dev-{number}", failed(2.0))
    scene.write()
    assert scene.writes == -(-300 // outcome_rows.ROWS_AT_ONCE)
    later = Scene(scene.state)
    assert later.read == []
    assert later.outcomes.of("dev-7") == failed(2.0)
    assert later.read == [b"dev-7"]
    assert later.outcomes.of("stranger") is None
    assert len(scene.stored()) == 300


def test_a_bootstrap_that_has_only_begun_is_not_written() -> None:
    scene = Scene()
    scene.outcomes.note("dev-1", failed())
    scene.write()
    begun = Outcome("started", 2.0, None, ())
    scene.outcomes.note("dev-1", begun)
    assert scene.outcomes.of("dev-1") == begun
    assert scene.outcomes.unwritten == 0
    assert Scene(scene.state).outcomes.of("dev-1") == failed()


def test_a_device_that_is_gone_has_none() -> None:
    scene = Scene()
    for name in ("dev-1", "dev-2"):
        scene.outcomes.note(name, failed())
    scene.write()
    later = Scene(scene.state)
    later.outcomes.forget("dev-1")
    later.outcomes.forget("stranger")
    assert later.outcomes.of("dev-1") is None
    assert later.outcomes.unwritten == 1
    later.meanwhile = lambda: later.read.append(str(later.outcomes.of("dev-1")).encode())
    later.write()
    assert later.read[-1] == b"None"  # nor while its row goes
    assert list(later.stored()) == ["dev-2"]


def test_what_the_store_refuses_is_written_later_unless_something_newer_is() -> None:
    scene = Scene()
    for name in ("dev-1", "dev-2"):
        scene.outcomes.note(name, failed(1.0))
    scene.error = "the disk is full"
    scene.meanwhile = lambda: scene.outcomes.note("dev-1", failed(2.0))
    scene.write()
    assert scene.stored() == {}
    assert scene.outcomes.unwritten == 2
    scene.error, scene.meanwhile = None, lambda: None
    scene.write()
    assert scene.stored() == {"dev-1": failed(2.0), "dev-2": failed(1.0)}


def test_as_many_wait_as_there_may_be_and_what_was_forgotten_in_memory_is_read() -> None:
    scene = Scene(most=2)
    for name in ("a", "b", "c"):
        scene.outcomes.note(name, failed())
    counters = scene.outcomes.counters()
    assert {name: n for name, n in counters.items() if name.startswith("bootstrap_outcomes")} == {
        "bootstrap_outcomes_current": 2,
        "bootstrap_outcomes_unwritten": 2,
        "bootstrap_outcomes_not_written": 1,
    }
    scene.write()
    for name in ("d", "e"):
        scene.outcomes.note(name, failed())
    assert [name for name in "abcde" if scene.outcomes.of(name)] == ["b", "c", "d", "e"]


def test_they_are_written_in_a_tick_and_one_write_at_a_time() -> None:
    scene = Scene()

    async def ticking() -> None:
        going = asyncio.Event()
        waiting: list[Any] = []

        async def keep(changes: bytes) -> None:
            waiting.append(changes)
            await going.wait()

        rows = OutcomeRows(scene.outcomes, keep)
        rows.tick()
        scene.outcomes.note("dev-1", failed())
        for _ in range(3):
            rows.tick()
            await asyncio.sleep(0)
        scene.outcomes.note("dev-2", failed())
        rows.tick()
        assert len(waiting) == 1
        going.set()
        await rows.close()
        assert len(waiting) == 2

    asyncio.run(ticking())


@pytest.mark.parametrize(
    "row", [b"", b"{}", b"[]", b"null", b'["failed",null,null,[]]', b'["failed",1.0,null,[1]]']
)
def test_a_row_that_is_none_of_ours_is_no_outcome(row: bytes) -> None:
    assert Outcome.from_row(row) is None


def test_a_row_is_bounded_whatever_the_reason() -> None:
    found = Outcome.from_row(failed(reason="x" * 10_000).as_row())
    assert found is not None and found.reason == "x" * MAX_REASON


def test_what_cannot_be_read_when_it_is_to_be_forgotten_is_gone_all_the_same() -> None:
    scene = Scene()
    scene.outcomes.note("dev-1", failed())
    scene.write()

    def broken(key: bytes) -> bytes | None:
        raise StoreError("the disk is gone")

    works = scene.outcomes._row
    scene.outcomes._row = broken
    scene.outcomes.forget("dev-1")
    scene.outcomes._row = works
    assert scene.outcomes.of("dev-1") is None
    scene.write()
    assert Scene(scene.state).outcomes.of("dev-1") is None


def test_what_is_to_be_deleted_is_never_crowded_out() -> None:
    scene = Scene(most=2)
    scene.outcomes.note("gone", failed())
    scene.write()
    scene.outcomes.forget("gone")
    for name in ("a", "b", "c"):
        scene.outcomes.note(name, failed())
    assert scene.outcomes.not_written == 2
    scene.write()
    assert scene.stored() == {"c": failed()}
