"""Taking turns: a lock whose waiters are served in order. Knows nothing of what it guards."""

from __future__ import annotations

import threading
from types import TracebackType


class FairLock:
    """A lock that serves those who wait in turn.

    A plain lock lets the checkpoint's loop take it again before a waiting apply() wakes up.
    """

    def __init__(self) -> None:
        self._next, self._held = threading.Lock(), threading.Lock()

    def __enter__(self) -> None:
        with self._next:
            self._held.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._held.release()
