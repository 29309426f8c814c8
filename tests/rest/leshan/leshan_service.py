"""A Service in memory that does orders as told, and an application with Leshan's face over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx
from fake_service import Api, FakeEvent, FakeService

from lwm2m_fast.codec import Node, Pack
from lwm2m_fast.codec.pack import pack_nodes
from lwm2m_fast.core.orders import Order, order_json
from lwm2m_fast.errors import UnknownDevice
from lwm2m_fast.model import Model, View, built_in

OBJECTS = {0: None, 1: None, 3: "1.1", 4: None, 16: None, 3303: "1.1", 9999: None}
# 9999 is not in the model: nobody knows its resources.


@dataclass
class FakeResult:
    """What core.operations.Result has."""

    ok: bool = True
    code: str = "2.05"
    pack: Pack | None = None
    links: list[dict[str, Any]] | None = None
    location: str | None = None
    error: str | None = None


class FakeTarget(NamedTuple):
    view: View


def pack_of(*nodes: Node) -> Pack:
    return pack_nodes(b"", 112, list(nodes))


class LeshanService(FakeService):
    def __init__(self, *endpoints: str) -> None:
        super().__init__(*endpoints)
        self.result: FakeResult | Exception = FakeResult()
        self.asked: list[tuple[str, Order, float]] = []
        self.submitted: list[tuple[str, Order, float | None, str]] = []
        self.observed: list[dict[str, Any]] = []
        self.asleep: set[str] = set()
        self.view = Model(built_in()).view(OBJECTS, lwm2m_version="1.1")

    async def perform(self, endpoint: str, order: Order, timeout_s: float) -> FakeResult:
        if endpoint not in self.registered:
            raise UnknownDevice(endpoint)
        self.asked.append((endpoint, order, timeout_s))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def submit(
        self,
        endpoint: str,
        orders: Sequence[Order],
        *,
        timeout_s: float | None = None,
        valid_until: float | None = None,
        origin: str = "api",
    ) -> list[dict[str, Any]]:
        self.submitted += [(endpoint, order, timeout_s, origin) for order in orders]
        return [
            self.operation_of(endpoint, order, 41 + i, "PENDING") for i, order in enumerate(orders)
        ]

    @staticmethod
    def operation_of(
        endpoint: str, order: Order, number: int, state: str, **more: Any
    ) -> dict[str, Any]:
        made = {"id": number, "endpoint": endpoint, "order": order_json(order), "state": state}
        return {**made, "origin": "leshan", "result": None, "reason": None, **more}

    def target(self, endpoint: str) -> FakeTarget | None:
        return FakeTarget(self.view) if endpoint in self.registered else None

    def observations(self, endpoint: str) -> list[dict[str, Any]]:
        return self.observed

    def presence(self, endpoint: str) -> dict[str, Any] | None:
        if endpoint not in self.registered:
            return None
        return {"awake": endpoint not in self.asleep, "awake_time_ms": 0}


class Face(Api):
    """The application with Leshan's face, asked as `dev-1` unless the path says otherwise."""

    service: LeshanService

    def __init__(self, service: LeshanService | None = None, **http: Any) -> None:
        super().__init__(service or LeshanService("dev-1"), leshan_api=True, **http)

    def device(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.ask(method, f"/api/clients/dev-1{path}", **more)

    @property
    def order(self) -> Order:
        """The one order that the service was asked to do."""
        (asked,) = self.service.asked
        return asked[1]

    @property
    def timeout_s(self) -> float:
        (asked,) = self.service.asked
        return asked[2]

    def says(self, *nodes: Node, **more: Any) -> None:
        """The device will answer with these values."""
        self.service.result = FakeResult(**{"pack": pack_of(*nodes), **more})


def event(kind: str, data: dict[str, Any]) -> FakeEvent:
    return FakeEvent(kind, "dev-1", 1700000000.5, data)
