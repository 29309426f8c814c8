"""The LMDB back end: two environments under one data directory, and what keeps them in order.

    lock        held while a server uses the directory
    state.mark  whether the state is open, and under which boot of the machine
    state.lmdb  what devices told us; synced on an interval, or before apply() returns
    fleet.lmdb  what people configured; every commit synced

Another process may read the state's tables at any time (StateReader): they are as new as the last
fold, one checkpoint interval behind at most while the disk keeps up.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store import recovery
from lwm2m_fast.store.base import StoreConfig
from lwm2m_fast.store.checkpoint import Checkpointer, Task
from lwm2m_fast.store.environment import Environment
from lwm2m_fast.store.fleet import LmdbFleet
from lwm2m_fast.store.fold import table_name
from lwm2m_fast.store.journal import JournalDamaged, LmdbState

STATE, FLEET = "state.lmdb", "fleet.lmdb"

STATE_TABLES = 257
"""Tables 1 to 255, the journal and the probe."""

log = logging.getLogger(__name__)


class LmdbStore:
    """Both sides of `data_dir`; StoreError when it cannot be used or another server holds it.

    The checkpoint thread starts with `start`; without, nothing is folded or synced by itself.
    """

    def __init__(self, data_dir: str, config: StoreConfig, start: bool = True) -> None:
        self._dir, self._config = data_dir, config
        self._discarded = 0
        with ExitStack() as undo:
            self._lock = undo.enter_context(recovery.hold(data_dir))
            self._fleet_env = Environment(os.path.join(data_dir, FLEET), durable=True)
            undo.callback(self._fleet_env.close)
            self.fleet = LmdbFleet(self._fleet_env)
            self.state = self._open_state()
            undo.pop_all()
        self._checkpointer = Checkpointer(self._tasks())
        self._is_closed = False
        if start:
            self._checkpointer.start()

    def health(self) -> str | None:
        problems = [self.state.problem, *(task.problem for task in self._checkpointer.tasks)]
        return next((problem for problem in problems if problem is not None), None)

    def counters(self) -> dict[str, int]:
        failures = sum(task.failures for task in self._checkpointer.tasks)
        return self.state.counts | {
            "store_journal_bytes": self.state.journal_bytes,
            "store_checkpoint_failures": failures,
            "store_map_growths": self._state_env.growths + self._fleet_env.growths,
            "store_state_discarded": self._discarded,
        }

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._checkpointer.stop()
        try:
            self.state.close()
            recovery.mark(self._dir, is_open=False)
        except StoreError as error:
            # Nothing applied is lost: the journal has it, and the marker says it was left open.
            log.warning("the state was not closed cleanly: %s", error)
        self._fleet_env.close()
        self._lock.close()

    def _tasks(self) -> list[Task]:
        config = self._config
        tasks = [
            Task(self.state.fold, config.checkpoint_interval_s),
            Task(self.state.probe, config.checkpoint_interval_s),
        ]
        if config.durability != "sync":
            tasks.append(Task(self._state_env.sync, config.sync_interval_s))
        return tasks

    def _open_state(self) -> LmdbState:
        path = os.path.join(self._dir, STATE)
        if recovery.was_cut_off(self._dir):
            self._discard_if_damaged(path)
        recovery.mark(self._dir, is_open=True)
        try:
            return self._build_state(path)
        except JournalDamaged as error:
            self._discard(path, str(error))
        except StoreError:
            if not self._discard_if_damaged(path):
                raise
        return self._build_state(path)

    def _build_state(self, path: str) -> LmdbState:
        durable = self._config.durability == "sync"
        env = Environment(path, durable=durable, max_tables=STATE_TABLES)
        try:
            state = LmdbState(env, self._config.journal_max_bytes, lambda: self._wake())
        except BaseException:
            env.close()
            raise
        self._state_env = env
        return state

    def _wake(self) -> None:
        self._checkpointer.wake()

    def _discard_if_damaged(self, path: str) -> bool:
        why = recovery.damage(path)
        if why is not None:
            self._discard(path, why)
        return why is not None

    def _discard(self, path: str, why: str) -> None:
        recovery.set_aside(path, why)
        self._discarded += 1


class StateReader:
    """The folded state of `data_dir`, for another process than the server, at any time.

    The newest rows, those of the last checkpoint interval, may be missing. StoreError when there
    is no state.
    """

    def __init__(self, data_dir: str) -> None:
        path = os.path.join(data_dir, STATE)
        self._env = Environment(path, durable=False, max_tables=STATE_TABLES, readonly=True)

    def get(self, table: int, key: bytes) -> bytes | None:
        """The value as of the last fold, or None."""
        name = table_name(table)
        if not self._env.has_table(name):
            return None
        return self._env.read(lambda txn: txn.get(key, None, self._env.table(name)))

    def close(self) -> None:
        self._env.close()
