"""What people configured, in LMDB: one table, keys led by their namespace.

A stored key is u8 namespace size · namespace · key, so a namespace is a stretch of the key order.
Every commit is on disk before it returns: the environment given must be a durable one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import TypeVar

from lwm2m_fast.store.base import FleetChange, check_fleet_key, check_fleet_value, check_namespace
from lwm2m_fast.store.environment import Environment, Transaction
from lwm2m_fast.store.page import page_of

ITEMS = b"items"

T = TypeVar("T")

PAGE_ROWS = 512
"""Rows per transaction of scan(): none is held while the caller thinks."""

SORTED_AT_ONCE = 1024
"""Keys: some 0.2 ms."""


class LmdbFleet:
    """FleetStore over a durable Environment."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        env.add_table(ITEMS)

    def put(self, namespace: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        prefix = _prefix(namespace)
        rows = [(prefix + check_fleet_key(key), check_fleet_value(value)) for key, value in items]
        if rows:
            self._write(lambda txn: txn.cursor(self._env.table(ITEMS)).putmulti(rows))

    def delete(self, namespace: str, keys: Iterable[bytes]) -> int:
        prefix = _prefix(namespace)
        rows = [prefix + check_fleet_key(key) for key in keys]

        def delete(txn: Transaction) -> int:
            return sum(txn.delete(row, db=self._env.table(ITEMS)) for row in rows)

        return self._write(delete) if rows else 0

    def apply(self, changes: Sequence[FleetChange]) -> None:
        # Of several changes of one row the last one counts; in key order a page is gone to once.
        spaces: dict[bytes, dict[bytes, bytes | None]] = {}
        for name, key, value in changes:
            prefix = _prefix(name)
            rows = spaces.get(prefix)
            if rows is None:
                rows = spaces[prefix] = {}
            rows[prefix + check_fleet_key(key)] = value
        put: list[tuple[bytes, bytes]] = []
        gone: list[bytes] = []
        for prefix in sorted(spaces):  # a namespace is a stretch of the key order
            rows = spaces[prefix]
            for key in in_order(list(rows)):
                value = rows[key]
                if value is None:
                    gone.append(key)
                else:
                    put.append((key, check_fleet_value(value)))

        def write(txn: Transaction) -> None:
            table = self._env.table(ITEMS)
            for key in gone:
                txn.delete(key, db=table)
            if put:
                txn.cursor(table).putmulti(put)

        if put or gone:
            self._write(write)

    def get(self, namespace: str, key: bytes) -> bytes | None:
        return self._env.get_kept(ITEMS, _prefix(namespace) + check_fleet_key(key))

    def _write(self, work: Callable[[Transaction], T]) -> T:
        """What was written is seen by get() once this has returned."""
        try:
            return self._env.write(work)
        finally:
            self._env.renew()

    def get_many(self, places: Iterable[tuple[str, bytes]]) -> dict[tuple[str, bytes], bytes]:
        by_row = {_prefix(name) + check_fleet_key(key): (name, key) for name, key in places}
        rows = sorted(by_row)
        found: dict[tuple[str, bytes], bytes] = {}
        for first in range(0, len(rows), PAGE_ROWS):  # other readers have their turn between
            some = rows[first : first + PAGE_ROWS]
            for row, value in self._env.read(partial(self._held, some)):
                found[by_row[row]] = value
        return found

    def _held(self, rows: list[bytes], txn: Transaction) -> list[tuple[bytes, bytes]]:
        return txn.cursor(self._env.table(ITEMS)).getmulti(rows)

    def scan(
        self, namespace: str, after: bytes | None = None, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return self._scan(_prefix(namespace), after, limit)

    def _scan(
        self, prefix: bytes, after: bytes | None, limit: int | None
    ) -> Iterator[tuple[bytes, bytes]]:
        while limit is None or limit > 0:
            page = self._page(prefix, after, PAGE_ROWS if limit is None else min(PAGE_ROWS, limit))
            if not page:
                return
            yield from page
            after = page[-1][0]
            limit = None if limit is None else limit - len(page)

    def _page(self, prefix: bytes, after: bytes | None, size: int) -> list[tuple[bytes, bytes]]:
        # The smallest key behind `after` is `after` and a zero byte.
        skipped = len(prefix)
        start = prefix if after is None else prefix + after + b"\0"

        def page(txn: Transaction) -> list[tuple[bytes, bytes]]:
            cursor = txn.cursor(self._env.table(ITEMS))
            if not cursor.set_range(start):
                return []
            rows = page_of(cursor.iternext(), size, prefix)
            return [(key[skipped:], value) for key, value in rows]

        return self._env.read(page)


def in_order(keys: list[bytes]) -> list[bytes]:
    """sorted(keys) in steps: one call for twenty thousand would keep the loop from the interpreter
    for ten milliseconds."""
    runs = [sorted(keys[at : at + SORTED_AT_ONCE]) for at in range(0, len(keys), SORTED_AT_ONCE)]
    while len(runs) > 1:  # two that are in order become one in linear time
        runs = [sorted(chain(*runs[at : at + 2])) for at in range(0, len(runs), 2)]
    return runs[0] if runs else []


@lru_cache(maxsize=64)
def _prefix(namespace: str) -> bytes:
    name = check_namespace(namespace)
    return bytes([len(name)]) + name
