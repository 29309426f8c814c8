"""A Service in plain dictionaries, and an application over it that is asked in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from lwm2m_fast.config import Config
from lwm2m_fast.errors import UnknownDevice
from lwm2m_fast.fleet.tokens import KEY_BYTES, Role, Tokens
from lwm2m_fast.rest.app import create_app
from lwm2m_fast.rest.base import Answer
from lwm2m_fast.store.memory import MemoryFleet

SECRETS = {"read": "secret-of-read", "operate": "secret-of-operate", "admin": "secret-of-admin"}


def device(endpoint: str) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "registration_id": "0aB1",
        "address": "192.0.2.1:40000",
        "transport": "coap",
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
    }


@dataclass
class FakeEvent:
    kind: str
    endpoint: str
    at: float = 1700000000.0
    data: dict[str, Any] = field(default_factory=dict)


class FakeSubscription:
    """Gives what is put into `queue`; None ends it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[FakeEvent | None] = asyncio.Queue()
        self.dropped = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[FakeEvent]:
        while (event := await self.queue.get()) is not None:
            yield event

    def close(self) -> None:
        self.is_closed = True


class FakeService:
    def __init__(self, *endpoints: str) -> None:
        self.registered = {name: device(name) for name in endpoints}
        self.on_list: set[str] = set()
        self.answer: Answer | Exception = Answer(69, 0, b"Open Mobile Alliance", None)
        self.reads: list[tuple[str, str, int | None, float]] = []
        self.subscriptions: list[FakeSubscription] = []
        self.subscribed: list[str | None] = []
        self.values = {"coap_received": 7, "registrations_current": 2}
        self.reasons: list[str] = []

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

    async def read(self, endpoint: str, path: str, accept: int | None, timeout_s: float) -> Answer:
        if endpoint not in self.registered:
            raise UnknownDevice(endpoint)
        self.reads.append((endpoint, path, accept, timeout_s))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def deregister(self, endpoint: str) -> bool:
        return self.registered.pop(endpoint, None) is not None

    def subscribe(self, endpoint: str | None = None) -> FakeSubscription:
        self.subscribed.append(endpoint)
        self.subscriptions.append(FakeSubscription())
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
        return self.values

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
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(asked())

    def get(self, path: str, role: str | None = "read", **more: Any) -> httpx.Response:
        return self.ask("GET", path, role, **more)
