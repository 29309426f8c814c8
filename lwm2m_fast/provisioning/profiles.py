"""Device profiles as they are kept: of each tenant by name, sealed, and who uses which.

    profile        tenant, 0, name              -> sealed JSON (fleet/profiles.py)
    profile_use    tenant, 0, name, 0, endpoint -> nothing: this configured device names it

A profile goes only when nobody names it, so that no name of one leads nowhere. Whoever configures
devices (registry.py) puts the rows of use into its own transactions. Knows no device's
configuration, and not what a profile does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Final

from lwm2m_fast.errors import Conflict, NotFound, RequestError
from lwm2m_fast.fleet.device_fields import MAX_PROFILE_NAME, checked_profile_name
from lwm2m_fast.fleet.profile_fields import Profile
from lwm2m_fast.fleet.profiles import as_bytes, from_bytes
from lwm2m_fast.fleet.tenants import MAX_TENANT
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.store.base import FleetChange, FleetStore

PROFILE: Final = "profile"
USE: Final = "profile_use"
MAX_PROFILES: Final = 1_000
"""Of one tenant."""
MAX_KEY: Final = MAX_TENANT + 1 + MAX_PROFILE_NAME
"""Bytes; no row has more."""
MAX_REMEMBERED: Final = 256
"""Profiles that are read and ready; a bootstrap and a request by key ask for one each time."""
USERS_LOOKED_AT: Final = 1_000
"""Rows of use at a time, when a profile is to go."""


def profile_about(key: bytes) -> bytes:
    """What a profile's row is sealed for: its place."""
    return b"profile\0" + key


def _key(tenant: str, name: str) -> bytes:
    return tenant.encode() + b"\0" + name.encode("utf-8", "surrogatepass")


def _use(tenant: str, name: str, endpoint: str) -> bytes:
    return _key(tenant, name) + b"\0" + endpoint.encode()


class Profiles:
    """All profiles. Reading is safe from any thread; writing blocks on the disk, one at a time and
    never beside a writer of devices (DeviceCredentials.write)."""

    def __init__(self, fleet: FleetStore, vault: Vault) -> None:
        self._fleet, self._vault = fleet, vault
        self._read: dict[bytes, Profile] = {}
        self._reading = Lock()  # what was read before a change must not be remembered after it
        self.in_use = any(True for _ in fleet.scan(USE, None, 1))
        """Some device has one, or had one in this run."""
        self.noticed: Callable[[], None] = lambda: None
        """Called on the loop when devices were configured while one is in use."""

    # Reading

    def get(self, tenant: str, name: str) -> Profile | None:
        """One of them; StoreError when its row cannot be read."""
        key = _key(tenant, name)
        with self._reading:
            found = self._read.get(key)
            if found is None:
                row = self._row(key)
                if row is None:
                    return None
                found = from_bytes(name, self._vault.unseal(row, profile_about(key)))
                if len(self._read) >= MAX_REMEMBERED:
                    self._read.clear()
                self._read[key] = found
        return found

    def has(self, tenant: str, name: str) -> bool:
        """Whether there is one, readable or not."""
        return self._row(_key(tenant, name)) is not None

    def _row(self, key: bytes) -> bytes | None:
        return self._fleet.get(PROFILE, key) if len(key) <= MAX_KEY else None

    def names(self, tenant: str) -> list[str]:
        """All of a tenant, in order."""
        return [key.decode() for key in self._keys(PROFILE, tenant.encode() + b"\0", MAX_PROFILES)]

    def _keys(self, space: str, prefix: bytes, limit: int, after: bytes = b"") -> Iterator[bytes]:
        """What comes behind `prefix` in the keys that begin so."""
        for key, _ in self._fleet.scan(space, prefix + after, limit):
            if not key.startswith(prefix):
                return
            yield key[len(prefix) :]

    def users(self, tenant: str, name: str) -> Iterator[str]:
        """Endpoints whose configuration names it, or did when it was last written."""
        prefix, after = _key(tenant, name) + b"\0", b""
        while part := list(self._keys(USE, prefix, USERS_LOOKED_AT, after)):
            for after in part:
                yield after.decode()

    # Writing

    def put(self, tenant: str, name: str, profile: Profile) -> bool:
        """Keep one, in the place of another of this name. True: there was none.

        RequestError: the name, or too many; StoreError: nothing has changed.
        """
        try:
            checked_profile_name(name)
        except ValueError as error:
            raise RequestError(f"the name {name!r:.80} cannot be: {error}") from None
        is_new = not self.has(tenant, name)
        if is_new and len(self.names(tenant)) >= MAX_PROFILES:
            raise RequestError(f"there are {MAX_PROFILES} profiles already, which is the limit")
        key = _key(tenant, name)
        self._write((PROFILE, key, self._vault.seal(as_bytes(profile), profile_about(key))))
        return is_new

    def remove(self, tenant: str, name: str, uses: Callable[[str], bool]) -> None:
        """Forget one. `uses` says whether a device really names it now.

        NotFound; Conflict names a device that does; StoreError: nothing has changed.
        """
        if not self.has(tenant, name):
            raise NotFound(f"there is no device profile {name!r:.80}")
        user = next((each for each in self.users(tenant, name) if uses(each)), None)
        if user is not None:
            raise Conflict(f"the profile {name!r:.80} is that of devices, such as {user!r:.255}")
        self._write((PROFILE, _key(tenant, name), None))

    def _write(self, change: FleetChange) -> None:
        self._fleet.apply([change])
        with self._reading:
            self._read.pop(change[1], None)

    # For whoever configures devices

    def check(self, tenant: str, name: str | None) -> None:
        """RequestError: a device of this tenant cannot have that profile."""
        if name is not None and not self.has(tenant, name):
            raise RequestError(f"deviceProfile is {name!r:.80}: there is no such device profile")

    def changes(
        self, tenant: str, endpoint: str, before: str | None, after: str | None
    ) -> list[FleetChange]:
        """The rows of a device that named one and now names another; None: none. To be followed by
        configured(), on the loop, once they are kept."""
        if before == after:
            return []
        rows: list[FleetChange] = []
        if before is not None:
            rows.append((USE, _use(tenant, before, endpoint), None))
        if after is not None:
            self.in_use = True
            rows.append((USE, _use(tenant, after, endpoint), b"\0"))
        return rows

    def configured(self) -> None:
        """Devices have been configured."""
        if self.in_use:
            self.noticed()


def of_device(profiles: Profiles, tenant: str, name: str | None) -> Profile | None:
    """The profile that a device has; RequestError: it is not there, StoreError: not readable."""
    if name is None:
        return None
    found = profiles.get(tenant, name)
    if found is None:
        raise RequestError(f"deviceProfile is {name!r:.80}: there is no such device profile")
    return found
