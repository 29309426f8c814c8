"""How provisioning comes to life: the registry over the store, jobs that were cut off, the face."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lwm2m_fast.core.events import Event
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.device_settings import DeviceSettings
from lwm2m_fast.fleet.tenants import CONNECTOR
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.provisioning.connector import Connector
from lwm2m_fast.provisioning.devices import ProvisionedDevices
from lwm2m_fast.provisioning.face import ProvisioningFace
from lwm2m_fast.provisioning.jobs import Job, Jobs
from lwm2m_fast.provisioning.migration import OlderWays
from lwm2m_fast.provisioning.registry import Registry
from lwm2m_fast.store.base import FleetStore

_log = logging.getLogger("lwm2m_fast.provisioning")


@dataclass(frozen=True, slots=True)
class Provisioning:
    registry: Registry
    face: ProvisioningFace
    jobs: Jobs
    devices: ProvisionedDevices


def open_registry(fleet: FleetStore, vault: Vault, security: DeviceCredentials) -> Registry:
    """The configured devices of this store; `security` has been loaded."""
    registry = Registry(fleet, vault, security.credentials, secrets.token_bytes, time.time)
    registry.load()
    return registry


def open_provisioning(
    registry: Registry,
    fleet: FleetStore,
    security: DeviceCredentials,
    settings: DeviceSettings,
    forget: Callable[[Sequence[str]], Awaitable[None]],
    about: Callable[[str], dict[str, Any]],
    tell: Callable[[Sequence[Event]], None],
) -> Provisioning:
    """`forget` ends what there is under names that are gone, `about` says what is known of a
    device now, `tell` gets an event for each state of a bulk operation."""

    def changed(job: Job) -> None:
        data = {name: value for name, value in job.as_json().items() if name != "errors"}
        tell([Event("bulk_operation", CONNECTOR, time.time(), {**data, "tenant": job.tenant})])

    def alarm(tenant: str, endpoint: str, text: str) -> None:
        data = {"severity": "MAJOR", "status": "ACTIVE", "text": text, "tenant": tenant}
        tell([Event("alarm", endpoint, time.time(), {"type": "endpoint_exists", **data})])

    devices = ProvisionedDevices(registry, security, settings, forget)
    jobs = Jobs(devices, fleet, time.time, changed, alarm)
    connector = Connector(jobs, devices, OlderWays(fleet, security.credentials, registry))
    cut_off = jobs.load()
    if cut_off:
        _log.warning("files of devices were cut off by the last stop", extra={"files": cut_off})
    face = ProvisioningFace(devices, jobs, connector, about)
    return Provisioning(registry, face, jobs, devices)
