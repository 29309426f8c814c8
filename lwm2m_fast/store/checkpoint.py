"""The thread behind the store: folds the journal and brings commits to disk, on an interval.

It survives whatever goes wrong with the disk, says so through `problem`, and tries again. It
knows when to do a thing, not how.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lwm2m_fast.background import give_way
from lwm2m_fast.errors import StoreError


class Task:
    """Something done every `every_s` seconds; `problem` is why it failed the last time."""

    def __init__(self, act: Callable[[], object], every_s: float) -> None:
        self._act, self.every_s = act, every_s
        self.due_at = 0.0
        self.failures = 0
        self.problem: str | None = None

    def run(self) -> None:
        try:
            self._act()
            self.problem = None
        except StoreError as error:
            self.failures += 1
            self.problem = str(error)
        except Exception as error:
            # A thread's end is where a broad except belongs: a dead checkpoint must not be silent.
            self.failures += 1
            self.problem = f"checkpoint failed: {error!r}"


class Checkpointer:
    """Runs tasks in a daemon thread from start() to stop(), each when it is due.

    wake() makes the first task due at once, unless its last run failed: then the interval is also
    the pause before the next try.
    """

    def __init__(self, tasks: list[Task], clock: Callable[[], float] = time.monotonic) -> None:
        self.tasks = tasks
        self._clock = clock
        self._event = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="store-checkpoint", daemon=True)

    def start(self) -> None:
        now = self._clock()
        for task in self.tasks:
            task.due_at = now + task.every_s
        self._thread.start()

    def wake(self) -> None:
        if self.tasks[0].problem is None:
            self._event.set()

    def stop(self) -> None:
        """Wait for the task under way, then end; harmless when never started."""
        self._is_stopping = True
        self._event.set()
        if self._thread.is_alive():
            self._thread.join()

    def run_due(self, is_woken: bool) -> float:
        """Run what is due; returns the seconds until the next task is."""
        for place, task in enumerate(self.tasks):
            if task.due_at <= self._clock() or (is_woken and place == 0):
                task.run()
                task.due_at = self._clock() + task.every_s
        return max(0.0, min(task.due_at for task in self.tasks) - self._clock())

    def _run(self) -> None:
        give_way()
        pause_s = self.run_due(False)
        while not self._is_stopping:
            is_woken = self._event.wait(pause_s)
            self._event.clear()
            if not self._is_stopping:
                pause_s = self.run_due(is_woken)
