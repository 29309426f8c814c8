"""State in LMDB: a journal that takes each group of changes whole, and tables it is folded into.

apply() is one append: the changes, as they came, under the next number. What is in the journal
and not yet in the tables is also in memory (overlay.pyx), so that get() is a probe there and else
one B-tree read. How it gets into the tables is fold.py's, when is checkpoint.py's business.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import chain

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.base import check_table
from lwm2m_fast.store.changes import check
from lwm2m_fast.store.environment import Environment, Transaction
from lwm2m_fast.store.fold import (
    JOURNAL,
    SEQUENCE,
    TABLE_NAMES,
    fold_rows,
    table_name,
    trim_journal,
)
from lwm2m_fast.store.overlay import Overlay
from lwm2m_fast.store.page import page_of

LOAD_ROWS = 256
"""Rows per transaction of load(): none is held while the caller thinks, and few enough that they
are still in the processor's cache when they are let go of."""

RELEASE_BLOBS = 4096
"""Blobs given back at once after a fold: some 0.2 ms under the GIL."""

_ABSENT = b"absent"

PROBE = b"probe"
"""A sub-database that is empty but for the moment in which probe() looks for space."""


class JournalDamaged(StoreError):
    """The journal holds what apply() never wrote."""


class LmdbState:
    """StateStore over an Environment; its journal holds at most `journal_max_bytes` of changes.

    `wake` is called when half of that is used; `step`, with a name, after every transaction of a
    fold, so that a test can die there.
    """

    def __init__(
        self,
        env: Environment,
        journal_max_bytes: int,
        wake: Callable[[], None] = lambda: None,
        step: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._env, self._max_bytes = env, journal_max_bytes
        self._wake, self._step = wake, step
        # (takes changes, is being folded): replaced together, so that get() needs no lock.
        self._overlays: tuple[Overlay, Overlay | None] = (Overlay(), None)
        self._spare: Overlay | None = None  # the one of the fold before, for the next one
        self._last = self._folding_to = 0
        self._applying, self._folding = threading.Lock(), threading.Lock()
        self._is_closed = False
        self._refused_bytes = 0
        self.problem: str | None = None
        self.counts = {
            "store_applies": 0, "store_apply_failures": 0, "store_changes_refused": 0,
            "store_journal_full": 0, "store_folds": 0, "store_folded_rows": 0,
        }  # fmt: skip
        env.add_tables()
        env.add_table(JOURNAL)
        env.add_table(PROBE)
        self._replay()

    # -- the contract

    def apply(self, changes: bytes) -> None:
        self._check_open()
        try:
            count = check(changes)
            self._check_size(changes)
        except StoreError:
            self.counts["store_changes_refused"] += 1
            raise
        if not count:
            return
        try:
            self._make_room(len(changes))
            with self._applying:
                overlay = self._overlays[0]
                self._reserve(overlay, count)
                self._append(changes)
                overlay.add_checked(changes)
        except StoreError as error:
            self.counts["store_apply_failures"] += 1
            self.problem, self._refused_bytes = str(error), len(changes)
            raise
        self.problem = None
        self.counts["store_applies"] += 1
        if overlay.size_bytes * 2 >= self._max_bytes:
            self._wake()

    def get(self, table: int, key: bytes) -> bytes | None:
        # The pair before the table: a row leaves its overlay only after it is in the table.
        taking, folding = self._overlays
        value = taking.find(table, key, _ABSENT)
        if value is _ABSENT and folding is not None:
            value = folding.find(table, key, _ABSENT)
        if value is not _ABSENT:
            return value
        if not 0 < table < len(TABLE_NAMES):
            check_table(table)
        return self._env.get_kept(TABLE_NAMES[table], key)

    def load(self, table: int) -> Iterator[tuple[bytes, bytes]]:
        return chain.from_iterable(self.pages(table))

    def expected(self, table: int) -> int:
        self._check_open()
        taking, folding = self._overlays
        changed = taking.count + (0 if folding is None else folding.count)
        return self._env.rows(table_name(table)) + changed

    def pages(self, table: int) -> Iterator[list[tuple[bytes, bytes]]]:
        self._check_open()
        taking, folding = self._overlays
        overlays = [taking] if folding is None else [taking, folding]
        for overlay in overlays:
            overlay.is_pinned = True  # a fold meanwhile must not empty it
        overlays = [overlay for overlay in overlays if overlay.count]
        for page in self._pages(table_name(table)):
            if overlays:
                page = [row for row in page if not self._is_overlaid(overlays, table, row[0])]
            yield page
        yield from self._overlaid(overlays, table)

    def sync(self) -> None:
        self._check_open()
        self._env.sync()

    def close(self) -> None:
        """Fold what there is, sync and close the environment.

        StoreError after closing when something failed: what is not folded is in the journal.
        """
        if self._is_closed:
            return
        try:
            self.fold()
            self._env.sync()
        finally:
            self._is_closed = True
            self._overlays = (Overlay(), None)
            self._env.close()

    def probe(self) -> None:
        """After an apply() that failed: see whether that much can be written again."""
        if self.problem is None:
            return
        size = self._refused_bytes
        self._env.write(lambda txn: txn.put(PROBE, bytes(size), db=self._env.table(PROBE)))
        self._env.write(lambda txn: txn.delete(PROBE, db=self._env.table(PROBE)))
        self.problem = None

    # -- appending

    @staticmethod
    def _reserve(overlay: Overlay, count: int) -> None:
        # Before the commit: afterwards nothing may fail.
        try:
            overlay.reserve(count)
        except MemoryError as error:
            raise StoreError(f"no memory to index {count} more changes") from error

    def _append(self, changes: bytes) -> None:
        key = SEQUENCE.pack(self._last + 1)

        def put(txn: Transaction) -> None:
            txn.put(key, changes, append=True, db=self._env.table(JOURNAL))

        self._env.write(put)
        self._last += 1

    def _make_room(self, size: int) -> None:
        # Whoever applies faster than the tables can follow waits here, at the fold's pace.
        if self.journal_bytes + size <= self._max_bytes:
            return
        self.counts["store_journal_full"] += 1
        while self.journal_bytes + size > self._max_bytes:
            self.fold()

    @property
    def journal_bytes(self) -> int:
        """Changes in the journal that are not folded yet."""
        taking, folding = self._overlays
        return taking.size_bytes + (folding.size_bytes if folding is not None else 0)

    def _check_size(self, changes: bytes) -> None:
        if len(changes) > self._max_bytes:
            raise StoreError(
                f"changes refused: {len(changes)} bytes, journal_max_bytes is {self._max_bytes}"
            )

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreError("the store is closed")

    # -- folding

    def fold(self) -> int:
        """Bring the journal as it is now into the tables; how many rows that were.

        StoreError leaves tables and journal so that the next fold starts over.
        """
        with self._folding:
            folding = self._freeze()
            if folding is None:
                return 0
            rows = fold_rows(self._env, folding, self._step)
            trim_journal(self._env, self._folding_to, self._step)
            # A kept snapshot is from before; without it every get() reads what was just folded.
            self._env.renew()
            with self._applying:
                self._overlays = (self._overlays[0], None)
            self.counts["store_folds"] += 1
            self.counts["store_folded_rows"] += rows
            if not folding.is_pinned:
                while folding.release(RELEASE_BLOBS):
                    pass
                folding.renew()
                self._spare = folding
            return rows

    def _freeze(self) -> Overlay | None:
        # An overlay left over from a fold that failed goes first.
        with self._applying:
            taking, folding = self._overlays
            if folding is None and taking.count:
                folding = taking
                self._overlays = (self._spare or Overlay(), folding)
                self._spare = None
                self._folding_to = self._last
            return folding

    # -- reading back

    def _replay(self) -> None:
        overlay = self._overlays[0]
        for page in self._pages(JOURNAL):
            for key, changes in page:
                try:
                    overlay.add(changes)
                except StoreError as error:
                    raise JournalDamaged(f"journal entry {key.hex()}: {error}") from error
                (self._last,) = SEQUENCE.unpack(key)

    def _pages(self, name: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
        if not self._env.has_table(name):
            return
        after = b""

        def page(txn: Transaction) -> list[tuple[bytes, bytes]]:
            cursor = txn.cursor(self._env.table(name))
            if not (cursor.set_range(after) if after else cursor.first()):
                return []
            if cursor.key() == after and not cursor.next():
                return []
            return page_of(cursor.iternext(), LOAD_ROWS)

        while rows := self._env.read(page):
            yield rows
            after = rows[-1][0]

    @staticmethod
    def _is_overlaid(overlays: list[Overlay], table: int, key: bytes) -> bool:
        return any(overlay.find(table, key, _ABSENT) is not _ABSENT for overlay in overlays)

    @staticmethod
    def _overlaid(overlays: list[Overlay], table: int) -> Iterator[list[tuple[bytes, bytes]]]:
        for place, overlay in enumerate(overlays):
            newer, rows = overlays[:place], overlay.rows(table)
            if newer:
                rows = [row for row in rows if not LmdbState._is_overlaid(newer, table, row[0])]
            yield rows
