"""Configured devices and everything that goes with one of them, in one transaction: its
configuration, its credentials, its settings, its route. All of it or nothing.

Blocks on the disk: off the loop, one writer at a time. Who hears of a change, and what it does to
whoever is registered, is known elsewhere (provisioned_devices.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from lwm2m_fast.errors import Conflict, NotFound, RequestError, StoreError
from lwm2m_fast.fleet import settings
from lwm2m_fast.fleet.configuration import with_generated
from lwm2m_fast.fleet.credential_rows import Place
from lwm2m_fast.fleet.credentials import Change, Credentials
from lwm2m_fast.fleet.device_fields import DeviceConfiguration
from lwm2m_fast.fleet.secured import SIDES, Credential, Security
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
from lwm2m_fast.provisioning.meanings import (
    bootstrap_of,
    credential_of,
    settings_after,
    settings_of,
)
from lwm2m_fast.provisioning.owners import Owners
from lwm2m_fast.provisioning.profiles import Profiles
from lwm2m_fast.provisioning.server_certificates import ServerCertificates
from lwm2m_fast.provisioning.transactions import Added, Batch, Filed, Made, Outcome, Wanted
from lwm2m_fast.provisioning.unbound import KeptUnbound, Unbound
from lwm2m_fast.store.base import FleetChange, FleetStore

SETTINGS: Final = "settings"
LOOKED_AT_ONCE: Final = 4_096
_OWN: Final = MANAGEMENT.encode() + b"\0"
MAX_AT_ONCE: Final = 2_048
"""Devices in one transaction."""


def _in_the_way(endpoint: str, error: StoreError) -> Conflict:
    return Conflict(f"endpointId {endpoint!r}: what is stored in its way cannot be read: {error}")


def _unreadable(endpoint: str, error: StoreError) -> Conflict:
    return Conflict(
        f"{error}; cleanupClusterTenantObjectsForEndpoint forgets {endpoint!r:.80} unread"
    )


def _is_same(one: Security | None, other: Security | None) -> bool:
    return other is None if one is None else one.is_as(other)


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
        self.profiles = Profiles(fleet, vault)
        self.certificates = ServerCertificates()
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
            if not self._may_be(key, tenant):  # at a fraction of what it takes to open the row
                continue
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

    def _may_be(self, key: bytes, tenant: str | None) -> bool:
        """Whether a device can be of this tenant, by its route, which is in the open."""
        if tenant is None or (tenant == MANAGEMENT and not self._foreign):
            return True
        route = self._fleet.get(ROUTE, key)
        return route is None or route.startswith(tenant.encode() + b"\0")

    # Writing

    def add(self, wanted: Sequence[Wanted]) -> Outcome:
        """Each of them by itself, all that can be in one transaction; on disk when it returns.

        A result is a RequestError where a device is refused: Conflict for an endpoint name or PSK
        identity that somebody has. Never more than MAX_AT_ONCE.
        """
        batch = Batch(self._last_id)
        results = self._prepare(wanted[:MAX_AT_ONCE], batch)
        self._write(batch)
        return Outcome(results, batch.told)

    def add_file(self, parts: Iterable[Sequence[Wanted]]) -> Filed:
        """add(), part by part and still in one transaction, without what only few would look at.

        A part is all that is alive of the file at a time: what the collector of garbage has to
        walk through is what the loop has to wait for.
        """
        batch = Batch(self._last_id)
        refused: list[RequestError | None] = []
        kept: list[tuple[str, settings.Settings]] = []
        for part in parts:
            for result in self._prepare(part, batch):
                if isinstance(result, RequestError):
                    refused.append(result)
                    continue
                refused.append(None)
                own = result.settings
                own = settings.UNSET if own == settings.UNSET else own  # one for nearly all
                kept.append((result.device.endpoint, own))
        self._write(batch)
        return Filed(refused, kept, batch.told)

    def _prepare(self, wanted: Sequence[Wanted], batch: Batch) -> list[Added | RequestError]:
        results: list[Added | RequestError] = []
        now = self._clock()
        made = [self._made(one, now) for one in wanted]
        held = self._fleet.get_many(place for one in made for place in one.places())
        for one in made:
            try:
                results.append(self._added_or_kept(one, batch, held))
            except StoreError as error:  # a row in its way, which stops no other
                results.append(_in_the_way(one.configuration.endpoint_id, error))
        return results

    def _added_or_kept(
        self, made: Made, batch: Batch, held: Mapping[Place, bytes]
    ) -> Added | RequestError:
        try:
            return self._added(made, batch, held)
        except RequestError as error:
            return self._kept_instead(made, batch) or error

    def _kept_instead(self, made: Made, batch: Batch) -> KeptUnbound | None:
        """What is left for a device of a legacy file whose name is another tenant's."""
        one = made.wanted
        route = self.route(made.configuration.endpoint_id) if one.is_legacy else None
        if route is None or route.tenant == one.tenant:
            return None
        profile = one.configuration.device_profile
        if profile is not None and not self.profiles.has(one.tenant, profile):
            return None
        now = made.credential.changed_at
        kept = Device(0, one.tenant, made.configuration, one.shell, now)
        found = self.unbound.keep(kept, batch.unbound)
        batch.kept += found is not None and found.is_new
        return found

    def _write(self, batch: Batch) -> None:
        rows = [*batch.rows, *((UNBOUND, key, row) for key, row in batch.unbound.items())]
        if not rows:
            return
        self._credentials.check_room(batch.credentials)
        self._fleet.apply(rows)
        self._owners.changed()
        self.unbound.note(batch.kept - batch.bound)
        self._credentials.note(batch.credentials)
        self._count += len(batch.names)
        self._foreign += batch.foreign
        self._last_id = batch.last_id

    def _made(self, one: Wanted, now: float) -> Made:
        given, generated = with_generated(one.configuration, self._random)
        credential = credential_of(given, one.tenant, now)
        if one.takes_over and credential.bootstrap is None:
            held = self._credentials.before(credential.endpoint).bootstrap
            if held is not None:
                given = given.model_copy(update={"bootstrap_security": bootstrap_of(held)})
                credential = replace(credential, bootstrap=held)
        return Made(one, given, generated, credential)

    def _added(self, made: Made, batch: Batch, held: Mapping[Place, bytes]) -> Added:
        endpoint, tenant = made.configuration.endpoint_id, made.wanted.tenant
        key = endpoint.encode()
        if endpoint == CONNECTOR:
            raise Conflict(f"endpointId {endpoint!r} is the connector's")
        if endpoint in batch.names:
            raise Conflict(f"endpointId {endpoint!r} is given twice")
        if (ROUTE, key) in held:
            raise Conflict(f"endpointId {endpoint!r} belongs to a device already")
        profile = made.configuration.device_profile
        self.profiles.check(tenant, profile)
        self.certificates.check(made.configuration)
        replacing = made.wanted.takes_over and self._credentials.tenant(endpoint) == tenant
        prepared = self._credentials.prepare(
            made.credential, batch.claimed, replacing=replacing, held=held
        )
        batch.credentials += prepared.is_fresh
        number = batch.last_id = batch.last_id + 1
        now = made.credential.changed_at
        device = Device(number, tenant, made.configuration, made.wanted.shell, now)
        bound = self.unbound.bound(tenant, endpoint)
        batch.bound += len(bound)
        batch.rows += prepared.changes
        own = settings_of(made.configuration)
        batch.rows += self._rows(device, own)
        batch.rows.append((DEVICE_ID, id_bytes(number), build_owner(tenant, endpoint)))
        batch.rows.append((ROUTE, key, build_route(Route(tenant, number))))
        batch.rows += bound
        batch.rows += self.profiles.changes(tenant, endpoint, None, profile)
        batch.told += prepared.told
        batch.names.add(endpoint)
        batch.foreign += tenant != MANAGEMENT
        return Added(device, made.generated, own)

    def _rows(self, device: Device, own: settings.Settings) -> list[FleetChange]:
        key = device.endpoint.encode()
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
        """Another configuration for a device that is; NotFound, Conflict as add(), RequestError.

        What it may connect with changes only where the configuration of that connection does, and
        its settings only where the configuration of them does.
        """
        before = self._one(endpoint)
        given, generated = with_generated(configuration, self._random)
        device = replace(before, configuration=given)
        own = settings_after(self._settings(endpoint), before.configuration, given)
        added = Added(device, generated, own)
        profiles = before.configuration.device_profile, given.device_profile
        rows = [
            *self._rows(device, own),
            *self.profiles.changes(before.tenant, endpoint, *profiles),
        ]
        self.profiles.check(before.tenant, given.device_profile)
        self.certificates.check(given, before.configuration)
        wanted = self._changed(before, given)
        if wanted is None:
            self._fleet.apply(rows)
            return Outcome([added], [])
        prepared = self._credentials.prepare(wanted, {}, replacing=True)
        self._fleet.apply([*prepared.changes, *rows])
        self._credentials.note(prepared.is_fresh)
        return Outcome([added], list(prepared.told))

    def _settings(self, endpoint: str) -> settings.Settings:
        """What is kept; a row that cannot be read counts as none, as everywhere."""
        key = endpoint.encode()
        row = self._fleet.get(SETTINGS, key)
        try:
            return settings.UNSET if row is None else settings.from_bytes(key, row)
        except StoreError:
            return settings.UNSET

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
            try:
                found = self.get(endpoint) if tenant in (None, self._owner(endpoint)) else None
            except StoreError as error:  # it stops no other
                results.append(_unreadable(endpoint, error))
                continue
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
            profile = found.configuration.device_profile
            rows += self.profiles.changes(found.tenant, endpoint, profile, None)
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

        NotFound: nobody of this tenant has it. A row of use of its profile may stay: whoever wants
        to remove that one looks at the device.
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
