"""Provisioning over a store in memory, with everything that takes part in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.device_settings import DeviceSettings
from lwm2m_fast.fleet.credentials import Change
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.provisioning.connector import Connector
from lwm2m_fast.provisioning.devices import ProvisionedDevices
from lwm2m_fast.provisioning.face import ProvisioningFace
from lwm2m_fast.provisioning.jobs import Job, Jobs
from lwm2m_fast.provisioning.migration import OlderWays
from lwm2m_fast.provisioning.registry import Registry
from lwm2m_fast.store.base import FleetStore
from lwm2m_fast.store.memory import MemoryFleet

NO_SEC: dict[str, Any] = {"endpointId": "d-1", "serverSecurity": {"securityMode": "NO_SEC"}}


def psk(endpoint: str, identity: str, key: str = "00ff") -> dict[str, Any]:
    security = {"securityMode": "PSK", "pskId": identity, "pskKey": key}
    return {"endpointId": endpoint, "serverSecurity": security}


class Fresh:
    """Randomness that never repeats and is the same every time."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, size: int) -> bytes:
        self.given += 1
        return self.given.to_bytes(size, "big")


class Provisioned:
    """One server's provisioning; another over the same `fleet` is that server after a restart."""

    def __init__(self, fleet: FleetStore | None = None) -> None:
        self.fleet = fleet or MemoryFleet()
        self.vault = Vault({1: bytes(32)}, Fresh())
        self.now = 1_700_000_000.0
        self.security = DeviceCredentials(self.fleet, self.vault)
        self.security.load()
        self.credentials = self.security.credentials
        self.registry = Registry(
            self.fleet, self.vault, self.credentials, Fresh(), lambda: self.now
        )
        self.registry.load()
        self.settings = DeviceSettings(self.fleet)
        self.forgotten: list[str] = []
        self.changes: list[Change] = []
        self.states: list[tuple[int, str]] = []
        self.on_change: Callable[[Job], None] = lambda job: None
        self.security.changed.append(self.changes.append)
        self.devices = ProvisionedDevices(self.registry, self.security, self.settings, self._forget)
        self.alarms: list[tuple[str, str, str]] = []
        self.jobs = Jobs(
            self.devices,
            self.fleet,
            lambda: self.now,
            self._changed,
            lambda *alarm: self.alarms.append(alarm),
        )
        older = OlderWays(self.fleet, self.credentials, self.registry)
        self.connector = Connector(self.jobs, self.devices, older)
        self.cut_off = self.jobs.load()
        self.outcomes: dict[str, Any] = {}  # of bootstraps, by endpoint
        self.face = ProvisioningFace(
            self.devices,
            self.jobs,
            self.connector,
            lambda name: {"registered": False, "bootstrap": self.outcomes.get(name)},
        )

    async def _forget(self, endpoints: Iterable[str]) -> None:
        self.forgotten += endpoints

    def _changed(self, job: Job) -> None:
        self.states.append((job.id, job.state))
        self.on_change(job)

    def rows(self) -> dict[str, int]:
        """How many rows each namespace has."""
        spaces = ("device", "device_id", "route", "credential", "psk", "settings", "bulk")
        return {space: self.count(space) for space in spaces}

    def count(self, space: str) -> int:
        return sum(1 for _ in self.fleet.scan(space))
