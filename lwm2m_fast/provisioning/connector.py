"""The connector: each tenant's own device that is not one. Its operations are the files of devices,
and the commands of core/connector_shell.py.

Knows no HTTP, and of registrations only that they can be ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final, Protocol

from lwm2m_fast.core.connector_shell import Ask
from lwm2m_fast.errors import NotFound, RequestError, StoreError
from lwm2m_fast.fleet.tenants import CONNECTOR, MANAGEMENT
from lwm2m_fast.provisioning.devices import ProvisionedDevices
from lwm2m_fast.provisioning.jobs import Job, Jobs
from lwm2m_fast.provisioning.migration import NAMES_AT_ONCE, OlderWays


class Registrations(Protocol):
    """Who is registered (service.py)."""

    def endpoint_of(self, registration_id: str) -> str | None: ...

    async def deregister(self, endpoint: str) -> bool: ...


class Connector:
    """Does what a tenant asks its connector. `registrations` is there once the server runs."""

    def __init__(self, jobs: Jobs, devices: ProvisionedDevices, older: OlderWays) -> None:
        self._jobs, self._devices, self._older = jobs, devices, older
        self.registrations: Registrations | None = None

    async def submit(self, ask: Ask, tenant: str) -> Job:
        """One command as a job. QueueFull."""
        work = partial(_WORK[ask.command], self, ask, tenant)
        return await self._jobs.accept(ask.command, tenant, ask.text, work)

    async def _migrate(self, ask: Ask, tenant: str, job: Job) -> bool:
        for start in range(0, len(ask.names), NAMES_AT_ONCE):
            if self._jobs.is_stopping:
                return False
            some = ask.names[start : start + NAMES_AT_ONCE]
            names, known, unknown = await asyncio.to_thread(self._sorted, some, tenant)
            job.rows += known
            for name in unknown:
                job.refuse(0, name, str(_unknown(name)))
            await self._adopt(job, names, ask.skips_registrations)
            await self._jobs.note(job)
        if ask.names:
            return True
        if tenant != MANAGEMENT:  # what is known in older ways belongs to nobody else
            return True
        groups = self._older.names(skips_list=ask.skips_registrations)
        while (group := await asyncio.to_thread(_next, groups)) is not None:
            if self._jobs.is_stopping:
                return False
            if group:
                await self._adopt(job, group, ask.skips_registrations)
                await self._jobs.note(job)
        return True

    def _sorted(self, named: tuple[str, ...], tenant: str) -> tuple[list[str], int, list[str]]:
        """Those without a configuration, how many have one, and those of somebody else."""
        registry = self._devices.registry
        names: list[str] = []
        unknown: list[str] = []
        known = 0
        for name in named:
            number = int(name) if name.isascii() and name.isdigit() and len(name) < 20 else 0
            device = registry.by_id(number) or registry.get(name)
            if device is not None and device.tenant == tenant:
                known += 1
            elif device is not None or tenant != MANAGEMENT or registry.route(name) is not None:
                unknown.append(name)
            else:
                names.append(name)
        return names, known, unknown

    async def _adopt(self, job: Job, names: list[str], skips_list: bool) -> None:
        made, refused = await asyncio.to_thread(self._older.wanted, names, skips_list=skips_list)
        for name, error in refused:
            job.refuse(0, name, str(error))
        results = await self._devices.adopt(made)
        for one, result in zip(made, results, strict=True):
            job.count(0, one.configuration.endpoint_id, result)

    async def _cleanup(self, ask: Ask, tenant: str, job: Job) -> bool:
        (endpoint,) = ask.names
        try:
            await self._devices.cleanup(endpoint, tenant)
        except RequestError as error:
            job.refuse(0, endpoint, str(error))
        else:
            job.count(0, endpoint, None)
        return True

    async def _invalidate(self, ask: Ask, tenant: str, job: Job) -> bool:
        (endpoint,) = ask.names
        is_own = self._devices.registry.owner(endpoint) == tenant
        await self._end(job, endpoint, endpoint if is_own else None, _unregistered(endpoint))
        return True

    async def _invalidate_by_id(self, ask: Ask, tenant: str, job: Job) -> bool:
        (number,) = ask.names
        endpoint = self._running().endpoint_of(number)
        if endpoint is not None and self._devices.registry.owner(endpoint) != tenant:
            endpoint = None
        why = NotFound(f"there is no registration {number!r:.80}")
        await self._end(job, number, endpoint, why)
        return True

    async def _end(self, job: Job, named: str, endpoint: str | None, why: RequestError) -> None:
        is_done = endpoint is not None and await self._running().deregister(endpoint)
        job.count(0, named, None if is_done else why)

    def _running(self) -> Registrations:
        if self.registrations is None:
            raise StoreError("the server does not run yet")
        return self.registrations

    # As operations (rest/base.py: Provisioning)

    def page(
        self, tenant: str, before: int | None, limit: int, states: frozenset[str] | None
    ) -> list[Job]:
        """The newest first."""
        return self._jobs.page(
            tenant, limit, before=before, wanted=lambda job: not states or job.state in states
        )

    async def wait(self, number: int, tenant: str, seconds: float) -> Job:
        """A job as it is when it has ended, or `seconds` later. NotFound."""
        job = self._jobs.get(number, tenant)
        await self._jobs.ended(job, seconds)
        return job


def as_operation(job: Job) -> dict[str, Any]:
    """A job as an operation of the connector (rest/operations.py: Operation)."""
    shown = job.as_json()
    has_ended = job.ended_at is not None
    counts = {name: shown[name] for name in ("rows", "succeeded", "failed", "errors")}
    error = {"error": f"{job.failed} of {job.rows} rows failed"} if job.failed else {}
    return {
        "id": job.id,
        "endpoint": CONNECTOR,
        "order": {"op": job.action, "text": job.name},
        "state": job.state,
        "created_at": job.created_at,
        "updated_at": job.ended_at if has_ended else job.created_at,
        "attempts": int(job.state != "PENDING"),
        "valid_until": None,
        "timeout_s": None,
        "origin": "file" if job.is_file else "shell",
        "result": counts | error,
        "reason": job.reason,
    }


def _next(groups: Iterator[list[str]]) -> list[str] | None:
    return next(groups, None)


def _unknown(name: str) -> NotFound:
    return NotFound(f"no device is known as {name!r:.80}")


def _unregistered(endpoint: str) -> NotFound:
    return NotFound(f"no device is registered as {endpoint!r:.80}")


_WORK: Final[dict[str, Callable[[Connector, Ask, str, Job], Awaitable[bool]]]] = {
    "migrateLwm2mDevices": Connector._migrate,
    "cleanupClusterTenantObjectsForEndpoint": Connector._cleanup,
    "invalidateRegistrationsForEndpoint": Connector._invalidate,
    "invalidateRegistrationById": Connector._invalidate_by_id,
}
