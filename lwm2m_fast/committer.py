"""The thread that brings turns to the store, so that no disk ever holds up the event loop.

Turns are kept in order. Those that wait while one is being written go together in the next
write: under load a group is large, and at rest a device waits for one small write. Changes that
are no turn go between two groups, one at a time, and neither wait for all turns nor hold up more
than one group.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

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


class Committer:
    """Applies turns to `store`; calls `done(turns, error)` on the loop's thread, in order.

    After an error every turn submitted before resume() fails too, unwritten: it was decided on
    the ground of one that never was.
    """

    def __init__(self, store: StateStore, done: Done) -> None:
        self._store = store
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Output | None] = deque()  # None: resume()
        self._asides: deque[_Aside] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def submit(self, turn: Output) -> None:
        """Bring `turn` to the store after all turns submitted before."""
        self._put(turn)

    def resume(self) -> None:
        """The turns that failed have been undone: take new ones again."""
        self._put(None)

    async def keep(self, changes: bytes) -> None:
        """Bring changes to the store that are no turn, in the order of the calls.

        Not ordered with turns, and no turn fails with them. StoreError: nothing of them is kept.
        Keep them small: a group of turns may have to wait for one call's.
        """
        kept: asyncio.Future[None] = self._loop.create_future()
        with self._changed:
            if self._stopping:
                raise StoreError("the server is stopping")
            self._asides.append(_Aside(changes, kept))
            self._changed.notify()
        await kept

    async def stop(self) -> None:
        """Write what was submitted, then end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        await self._loop.run_in_executor(None, self._thread.join)

    def _put(self, item: Output | None) -> None:
        with self._changed:
            self._waiting.append(item)
            self._changed.notify()

    def _run(self) -> None:
        _give_way()
        error: StoreError | None = None
        while (work := self._next_work()) is not None:
            group, aside = work
            if group:
                if error is None:
                    error = self._apply(b"".join([turn.changes for turn in group]))
                self._loop.call_soon_threadsafe(self._done, group, error)
            elif group is not None:  # resume()
                error = None
            if aside is not None:
                outcome = self._apply(aside.changes)
                self._loop.call_soon_threadsafe(_settle, aside.kept, outcome)

    def _next_work(self) -> tuple[list[Output] | None, _Aside | None] | None:
        """What is next of both kinds, None where nothing waits; None: stopped, all is written."""
        with self._changed:
            while not self._waiting and not self._asides:
                if self._stopping:
                    return None
                self._changed.wait()
            group = self._take_group() if self._waiting else None
            return group, self._asides.popleft() if self._asides else None

    def _take_group(self) -> list[Output]:
        """The turns that wait, up to the next resume(), which is []."""
        group: list[Output] = []
        while self._waiting and len(group) < MAX_GROUP:
            if self._waiting[0] is None and group:
                break
            turn = self._waiting.popleft()
            if turn is None:
                break
            group.append(turn)
        return group

    def _apply(self, changes: bytes) -> StoreError | None:
        try:
            self._store.apply(changes)
        except StoreError as error:
            return error
        except Exception as error:  # a store must raise StoreError; whatever else counts as one
            return StoreError(f"the store failed: {error!r}")
        return None


def _give_way() -> None:
    """Let this thread's waking never push another off its core (sched(7), SCHED_BATCH).

    Whoever wakes it is the loop, which still holds Python's lock: put in its place, this thread
    could only wait for it. Where there is a core to spare nothing changes.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _settle(kept: asyncio.Future[None], error: StoreError | None) -> None:
    if kept.done():  # its caller has gone
        return
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)
