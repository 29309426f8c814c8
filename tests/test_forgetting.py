"""What is forgotten with a device's name: every part is told, in order, although one fails; what a
kill in the middle leaves is made good at the next start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import pytest

from lwm2m_fast.errors import StoreError
from lwm2m_fast.faults import Faults
from lwm2m_fast.fleet.tenants import MANAGEMENT
from lwm2m_fast.forgetting import (
    AGAIN_S,
    CLAIMED,
    FORGOTTEN_AT_ONCE,
    REMOVED,
    Forgetting,
    Part,
    Why,
)
from lwm2m_fast.provisioning.device_rows import DEVICE, ROUTE
from lwm2m_fast.provisioning.handover import HANDOVER, Handovers
from lwm2m_fast.queue.durable import Done
from lwm2m_fast.store.base import FleetChange
from lwm2m_fast.store.memory import MemoryFleet

BROKEN = StoreError("the disk is gone")
OF_ACME = b"acme\0\0\0\0\0\0\0\0\1"
OF_NOBODY_ELSE = MANAGEMENT.encode() + OF_ACME[4:]


class Keeper:
    """Keeps at once, or refuses."""

    problem: str | None = None

    def __init__(self, fleet: MemoryFleet) -> None:
        self.fleet = fleet

    def keep(
        self, changes: Sequence[FleetChange], done: Done | None = None, *, must: bool = False
    ) -> None:
        if self.problem is None:
            self.fleet.apply(changes)
        if done is not None:
            done(None if self.problem is None else StoreError(self.problem))


class Process:
    """One run over a fleet store; another over the same is the next start."""

    def __init__(self, fleet: MemoryFleet | None = None) -> None:
        self.fleet = fleet or MemoryFleet()
        self.notes, self.faults, self.keeper = Handovers(self.fleet), Faults(), Keeper(self.fleet)
        self.told: list[tuple[str, list[str], bool]] = []
        self.breaks: dict[str, Exception] = {}
        self.synced = 0
        parts = [Part(name, self._part(name)) for name in ("first", "second", "third")]
        self.forgetting = Forgetting(
            self.notes, parts, self.keeper, self._is_configured, self._sync, self.faults
        )

    def _part(self, part: str) -> Callable[[Sequence[str], Why], Awaitable[int]]:
        async def forget(names: Sequence[str], why: Why) -> int:
            self.told.append((part, list(names), why.is_gone))
            if part in self.breaks:
                raise self.breaks[part]
            return len(names)

        return forget

    def _is_configured(self, name: str) -> bool:
        return self.fleet.get(DEVICE, name.encode()) is not None

    def _sync(self) -> None:
        self.synced += 1

    def remove(self, *names: str) -> None:
        """What the registry writes."""
        keys = [name.encode() for name in names]
        self.notes.apply([(space, key, None) for key in keys for space in (DEVICE, ROUTE)])

    def claim(self, *names: str, owner: bytes = OF_ACME) -> None:
        for name in names:
            self.notes.apply([(DEVICE, name.encode(), b"x"), (ROUTE, name.encode(), owner)])

    async def ticks(self, count: int = AGAIN_S) -> None:
        for _ in range(count):
            self.forgetting.tick()
        await self.rest()

    async def rest(self) -> None:
        if self.forgetting._working is not None:
            await self.forgetting._working

    @property
    def noted(self) -> int:
        return sum(1 for _ in self.fleet.scan(HANDOVER))


def play(act: Callable[[Process], Awaitable[None]]) -> None:
    async def played() -> None:
        async with asyncio.timeout(10):
            await act(Process())

    asyncio.run(played())


def test_parts_are_told_in_order_and_then_the_note_goes() -> None:
    async def act(process: Process) -> None:
        process.remove("a", "b")
        assert process.noted == 1
        await process.forgetting.removed(["a", "b"])
        assert process.told == [(part, ["a", "b"], True) for part in ("first", "second", "third")]
        assert (process.noted, process.synced) == (0, 1)

    play(act)


def test_of_many_names_the_loop_has_its_turn_between_some_and_the_first_part_ends_first() -> None:
    async def act(process: Process) -> None:
        names = [f"d-{number}" for number in range(2 * FORGOTTEN_AT_ONCE + 1)]
        process.remove(*names)
        await process.forgetting.removed(names)
        assert [part for part, _, _ in process.told] == ["first"] * 3 + ["second"] * 3 + [
            "third"
        ] * 3
        assert [name for part, some, _ in process.told if part == "third" for name in some] == names
        assert max(len(some) for _, some, _ in process.told) == FORGOTTEN_AT_ONCE

    play(act)


@pytest.mark.parametrize("broken", ["first", "second", "third"])
@pytest.mark.parametrize("error", [BROKEN, RuntimeError("a fault of ours")])
def test_every_part_is_told_although_one_raises_and_that_one_is_told_again(
    broken: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(process: Process) -> None:
        process.breaks[broken] = error
        process.remove("a")
        await process.forgetting.removed(["a"])
        assert [part for part, _, _ in process.told] == ["first", "second", "third"]
        assert process.noted == 1
        assert process.forgetting.counters()["names_forgetting_current"] == 1
        assert [each.levelno for each in caplog.records] == [logging.ERROR]
        assert str(error) in caplog.text
        assert process.faults.count == (error is not BROKEN)
        del process.told[:], process.breaks[broken]
        await process.ticks(AGAIN_S - 1)
        assert process.told == []
        await process.ticks(1)
        assert process.told == [(broken, ["a"], True)]  # and no other
        assert process.noted == process.forgetting.counters()["names_forgetting_current"] == 0

    play(act)


def test_what_a_kill_in_the_middle_leaves_is_made_good_at_the_next_start() -> None:
    async def act(process: Process) -> None:
        process.remove("before-all")
        process.claim("of-acme")
        process.breaks["second"] = BROKEN
        process.remove("half-way")
        process.notes.take()  # of the first two nobody was told
        await process.forgetting.removed(["half-way"])
        again = Process(process.fleet)
        assert again.forgetting.resume() == 3
        await again.rest()
        for part in ("first", "second", "third"):
            told = [(names, gone) for name, names, gone in again.told if name == part]
            assert told == [(["before-all"], True), (["of-acme"], False), (["half-way"], True)]
        assert again.noted == 0
        assert Process(process.fleet).forgetting.resume() == 0

    play(act)


def test_of_a_name_that_somebody_has_by_then_only_what_is_not_his_is_forgotten() -> None:
    async def act(process: Process) -> None:
        process.remove("a", "b")
        process.claim("a")
        again = Process(process.fleet)
        again.forgetting.resume()
        await again.rest()
        of_first = [(names, gone) for part, names, gone in again.told if part == "first"]
        assert of_first == [(["b"], True), (["a"], False), (["a"], False)]

    play(act)


def test_a_note_that_cannot_be_let_go_of_is_left_for_later() -> None:
    async def act(process: Process) -> None:
        process.remove("a")
        process.keeper.problem = "full"
        await process.forgetting.removed(["a"])
        assert process.noted == 1
        process.keeper.problem = None
        del process.told[:]
        await process.ticks()
        assert (process.told, process.noted) == ([], 0)

    play(act)


@pytest.mark.parametrize("error", [BROKEN, RuntimeError("a fault of ours")])
def test_what_a_power_failure_could_bring_back_is_made_safe_later_and_nobody_told_again(
    error: Exception,
) -> None:
    async def act(process: Process) -> None:
        process.remove("a")

        def fails() -> None:
            raise error

        process.forgetting._sync = fails
        await process.forgetting.removed(["a"])
        assert process.noted == 1
        assert process.faults.count == (error is not BROKEN)
        del process.told[:]
        await process.ticks()
        assert process.noted == 1
        process.forgetting._sync = process._sync
        await process.ticks()
        # By now the name's next owner may have registered, and must not be ended.
        assert (process.told, process.synced, process.noted) == ([], 1, 0)

    play(act)


def test_what_was_forgotten_before_a_part_failed_is_made_safe_when_that_one_knows_nothing() -> None:
    async def act(process: Process) -> None:
        process.breaks["second"] = BROKEN
        process.remove("a")
        await process.forgetting.removed(["a"])
        assert process.synced == 0

        async def nothing(names: Sequence[str], why: Why) -> int:
            return 0

        left = process.forgetting._left
        left.update({ticket: (Part("second", nothing),) for ticket in left})
        await process.ticks()
        assert (process.synced, process.noted) == (1, 0)

    play(act)


def test_a_part_that_fails_for_long_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def act(process: Process) -> None:
        process.breaks["second"] = BROKEN
        for name in ("a", "b"):
            process.remove(name)
            await process.forgetting.removed([name])
        await process.ticks(3 * AGAIN_S)
        assert len(caplog.records) == 1
        del process.breaks["second"]
        await process.ticks()
        process.breaks["second"] = BROKEN
        process.remove("c")
        await process.forgetting.removed(["c"])
        assert len(caplog.records) == 2

    play(act)


def test_a_note_of_which_nobody_was_told_does_not_go_with_the_next() -> None:
    async def act(process: Process) -> None:
        process.remove("lost")  # a fault between the transaction and who is to be told
        process.remove("a")
        await process.forgetting.removed(["a"])
        assert {name for _, names, _ in process.told for name in names} == {"a"}
        assert process.noted == 1
        del process.told[:]
        await process.ticks()
        assert process.told == [(part, ["lost"], True) for part in ("first", "second", "third")]
        assert process.noted == 0

    play(act)


def test_of_a_name_that_is_given_while_parts_are_told_again_nothing_of_its_new_owner_ends() -> None:
    async def act(process: Process) -> None:
        process.remove("a")
        again = Process(process.fleet)
        first = again.forgetting._parts[0].forget

        async def slow(names: Sequence[str], why: Why) -> int:
            process.fleet.apply([(DEVICE, b"a", b"x")])  # the disk takes its time
            return await first(names, why)

        parts = (Part("first", slow), *again.forgetting._parts[1:])
        again.forgetting._parts = parts
        again.forgetting.resume()
        await again.rest()
        assert again.told[0] == ("first", ["a"], True)
        assert {(part, gone) for part, _, gone in again.told[1:]} == {
            ("first", False),
            ("second", False),
            ("third", False),
        }
        assert again.noted == 0

    play(act)


def test_parts_that_are_being_told_are_not_told_beside_that() -> None:
    async def act(process: Process) -> None:
        goes_on = asyncio.Event()
        first = process.forgetting._parts[0].forget

        async def slow(names: Sequence[str], why: Why) -> int:
            await goes_on.wait()
            return await first(names, why)

        process.forgetting._parts = (Part("first", slow),)
        process.remove("a")
        telling = asyncio.create_task(process.forgetting.removed(["a"]))
        await asyncio.sleep(0)
        await process.ticks()
        assert process.told == []
        goes_on.set()
        await telling
        assert process.told == [("first", ["a"], True)]
        assert process.noted == process.forgetting.counters()["names_forgetting_current"] == 0

    play(act)


def test_a_claim_says_that_the_names_have_an_owner() -> None:
    async def act(process: Process) -> None:
        process.claim("a")
        await process.forgetting.claimed(["a"])
        assert process.told == [(part, ["a"], False) for part in ("first", "second", "third")]
        assert process.noted == 0

    play(act)
    assert (REMOVED.is_gone, CLAIMED.is_gone) == (True, False)


def test_a_name_of_who_runs_the_server_changes_no_hands_when_it_gets_a_device() -> None:
    async def act(process: Process) -> None:
        process.claim("a", owner=OF_NOBODY_ELSE)
        process.notes.apply([("settings", b"a", b"x"), (DEVICE, b"a", b"y")])
        assert (process.noted, process.notes.take()) == (0, [])

    play(act)
