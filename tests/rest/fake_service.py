"""A Service in plain dictionaries, and an application over it that is asked in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from lwm2m_fast.bootstrap.outcomes import Outcomes
from lwm2m_fast.bootstrap.switch import BootstrapSwitch
from lwm2m_fast.config import Config
from lwm2m_fast.core.ask import Answered
from lwm2m_fast.core.operations import Result, Target, interpret, target_of
from lwm2m_fast.core.orders import Order, order_json
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.errors import UnknownDevice, UnknownOperation
from lwm2m_fast.fleet.tokens import KEY_BYTES, Role, Tokens
from lwm2m_fast.model import Model, built_in
from lwm2m_fast.rest.app import create_app
from lwm2m_fast.rest.base import MAX_BULK
from lwm2m_fast.store.memory import MemoryFleet
from lwm2m_fast.vault_file import passing_vault
from tests.provisioning.provisioning_kit import Provisioned


@dataclass(frozen=True, slots=True)
class Answer:
    """A device's response. `code` is the CoAP code byte (69 is 2.05), also of a refusal."""

    code: int
    content_format: int | None
    payload: bytes
    etag: bytes | None = None


NOW_S = 1_700_000_000.0
NOW_NS = 1_700_000_000 * 10**9
MODEL = Model(built_in())
# What a device answers that a test says nothing about.
ANSWERS = {
    "read": Answer(69, 0, b"Open Mobile Alliance"),
    "write": Answer(68, None, b""),
    "execute": Answer(68, None, b""),
    "create": Answer(65, None, b""),
    "delete": Answer(66, None, b""),
}
BRIEF = ("id", "state", "reason")

SECRETS = {"read": "secret-of-read", "operate": "secret-of-operate", "admin": "secret-of-admin"}


def device(endpoint: str) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "registration_id": "0aB1",
        "address": "192.0.2.1:40000",
        "transport": "coap",
        "security_mode": "NO_SEC",
        "identity": None,
        "session": None,
        "lwm2m_version": "1.1",
        "lifetime_s": 300,
        "binding": "U",
        "queue_mode": False,
        "sms": None,
        "registered_at": 1700000000.0,
        "updated_at": 1700000100.0,
        "expires_at": 1700000400.0,
        "root": "/",
        "content_formats": [0, 110],
        "objects": {"3": {"version": None, "instances": [0]}},
        "links": "</3/0>",
        "attributes": {},
        "availability": "available",
        "required_interval_s": 420,
    }


def operation(endpoint: str, number: int, order: Order) -> dict[str, Any]:
    return {
        "id": number,
        "endpoint": endpoint,
        "order": order_json(order),
        "state": "PENDING",
        "created_at": 1700000000.0,
        "updated_at": 1700000000.0,
        "attempts": 0,
        "valid_until": None,
        "timeout_s": None,
        "origin": "api",
        "result": None,
        "reason": None,
    }


@dataclass
class FakeEvent:
    kind: str
    endpoint: str
    at: float = 1700000000.0
    data: dict[str, Any] = field(default_factory=dict)


class FakeSubscription:
    """Gives what is put into `queue`; None ends it."""

    def __init__(self, only: Callable[[Any], bool] | None = None) -> None:
        self.only = only
        self.queue: asyncio.Queue[FakeEvent | None] = asyncio.Queue()
        self.dropped = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[FakeEvent]:
        while (event := await self.queue.get()) is not None:
            if self.only is None or self.only(event):
                yield event

    def close(self) -> None:
        self.is_closed = True


class FakePorts:
    """Of a bootstrap server that is open."""

    coap_port, dtls_port = 5683, 5684

    def start(self) -> None:
        """There is nothing to serve."""

    async def stop(self, why: str) -> None:
        """There is nothing to close."""

    def counters(self) -> dict[str, int]:
        return {"bootstraps_current": 0}


class FakeService:
    def __init__(self, *endpoints: str) -> None:
        self.registered = {name: device(name) for name in endpoints}
        self.on_list: set[str] = set()
        self.answer: Answer | Exception | None = None
        self.location: str | None = None
        self.performed: list[tuple[str, Order, float]] = []
        self.queued: dict[str, list[dict[str, Any]]] = {}
        self.submitted: list[tuple[str, list[Order], dict[str, Any]]] = []
        self.refusal: Exception | None = None
        self.end: dict[str, Any] | None = {"state": "SUCCESSFUL", "result": {"code": "2.04"}}
        self.waits: list[tuple[str, int, float]] = []
        self.made: dict[int, dict[str, Any]] = {}
        self.full: set[str] = set()
        self.known_values: dict[str, list[dict[str, Any]]] = {}
        self.relations: dict[str, list[dict[str, Any]]] = {}
        self.set_for: dict[str, dict[str, Any]] = {}
        self.commands: dict[str, list[str]] = {}
        self.uploads: dict[str, dict[str, bytes]] = {}
        """Both by tenant."""
        self.subscriptions: list[FakeSubscription] = []
        self.subscribed: list[str | None] = []
        self.counted = {"coap_received": 7, "registrations_current": 2}
        self.reasons: list[str] = []
        self.security = DeviceCredentials(MemoryFleet(), passing_vault(), clock=lambda: NOW_S)
        self.bootstrap = BootstrapSwitch(MemoryFleet(), FakePorts, Outcomes(), is_configured=False)
        self.provisioned = Provisioned()
        self.provisioning = self.provisioned.face
        self.provisioned.connector.registrations = self

    def device(self, endpoint: str) -> dict[str, Any] | None:
        return self.registered.get(endpoint)

    def devices(
        self, cursor: int, limit: int, contains: str = ""
    ) -> tuple[list[dict[str, Any]], int | None]:
        every = sorted(self.registered)
        page = every[cursor : cursor + limit]
        after = cursor + len(page)
        found = [self.registered[name] for name in page if contains in name]
        return found, after if after < len(every) else None

    def device_count(self) -> int:
        return len(self.registered)

    async def perform(self, endpoint: str, order: Order, timeout_s: float) -> Result:
        target = self.target(endpoint)
        if target is None:
            raise UnknownDevice(endpoint)
        self.performed.append((endpoint, order, timeout_s))
        answer = ANSWERS[order.op] if self.answer is None else self.answer
        if isinstance(answer, Exception):
            raise answer
        told = (answer.code, answer.content_format, answer.payload, answer.etag)
        answered = Answered(1, "answered", *told, self.location, 0)
        return interpret(order, target, answered, NOW_NS)

    def target(self, endpoint: str) -> Target | None:
        found = self.registered.get(endpoint)
        return None if found is None else target_of(found, MODEL)

    async def submit(
        self, endpoint: str, orders: Sequence[Order], **more: Any
    ) -> list[dict[str, Any]]:
        if self.refusal is not None:
            raise self.refusal
        self.submitted.append((endpoint, list(orders), more))
        queue = self.queued.setdefault(endpoint, [])
        made = [operation(endpoint, len(queue) + n, one) for n, one in enumerate(orders, 1)]
        queue += made
        return [dict(one) for one in made]

    def operation(self, endpoint: str, operation_id: int) -> dict[str, Any] | None:
        found = [one for one in self.queued.get(endpoint, []) if one["id"] == operation_id]
        return dict(found[0]) if found else None

    def operations(
        self,
        endpoint: str,
        *,
        before: int | None = None,
        limit: int = 100,
        states: frozenset[str] | None = None,
    ) -> list[dict[str, Any]]:
        return [
            dict(one)
            for one in reversed(self.queued.get(endpoint, []))
            if (before is None or one["id"] < before) and (not states or one["state"] in states)
        ][:limit]

    def _kept(self, endpoint: str, operation_id: int) -> dict[str, Any]:
        for one in self.queued.get(endpoint, []):
            if one["id"] == operation_id:
                return one
        raise UnknownOperation(endpoint, operation_id)

    async def wait(self, endpoint: str, operation_id: int, seconds: float) -> dict[str, Any]:
        self.waits.append((endpoint, operation_id, seconds))
        found = self._kept(endpoint, operation_id)
        if self.end is not None:
            found.update(self.end)
        return dict(found)

    async def cancel(self, endpoint: str, operation_id: int) -> dict[str, Any]:
        found = self._kept(endpoint, operation_id)
        found.update(state="FAILED", reason="cancelled")
        return dict(found)

    async def submit_many(
        self, endpoints: Sequence[str], orders: Sequence[Order], **more: Any
    ) -> dict[str, Any]:
        assert len(endpoints) <= MAX_BULK
        results: list[dict[str, Any]] = []
        for endpoint in endpoints:
            if endpoint in self.full:
                results.append({"endpoint": endpoint, "error": "its queue is full"})
                continue
            made = await self.submit(endpoint, orders, **more)
            results.append({"endpoint": endpoint, "operations": made})
        number = len(self.made) + 1
        self.made[number] = {
            "orders": len(orders),
            "results": results,
            "origin": more.get("origin", "api"),
        }
        return await self.batch(number) or {}

    async def batch(
        self, batch_id: int, *, after: int = 0, limit: int = 100
    ) -> dict[str, Any] | None:
        if batch_id not in self.made:
            return None
        every = self.made[batch_id]["results"]
        results = [
            {
                "endpoint": one["endpoint"],
                "operations": [
                    {name: self._kept(one["endpoint"], each["id"])[name] for name in BRIEF}
                    for each in one["operations"]
                ],
            }
            if "operations" in one
            else one
            for one in every
        ]
        states = [each["state"] for one in results for each in one.get("operations", [])]
        refused = self.made[batch_id]["orders"] * sum("error" in one for one in results)
        following = after + limit
        return {
            "id": batch_id,
            "created_at": 1700000000.0,
            "origin": self.made[batch_id]["origin"],
            "devices": len(every),
            "total": len(states) + refused,
            "done": states.count("SUCCESSFUL"),
            "failed": states.count("FAILED") + refused,
            "pending": states.count("PENDING"),
            "results": results[after:following],
            "next": following if following < len(every) else None,
        }

    def batches(self) -> list[dict[str, Any]]:
        return [
            {"id": number, "origin": self.made[number]["origin"]}
            for number in sorted(self.made, reverse=True)
        ]

    def presence(self, endpoint: str) -> dict[str, Any] | None:
        if endpoint not in self.registered:
            return None
        return {"awake": True, "awake_time_ms": 0, "awake_until": None, "source": "default"}

    def post_registration(self, tenant: str) -> list[str]:
        return self.commands.get(tenant, [])

    async def set_post_registration(self, commands: Sequence[str], tenant: str) -> list[str]:
        self.commands[tenant] = list(commands)
        return self.commands[tenant]

    def values(self, endpoint: str, prefix: str = "") -> list[dict[str, Any]]:
        every = self.known_values.get(endpoint, [])
        return [one for one in every if f"{one['path']}/".startswith(f"{prefix}/")]

    def observations(self, endpoint: str) -> list[dict[str, Any]]:
        return self.relations.get(endpoint, [])

    def settings(self, endpoint: str) -> dict[str, Any]:
        return self.set_for.get(endpoint, {})

    async def set_settings(self, endpoint: str, values: dict[str, Any]) -> dict[str, Any]:
        kept = {**self.settings(endpoint), **values}
        self.set_for[endpoint] = {name: one for name, one in kept.items() if one is not None}
        return self.set_for[endpoint]

    async def put_file(
        self, name: str, content: AsyncIterable[bytes], tenant: str
    ) -> dict[str, Any]:
        own = self.uploads.setdefault(tenant, {})
        own[name] = b"".join([part async for part in content])
        return self._file(name, own[name])

    def _file(self, name: str, content: bytes) -> dict[str, Any]:
        return {"name": name, "size": len(content), "changed_at": 1700000000.0}

    def files(self, tenant: str) -> list[dict[str, Any]]:
        return [self._file(*each) for each in sorted(self.uploads.get(tenant, {}).items())]

    async def delete_file(self, name: str, tenant: str) -> bool:
        return self.uploads.get(tenant, {}).pop(name, None) is not None

    def endpoint_of(self, registration_id: str) -> str | None:
        found = [
            name
            for name, one in self.registered.items()
            if one["registration_id"] == registration_id
        ]
        return found[0] if found else None

    async def deregister(self, endpoint: str) -> bool:
        return self.registered.pop(endpoint, None) is not None

    def subscribe(
        self, endpoint: str | None = None, only: Callable[[Any], bool] | None = None
    ) -> FakeSubscription:
        self.subscribed.append(endpoint)
        self.subscriptions.append(FakeSubscription(only))
        return self.subscriptions[-1]

    async def allow(self, endpoints: Iterable[str]) -> int:
        fresh = set(endpoints) - self.on_list
        self.on_list |= fresh
        return len(fresh)

    async def disallow(self, endpoint: str) -> bool:
        known = endpoint in self.on_list
        self.on_list.discard(endpoint)
        return known

    def allowed(self, after: str | None, limit: int) -> list[str]:
        return [name for name in sorted(self.on_list) if after is None or name > after][:limit]

    def counters(self) -> dict[str, int]:
        return self.counted

    def problems(self) -> list[str]:
        return self.reasons


def tokens_of(fleet: MemoryFleet) -> Tokens:
    tokens = Tokens(fleet, b"k" * KEY_BYTES)
    for role, secret in SECRETS.items():
        tokens.add(f"the-{role}", Role[role.upper()], secret, now=1700000000.0)
    return tokens


class Api:
    """The application, asked without a socket."""

    def __init__(self, service: FakeService, **http: Any) -> None:
        self.service = service
        self.tokens = tokens_of(MemoryFleet())
        config = Config(http=http)
        self.app = create_app(service, self.tokens, config)

    @property
    def counters(self) -> dict[str, int]:
        return self.app.state.context.counters

    def ask(
        self, method: str, path: str, role: str | None = "admin", **more: Any
    ) -> httpx.Response:
        """One request with the token of `role`; None sends no token."""
        headers = dict(more.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {SECRETS[role]}"

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                answer = await client.request(method, path, headers=headers, **more)
                await self.service.provisioned.jobs.finished()
                return answer

        return asyncio.run(asked())

    def get(self, path: str, role: str | None = "read", **more: Any) -> httpx.Response:
        return self.ask("GET", path, role, **more)
