"""Ids of operations: they grow, and none is given twice, restarts included.

The store holds a ceiling that every id stays below; a start begins at it. So ids stay small enough
for every JSON reader, and nothing has to be searched for the largest.
"""

from __future__ import annotations

from lwm2m_fast.queue.durable import Keeper
from lwm2m_fast.store.base import FleetStore

NAMESPACE = "operation-ids"
KEY = b"ceiling"
STEP = 1 << 20
"""Ids between a ceiling and the next. A start skips what is left of them."""


class OperationIds:
    """Blocks on the store once, at a start."""

    def __init__(self, fleet: FleetStore, keeper: Keeper) -> None:
        self._keeper = keeper
        row = fleet.get(NAMESPACE, KEY)
        self.first = 1 if row is None else int.from_bytes(row, "big")
        """The smallest id that was never given."""
        self._ceiling = self.first + STEP
        fleet.put(NAMESPACE, [(KEY, self._ceiling.to_bytes(8, "big"))])

    def given(self, next_id: int) -> None:
        """Ids below `next_id` are given, and their rows come to the keeper after this call."""
        if next_id + STEP // 2 > self._ceiling:
            self._ceiling = next_id + STEP
            row = (NAMESPACE, KEY, self._ceiling.to_bytes(8, "big"))
            self._keeper.keep([row], must=True)
