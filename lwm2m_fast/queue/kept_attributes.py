"""The attributes that were written to each device, for the time when it has forgotten them.

A device that registers anew may have lost what Write-Attributes told it (LwM2M Core, section
6.4.2): before it is observed again it gets them again. Knows rows and orders; sends nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import orjson

from lwm2m_fast.core.attributes import CANCEL, CANCELLED
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import StoreError
from lwm2m_fast.queue.durable import Keeper
from lwm2m_fast.store.base import FleetStore

NAMESPACE = "attributes"
"""Fleet namespace: endpoint to JSON of path to attributes."""

MAX_PATHS = 64
"""Paths with attributes remembered per device; what is written beyond is sent and not kept."""


class HasEndpoint(Protocol):
    @property
    def endpoint(self) -> str: ...


class IsOk(Protocol):
    @property
    def ok(self) -> bool: ...


class KeptAttributes:
    """By endpoint. Loop's thread only."""

    def __init__(self, fleet: FleetStore, keeper: Keeper) -> None:
        self._fleet, self._keeper = fleet, keeper
        self._unwritten: dict[str, tuple[int, bytes | None]] = {}
        self._writes = 0
        self.not_kept = 0

    def answered(self, target: HasEndpoint, order: Order, result: IsOk, at: float) -> None:
        """A device has accepted Write-Attributes, or deleted what had some."""
        if not result.ok or order.path is None:
            return
        try:
            if order.op == "write_attributes":
                self._written(target.endpoint, order.path, dict(order.attributes or {}))
            elif order.op == "delete":
                self._deleted(target.endpoint, order.path)
        except StoreError:  # what was kept cannot be read now: whoever asked gets his answer
            self.not_kept += 1

    def read(self, endpoints: object, orders: object, results: object, at: float) -> None:
        """Reads change no attributes."""

    def orders(self, endpoint: str) -> list[Order]:
        """What brings the device's attributes back, one order for each path. StoreError."""
        return [
            Order("write_attributes", path, attributes=attributes, is_unchecked=True)
            for path, attributes in self._read(endpoint).items()
        ]

    def forget(self, endpoint: str) -> None:
        """The device is gone for good, and whoever has its name next gets none."""
        try:
            is_known = bool(self._read(endpoint))
        except StoreError:  # they must not be there either when the store works again
            is_known = True
        if is_known:
            self._write(endpoint, {})

    def _written(self, endpoint: str, path: str, attributes: dict[str, Any]) -> None:
        kept = self._read(endpoint)
        if path not in kept and len(kept) >= MAX_PATHS:
            self.not_kept += 1
            return
        before = kept.get(path, {})
        if CANCEL in attributes:
            before = {n: value for n, value in before.items() if n not in CANCELLED}
        merged = {**before, **attributes}
        merged = {n: value for n, value in merged.items() if value is not None and n != CANCEL}
        kept.pop(path, None)
        if merged:
            kept[path] = merged
        self._write(endpoint, kept)

    def _deleted(self, endpoint: str, path: str) -> None:
        kept = self._read(endpoint)
        left = {p: a for p, a in kept.items() if p != path and not p.startswith(path + "/")}
        if len(left) < len(kept):
            self._write(endpoint, left)

    def _read(self, endpoint: str) -> dict[str, dict[str, Any]]:
        if endpoint in self._unwritten:
            row = self._unwritten[endpoint][1]
        else:
            row = self._fleet.get(NAMESPACE, endpoint.encode())
        try:
            found = orjson.loads(row) if row else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, endpoint: str, kept: dict[str, dict[str, Any]]) -> None:
        row = orjson.dumps(kept) if kept else None
        self._writes += 1
        self._unwritten[endpoint] = (self._writes, row)
        done = partial(self._done, endpoint, self._writes)
        self._keeper.keep([(NAMESPACE, endpoint.encode(), row)], done, must=True)

    def _done(self, endpoint: str, number: int, error: StoreError | None) -> None:
        if self._unwritten.get(endpoint, (0,))[0] == number:
            del self._unwritten[endpoint]

    def counters(self) -> dict[str, int]:
        return {"attributes_not_kept": self.not_kept}
