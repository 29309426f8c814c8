"""Batches: the same orders for many devices, and how far they have come.

Only counters are kept in memory; which device got which operations is in the store, in pages. Knows
operations by their ids, and neither queue nor device.

    key    u64 batch id · u32 page, big-endian
    page 0 JSON: created_at, origin, devices, orders, total, refused
    page n JSON: a list of [endpoint, first operation id or 0, error or null]
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import orjson

from lwm2m_fast.core.operation import FAILED, SUCCESSFUL, Operation
from lwm2m_fast.errors import QueueFull
from lwm2m_fast.store.base import FleetChange, FleetStore

NAMESPACE = "batches"
PAGE_DEVICES = 1000
SLICE = 256
"""Operations looked up between two turns of the loop, when a batch is counted after a restart."""

SHOWN_AT_ONCE = 8
"""Devices shown between two turns of the loop: each look into the store gives the interpreter away,
and whoever writes there takes it."""


class Entry(NamedTuple):
    """What one device got."""

    endpoint: str
    first_id: int
    error: str | None


@dataclass(slots=True)
class Batch:
    """One batch. `done` and `failed` are right once it `is_counted`."""

    id: int
    created_at: float
    origin: str
    devices: int
    orders: int
    total: int
    refused: int
    """Operations that no queue took; they count as failed."""
    done: int = 0
    failed: int = 0
    is_counted: bool = False

    @property
    def pending(self) -> int:
        return self.total - self.done - self.failed

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "created_at": self.created_at,
            "origin": self.origin,
            "devices": self.devices,
            "total": self.total,
            "done": self.done,
            "failed": self.failed,
            "pending": self.pending,
        }


Find = Callable[[str, int], Operation | None]


class Batches:
    """At most `bound` batches; a new one takes the place of the oldest that has ended.

    `find` looks an operation up. An operation that the history has lost counts as done.
    """

    def __init__(self, fleet: FleetStore, bound: int, find: Find) -> None:
        self._fleet, self._bound, self._find = fleet, bound, find
        self._batches: dict[int, Batch] = {}
        self._coming: dict[int, list[int]] = {}
        """Those between begin() and begun(): which batches each takes the place of."""
        self._waiting: dict[int, set[int]] = {}  # of batches that are being counted
        self._counting = asyncio.Lock()
        self._next_id = 1
        self.unusable = 0
        for key, value in fleet.scan(NAMESPACE):
            if key[8:] == bytes(4):
                number = int.from_bytes(key[:8], "big")
                self._next_id = max(self._next_id, number + 1)
                try:
                    self._batches[number] = Batch(number, **orjson.loads(value))
                except (ValueError, TypeError):
                    self.unusable += 1  # of another version, say: no reason not to start

    def begin(
        self, entries: Sequence[Entry], orders: int, origin: str, now: float
    ) -> tuple[Batch, Iterator[FleetChange]]:
        """A batch to be, and the rows to keep with it, each made when it is asked for. QueueFull:
        all that are kept still run.

        Nothing counts until begun(), or not_begun() must be called.
        """
        room = self._leaving()
        refused = orders * sum(entry.error is not None for entry in entries)
        batch = Batch(
            self._next_id,
            now,
            origin,
            len(entries),
            orders,
            orders * len(entries),
            refused,
            failed=refused,
            is_counted=True,
        )
        self._next_id += 1
        self._coming[batch.id] = room
        gone = [row for number in room for row in self._rows_gone(number)]
        return batch, chain(self._rows(batch, entries), gone)

    def begun(self, batch: Batch) -> None:
        """Its rows are kept."""
        for number in self._coming.pop(batch.id):
            del self._batches[number]
        self._batches[batch.id] = batch

    def not_begun(self, batch: Batch) -> None:
        """Its rows are not kept: what was to make room for it stays."""
        self._coming.pop(batch.id, None)

    def _rows(self, batch: Batch, entries: Sequence[Entry]) -> Iterator[FleetChange]:
        head = {
            "created_at": batch.created_at,
            "origin": batch.origin,
            "devices": batch.devices,
            "orders": batch.orders,
            "total": batch.total,
            "refused": batch.refused,
        }
        yield NAMESPACE, _key(batch.id, 0), orjson.dumps(head)
        for number, start in enumerate(range(0, len(entries), PAGE_DEVICES), 1):
            page = list(map(list, entries[start : start + PAGE_DEVICES]))
            yield NAMESPACE, _key(batch.id, number), orjson.dumps(page)

    def _leaving(self) -> list[int]:
        """The oldest that have ended and that one more takes the place of, and no other does."""
        going = {number for numbers in self._coming.values() for number in numbers}
        surplus = len(self._batches) - len(going) + len(self._coming) + 1 - self._bound
        if surplus <= 0:
            return []
        ended = [
            number
            for number, batch in self._batches.items()
            if number not in going and (batch.pending <= 0 or not batch.is_counted)
        ]
        if not ended:
            raise QueueFull("the server", self._bound)
        return ended[:surplus]

    def _rows_gone(self, number: int) -> list[FleetChange]:
        pages = range(_page_count(self._batches[number].devices) + 1)
        return [(NAMESPACE, _key(number, page), None) for page in pages]

    def ended(self, operation: Operation) -> None:
        """An operation has ended, and that is kept."""
        batch = self._batches.get(operation.batch or 0)
        if batch is None:
            return
        waiting = self._waiting.get(batch.id)
        if waiting is not None:
            if operation.id not in waiting:
                return  # is counted when its turn comes
            waiting.discard(operation.id)
        elif not batch.is_counted:
            return
        _count(batch, operation.state)

    def all(self) -> list[dict[str, Any]]:
        """Newest first."""
        return [batch.as_json() for batch in reversed(self._batches.values())]

    async def show(self, batch_id: int, after: int, limit: int) -> dict[str, Any] | None:
        """As rest/base.py says."""
        batch = self._batches.get(batch_id)
        if batch is None:
            return None
        if not batch.is_counted:
            async with self._counting:
                await self._recount(batch)
        entries = self._entries(batch, after, limit)
        end = after + len(entries)
        results = []
        for number, entry in enumerate(entries, 1):
            results.append(self._result(batch, entry))
            if number % SHOWN_AT_ONCE == 0:
                await asyncio.sleep(0)
        return {
            **batch.as_json(),
            "results": results,
            "next": end if entries and end < batch.devices else None,
        }

    def _entries(self, batch: Batch, after: int, limit: int) -> list[Entry]:
        entries: list[Entry] = []
        while after < batch.devices and len(entries) < limit:
            page = self._fleet.get(NAMESPACE, _key(batch.id, after // PAGE_DEVICES + 1))
            if page is None:
                break
            rest = orjson.loads(page)[after % PAGE_DEVICES :][: limit - len(entries)]
            entries += [Entry(*entry) for entry in rest]
            after += len(rest)
        return entries

    def _result(self, batch: Batch, entry: Entry) -> dict[str, Any]:
        if entry.error is not None:
            return {"endpoint": entry.endpoint, "error": entry.error}
        shown = []
        for operation_id in range(entry.first_id, entry.first_id + batch.orders):
            found = self._find(entry.endpoint, operation_id)
            state, reason = (None, None) if found is None else (found.state, found.reason)
            shown.append({"id": operation_id, "state": state, "reason": reason})
        return {"endpoint": entry.endpoint, "operations": shown}

    async def _recount(self, batch: Batch) -> None:
        """Count what has ended, a slice at a time; what ends meanwhile counts by itself."""
        if batch.is_counted:
            return
        waiting = self._waiting[batch.id] = set()
        batch.done, batch.failed = 0, batch.refused
        looked = 0
        for entry in self._entries(batch, 0, batch.devices):
            for operation_id in range(entry.first_id, entry.first_id + batch.orders):
                if entry.error is None:
                    found = self._find(entry.endpoint, operation_id)
                    if found is not None and found.state not in (SUCCESSFUL, FAILED):
                        waiting.add(operation_id)
                    else:
                        _count(batch, SUCCESSFUL if found is None else found.state)
                looked += 1
                if looked % SLICE == 0:
                    await asyncio.sleep(0)
        del self._waiting[batch.id]
        batch.is_counted = True


def _count(batch: Batch, state: str) -> None:
    if state == SUCCESSFUL:
        batch.done += 1
    else:
        batch.failed += 1


def _page_count(devices: int) -> int:
    return -(-devices // PAGE_DEVICES)


def _key(batch_id: int, page: int) -> bytes:
    return batch_id.to_bytes(8, "big") + page.to_bytes(4, "big")
