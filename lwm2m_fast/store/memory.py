"""A store in plain dictionaries: nothing survives the process.

For tests, and for a server whose devices may all register anew after a restart. It keeps every
other promise of the contract, refusals included; it refuses to know of files.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.base import (
    FleetChange,
    StoreConfig,
    check_fleet_key,
    check_fleet_value,
    check_namespace,
    check_table,
)
from lwm2m_fast.store.changes import rows


class MemoryState:
    """StateStore in one dictionary per table."""

    def __init__(self) -> None:
        self._tables: dict[int, dict[bytes, bytes]] = {}
        self._is_closed = False

    def load(self, table: int) -> Iterator[tuple[bytes, bytes]]:
        self._check_open()
        return iter(list(self._tables.get(check_table(table), {}).items()))

    def pages(self, table: int) -> Iterator[list[tuple[bytes, bytes]]]:
        yield list(self.load(table))

    def expected(self, table: int) -> int:
        self._check_open()
        return len(self._tables.get(check_table(table), {}))

    def apply(self, changes: bytes) -> None:
        self._check_open()
        for table, key, value in rows(changes):
            if value is None:
                self._tables.get(table, {}).pop(key, None)
            else:
                self._tables.setdefault(table, {})[key] = value

    def get(self, table: int, key: bytes) -> bytes | None:
        self._check_open()
        return self._tables.get(check_table(table), {}).get(key)

    def sync(self) -> None:
        self._check_open()

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreError("the store is closed")


class MemoryFleet:
    """FleetStore in one dictionary per namespace, with its keys sorted when somebody scans."""

    def __init__(self) -> None:
        self._spaces: dict[bytes, dict[bytes, bytes]] = {}
        self._ordered: dict[bytes, list[bytes]] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def put(self, namespace: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        self._check_open()
        name = check_namespace(namespace)
        checked = {check_fleet_key(key): check_fleet_value(value) for key, value in items}
        with self._lock:
            self._spaces.setdefault(name, {}).update(checked)
            self._ordered.pop(name, None)

    def delete(self, namespace: str, keys: Iterable[bytes]) -> int:
        self._check_open()
        name = check_namespace(namespace)
        checked = {check_fleet_key(key) for key in keys}
        with self._lock:
            space = self._spaces.get(name, {})
            self._ordered.pop(name, None)
            return sum(space.pop(key, None) is not None for key in checked)

    def apply(self, changes: Sequence[FleetChange]) -> None:
        self._check_open()
        checked = [
            (
                check_namespace(name),
                check_fleet_key(key),
                value if value is None else check_fleet_value(value),
            )
            for name, key, value in changes
        ]
        with self._lock:
            for name, key, value in checked:
                space = self._spaces.setdefault(name, {})
                if (key in space) != (value is not None):
                    self._ordered.pop(name, None)
                if value is None:
                    space.pop(key, None)
                else:
                    space[key] = value

    def get(self, namespace: str, key: bytes) -> bytes | None:
        self._check_open()
        with self._lock:
            return self._spaces.get(check_namespace(namespace), {}).get(check_fleet_key(key))

    def get_many(self, places: Iterable[tuple[str, bytes]]) -> dict[tuple[str, bytes], bytes]:
        found = ((place, self.get(*place)) for place in places)
        return {place: value for place, value in found if value is not None}

    def scan(
        self, namespace: str, after: bytes | None = None, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        self._check_open()
        name = check_namespace(namespace)
        with self._lock:
            space = self._spaces.get(name, {})
            keys = self._ordered.get(name)
            if keys is None:
                keys = self._ordered[name] = sorted(space)
            start = 0 if after is None else bisect_right(keys, after)
            end = len(keys) if limit is None else start + limit
            return iter([(key, space[key]) for key in keys[start:end]])

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreError("the store is closed")


class MemoryStore:
    """Both sides; always well."""

    def __init__(self, data_dir: str, config: StoreConfig) -> None:
        self.state = MemoryState()
        self.fleet = MemoryFleet()

    def health(self) -> str | None:
        return None

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        self.state.close()
        self.fleet.close()
