"""Devices that are kept though their names are another tenant's: what a file of the older
generation does with a duplicate (row P12). They have no route, no credentials and no id, so that
nobody can connect as one.

Blocks on the disk, as registry.py, which asks. StoreError from any writer: nothing is kept.
"""

from __future__ import annotations

from typing import Final

from lwm2m_fast.errors import Conflict, StoreError
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.provisioning.device_rows import (
    UNBOUND,
    Device,
    build_owner,
    build_unbound,
    parse_owner,
    parse_unbound,
)
from lwm2m_fast.store.base import MAX_FLEET_KEY_BYTES, FleetChange, FleetStore

MAX_UNBOUND: Final = 100_000
"""Of all tenants."""


class KeptUnbound(Conflict):
    """The name belongs to another tenant; the device is kept, and nobody can connect as it."""

    def __init__(self, endpoint: str, *, is_new: bool) -> None:
        super().__init__(
            f"endpointId {endpoint!r} belongs to a device of another tenant; "
            "it is kept unbound, and cannot connect"
        )
        self.is_new = is_new
        """False: it was kept so before."""


class Unbound:
    """All of them. Reading is safe from any thread; one writer at a time."""

    def __init__(self, fleet: FleetStore, vault: Vault) -> None:
        self._fleet, self._vault = fleet, vault
        self._count = 0
        self.unreadable = 0

    def load(self) -> None:
        """Once at start."""
        self._count = sum(1 for _ in self._fleet.scan(UNBOUND))

    def __len__(self) -> int:
        return self._count

    def keep(self, device: Device, kept: dict[bytes, bytes]) -> KeptUnbound | None:
        """Put a device into `kept`, for the caller's transaction. None: there are too many."""
        key, row = build_unbound(device, self._vault)
        is_new = key not in kept and self._fleet.get(UNBOUND, key) is None
        if is_new and self._count + len(kept) >= MAX_UNBOUND:
            return None
        kept[key] = row
        return KeptUnbound(device.endpoint, is_new=is_new)

    def bound(self, tenant: str, endpoint: str) -> list[FleetChange]:
        """What a transaction writes that gives the tenant this name after all."""
        key = build_owner(tenant, endpoint)
        is_there = self._count > 0 and self._fleet.get(UNBOUND, key) is not None
        return [(UNBOUND, key, None)] if is_there else []

    def note(self, more: int) -> None:
        """So many more (or less) are on disk, by the caller's transaction."""
        self._count += more

    def page(self, tenant: str, after: str | None, limit: int) -> tuple[list[Device], str | None]:
        """Those of a tenant by name, beginning behind `after`; and where to go on.

        Rows that cannot be read are counted and left out.
        """
        found: list[Device] = []
        own, last = build_owner(tenant, ""), build_owner(tenant, after or "")
        for key, row in self._fleet.scan(UNBOUND, last, limit):
            if not key.startswith(own):
                return found, None
            last = key
            try:
                found.append(parse_unbound(key, row, self._vault))
            except StoreError:
                self.unreadable += 1
        following = next(iter(self._fleet.scan(UNBOUND, last, 1)), None)
        is_end = following is None or not following[0].startswith(own)
        return found, None if is_end else parse_owner(last)[1]

    def forget(self, tenant: str, endpoint: str) -> bool:
        """Keep one no longer. False: there is none."""
        key = build_owner(tenant, endpoint)
        gone = self._fleet.delete(UNBOUND, [key]) if len(key) <= MAX_FLEET_KEY_BYTES else 0
        self._count -= gone
        return gone > 0
