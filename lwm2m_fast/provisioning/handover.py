"""Names that change hands, noted in the very transaction that takes one from somebody or gives it
to a tenant: what was known under them is in other stores, and a process that ends before all of it
is forgotten leaves the note for the next start (forgetting.py).

    handover    u64 ticket, big-endian -> names: each u8 size · bytes

Stands before the fleet store where configured devices are written, and sees rows, not why. With a
name goes its place on the list of those that may register, which another owner has put it on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from lwm2m_fast.fleet.tenants import MANAGEMENT
from lwm2m_fast.provisioning.device_rows import DEVICE, LISTED, ROUTE
from lwm2m_fast.store.base import FleetChange, FleetStore

HANDOVER: Final = "handover"

_OWN: Final = MANAGEMENT.encode() + b"\0"


class Handovers:
    """A FleetStore. Writing as there, one thread at a time; the rest is the loop's."""

    def __init__(self, fleet: FleetStore) -> None:
        self._fleet = fleet
        self._open = [ticket for ticket, _ in fleet.scan(HANDOVER)]
        self._last = int.from_bytes(self._open[-1], "big") if self._open else 0

    def take(self) -> list[bytes]:
        """Tickets of the notes that nobody has taken: at the start those of the run before."""
        taken, self._open = self._open, []
        return taken

    def names(self, ticket: bytes) -> list[str]:
        """What a note says; empty where there is none. StoreError."""
        row = self._fleet.get(HANDOVER, ticket) or b""
        found, at = [], 0
        while at < len(row):
            end = at + 1 + row[at]
            found.append(row[at + 1 : end].decode(errors="replace"))
            at = end
        return found

    def is_configured(self, name: str) -> bool:
        """Whether a device has this name, be its row readable or not. StoreError."""
        return self._fleet.get(DEVICE, name.encode()) is not None

    # As a FleetStore

    def apply(self, changes: Sequence[FleetChange]) -> None:
        names = {key: None for space, key, row in changes if _changes_hands(space, row)}
        if not names:
            self._fleet.apply(changes)
            return
        ticket = (self._last + 1).to_bytes(8, "big")
        note = b"".join(bytes([len(name)]) + name for name in names)
        self._fleet.apply([*changes, *self._unlisted(changes), (HANDOVER, ticket, note)])
        self._last += 1
        self._open.append(ticket)

    def _unlisted(self, changes: Iterable[FleetChange]) -> Iterator[FleetChange]:
        """Of names that another tenant gets, or gives up, who put them on the list has gone."""
        for space, key, row in changes:
            if space != ROUTE:
                continue
            of_whom = row if row is not None else self._fleet.get(ROUTE, key)
            if of_whom is not None and not of_whom.startswith(_OWN):
                yield LISTED, key, None

    def put(self, namespace: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        self._fleet.put(namespace, items)

    def delete(self, namespace: str, keys: Iterable[bytes]) -> int:
        return self._fleet.delete(namespace, keys)

    def get(self, namespace: str, key: bytes) -> bytes | None:
        return self._fleet.get(namespace, key)

    def get_many(self, places: Iterable[tuple[str, bytes]]) -> dict[tuple[str, bytes], bytes]:
        return self._fleet.get_many(places)

    def scan(
        self, namespace: str, after: bytes | None = None, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return self._fleet.scan(namespace, after, limit)


def _changes_hands(space: str, row: bytes | None) -> bool:
    """A device that is no more, a name that is free, or one that a tenant has now who does not run
    the server: what is nobody's is known to who does."""
    if space == DEVICE:
        return row is None
    return space == ROUTE and (row is None or not row.startswith(_OWN))
