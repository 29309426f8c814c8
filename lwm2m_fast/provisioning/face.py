"""Provisioning as the HTTP interface asks for it (rest/base.py: Provisioning): JSON in and out.

What is many devices at a time is read and shown in another thread, some at a time: the loop must
not wait for a thousand of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from lwm2m_fast.bootstrap.steps_of import steps_of
from lwm2m_fast.core.connector_shell import Ask
from lwm2m_fast.errors import NotFound, RequestError, StoreError
from lwm2m_fast.fleet import profiles
from lwm2m_fast.fleet.configuration import ConfigurationError, Problem, as_json, read
from lwm2m_fast.fleet.device_fields import DeviceConfiguration
from lwm2m_fast.fleet.profile_fields import Profile
from lwm2m_fast.fleet.settings_groups import changes_of_group, show_group
from lwm2m_fast.provisioning.connector import Connector, as_operation
from lwm2m_fast.provisioning.device_rows import Device
from lwm2m_fast.provisioning.devices import ProvisionedDevices
from lwm2m_fast.provisioning.jobs import Jobs
from lwm2m_fast.provisioning.transactions import Added, Wanted

READ_AT_ONCE: Final = 512
"""Devices of one request in one transaction."""
SHOWN_AT_ONCE: Final = 64
"""Devices of a page that are alive as objects at the same time."""


class ProvisioningFace:
    """`about` says what else is known of a device now: whether it is registered, and how its latest
    bootstrap went."""

    def __init__(
        self,
        devices: ProvisionedDevices,
        jobs: Jobs,
        connector: Connector,
        about: Callable[[str], dict[str, Any]],
    ) -> None:
        self._devices, self._jobs, self._about = devices, jobs, about
        self.connector = connector
        self._registry = devices.registry

    def owner(self, endpoint: str) -> str:
        return self._registry.owner(endpoint)

    def _shown(self, device: Device, generated: Mapping[str, str] | None = None) -> dict[str, Any]:
        more = {"tenant": device.tenant, "created_at": device.created_at, "shell": device.shell}
        if generated is None:
            more |= self._about(device.endpoint)
        elif generated:
            more["generated"] = dict(generated)
        return {
            "id": str(device.id),
            "configuration": as_json(device.configuration),
            "more": more,
        }

    def _one(self, endpoint: str, tenant: str) -> Device:
        found = self._registry.get(endpoint)
        if found is None or found.tenant != tenant:
            raise NotFound(f"no device is configured as {endpoint!r:.80}")
        return found

    def device(self, endpoint: str, tenant: str) -> dict[str, Any] | None:
        try:
            return self._shown(self._one(endpoint, tenant))
        except NotFound:
            return None

    async def devices_after(
        self, after: str | None, limit: int, tenant: str
    ) -> tuple[list[dict[str, Any]], str | None]:
        found, following = await asyncio.to_thread(self._page, after, limit, tenant)
        for one in found:
            one["more"] |= self._about(one["configuration"]["endpointId"])
        return found, following

    def _page(
        self, after: str | None, limit: int, tenant: str
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page without what is known of its devices now, which only the loop may ask."""
        shown: list[dict[str, Any]] = []
        while True:
            wanted = min(SHOWN_AT_ONCE, limit - len(shown))
            found, after = self._registry.page(after, wanted, tenant)
            shown += [self._shown(device, {}) for device in found]
            # Fewer than wanted: so many rows were looked at that it is somebody else's turn.
            if after is None or len(found) < wanted or len(shown) == limit:
                return shown, after

    def may_shell(self, endpoint: str) -> bool:
        found = self._registry.get(endpoint)
        return found is None or found.shell

    def name_of(self, number: int, tenant: str) -> str:
        found = self._registry.by_id(number)
        if found is None or found.tenant != tenant:
            raise NotFound(f"no device has the id {number}")
        return found.endpoint

    async def add(
        self, given: Mapping[str, Any], tenant: str, *, needs_bootstrap: bool = False
    ) -> dict[str, Any]:
        made = await self._devices.add(Wanted(_read(given, needs_bootstrap), tenant))
        return self._shown(made.device, made.generated)

    async def add_all(self, given: Sequence[Any], tenant: str) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        for start in range(0, len(given), READ_AT_ONCE):
            some = given[start : start + READ_AT_ONCE]
            read = await asyncio.to_thread(_read_each, some)
            wanted = [Wanted(one, tenant) for one in read if not isinstance(one, RequestError)]
            made = await self._add(wanted, is_first=start == 0)
            results += await asyncio.to_thread(self._told, some, read, made)
        return results

    async def _add(
        self, wanted: Sequence[Wanted], *, is_first: bool
    ) -> Sequence[Added | RequestError]:
        """Once some are in, an error is that of those that are not: what was made for the others,
        as their keys, is in the answer and nowhere else."""
        try:
            return await self._devices.add_all(wanted)
        except (RequestError, StoreError) as error:
            if is_first:
                raise
            return [RequestError(str(error))] * len(wanted)

    def _told(
        self,
        given: Sequence[Any],
        read: Sequence[DeviceConfiguration | RequestError],
        made: Sequence[Added | RequestError],
    ) -> list[dict[str, Any]]:
        left = iter(made)
        outcomes = (one if isinstance(one, RequestError) else next(left) for one in read)
        return [
            self._shown(one.device, one.generated)
            if isinstance(one, Added)
            else _refused(each, one)
            for each, one in zip(given, outcomes, strict=True)
        ]

    async def change(self, endpoint: str, given: Mapping[str, Any], tenant: str) -> dict[str, Any]:
        made = await self._devices.change(endpoint, given, tenant)
        return self._shown(made.device, made.generated)

    async def put(self, given: Mapping[str, Any], tenant: str) -> dict[str, Any]:
        if self._registry.route(endpoint := str(given["endpointId"])) is not None:
            return await self.change(endpoint, given, tenant)
        made = await self._devices.add(Wanted(_read(given), tenant, takes_over=True))
        return self._shown(made.device, made.generated)

    async def remove(self, endpoint: str, tenant: str, *, keeps_route: bool = False) -> None:
        (result,) = await self._devices.remove([endpoint], tenant, keeps_route=keeps_route)
        if isinstance(result, RequestError):
            raise result

    def group(self, endpoint: str, name: str, tenant: str) -> Any:
        return show_group(self._one(endpoint, tenant).configuration, name)

    async def change_group(self, endpoint: str, name: str, given: Any, tenant: str) -> None:
        self._one(endpoint, tenant)
        await self._devices.change(endpoint, changes_of_group(name, given), tenant)

    async def submit_file(self, action: str, tenant: str, data: bytes, name: str) -> dict[str, Any]:
        return (await self._jobs.submit(action, tenant, data, name)).as_json()

    def file(self, number: int, tenant: str) -> dict[str, Any]:
        job = self._jobs.get(number, tenant)
        if not job.is_file:
            raise NotFound(f"there is no bulk operation {number}")
        return job.as_json()

    def files(self, tenant: str, limit: int) -> list[dict[str, Any]]:
        found = self._jobs.page(tenant, limit, wanted=lambda job: job.is_file)
        return [job.as_json() for job in found]

    async def command(self, ask: Ask, tenant: str) -> dict[str, Any]:
        return as_operation(await self.connector.submit(ask, tenant))

    def commands(
        self, tenant: str, *, before: int | None, limit: int, states: frozenset[str] | None
    ) -> list[dict[str, Any]]:
        return [as_operation(job) for job in self.connector.page(tenant, before, limit, states)]

    async def command_ended(self, number: int, tenant: str, seconds: float) -> dict[str, Any]:
        return as_operation(await self.connector.wait(number, tenant, seconds))

    async def unbound_after(
        self, after: str | None, limit: int, tenant: str
    ) -> tuple[list[dict[str, Any]], str | None]:
        def page() -> tuple[list[dict[str, Any]], str | None]:
            found, following = self._registry.unbound.page(tenant, after, limit)
            return [self._shown(device, {}) for device in found], following

        return await asyncio.to_thread(page)

    async def forget_unbound(self, endpoint: str, tenant: str) -> None:
        if not await self._devices.forget_unbound(tenant, endpoint):
            raise NotFound(f"no device {endpoint!r:.80} is kept unbound")

    def profiles(self, tenant: str) -> list[str]:
        return self._registry.profiles.names(tenant)

    def profile(self, name: str, tenant: str) -> dict[str, Any] | None:
        found = self._registry.profiles.get(tenant, name)
        return None if found is None else profiles.as_json(found)

    def profile_of(self, endpoint: str) -> Profile | None:
        return self._devices.profile_of(endpoint)

    async def put_profile(self, name: str, given: Any, tenant: str) -> tuple[list[str], bool]:
        made = profiles.read(given)
        is_new = await self._devices.put_profile(tenant, name, made)
        return profiles.warnings_of(made), is_new

    async def remove_profile(self, name: str, tenant: str) -> None:
        await self._devices.remove_profile(tenant, name)

    def counters(self) -> dict[str, int]:
        return {**self._devices.counters(), **self._jobs.counters()}


def _read(given: Any, needs_bootstrap: bool = False) -> DeviceConfiguration:
    made = read(given, needs_bootstrap=needs_bootstrap)
    steps_of(made.bootstrap_steps)  # types, which the fields alone do not know
    return made


def _read_each(given: Sequence[Any]) -> list[DeviceConfiguration | RequestError]:
    return [_read_one(one) for one in given]


def _read_one(given: Any) -> DeviceConfiguration | RequestError:
    if not isinstance(given, Mapping):
        return ConfigurationError([Problem("the body", "must be an object")])
    try:
        return _read(given)
    except RequestError as error:
        return error


def _refused(given: Any, error: RequestError) -> dict[str, Any]:
    name = given.get("endpointId") if isinstance(given, Mapping) else None
    return {"endpointId": str(name)[:255] if name is not None else None, "error": str(error)}
