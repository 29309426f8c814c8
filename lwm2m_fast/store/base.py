"""The contract of a store: what survives a restart, and what every back end promises.

Two sides. State is what devices told us, written by the core as flat changes, in groups. Fleet is
what people configured, a row at a time, always on disk before it is acknowledged. This file knows
no back end, and no back end knows what a row means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.changes import MAX_KEY_BYTES, MAX_VALUE_BYTES

MAX_NAMESPACE_BYTES = 63
MAX_FLEET_KEY_BYTES = MAX_KEY_BYTES - MAX_NAMESPACE_BYTES - 1


FleetChange = tuple[str, bytes, bytes | None]
"""Namespace, key, and the value to put; None deletes the row, if there is one."""


class StoreConfig(Protocol):
    """What open_store() reads of the configuration; `durability` is "commit" or "sync"."""

    @property
    def durability(self) -> str: ...
    @property
    def sync_interval_s(self) -> float: ...
    @property
    def checkpoint_interval_s(self) -> float: ...
    @property
    def journal_max_bytes(self) -> int: ...


class StateStore(Protocol):
    """What devices told us, in numbered tables 1..255 of byte rows.

    `changes` is a concatenation of (integers big-endian, no padding)

        u8 op (1 put, 2 delete) · u8 table · u16 key size · u32 value size · key · value

    with keys of 1 to 511 bytes, values of at most 1 MiB, and value size 0 for a delete. Deleting
    what is not there is no error. Of several changes of one row the last one counts.
    """

    def load(self, table: int) -> Iterator[tuple[bytes, bytes]]:
        """Every row of `table` as applied so far, each once, in any order.

        For start-up: rows applied while the iteration is under way may or may not appear.
        StoreError when the rows cannot be read.
        """
        ...

    def pages(self, table: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """load() in lists of some thousand rows, for who takes a million of them."""
        ...

    def expected(self, table: int) -> int:
        """About how many rows load() brings: rather too many, those that were changed or deleted
        of late being counted too. Costs nothing. StoreError when the rows cannot be read."""
        ...

    def apply(self, changes: bytes) -> None:
        """Keep all of `changes`, or raise StoreError and keep nothing of them.

        After it returns, kill -9 loses none of it (durability "commit"), nor does a power loss
        ("sync"). Called by one thread at a time. May block while older changes are put in order,
        when the bound on those is reached. Malformed changes are refused before anything is
        written. Empty changes are kept by doing nothing. After a StoreError the store is usable:
        the same call succeeds once the cause (a full disk, say) is gone.
        """
        ...

    def get(self, table: int, key: bytes) -> bytes | None:
        """The newest value applied, None when there is none. Callable from any thread."""
        ...

    def sync(self) -> None:
        """Wait until everything applied so far survives a power loss; StoreError when it may not.

        For the few changes that something hangs on. It waits for the disk: not from an event loop.
        """
        ...

    def close(self) -> None:
        """Bring everything to disk and let go of it. Harmless when repeated."""
        ...


class FleetStore(Protocol):
    """What people configured, as byte rows under namespaces (1 to 63 bytes of UTF-8).

    Keys have 1 to 447 bytes, values at most 1 MiB. Each put and delete is one transaction: all or
    nothing, on disk before it returns, StoreError when it cannot be kept. Callable from any thread;
    a put may wait for the disk, so not from an event loop.
    """

    def put(self, namespace: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Insert or replace rows."""
        ...

    def delete(self, namespace: str, keys: Iterable[bytes]) -> int:
        """Remove rows, and return how many of them existed."""
        ...

    def apply(self, changes: Sequence[FleetChange]) -> None:
        """Rows of any namespaces, put and deleted in order: one transaction, all or nothing."""
        ...

    def get(self, namespace: str, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    def get_many(self, places: Iterable[tuple[str, bytes]]) -> dict[tuple[str, bytes], bytes]:
        """The values of those (namespace, key) that there are; quicker than one by one."""
        ...

    def scan(
        self, namespace: str, after: bytes | None = None, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows in key order, those with key > `after`, at most `limit`.

        Nothing is locked while the caller thinks: rows put or deleted meanwhile may or may not
        appear, all others do exactly once.
        """
        ...


class Store(Protocol):
    """Both sides of one data directory."""

    @property
    def state(self) -> StateStore: ...
    @property
    def fleet(self) -> FleetStore: ...

    def health(self) -> str | None:
        """Why nothing can be kept right now, in one sentence for an operator; None when well."""
        ...

    def counters(self) -> dict[str, int]:
        """Totals since the start and present sizes, by metric name."""
        ...

    def close(self) -> None:
        """Close both sides. Harmless when repeated."""
        ...


OpenStore = Callable[[str, StoreConfig], Store]
"""A back end's door: data directory and configuration to an open store, or StoreError."""


def check_namespace(namespace: str) -> bytes:
    """The namespace as stored; StoreError unless it has 1 to 63 bytes."""
    name = namespace.encode()
    if not 1 <= len(name) <= MAX_NAMESPACE_BYTES:
        raise StoreError(
            f"namespace {namespace!r} has {len(name)} bytes, allowed are 1 to {MAX_NAMESPACE_BYTES}"
        )
    return name


def check_fleet_key(key: bytes) -> bytes:
    """`key` itself; StoreError unless it has 1 to 447 bytes."""
    if not 1 <= len(key) <= MAX_FLEET_KEY_BYTES:
        raise StoreError(
            f"a fleet key has {len(key)} bytes, allowed are 1 to {MAX_FLEET_KEY_BYTES}"
        )
    return key


def check_fleet_value(value: bytes) -> bytes:
    """`value` itself; StoreError when it has more than 1 MiB."""
    if len(value) > MAX_VALUE_BYTES:
        raise StoreError(
            f"a fleet value has {len(value)} bytes, allowed are up to {MAX_VALUE_BYTES}"
        )
    return value


def check_table(table: int) -> int:
    """`table` itself; StoreError unless it is 1 to 255."""
    if not 1 <= table <= 255:
        raise StoreError(f"table {table} does not exist, tables are 1 to 255")
    return table
