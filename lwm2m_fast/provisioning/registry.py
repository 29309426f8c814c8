"""Configured devices and everything that goes with one of them, in one transaction: its
configuration, its credentials, its settings, its route. All of it or nothing.

Blocks on the disk: off the loop, one writer at a time. Who hears of a change, and what it does to
whoever is registered, is known elsewhere (provisioned_devices.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from lwm2m_fast.errors import Conflict, NotFound, RequestError, StoreError
from lwm2m_fast.fleet import settings
from lwm2m_fast.fleet.configuration import with_generated
from lwm2m_fast.fleet.credential_rows import Place
from lwm2m_fast.fleet.credentials import Change, Credentials
from lwm2m_fast.fleet.device_fields import DeviceConfiguration
from lwm2m_fast.fleet.secured import SIDES, Credential, Mode, Security
from lwm2m_fast.fleet.tenants import CONNECTOR, MANAGEMENT
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.provisioning.device_rows import (
    DEVICE,
    DEVICE_ID,
    ROUTE,
    UNBOUND,
    Device,
    Route,
    build_device,
    build_owner,
    build_route,
    id_bytes,
    parse_device,
    parse_owner,
    parse_route,
)
from lwm2m_fast.provisioning.owners import Owners
from lwm2m_fast.provisioning.unbound import KeptUnbound, Unbound
from lwm2m_fast.store.base import FleetChange, FleetStore

SETTINGS: Final = "settings"
LOOKED_AT_ONCE: Final = 4_096
_OWN: Final = MANAGEMENT.encode() + b"\0"
MAX_AT_ONCE: Final = 2_048
"""Devices in one transaction."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A device that is to be."""

    configuration: DeviceConfiguration
    tenant: str
    shell: bool = True
    is_legacy: bool = False
    """Of a file of the older generation: kept unbound when its name is another tenant's."""


class Added(NamedTuple):
    """One that is, and the keys made for it, by field: the one moment to show them."""

    device: Device
    generated: dict[str, str]


class Outcome(NamedTuple):
    """What a transaction did: results in the order of what was asked, and what is to be told."""

    results: list[Added | RequestError]
    changes: list[Change]


def _security(mode: str, identity: str | None, key: str | None) -> Security:
    if mode == "PSK":
        return Security(Mode.PSK, identity or "", bytes.fromhex(key or ""))
    return Security(Mode.X509 if mode == "X509" else Mode.NO_SEC)


def _is_same(one: Security | None, other: Security | None) -> bool:
    return other is None if one is None else one.is_as(other)


def credential_of(given: DeviceConfiguration, tenant: str, now: float) -> Credential:
    """What the device may connect with, on both sides."""
    server, own = given.server_security, given.bootstrap_security
    key = server.psk_key.get_secret_value() if server.psk_key else None
    own_key = own.psk_key.get_secret_value() if own is not None and own.psk_key else None
    return Credential(
        given.endpoint_id,
        _security(server.security_mode, server.psk_id, key),
        None if own is None else _security(own.security_mode, own.psk_id, own_key),
        tenant,
        now,
    )


def settings_of(given: DeviceConfiguration) -> settings.Settings:
    """Those fields that the server itself goes by."""
    return settings.Settings(
        awake_ms=given.awake_time_registration_parameter,
        request_timeout_ms=given.lwm2m_request_timeout,
        serialization_format=given.serialization_format,
        binary_encoding=given.binary_delivery_encoding,
        retains_values=given.retain_old_values,
    )


class Registry:
    """All configured devices. `random` gives that many unguessable bytes, `clock` unix time.

    Reading is safe from any thread. StoreError from any writer: nothing is kept.
    """

    def __init__(
        self,
        fleet: FleetStore,
        vault: Vault,
        credentials: Credentials,
        random: Callable[[int], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._fleet, self._vault, self._credentials = fleet, vault, credentials
        self._random, self._clock = random, clock
        self._count = 0
        self._foreign = 0
        """Names of other tenants than that which runs the server: mostly there are none."""
        self._owners = Owners(self._owner)
        self.unbound = Unbound(fleet, vault)
        self._last_id = 0
        self.unreadable = 0

    def load(self) -> int:
        """Once at start: how many there are."""
        self._count = self._foreign = 0
        self.unbound.load()
        for _, row in self._fleet.scan(ROUTE):
            self._count += 1
            self._foreign += not row.startswith(_OWN)
        for key, _ in self._fleet.scan(DEVICE_ID):
            self._last_id = int.from_bytes(key, "big")
        return self._count

    def __len__(self) -> int:
        """Endpoint names that somebody has."""
        return self._count

    # Reading

    def get(self, endpoint: str) -> Device | None:
        """One device; StoreError when its row cannot be read."""
        key = endpoint.encode("utf-8", "surrogatepass")
        row = self._fleet.get(DEVICE, key) if 0 < len(key) < 256 else None
        return None if row is None else parse_device(key, row, self._vault)

    def by_id(self, number: int) -> Device | None:
        """The same by its id."""
        row = self._fleet.get(DEVICE_ID, id_bytes(number)) if 0 < number < 1 << 64 else None
        found = None if row is None else self.get(parse_owner(row)[1])
        return found if found is not None and found.id == number else None

    def route(self, endpoint: str) -> Route | None:
        """Whose the name is, if anybody's."""
        key = endpoint.encode("utf-8", "surrogatepass")
        row = self._fleet.get(ROUTE, key) if 0 < len(key) < 256 else None
        return None if row is None else parse_route(row)

    def owner(self, endpoint: str) -> str:
        """The tenant that a name belongs to: that which runs the server where it is nobody's."""
        return self._owners.find(endpoint) if self._foreign else MANAGEMENT

    def _owner(self, endpoint: str) -> str:
        route = self.route(endpoint)
        return MANAGEMENT if route is None else route.tenant

    def page(
        self, after: str | None, limit: int, tenant: str | None = None
    ) -> tuple[list[Device], str | None]:
        """Up to `limit` devices of a tenant by name, beginning behind `after`; and where to go on.

        Looks at LOOKED_AT_ONCE rows at most. Rows that cannot be read are counted and left out.
        """
        found: list[Device] = []
        last = after.encode() if after else None
        for key, row in self._fleet.scan(DEVICE, last, LOOKED_AT_ONCE):
            last = key
            try:
                device = parse_device(key, row, self._vault)
            except StoreError:
                self.unreadable += 1
                continue
            if tenant in (None, device.tenant):
                found.append(device)
            if len(found) == limit:
                return found, key.decode()
        if last is None or not any(True for _ in self._fleet.scan(DEVICE, last, 1)):
            return found, None
        return found, last.decode()

    # Writing

    def add(self, wanted: Sequence[Wanted]) -> Outcome:
        """Each of them by itself, all that can be in one transaction; on disk when it returns.

        A result is a RequestError where a device is refused: Conflict for an endpoint name or PSK
        identity that somebody has. Never more than MAX_AT_ONCE.
        """
        results: list[Added | RequestError] = []
        rows: list[FleetChange] = []
        told: list[Change] = []
        claimed: dict[Place, str] = {}
        names: set[str] = set()
        kept: dict[bytes, bytes] = {}
        number = self._last_id
        for one in wanted[:MAX_AT_ONCE]:
            try:
                added, changes, prepared = self._added(one, number + 1, claimed, names)
            except RequestError as error:
                results.append(self._kept_instead(one, kept) or error)
                continue
            number += 1
            names.add(added.device.endpoint)
            results.append(added)
            rows += changes
            told += prepared
        rows += [(UNBOUND, key, row) for key, row in kept.items()]
        if rows:
            self._credentials.check_room(len(names))
            fresh = sum(isinstance(one, KeptUnbound) and one.is_new for one in results)
            bound = sum(change[0] == UNBOUND and change[2] is None for change in rows)
            self._fleet.apply(rows)
            self._owners.changed()
            self.unbound.note(fresh - bound)
            self._credentials.note(len(names))
            self._foreign += sum(
                isinstance(one, Added) and one.device.tenant != MANAGEMENT for one in results
            )
            self._count += len(names)
            self._last_id = number
        return Outcome(results, told)

    def _kept_instead(self, one: Wanted, kept: dict[bytes, bytes]) -> KeptUnbound | None:
        """What is left for a device of a legacy file whose name is another tenant's."""
        route = self.route(one.configuration.endpoint_id)
        if not one.is_legacy or route is None or route.tenant == one.tenant:
            return None
        given, _ = with_generated(one.configuration, self._random)
        return self.unbound.keep(Device(0, one.tenant, given, one.shell, self._clock()), kept)

    def _added(
        self, one: Wanted, number: int, claimed: dict[Place, str], names: set[str]
    ) -> tuple[Added, list[FleetChange], tuple[Change, ...]]:
        given, generated = with_generated(one.configuration, self._random)
        endpoint = given.endpoint_id
        if endpoint == CONNECTOR:
            raise Conflict(f"endpointId {endpoint!r} is the connector's")
        if endpoint in names:
            raise Conflict(f"endpointId {endpoint!r} is given twice")
        if self.route(endpoint) is not None:
            raise Conflict(f"endpointId {endpoint!r} belongs to a device already")
        now = self._clock()
        device = Device(number, one.tenant, given, one.shell, now)
        prepared = self._credentials.prepare(
            credential_of(given, one.tenant, now), claimed, replacing=False
        )
        key = endpoint.encode()
        rows: list[FleetChange] = [
            *prepared.changes,
            *self._rows(device),
            (DEVICE_ID, id_bytes(number), build_owner(one.tenant, endpoint)),
            (ROUTE, key, build_route(Route(one.tenant, number))),
            *self.unbound.bound(one.tenant, endpoint),
        ]
        return Added(device, generated), rows, prepared.told

    def _rows(self, device: Device) -> list[FleetChange]:
        key = device.endpoint.encode()
        own = settings_of(device.configuration)
        kept = None if own == settings.UNSET else settings.as_bytes(own)
        return [(DEVICE, key, build_device(device, self._vault)), (SETTINGS, key, kept)]

    def adopt(self, wanted: Sequence[Wanted]) -> list[Device | RequestError]:
        """Configurations for endpoints that are known in older ways and have none.

        Credentials, settings and whatever else there is of them stay as they are. A result is a
        RequestError where the name belongs to a device already.
        """
        results: list[Device | RequestError] = []
        rows: list[FleetChange] = []
        number, now = self._last_id, self._clock()
        for one in wanted[:MAX_AT_ONCE]:
            endpoint = one.configuration.endpoint_id
            if endpoint == CONNECTOR or self.route(endpoint) is not None:
                results.append(Conflict(f"endpointId {endpoint!r} belongs to a device already"))
                continue
            number += 1
            device = Device(number, one.tenant, one.configuration, one.shell, now)
            key = endpoint.encode()
            rows += [
                (DEVICE, key, build_device(device, self._vault)),
                (DEVICE_ID, id_bytes(number), build_owner(one.tenant, endpoint)),
                (ROUTE, key, build_route(Route(one.tenant, number))),
            ]
            results.append(device)
        if rows:
            self._fleet.apply(rows)
            self._owners.changed()
            made = number - self._last_id
            self._count += made
            self._foreign += sum(
                isinstance(one, Device) and one.tenant != MANAGEMENT for one in results
            )
            self._last_id = number
        return results

    def change(self, endpoint: str, configuration: DeviceConfiguration) -> Outcome:
        """Another configuration for a device that is; NotFound, Conflict as add().

        What it may connect with changes only where the configuration of that connection does.
        """
        before = self._one(endpoint)
        given, generated = with_generated(configuration, self._random)
        device = replace(before, configuration=given)
        wanted = self._changed(before, given)
        if wanted is None:
            self._fleet.apply(self._rows(device))
            return Outcome([Added(device, generated)], [])
        prepared = self._credentials.prepare(wanted, {}, replacing=True)
        self._fleet.apply([*prepared.changes, *self._rows(device)])
        self._credentials.note(prepared.is_fresh)
        return Outcome([Added(device, generated)], list(prepared.told))

    def _changed(self, before: Device, given: DeviceConfiguration) -> Credential | None:
        """The credential that another configuration means; None: the same as so far."""
        now = self._clock()
        old, new = (credential_of(one, before.tenant, now) for one in (before.configuration, given))
        kept = {
            side: getattr(self._credentials.before(before.endpoint), side)
            for side in SIDES
            if _is_same(old.side(side), new.side(side))
        }
        return None if len(kept) == len(SIDES) else replace(new, **kept)

    def _one(self, endpoint: str) -> Device:
        found = self.get(endpoint)
        if found is None:
            raise NotFound(f"no device is configured as {endpoint!r:.80}")
        return found

    def remove(
        self, endpoints: Iterable[str], tenant: str | None = None, *, keeps_route: bool = False
    ) -> tuple[list[Device | RequestError], list[Change]]:
        """Forget devices with everything of theirs; each result is the device or why not.

        `tenant` None: anybody's. `keeps_route`: the name stays taken until cleanup(), as after a
        deletion in the inventory.
        """
        results: list[Device | RequestError] = []
        rows: list[FleetChange] = []
        told: list[Change] = []
        gone = freed = foreign = 0
        for endpoint in dict.fromkeys(endpoints):
            found = self.get(endpoint)
            if found is None or tenant not in (None, found.tenant):
                results.append(NotFound(f"no device is configured as {endpoint!r:.80}"))
                continue
            key = endpoint.encode()
            prepared = self._credentials.prepare_removal(endpoint)
            gone += prepared.is_fresh
            freed += not keeps_route
            foreign += not keeps_route and found.tenant != MANAGEMENT
            rows += [
                *prepared.changes,
                (DEVICE, key, None),
                (SETTINGS, key, None),
                (DEVICE_ID, id_bytes(found.id), None),
            ]
            rows += [] if keeps_route else [(ROUTE, key, None)]
            told += prepared.told
            results.append(found)
        self._fleet.apply(rows)
        self._owners.changed()
        self._credentials.note(-gone)
        self._count -= freed
        self._foreign -= foreign
        return results, told

    def cleanup(self, endpoint: str, tenant: str) -> list[Change]:
        """Free the name of an endpoint, with or without the device (row A4).

        NotFound: nobody of this tenant has it.
        """
        route = self.route(endpoint)
        if route is None:
            raise NotFound(f"no device of this tenant has the endpoint {endpoint!r:.80}")
        if route.tenant != tenant:
            raise NotFound(f"no device of this tenant has the endpoint {endpoint!r:.80}")
        key = endpoint.encode()
        prepared = self._credentials.prepare_removal(endpoint)
        self._fleet.apply(
            [
                *prepared.changes,
                (ROUTE, key, None),
                (DEVICE, key, None),
                (SETTINGS, key, None),
                (DEVICE_ID, id_bytes(route.id), None),
            ]
        )
        self._owners.changed()
        self._credentials.note(-prepared.is_fresh)
        self._count -= 1
        self._foreign -= tenant != MANAGEMENT
        return list(prepared.told)
