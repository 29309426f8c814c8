"""How long the event loop was away: a timer that measures its own lateness.

Stands for every stall of the loop, whoever caused it. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio

TICK_S = 0.02


class LoopStall:
    """The longest and the latest lateness of a 20 ms timer, in seconds, while started."""

    def __init__(self) -> None:
        self.max_s = 0.0
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._arm(asyncio.get_running_loop())

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + TICK_S
        self._handle = loop.call_at(self._due, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.max_s = max(self.max_s, loop.time() - self._due)
        self._arm(loop)
