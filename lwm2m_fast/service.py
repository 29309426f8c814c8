"""What the HTTP interface and other callers ask of a running server (rest/base.py: Service)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from lwm2m_fast.bootstrap.switch import BootstrapSwitch
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.events import Event
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.device_operations import DeviceOperations
from lwm2m_fast.errors import RequestError, UnknownDevice
from lwm2m_fast.provisioning.device_rows import LISTED
from lwm2m_fast.provisioning.face import ProvisioningFace
from lwm2m_fast.rest.base import MAX_ENDPOINT_BYTES
from lwm2m_fast.sink.stream import StreamSink, Subscription
from lwm2m_fast.store.base import Store
from lwm2m_fast.turn import Answers, Turns

PROVISIONED = LISTED
"""Namespace of the fleet store: a key is an endpoint name that may register."""


class RunningServer(DeviceOperations):
    """The service over one engine. Everything is called on the loop's thread."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        stream: StreamSink,
        counters: Callable[[], dict[str, int]],
    ) -> None:
        self._engine, self._store, self._stream = engine, store, stream
        self._own_counters = counters
        self._turns: Turns | None = None
        self._security: DeviceCredentials | None = None
        self._provisioning: ProvisioningFace | None = None
        self._bootstrap: BootstrapSwitch | None = None

    def attach_security(self, security: DeviceCredentials) -> None:
        """The credentials of devices, and the certificates that are trusted."""
        self._security = security

    @property
    def security(self) -> DeviceCredentials:
        if self._security is None:
            raise RequestError("the server is not running")
        return self._security

    def attach_provisioning(self, provisioning: ProvisioningFace) -> None:
        """Devices as people configure them, whose connector ends registrations here."""
        provisioning.connector.registrations = self
        self._provisioning = provisioning

    @property
    def provisioning(self) -> ProvisioningFace:
        if self._provisioning is None:
            raise RequestError("the server is not running")
        return self._provisioning

    def attach_bootstrap(self, bootstrap: BootstrapSwitch) -> None:
        """The bootstrap server, on or off."""
        self._bootstrap = bootstrap

    @property
    def bootstrap(self) -> BootstrapSwitch:
        if self._bootstrap is None:
            raise RequestError("the server is not running")
        return self._bootstrap

    def attach(self, turns: Turns) -> None:
        """The turns that our own requests take part in."""
        self._turns = turns

    # Devices

    def device(self, endpoint: str) -> dict[str, Any] | None:
        device = self._engine.device(endpoint)
        return None if device is None else self._shown(device)

    def devices(
        self, cursor: int, limit: int, contains: str = ""
    ) -> tuple[list[dict[str, Any]], int | None]:
        found, following = self._engine.devices(cursor, limit, contains)
        return [self._shown(device) for device in found], following

    def _shown(self, device: dict[str, Any]) -> dict[str, Any]:
        """A registration, and whether it is overdue just now."""
        if self._operating is None:
            return device
        reach = self._operating.reach
        return {**device, **reach.availability(device["endpoint"], device["lifetime_s"])}

    def device_count(self) -> int:
        return self._engine.device_count()

    def resolve(self, answers: Answers) -> None:
        """Hand the answers of devices to those who wait for them."""
        if self._operating is not None:
            self._operating.resolve(answers)

    def endpoint_of(self, registration_id: str) -> str | None:
        """Whose a registration is; None: there is none of this id."""
        return self._engine.endpoint_by_id(registration_id)

    async def deregister(self, endpoint: str) -> bool:
        turns = self._running()
        try:
            self._engine.deregister(endpoint, turns.now())
        except UnknownDevice:
            return False
        turns.act()
        await turns.kept()
        return True

    # Events

    def subscribe(
        self, endpoint: str | None = None, only: Callable[[Event], bool] | None = None
    ) -> Subscription:
        return self._stream.subscribe(endpoint, only)

    # Who may register

    async def allow(self, endpoints: Iterable[str]) -> int:
        names = {name.encode(): name for name in endpoints}
        for key, name in names.items():
            if not 1 <= len(key) <= MAX_ENDPOINT_BYTES:
                raise RequestError(
                    f"endpoint name {name!r} has {len(key)} bytes, "
                    f"allowed are 1 to {MAX_ENDPOINT_BYTES}"
                )
        fleet = self._store.fleet
        added = sum(fleet.get(PROVISIONED, key) is None for key in names)
        await asyncio.to_thread(fleet.put, PROVISIONED, [(key, b"") for key in names])
        self._engine.allow(names.values())
        return added

    async def disallow(self, endpoint: str) -> bool:
        removed = await asyncio.to_thread(
            self._store.fleet.delete, PROVISIONED, [endpoint.encode()]
        )
        self._engine.disallow(endpoint)
        return removed > 0

    def allowed(self, after: str | None, limit: int) -> list[str]:
        rows = self._store.fleet.scan(PROVISIONED, after.encode() if after else None, limit)
        return [key.decode() for key, _ in rows]

    # For the operator

    def counters(self) -> dict[str, int]:
        return self._own_counters()

    def problems(self) -> list[str]:
        found = [self._turns.store_problem if self._turns else "starting", self._store.health()]
        return [problem for problem in dict.fromkeys(found) if problem]

    def _running(self) -> Turns:
        if self._turns is None:
            raise RequestError("the server is not running")
        return self._turns
