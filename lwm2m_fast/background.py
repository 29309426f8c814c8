"""What a thread behind the event loop owes it where both have one core: way, and turns.

Knows the kernel's scheduler; knows nothing of what the threads do.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

OFFER_S = 0.0005
"""CPU time between two offers of the core. The kernel alone would let a thread go on until a tick
finds its slice used up: 4 to 8 ms."""


def give_way() -> None:
    """Let the calling thread's waking never push another off its core (sched(7), SCHED_BATCH).

    Whoever wakes it is the loop, which still holds Python's lock: put in its place, this thread
    could only wait for it. Where there is a core to spare nothing changes, and where somebody has
    chosen another policy for the server it stays.
    """
    with suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class CoreOffers:
    """Offers the core to whoever waits for it; for a thread with long work in small pieces.

    offer() belongs between two pieces, where no lock is held that others wait for.
    """

    def __init__(self) -> None:
        self._since = time.thread_time()
        self.made = 0

    def offer(self) -> None:
        """Let another thread run if this one has had OFFER_S since the last time."""
        if time.thread_time() - self._since < OFFER_S:
            return
        os.sched_yield()
        self._since = time.thread_time()
        self.made += 1
