"""Faults of our own, where one is to keep nobody else from what is his.

Counts all of them and logs one of a kind now and then, as a device may cause many. Knows nobody who
is told, and no error that is expected: whoever can answer to one catches it himself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf
from typing import Final, ParamSpec

LOG_S: Final = 10.0
"""At most one fault of a kind is logged in this time."""

_log = logging.getLogger("lwm2m_fast.faults")

MESSAGE: Final = "a fault inside the server; its log says more"
"""What a caller is told: an exception's own words are for whoever runs the server."""

P = ParamSpec("P")


class Faults:
    """One for a server, so that `count` has all of them. Loop's thread only.

    `where` names, in words of ours and never a device's, what met the fault: "a sink", say.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}
        """By kind: when one was logged, and how many there were by then."""
        self._kinds: dict[str, int] = {}
        self.count = 0

    def note(self, fault: BaseException, where: str) -> None:
        """Count a fault, and log it with its traceback unless one like it was of late."""
        self.count += 1
        number = self._kinds[where] = self._kinds.get(where, 0) + 1
        at, before = self._logged.get(where, (-inf, 0))
        now = self._clock()
        if now >= at + LOG_S:
            self._logged[where] = (now, number)
            facts = {"faults": number - before}
            _log.error("%s failed inside the server", where, exc_info=fault, extra=facts)

    def tell(self, where: str, hear: Callable[P, object], *what: P.args, **more: P.kwargs) -> bool:
        """Call one of several. False: it met a fault, which is noted, and the next can go on."""
        try:
            hear(*what, **more)
        except Exception as fault:
            self.note(fault, where)
            return False
        return True

    def ask(self, where: str, question: Callable[P, bool], *what: P.args, **more: P.kwargs) -> bool:
        """What one of several says; False where it cannot say it, which is noted."""
        try:
            return question(*what, **more)
        except Exception as fault:
            self.note(fault, where)
            return False
