"""Outcomes of bootstraps in the state store: table 7, a row under the name of a configured device.

Written once a second, those of that second together and between turns, so that a thousand
bootstraps are a few writes; nothing that a device is answered for waits for them. `kill -9` may
lose those of the last second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from lwm2m_fast.bootstrap.outcomes import Outcome, Outcomes
from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.base import StateStore
from lwm2m_fast.store.changes import MAX_KEY_BYTES, delete, put

_log = logging.getLogger("lwm2m_fast.bootstrap")

TABLE = 7

ROWS_AT_ONCE = 128
"""In one call of the store, and made between two turns of the loop."""


def reader(state: StateStore) -> Callable[[bytes], bytes | None]:
    """What Outcomes reads rows with."""

    def row(key: bytes) -> bytes | None:
        return state.get(TABLE, key) if 0 < len(key) <= MAX_KEY_BYTES else None

    return row


class OutcomeRows:
    """Brings what `outcomes` has to the store; `keep` as Turns.keep(). Loop's thread only."""

    def __init__(self, outcomes: Outcomes, keep: Callable[[bytes], Awaitable[None]]) -> None:
        self._outcomes, self._keep = outcomes, keep
        self._writing: asyncio.Task[None] | None = None
        self._is_failing = False

    def tick(self) -> None:
        """Once a second: write what there is, unless that is under way."""
        is_busy = self._writing is not None and not self._writing.done()
        if self._outcomes.unwritten and not is_busy:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """Write the rest; what the store refuses now is lost."""
        if self._writing is not None:
            await self._writing
        await self._write()

    async def flush(self) -> None:
        """Write what there is now. StoreError: it is tried again with the next tick."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
        writing = self._writing = asyncio.get_running_loop().create_task(self._write())
        await asyncio.wait([writing])  # not ended with who waits for it
        writing.result()  # a fault of ours is no success
        if self._outcomes.unwritten and self._is_failing:
            raise StoreError("outcomes of bootstraps cannot be kept now")

    async def _write(self) -> None:
        while taken := self._outcomes.take(ROWS_AT_ONCE):
            try:
                await self._keep(b"".join(_change(*each) for each in taken.items()))
                self._outcomes.written()
                self._is_failing = False
            except StoreError as error:
                self._outcomes.give_back()
                if not self._is_failing:
                    _log.error("outcomes of bootstraps cannot be kept now: %s", error)
                self._is_failing = True
                return


def _change(endpoint: str, outcome: Outcome | None) -> bytes:
    name = endpoint.encode()
    return delete(TABLE, name) if outcome is None else put(TABLE, name, outcome.as_row())
