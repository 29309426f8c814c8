"""Operations as the store has them: those that wait and those that have ended, newest first.

Reads rows and says which are too many; decides nothing about an operation.
"""

from __future__ import annotations

from collections.abc import Iterator

from lwm2m_fast.core.operation import (
    HISTORY_ROWS,
    PENDING_ROWS,
    Operation,
    device_key,
    history_key,
    pending_key,
    read_key,
)
from lwm2m_fast.errors import FormatError
from lwm2m_fast.store.base import FleetChange, FleetStore

SLACK = 16
"""Ended operations kept beyond the bound until they are removed together."""

MAX_TRACKED = 65536
"""Devices whose newly ended operations are counted; the one longest quiet is looked at instead."""


class History:
    """The rows of all operations. `bound` ended ones are shown per device, SLACK more are kept."""

    def __init__(self, fleet: FleetStore, bound: int) -> None:
        self._fleet, self._bound = fleet, bound
        self._ended: dict[str, int] = {}
        self.unreadable = 0

    def waiting(self, endpoint: str, operation_id: int) -> Operation | None:
        """The stored row of one that has not ended. StoreError."""
        value = self._fleet.get(PENDING_ROWS, pending_key(endpoint, operation_id))
        return self._read(endpoint, operation_id, value)

    def ended(self, endpoint: str, operation_id: int) -> Operation | None:
        """The stored row of one that has. StoreError."""
        value = self._fleet.get(HISTORY_ROWS, history_key(endpoint, operation_id))
        return self._read(endpoint, operation_id, value)

    def _read(self, endpoint: str, operation_id: int, value: bytes | None) -> Operation | None:
        if value is None:
            return None
        try:
            return Operation.from_row(endpoint, operation_id, value)
        except FormatError:
            self.unreadable += 1
            return None

    def all_ended(self, endpoint: str, before: int | None = None) -> Iterator[Operation]:
        """The newest `bound` ended operations, those below `before`, newest first."""
        for number, (key, value) in enumerate(self._rows(endpoint)):
            if number >= self._bound:
                return
            _, operation_id = read_key(key, is_history=True)
            if before is None or operation_id < before:
                operation = self._read(endpoint, operation_id, value)
                if operation is not None:
                    yield operation

    def _rows(self, endpoint: str) -> Iterator[tuple[bytes, bytes]]:
        prefix = device_key(endpoint)
        for key, value in self._fleet.scan(HISTORY_ROWS, prefix, self._bound + 2 * SLACK):
            if not key.startswith(prefix):
                return
            yield key, value

    def surplus(self, endpoint: str) -> list[FleetChange]:
        """An operation of this device ends: which old rows, its or another device's, go now."""
        count = self._ended.pop(endpoint, 0) + 1
        if count >= SLACK:
            return self._beyond(endpoint)
        self._ended[endpoint] = count  # behind all others
        if len(self._ended) <= MAX_TRACKED:
            return []
        quiet = next(iter(self._ended))
        del self._ended[quiet]
        return self._beyond(quiet)

    def _beyond(self, endpoint: str) -> list[FleetChange]:
        rows = [key for key, _ in self._rows(endpoint)]
        return [(HISTORY_ROWS, key, None) for key in rows[self._bound :]]
