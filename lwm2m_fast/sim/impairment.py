"""A way that datagrams take, and what happens to them there: loss, delay, reordering, duplication.

Seeded: the same datagrams at the same moments meet the same fate. Moments are nanoseconds of any
clock; what a datagram is, is nobody's business here.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

MOST_WAITING: Final = 1 << 20
"""Datagrams on the way; one more is lost, and counted."""
HELD_BACK_NS: Final = 50_000_000
"""How much later than the others a datagram comes that is overtaken, at least."""


class Impairment(Generic[Item]):
    """One direction of a link."""

    def __init__(
        self,
        seed: int,
        *,
        loss: float = 0.0,
        delay_s: float = 0.0,
        reorder: float = 0.0,
        duplicate: float = 0.0,
    ) -> None:
        """Shares are of all datagrams, 0 to 1; a datagram that is `reorder`ed comes later than the
        others by HELD_BACK_NS and up to one more delay."""
        self._random = random.Random(seed)  # noqa: S311 - dice, not secrets
        self._loss, self._reorder, self._duplicate = loss, reorder, duplicate
        self._delay = round(delay_s * 1e9)
        self._waiting: list[tuple[int, int, Item]] = []
        self._order = itertools.count()
        self.counts: Counter[str] = Counter()

    def push(self, now_ns: int, item: Item) -> None:
        """A datagram sets out."""
        self.counts["passed"] += 1
        # All dice are thrown for every datagram: what happens to one does not depend on the options
        # that hit another.
        lost, late, twice, by = (self._random.random() for _ in range(4))
        if lost < self._loss:
            self.counts["lost"] += 1
            return
        due = now_ns + self._delay
        if late < self._reorder:
            self.counts["reordered"] += 1
            due += HELD_BACK_NS + round(self._delay * by)
        self._wait(due, item)
        if twice < self._duplicate:
            self.counts["duplicated"] += 1
            self._wait(due + round(HELD_BACK_NS * by), item)

    def _wait(self, due_ns: int, item: Item) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self.counts["overflowed"] += 1
            return
        heapq.heappush(self._waiting, (due_ns, next(self._order), item))

    def due(self, now_ns: int, limit: int = MOST_WAITING) -> list[Item]:
        """What arrives until now, at most `limit` of it, in its new order."""
        arrived: list[Item] = []
        while self._waiting and self._waiting[0][0] <= now_ns and len(arrived) < limit:
            arrived.append(heapq.heappop(self._waiting)[2])
        return arrived

    def next_at(self) -> int | None:
        """When the next datagram arrives; None when none is on its way."""
        return self._waiting[0][0] if self._waiting else None
