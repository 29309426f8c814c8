"""The thread that brings rows to the fleet store, so that no disk ever holds up the event loop.

Everything that waits while one transaction is being written goes together in the next: one wait
for the disk keeps thousands of operations. Knows rows, not what they mean.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.base import FleetChange, FleetStore

MAX_GROUP_ROWS = 20_000
"""Rows in one transaction, unless a single call brings more."""

RETRY_S = 1.0
"""How often rows that must be kept are tried again when the store fails."""

Done = Callable[[StoreError | None], None]


class Keeper(Protocol):
    """What keeps rows: the thread below, or a test's script."""

    problem: str | None
    """Why nothing can be kept right now; None when well."""

    def keep(
        self, changes: Sequence[FleetChange], done: Done | None = None, *, must: bool = False
    ) -> None: ...


def until_kept() -> tuple[asyncio.Future[None], Done]:
    """A future, and what ends it once something is kept or cannot be."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(error: StoreError | None) -> None:
        if future.done():  # its caller has gone
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(StoreError(str(error)))

    return future, done


class _Job(NamedTuple):
    changes: Sequence[FleetChange]
    done: Done | None
    must: bool


class Durable:
    """Keeps rows in the order of the calls; all of a call or nothing of it.

    `done(error)` is called on the loop's thread, in order. When the store fails, a call ends with
    the error, unless it `must` be kept, as what a device has answered: then it is tried again
    until it is, before everything else.
    """

    def __init__(self, fleet: FleetStore) -> None:
        self._fleet = fleet
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self.problem: str | None = None
        self.groups = self.rows = self.failed = self.faults = 0
        self._thread = threading.Thread(target=self._run, name="durable", daemon=True)
        self._thread.start()

    def keep(
        self, changes: Sequence[FleetChange], done: Done | None = None, *, must: bool = False
    ) -> None:
        with self._changed:
            self._waiting.append(_Job(changes, done, must))
            self._changed.notify()

    async def put(self, changes: Sequence[FleetChange]) -> None:
        """Wait until `changes` are on disk; StoreError: nothing of them is kept."""
        kept, done = until_kept()
        self.keep(changes, done)
        await kept

    async def stop(self) -> None:
        """Write what was given, then end the thread; what the store refuses now is lost."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        await self._loop.run_in_executor(None, self._thread.join)

    def counters(self) -> dict[str, int]:
        return {
            "fleet_commits": self.groups,
            "fleet_rows_written": self.rows,
            "fleet_commits_failed": self.failed,
            "fleet_commits_waiting": len(self._waiting),
            "fleet_commit_faults": self.faults,
        }

    # In the thread

    def _run(self) -> None:
        while (group := self._take_group()) is not None:
            error = self._apply(group)
            if error is not None:
                group = self._put_back(group)
            self._loop.call_soon_threadsafe(self._tell, group, error)
            if error is not None:
                with self._changed:
                    if not self._stopping:
                        self._changed.wait(RETRY_S)

    def _take_group(self) -> list[_Job] | None:
        group: list[_Job] = []
        rows = 0
        with self._changed:
            while not self._waiting:
                if self._stopping:
                    return None
                self._changed.wait()
            while self._waiting and (not group or rows < MAX_GROUP_ROWS):
                group.append(self._waiting.popleft())
                rows += len(group[-1].changes)
        return group

    def _put_back(self, group: list[_Job]) -> list[_Job]:
        """Those that must be kept wait again, unless the server stops; the rest has failed."""
        if not self._stopping:
            with self._changed:
                self._waiting.extendleft(job for job in reversed(group) if job.must)
            group = [job for job in group if not job.must]
        return group

    def _apply(self, group: list[_Job]) -> StoreError | None:
        changes = [change for job in group for change in job.changes]
        try:
            self._fleet.apply(changes)
        except StoreError as error:
            self.failed += 1
            return error
        except Exception as error:  # a store must raise StoreError; whatever else counts as one
            self.failed += 1
            return StoreError(f"the store failed: {error!r}")
        self.groups += 1
        self.rows += len(changes)
        return None

    # On the loop

    def _tell(self, group: list[_Job], error: StoreError | None) -> None:
        self.problem = None if error is None else str(error)
        for job in group:
            if job.done is not None:
                self._end(job.done, error)

    def _end(self, done: Done, error: StoreError | None) -> None:
        """A fault of one that is told keeps no other from it; the loop's handler logs it."""
        try:
            done(error)
        except Exception as fault:
            self.faults += 1
            said = {"message": "what was to happen once rows are kept failed", "exception": fault}
            self._loop.call_exception_handler(said)
