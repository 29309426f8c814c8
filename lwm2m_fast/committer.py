"""The thread that brings turns to the store, so that no disk ever holds up the event loop.

Turns are kept in order. Those that wait while one is being written go together in the next
write: under load a group is large, and at rest a device waits for one small write. Changes that
are no turn go between two groups, one at a time, and neither wait for all turns nor hold up more
than one group.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum
from queue import SimpleQueue
from typing import NamedTuple

from lwm2m_fast.background import give_way
from lwm2m_fast.core.engine import Output
from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.base import StateStore

MAX_GROUP = 64
"""Turns written together at most; each is a receive batch of up to 64 datagrams."""

Done = Callable[[list[Output], StoreError | None], None]


class _Aside(NamedTuple):
    """Changes that are no turn, and who waits for them."""

    changes: bytes
    kept: asyncio.Future[None]


class _Mark(Enum):
    RESUME = "the turns that failed are undone"
    STOP = "nothing comes any more"


class Committer:
    """Applies turns to `store`; calls `done(turns, error)` on the loop's thread, in order.

    After an error every turn submitted before resume() fails too, unwritten: it was decided on
    the ground of one that never was.
    """

    def __init__(self, store: StateStore, done: Done) -> None:
        self._store = store
        self._done = done
        self._loop = asyncio.get_running_loop()
        # Taken by the thread as it comes, and then its own. A lock of C throughout: with Python's
        # Condition each turn would cost a microsecond here and three there.
        self._given: SimpleQueue[Output | _Aside | _Mark] = SimpleQueue()
        self._turns: deque[Output | _Mark] = deque()
        self._asides: deque[_Aside] = deque()
        self._stopping = self._is_last = False
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def submit(self, turn: Output) -> None:
        """Bring `turn` to the store after all turns submitted before."""
        self._given.put(turn)

    def resume(self) -> None:
        """The turns that failed have been undone: take new ones again."""
        self._given.put(_Mark.RESUME)

    async def keep(self, changes: bytes) -> None:
        """Bring changes to the store that are no turn, in the order of the calls.

        Not ordered with turns, and no turn fails with them. StoreError: nothing of them is kept.
        Keep them small: a group of turns may have to wait for one call's.
        """
        if self._stopping:
            raise StoreError("the server is stopping")
        kept: asyncio.Future[None] = self._loop.create_future()
        self._given.put(_Aside(changes, kept))
        await kept

    async def stop(self) -> None:
        """Write what was submitted, then end the thread."""
        self._stopping = True
        self._given.put(_Mark.STOP)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        give_way()
        error: StoreError | None = None
        while self._take_in():
            group = self._take_group()
            if group:
                if error is None:
                    error = self._apply([turn.changes for turn in group])
                self._loop.call_soon_threadsafe(self._done, group, error)
            elif self._turns:
                self._turns.popleft()  # RESUME
                error = None
            if self._asides:
                aside = self._asides.popleft()
                outcome = self._apply([aside.changes])
                self._loop.call_soon_threadsafe(_settle, aside.kept, outcome)

    def _take_in(self) -> bool:
        """Sort all that was given; wait where there is nothing. False: stopped, all is kept."""
        if not (self._turns or self._asides or self._given.qsize()):
            if self._is_last:
                return False
            self._sort(self._given.get())
        for _ in range(self._given.qsize()):
            self._sort(self._given.get())
        return True

    def _sort(self, item: Output | _Aside | _Mark) -> None:
        if item is _Mark.STOP:
            self._is_last = True
        elif isinstance(item, _Aside):
            self._asides.append(item)
        else:
            self._turns.append(item)

    def _take_group(self) -> list[Output]:
        """The turns that wait, up to the next RESUME."""
        group: list[Output] = []
        while self._turns and len(group) < MAX_GROUP:
            turn = self._turns[0]
            if isinstance(turn, _Mark):
                break
            group.append(turn)
            self._turns.popleft()
        return group

    def _apply(self, changes: list[bytes]) -> StoreError | None:
        try:
            self._store.apply(b"".join(changes))  # here, as this thread must outlive a MemoryError
        except StoreError as error:
            return error
        except Exception as error:  # a store must raise StoreError; whatever else counts as one
            return StoreError(f"the store failed: {error!r}")
        return None


def _settle(kept: asyncio.Future[None], error: StoreError | None) -> None:
    if kept.done():  # its caller has gone
        return
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)
