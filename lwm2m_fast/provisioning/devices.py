"""Configured devices of a running server: on disk before they count, then at once for everybody.

What is kept, and what is unique, is registry.py's business. Belongs to the loop; waits for the disk
in another thread, behind whatever else writes credentials.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from lwm2m_fast.bootstrap.steps_of import steps_of
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.device_settings import DeviceSettings
from lwm2m_fast.errors import NotFound, RequestError, StoreError
from lwm2m_fast.fleet.configuration import merged
from lwm2m_fast.fleet.credentials import Change
from lwm2m_fast.fleet.log_levels import NONE
from lwm2m_fast.fleet.profile_fields import Profile
from lwm2m_fast.fleet.settings import UNSET
from lwm2m_fast.fleet.tenants import MANAGEMENT
from lwm2m_fast.provisioning.device_rows import Device
from lwm2m_fast.provisioning.profiles import of_device
from lwm2m_fast.provisioning.registry import MAX_AT_ONCE, Registry
from lwm2m_fast.provisioning.transactions import Added, Filed, Outcome, Wanted

ADOPTED_AT_ONCE: Final = 512
"""Settings taken over before the loop gets its turn."""


async def _nothing(names: Sequence[str]) -> None:
    """Nothing is known of devices."""


class ProvisionedDevices:
    """Adds, changes and removes devices. `forget` is told the names that are gone, to end what is
    registered under them and forget what was theirs; it is waited for."""

    def __init__(
        self,
        registry: Registry,
        security: DeviceCredentials,
        settings: DeviceSettings,
        forget: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        self.registry = registry
        self._security, self._settings, self._forget = security, settings, forget
        self.claimed: Callable[[Sequence[str]], Awaitable[None]] = _nothing
        """Told the names that were nobody's, so that of the tenant that runs the server, and are
        another's now: to forget what was known of them. It is waited for."""

    async def add(self, wanted: Wanted) -> Added:
        """One device; RequestError (Conflict) when it cannot be."""
        (result,) = await self.add_all([wanted])
        if isinstance(result, RequestError):
            raise result
        return result

    async def add_all(self, wanted: Sequence[Wanted]) -> list[Added | RequestError]:
        """Each by itself, MAX_AT_ONCE in a transaction; results in their order."""
        results: list[Added | RequestError] = []
        for start in range(0, len(wanted), MAX_AT_ONCE):
            work = partial(self.registry.add, wanted[start : start + MAX_AT_ONCE])
            results += (await self._security.write(work, self._are_new)).results
        return results

    async def add_file(self, parts: Callable[[], Iterable[Sequence[Wanted]]]) -> Filed:
        """Up to MAX_AT_ONCE devices in parts, in one transaction; `parts` is called, and goes on,
        in another thread."""
        return await self._security.write(lambda: self.registry.add_file(parts()), self._filed)

    async def adopt(self, wanted: Sequence[Wanted]) -> list[Device | RequestError]:
        """Configurations for what is known in older ways, which all stays (Registry.adopt)."""
        return await self._security.write(lambda: self.registry.adopt(wanted), lambda done: None)

    async def forget_unbound(self, tenant: str, endpoint: str) -> bool:
        """Keep an unbound device no longer. False: there is none."""
        return await self._security.write(
            lambda: self.registry.unbound.forget(tenant, endpoint), lambda done: None
        )

    async def change(
        self, endpoint: str, given: Mapping[str, Any], tenant: str | None = None
    ) -> Added:
        """What is `given` by name, null unsetting; the rest stays. NotFound, Conflict,
        ConfigurationError: nothing has changed."""

        def work() -> Outcome:
            before = self._of(endpoint, tenant)
            after = merged(before.configuration, given)
            steps_of(after.bootstrap_steps)  # types, which the fields alone do not know
            return self.registry.change(endpoint, after)

        outcome = await self._security.write(work, self._added)
        (result,) = outcome.results
        assert isinstance(result, Added)  # noqa: S101 - change() raises what it refuses
        return result

    def _of(self, endpoint: str, tenant: str | None) -> Device:
        found = self.registry.get(endpoint)
        if found is None or tenant not in (None, found.tenant):
            raise NotFound(f"no device is configured as {endpoint!r:.80}")
        return found

    async def remove(
        self, endpoints: Iterable[str], tenant: str | None = None, *, keeps_route: bool = False
    ) -> list[Device | RequestError]:
        """Forget devices, their credentials, settings and registrations; results in order."""
        names = list(endpoints)
        results, _ = await self._security.write(
            lambda: self.registry.remove(names, tenant, keeps_route=keeps_route), self._removed
        )
        return results

    async def cleanup(self, endpoint: str, tenant: str) -> None:
        """Free a name, with or without its device (Registry.cleanup)."""

        async def told(changes: list[Change]) -> None:
            quiet = self._unset([endpoint])
            await self._security.tell(changes)
            await self._end([endpoint], quiet)

        await self._security.write(lambda: self.registry.cleanup(endpoint, tenant), told)

    # Their profiles

    @property
    def uses_profiles(self) -> bool:
        """False: no device has one."""
        return self.registry.profiles.in_use

    def profile_of(self, endpoint: str) -> Profile | None:
        """The device profile of a configured device; StoreError when it cannot be read."""
        if not self.uses_profiles:
            return None
        found = self.registry.get(endpoint)
        name = None if found is None else found.configuration.device_profile
        return None if found is None else of_device(self.registry.profiles, found.tenant, name)

    async def put_profile(self, tenant: str, name: str, profile: Profile) -> bool:
        """Profiles.put(); it counts at once for whoever has it. True: there was none."""
        profiles = self.registry.profiles
        return await self._security.write(
            lambda: profiles.put(tenant, name, profile), lambda done: None
        )

    async def remove_profile(self, tenant: str, name: str) -> None:
        """Forget a device profile that nobody has; NotFound, Conflict."""

        def uses(endpoint: str) -> bool:
            try:
                found = self.registry.get(endpoint)
            except StoreError:  # of what nobody can read nobody knows that it does not
                return True
            own = None if found is None else (found.tenant, found.configuration.device_profile)
            return own == (tenant, name)

        profiles = self.registry.profiles
        await self._security.write(lambda: profiles.remove(tenant, name, uses), lambda done: None)

    async def _are_new(self, outcome: Outcome) -> None:
        await self._added(outcome)
        added = [each.device for each in outcome.results if isinstance(each, Added)]
        names = [device.endpoint for device in added if device.tenant != MANAGEMENT]
        if names:
            await self.claimed(names)

    async def _added(self, outcome: Outcome) -> None:
        for result in outcome.results:
            if isinstance(result, Added):
                self._settings.adopt(result.device.endpoint, result.settings)
        self.registry.profiles.configured()
        await self._security.tell(outcome.changes)

    async def _filed(self, outcome: Filed) -> None:
        for number, (endpoint, settings) in enumerate(outcome.settings, 1):
            self._settings.adopt(endpoint, settings)
            if number % ADOPTED_AT_ONCE == 0:
                await asyncio.sleep(0)
        self.registry.profiles.configured()
        await self._security.tell(outcome.changes)
        names = [endpoint for endpoint, _ in outcome.settings if self._is_foreign(endpoint)]
        if names:
            await self.claimed(names)

    def _is_foreign(self, endpoint: str) -> bool:
        try:
            return self.registry.owner(endpoint) != MANAGEMENT
        except StoreError:  # then it is better forgotten
            return True

    async def _removed(self, done: tuple[list[Device | RequestError], list[Change]]) -> None:
        results, changes = done
        names = [found.endpoint for found in results if isinstance(found, Device)]
        quiet = self._unset(names)
        await self._security.tell(changes)
        await self._end(names, quiet)

    def _unset(self, names: Sequence[str]) -> list[str]:
        """Settings go with the device, but for those of whose end nobody is to be told."""
        quiet = [name for name in names if self._settings.levels.get(name) == NONE]
        kept = frozenset(quiet)
        for name in names:
            if name not in kept:
                self._settings.adopt(name, UNSET)
        return quiet

    async def _end(self, names: Sequence[str], quiet: Sequence[str]) -> None:
        try:
            await self._forget(names)
        finally:
            for name in quiet:
                self._settings.adopt(name, UNSET)

    def counters(self) -> dict[str, int]:
        return {
            "devices_configured": len(self.registry),
            "devices_unreadable": self.registry.unreadable + self.registry.unbound.unreadable,
            "devices_unbound_current": len(self.registry.unbound),
        }
