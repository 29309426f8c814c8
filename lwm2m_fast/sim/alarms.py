"""What is to be done later, by moment: for the few devices that Python attends to.

Moments are nanoseconds of the fleet's clock. The many have sim/wheel.pyx.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Call = Callable[[int], None]
"""Is told the present moment."""


class Alarms:
    """Calls at moments; there is no cancelling, a call finds out by itself that it is stale."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Call]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, due_ns: int, call: Call) -> None:
        """Calls of one moment are made in the order they were asked for."""
        heapq.heappush(self._heap, (due_ns, next(self._order), call))

    def run(self, now_ns: int, may_go_on: Callable[[], bool]) -> None:
        """Everything due, as long as `may_go_on`; the rest stays due."""
        while self._heap and self._heap[0][0] <= now_ns and may_go_on():
            heapq.heappop(self._heap)[2](now_ns)

    def next_at(self) -> int | None:
        """The earliest moment; None when there is none."""
        return self._heap[0][0] if self._heap else None
