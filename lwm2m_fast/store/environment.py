"""One LMDB environment: its directory, its tables, its map, and its transactions.

Everything that liblmdb can answer becomes a result or a StoreError here. It refuses to know what
the tables hold.

No WRITEMAP: with it a full disk is a SIGBUS instead of an error. The map is grown between
transactions, well before it is full; the file grows only with what is written.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import lmdb

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.fairlock import FairLock

T = TypeVar("T")
if TYPE_CHECKING:  # generic in its stub only
    Transaction = lmdb.Transaction[bytes]
else:
    Transaction = lmdb.Transaction

MAP_BYTES = 8 << 30
"""Address space to begin with, no memory and no disk: enough for some ten million devices."""

GROW_ATTEMPTS = 16
"""The map doubles each time, so no transaction of ours needs that many."""

LOOK_EVERY = 16
"""Write transactions between two looks at the space left in the map."""


def make_directory(path: str) -> None:
    """Create `path`, readable by its owner only, unless it is there; else StoreError."""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be created: {error.strerror}") from error


class Environment:
    """The environment in the directory `path`, created 0700 with files 0600.

    `durable`: every commit is on disk when it returns (fdatasync); otherwise only after sync().
    Write transactions wait for each other in turn, short reads likewise among themselves.
    """

    def __init__(
        self,
        path: str,
        *,
        durable: bool,
        max_tables: int = 1,
        map_bytes: int = MAP_BYTES,
        readonly: bool = False,
    ) -> None:
        self.path = path
        self.growths = 0
        self._options = {
            "map_size": map_bytes, "max_dbs": max_tables, "mode": 0o600, "readonly": readonly,
            "sync": durable, "metasync": durable, "max_spare_txns": 4,
        }  # fmt: skip
        self._writing, self._reading = FairLock(), threading.Lock()
        self._kept: Transaction | None = None  # guarded by _reading
        self._tables: dict[bytes, lmdb._Database] = {}
        self._writes = 0
        self._is_closed = self._is_broken = False
        if not readonly:
            make_directory(path)
        self._env = self._open()

    def _open(self) -> lmdb.Environment:
        try:
            env = lmdb.Environment(self.path, **self._options)  # type: ignore[arg-type]
            env.reader_check()
        except lmdb.Error as error:
            raise StoreError(f"{self.path} cannot be opened: {error}") from error
        self._map_bytes = env.info()["map_size"]
        return env

    # -- writing

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a write transaction and commit it; StoreError: nothing of it is kept.

        `work` may run several times, when the map had to grow first.
        """
        with self._writing:
            return self._attempt(work)

    def _attempt(self, work: Callable[[Transaction], T]) -> T:
        if self._is_broken:
            self._reopen()
        self._writes += 1
        for _ in range(GROW_ATTEMPTS):
            try:
                if self._writes % LOOK_EVERY == 0:
                    self._look_ahead()
                with self._env.begin(write=True) as txn:
                    return work(txn)
            except lmdb.MapFullError:
                self._resize(self._map_bytes * 2)
            except lmdb.MapResizedError:
                self._resize(0)
            except lmdb.PanicError:
                self._reopen()
            except lmdb.Error as error:
                raise self._failed("written", error) from error
        raise StoreError(f"{self.path} cannot be written: its map was full {GROW_ATTEMPTS} times")

    def add_table(self, name: bytes) -> None:
        """Have the sub-database `name`, created when missing. Not within a transaction."""
        if name not in self._tables:
            # py-lmdb makes the handle in a transaction of its own; only a committed one is kept.
            with self._writing:
                self._open_table(name)

    def table(self, name: bytes) -> lmdb._Database:
        """The handle of a sub-database that was added; ask anew in each transaction."""
        try:
            return self._tables[name]
        except KeyError:
            raise StoreError(f"{self.path} has not opened {name.decode()!r}") from None

    def _open_table(self, name: bytes) -> None:
        for _ in range(GROW_ATTEMPTS):
            try:
                handle = self._env.open_db(name, create=not self._options["readonly"])
                with self._reading:
                    self._drop_kept()  # a snapshot older than a handle cannot use it
                    self._tables[name] = handle
                return
            except lmdb.MapFullError:
                self._resize(self._map_bytes * 2)
            except lmdb.MapResizedError:
                self._resize(0)
            except lmdb.Error as error:
                raise self._failed("written", error) from error

    def add_tables(self) -> None:
        """Have every sub-database that is there."""
        for name in self.read(lambda txn: list(txn.cursor().iternext(values=False))):
            self.add_table(name)

    def has_table(self, name: bytes) -> bool:
        """Whether the sub-database is there (its handle is then open too)."""
        if name in self._tables:
            return True
        if self.read(lambda txn: txn.get(name)) is None:
            return False
        self.add_table(name)
        return True

    # -- reading

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a read transaction of its own; keep it short, growth waits for it."""
        with self._reading:
            for _ in range(GROW_ATTEMPTS):
                try:
                    with self._env.begin() as txn:
                        return work(txn)
                except lmdb.MapResizedError:
                    self._env.set_mapsize(0)
                except lmdb.Error as error:
                    raise self._failed("read", error) from error
        raise StoreError(f"{self.path} cannot be read: its map changed {GROW_ATTEMPTS} times")

    def rows(self, name: bytes) -> int:
        """How many the sub-database has; 0 when it is not there."""
        if not self.has_table(name):
            return 0
        return self.read(lambda txn: int(txn.stat(self.table(name))["entries"]))

    def get_kept(self, name: bytes, key: bytes) -> bytes | None:
        """One value as of the last renew(): costs one B-tree walk and no transaction.

        None too when the sub-database was not added or the key is one that LMDB cannot hold.
        """
        with self._reading:
            try:
                if self._kept is None:
                    self._kept = self._env.begin()
                return self._kept.get(key, None, self._tables[name])
            except (KeyError, lmdb.BadValsizeError):
                return None
            except lmdb.Error as error:
                raise self._failed("read", error) from error

    def renew(self) -> None:
        """Let get_kept() see what was committed, and let LMDB use the pages of old snapshots."""
        with self._reading:
            self._drop_kept()

    def _drop_kept(self) -> None:
        if self._kept is not None:
            with suppress(lmdb.Error):
                self._kept.abort()
            self._kept = None

    # -- the whole

    def sync(self) -> None:
        """Bring everything committed to disk."""
        try:
            self._env.sync(True)
        except lmdb.Error as error:
            raise self._failed("synced", error) from error

    def close(self) -> None:
        with self._writing, self._reading:
            self._drop_kept()
            self._is_closed = True
            self._env.close()

    def _look_ahead(self) -> None:
        self.renew()  # while a snapshot is kept, no page that is given up can be used again
        info = self._env.info()
        used = (info["last_pgno"] + 1) * self._env.stat()["psize"]
        if used * 4 > self._map_bytes * 3:
            self._resize(self._map_bytes * 2)

    def _resize(self, map_bytes: int) -> None:
        # 0 takes over what another process has set. Nobody may be reading: the map moves.
        with self._reading:
            self._drop_kept()
            try:
                self._env.set_mapsize(map_bytes)
            except lmdb.Error as error:
                raise self._failed("grown", error) from error
            self._map_bytes = self._env.info()["map_size"]
            self._options["map_size"] = self._map_bytes
            self.growths += 1

    def _reopen(self) -> None:
        # A failed write of the meta page leaves the environment unusable until it is opened anew.
        self._is_broken = True
        with self._reading:
            self._drop_kept()
            self._env.close()
            self._env = self._open()
        for name in list(self._tables):
            self._open_table(name)
        self._is_broken = False

    def _failed(self, verb: str, error: lmdb.Error) -> StoreError:
        if self._is_closed:
            return StoreError("the store is closed")
        # A disk that fills in the middle of a write shows as an input/output error: say more.
        return StoreError(
            f"{self.path} cannot be {verb}: {error} ({self._free_bytes()} bytes free)"
        )

    def _free_bytes(self) -> int:
        try:
            disk = os.statvfs(self.path)
        except OSError:
            return 0
        return disk.f_bavail * disk.f_frsize
