"""From the journal into the tables: small transactions, any two of which a crash may separate.

First the newest change of each row is written into its table, then the journal it came from is
deleted, oldest first. Dying anywhere in between is harmless: what is left of the journal, played
again over the tables, gives the same rows, because of each row the last change counts and its
journal entry goes after all older ones. No thread, no lock, and a clock only for the length of
one transaction. Between two of them the core is offered to the event loop.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

from lwm2m_fast.background import CoreOffers
from lwm2m_fast.store.base import check_table
from lwm2m_fast.store.environment import Environment, Transaction
from lwm2m_fast.store.overlay import Overlay

JOURNAL = b"journal"
SEQUENCE = struct.Struct(">Q")
"""Keys of the journal: dense, so that an entry is an append."""

SLICE_ROWS = 256
"""Most rows, or journal entries, in one transaction."""

SLICE_S = 0.002
"""After this long a transaction ends early: apply() may be waiting behind it."""

CHUNK_ROWS = 32
"""Rows between two looks at the clock."""


TABLE_NAMES = [b"table-%d" % table for table in range(256)]


def table_name(table: int) -> bytes:
    """The sub-database that holds the rows of a table; StoreError unless it is 1 to 255."""
    return TABLE_NAMES[check_table(table)]


def fold_rows(env: Environment, overlay: Overlay, step: Callable[[str], None]) -> int:
    """Write every row of `overlay` into its table; returns how many there were.

    `step("rows")` is called after each transaction. StoreError leaves some of them written.
    """
    overlay.sort()
    at, core = 0, CoreOffers()
    while at < overlay.count:
        at = _fold_slice(env, overlay, at)
        core.offer()
        step("rows")
    return overlay.count


def trim_journal(env: Environment, until: int, step: Callable[[str], None]) -> None:
    """Delete journal entries up to number `until`; `step("journal")` after each transaction."""
    is_more, core = True, CoreOffers()
    while is_more:
        is_more = _trim_slice(env, until)
        core.offer()
        step("journal")


def _fold_slice(env: Environment, overlay: Overlay, start: int) -> int:
    table = overlay.table_at(start)
    env.add_table(table_name(table))

    def put(txn: Transaction) -> int:
        at, until = start, time.monotonic() + SLICE_S
        db = env.table(table_name(table))
        while at < overlay.count and at - start < SLICE_ROWS:
            if at > start and time.monotonic() > until:
                break
            found, puts, deletes, after = overlay.take(at, CHUNK_ROWS)
            if found != table:
                break
            txn.cursor(db).putmulti(puts)
            for key in deletes:
                txn.delete(key, db=db)
            at = after
        return at

    return env.write(put)


def _trim_slice(env: Environment, until: int) -> bool:
    def delete(txn: Transaction) -> bool:
        ends_at = time.monotonic() + SLICE_S
        cursor = txn.cursor(env.table(JOURNAL))
        for _ in range(SLICE_ROWS):
            if not cursor.first() or SEQUENCE.unpack(cursor.key())[0] > until:
                return False
            cursor.delete()
            if time.monotonic() > ends_at:
                break
        return True

    return env.write(delete)
