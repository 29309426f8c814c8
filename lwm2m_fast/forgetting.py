"""What is forgotten with a device's name: whoever has the name next finds nothing of who had it.

Every part that holds something under a name is told, in the order of a list, although one before it
fails: first the registration ends, so that nothing new comes in behind what is forgotten. A note on
disk (provisioning/handover.py) stays until every part has what it forgot on disk; parts that failed
are told again, and a start goes on where the run before ended. Knows no protocol and no HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lwm2m_fast.errors import StoreError
from lwm2m_fast.faults import Faults
from lwm2m_fast.provisioning.handover import HANDOVER
from lwm2m_fast.queue.durable import Keeper

FORGOTTEN_AT_ONCE: Final = 64
"""Names that a part is told of before the loop gets its turn."""

AGAIN_S: Final = 10
"""Ticks, of a second each, until parts that failed are told again."""

_log = logging.getLogger("lwm2m_fast.forgetting")


@dataclass(frozen=True, slots=True)
class Why:
    """How a name came free of its owner."""

    is_gone: bool
    """False: another has it already, whose own things stay."""
    registration: str
    operation: str
    """What is said of a registration, and of an operation, that ends with it."""


REMOVED: Final = Why(
    is_gone=True,
    registration="its configuration was removed",
    operation="the device's configuration was removed",
)
CLAIMED: Final = Why(
    is_gone=False,
    registration="its name is another tenant's now",
    operation="the device's name is another tenant's now",
)


@dataclass(frozen=True, slots=True)
class Part:
    """Who holds something under endpoint names.

    `forget` returns once that is on disk, and says of how many names there was something. An error:
    not all of it could be forgotten.
    """

    name: str
    forget: Callable[[Sequence[str], Why], Awaitable[int]]


async def _already(names: Sequence[str], why: Why) -> int:
    """Everybody has."""
    return 0


_ONLY_TO_DISK: Final = Part("what is forgotten", _already)
"""In place of parts that have all forgotten, where that could not be made safe."""


class Notes(Protocol):
    """provisioning/handover.py"""

    def take(self) -> list[bytes]: ...
    def names(self, ticket: bytes) -> list[str]: ...


class Forgetting:
    """`parts` in the order in which they are told. `is_configured` says whether a name has a device
    again, `sync` makes the state store safe from a power failure. Loop's thread only."""

    def __init__(
        self,
        notes: Notes,
        parts: Sequence[Part],
        keeper: Keeper,
        is_configured: Callable[[str], bool],
        sync: Callable[[], None],
        faults: Faults,
    ) -> None:
        self._notes, self._parts, self._keeper = notes, tuple(parts), keeper
        self._is_configured, self._sync, self._faults = is_configured, sync, faults
        self._left: dict[bytes, tuple[Part, ...]] = {}
        """Tickets of notes with the parts that have yet to forget."""
        self._telling: set[bytes] = set()
        """Those whose parts are being told for the first time."""
        self._failing: set[str] = set()
        """Parts that could not forget the last time, which is logged once."""
        self._working: asyncio.Task[None] | None = None
        self._ticks = 0
        self.forgotten = self.failed = 0

    async def removed(self, names: Sequence[str]) -> None:
        """Devices that are configured no longer. Never raises: what fails is tried again."""
        await self._begin(names, REMOVED)

    async def claimed(self, names: Sequence[str]) -> None:
        """Names that were nobody's, and are a tenant's now. The same."""
        await self._begin(names, CLAIMED)

    async def _begin(self, names: Sequence[str], why: Why) -> None:
        tickets = self._notes.take()  # one writer at a time: nobody else's are among them
        self._left.update(dict.fromkeys(tickets, self._parts))
        self._telling.update(tickets)
        try:
            failed = await self._told(names, why, self._parts)
            self.forgotten += len(names)
            for ticket in tickets:
                if self._is_about(ticket, names):
                    self._settle(ticket, failed)
        finally:
            self._telling.difference_update(tickets)

    def _is_about(self, ticket: bytes, names: Sequence[str]) -> bool:
        """False: of a transaction before, of which a fault has kept us from hearing. It is left for
        later, as is what cannot be read."""
        try:
            return frozenset(names).issuperset(self._notes.names(ticket))
        except StoreError:
            return False

    def resume(self) -> int:
        """At the start: what the run before has not forgotten is, as soon as the loop runs; how
        many transactions that were."""
        self._left.update(dict.fromkeys(self._notes.take(), self._parts))
        if self._left:
            self._working = asyncio.get_running_loop().create_task(self._again())
        return len(self._left)

    def tick(self) -> None:
        """Once a second: tell those again, now and then, who could not forget."""
        self._ticks += 1
        is_busy = self._working is not None and not self._working.done()
        if self._left and not is_busy and self._ticks % AGAIN_S == 0:
            self._working = asyncio.get_running_loop().create_task(self._again())

    async def stop(self) -> None:
        """End what goes on by itself; the next start does it."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    async def _again(self) -> None:
        for ticket, parts in list(self._left.items()):
            if ticket in self._telling:
                continue
            try:
                names = self._notes.names(ticket)
            except StoreError:  # cannot be read now
                continue
            self._settle(ticket, await self._told(names, None, parts))

    async def _told(
        self, names: Sequence[str], why: Why | None, parts: Sequence[Part]
    ) -> list[Part]:
        """Those of `parts` that could not forget all. `why` None: of a name that somebody has by
        the time when a part is told, it forgets only what is not his."""
        failed: list[Part] = []
        known = 0
        for part in parts:
            is_well = True
            for start in range(0, len(names), FORGOTTEN_AT_ONCE):
                some = names[start : start + FORGOTTEN_AT_ONCE]
                for each in (REMOVED, CLAIMED) if why is None else (why,):
                    found = await self._tell(part, some, each, by_owner=why is None)
                    is_well = is_well and found is not None
                    known += found or 0
                await asyncio.sleep(0)
            if is_well:
                self._failing.discard(part.name)
            else:
                self._failing.add(part.name)
                failed.append(part)
        # Told again: what others had forgotten by then was not made safe.
        if not failed and parts and (known or why is None) and not await self._is_safe():
            failed = [_ONLY_TO_DISK]  # what was forgotten may come back with a power failure
        return failed

    async def _tell(
        self, part: Part, names: Sequence[str], why: Why, *, by_owner: bool
    ) -> int | None:
        """Of how many names the part knew something; None: it could not forget all. `by_owner`:
        only those of `names` for which that is why."""
        try:
            if by_owner:
                names = [name for name in names if self._is_configured(name) != why.is_gone]
            return await part.forget(names, why) if names else 0
        except StoreError as error:
            if part.name not in self._failing:
                _log.error("%s of devices could not all be forgotten: %s", part.name, error)
            self._failing.add(part.name)
        except Exception as fault:
            self._faults.note(fault, f"forgetting {part.name}")
        return None

    async def _is_safe(self) -> bool:
        """Whether a power failure brings back nothing of what was forgotten."""
        try:
            await asyncio.to_thread(self._sync)
        except StoreError:
            return False
        except Exception as fault:
            self._faults.note(fault, "making safe what is forgotten")
            return False
        return True

    def _settle(self, ticket: bytes, failed: Sequence[Part]) -> None:
        if failed:
            self.failed += 1
            self._left[ticket] = tuple(failed)
            return

        def settled(error: StoreError | None) -> None:
            if error is None:
                self._left.pop(ticket, None)

        self._left[ticket] = ()
        self._keeper.keep([(HANDOVER, ticket, None)], settled)

    def counters(self) -> dict[str, int]:
        return {
            "names_forgotten": self.forgotten,
            "names_forgetting_failed": self.failed,
            "names_forgetting_current": len(self._left),
        }
