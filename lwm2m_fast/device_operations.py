"""What callers ask to be done to devices: the service's share of the operations.

Hands on to desk.py, direct.py and their neighbours (rest/base.py: Operations).
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from lwm2m_fast.core.ask import Contact
from lwm2m_fast.core.operations import Result
from lwm2m_fast.core.orders import Order
from lwm2m_fast.device_data import DeviceData
from lwm2m_fast.errors import Error, RequestError
from lwm2m_fast.queue.desk import Desk
from lwm2m_fast.queue.durable import Durable
from lwm2m_fast.queue.operating import Operating


class DeviceOperations(DeviceData):
    """Everything is called on the loop's thread. The contracts are those of the protocol."""

    _operating: Operating | None = None
    _durable: Durable | None = None

    def attach_operations(self, operating: Operating, durable: Durable) -> None:
        """The operations of the running server, and what keeps their rows."""
        self._operating, self._durable = operating, durable

    def contacts(self, contacts: Sequence[Contact]) -> None:
        """Devices that were heard, once what they said is kept."""
        if self._operating is not None:
            self._operating.contacts(contacts)

    def _operations(self) -> Operating:
        if self._operating is None:
            raise RequestError("the server is not running")
        return self._operating

    def _desk(self) -> Desk:
        return self._operations().desk

    async def submit(
        self,
        endpoint: str,
        orders: Sequence[Order],
        *,
        timeout_s: float | None = None,
        valid_until: float | None = None,
        origin: str = "api",
    ) -> list[dict[str, Any]]:
        return await self._desk().submit(
            endpoint, orders, timeout_s=timeout_s, valid_until=valid_until, origin=origin
        )

    def operation(self, endpoint: str, operation_id: int) -> dict[str, Any] | None:
        return self._desk().operation(endpoint, operation_id)

    def operations(
        self,
        endpoint: str,
        *,
        before: int | None = None,
        limit: int = 100,
        states: frozenset[str] | None = None,
    ) -> list[dict[str, Any]]:
        return self._desk().operations(endpoint, before=before, limit=limit, states=states)

    async def wait(self, endpoint: str, operation_id: int, seconds: float) -> dict[str, Any]:
        return await self._desk().wait(endpoint, operation_id, seconds)

    async def cancel(self, endpoint: str, operation_id: int) -> dict[str, Any]:
        return await self._desk().cancel(endpoint, operation_id)

    async def submit_many(
        self,
        endpoints: Sequence[str],
        orders: Sequence[Order],
        *,
        timeout_s: float | None = None,
        valid_until: float | None = None,
        origin: str = "api",
    ) -> dict[str, Any]:
        return await self._desk().submit_many(
            endpoints, orders, timeout_s=timeout_s, valid_until=valid_until, origin=origin
        )

    async def batch(
        self, batch_id: int, *, after: int = 0, limit: int = 100
    ) -> dict[str, Any] | None:
        return await self._desk().batch(batch_id, after=after, limit=limit)

    def batches(self) -> list[dict[str, Any]]:
        return self._desk().batches()

    def perform(self, endpoint: str, order: Order, timeout_s: float) -> Coroutine[Any, Any, Result]:
        return self._operations().direct.perform(endpoint, order, timeout_s)

    def perform_many(
        self, asks: Sequence[tuple[str, Order]], timeout_s: float
    ) -> Coroutine[Any, Any, list[Result | Error]]:
        return self._operations().direct.perform_many(asks, timeout_s)

    def presence(self, endpoint: str) -> dict[str, Any] | None:
        return self._desk().presence(endpoint)

    async def set_settings(self, endpoint: str, given: Mapping[str, Any]) -> dict[str, Any]:
        settings = await super().set_settings(endpoint, given)
        self._operations().settings_changed(endpoint)
        return settings

    def post_registration(self, tenant: str) -> list[str]:
        return self._operations().post_registration.commands(tenant)

    async def set_post_registration(self, commands: Sequence[str], tenant: str) -> list[str]:
        if self._durable is None:
            raise RequestError("the server is not running")
        return await self._operations().post_registration.replace(commands, self._durable, tenant)
