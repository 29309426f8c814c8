"""What a transaction of configured devices is made of: devices that are wanted, what is being made
of them, and what became of each.

Values only; who makes the transaction, and what it may not do, is registry.py's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet import settings
from lwm2m_fast.fleet.credential_rows import Place
from lwm2m_fast.fleet.credentials import Change, wanted_places
from lwm2m_fast.fleet.device_fields import DeviceConfiguration
from lwm2m_fast.fleet.secured import Credential
from lwm2m_fast.provisioning.device_rows import ROUTE, Device
from lwm2m_fast.store.base import FleetChange


@dataclass(frozen=True, slots=True)
class Wanted:
    """A device that is to be."""

    configuration: DeviceConfiguration
    tenant: str
    shell: bool = True
    is_legacy: bool = False
    """Of a file of the older generation: kept unbound when its name is another tenant's."""
    takes_over: bool = False
    """It may have a credential already, which the configuration replaces; of the bootstrap side
    where it says something of that."""


class Made(NamedTuple):
    """A wanted device with its keys, before it is known whether it can be."""

    wanted: Wanted
    configuration: DeviceConfiguration
    generated: dict[str, str]
    credential: Credential

    def places(self) -> Iterator[Place]:
        """Where rows would stand against it."""
        yield ROUTE, self.credential.endpoint.encode()
        yield from wanted_places(self.credential)


class Added(NamedTuple):
    """One that is, and the keys made for it, by field: the one moment to show them."""

    device: Device
    generated: dict[str, str]
    settings: settings.Settings


@dataclass(slots=True)
class Batch:
    """A transaction in the making."""

    last_id: int
    names: set[str] = field(default_factory=set)
    claimed: dict[Place, str] = field(default_factory=dict)
    rows: list[FleetChange] = field(default_factory=list)
    told: list[Change] = field(default_factory=list)
    unbound: dict[bytes, bytes] = field(default_factory=dict)
    """Rows of devices that are kept though their names are another tenant's."""
    credentials: int = 0
    """More than before."""
    kept: int = 0
    """Of those, that were not kept before."""
    bound: int = 0
    """Devices that were kept unbound, and have their name now."""
    foreign: int = 0
    """Names of other tenants than that which runs the server."""


class Filed(NamedTuple):
    """What a transaction of rows of a file did."""

    refused: list[RequestError | None]
    """In the order of what was asked; None: it is in."""
    settings: list[tuple[str, settings.Settings]]
    """Of those that are in."""
    changes: list[Change]


class Outcome(NamedTuple):
    """What a transaction did: results in the order of what was asked, and what is to be told."""

    results: list[Added | RequestError]
    changes: list[Change]
