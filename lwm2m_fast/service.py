"""What the HTTP interface and other callers ask of a running server (rest/base.py: Service)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.device_operations import DeviceOperations
from lwm2m_fast.errors import DeviceError, DeviceTimeout, RequestError, UnknownDevice
from lwm2m_fast.rest.base import MAX_ENDPOINT_BYTES, Answer
from lwm2m_fast.sink.stream import StreamSink, Subscription
from lwm2m_fast.store.base import Store
from lwm2m_fast.turn import Answers, Turns
from lwm2m_fast.wire.numbers import Code

PROVISIONED = "provisioned"
"""Namespace of the fleet store: a key is an endpoint name that may register."""

MAX_IDS = 4  # object, instance, resource, resource instance
MAX_ID = 65534  # 65535 is reserved (LwM2M TS 1.2 Core, section 6.3)

# How a request can end without an answer, and what its caller is told.
FAILURES: dict[str, tuple[type[DeviceError], str]] = {
    "timeout": (DeviceTimeout, "{endpoint!r} did not answer a Read of {path}"),
    "no_response": (
        DeviceTimeout,
        "{endpoint!r} acknowledged a Read of {path}, and then did not answer it",
    ),
    "reset": (DeviceError, "{endpoint!r} rejected the Read of {path} (reset)"),
    "cancelled": (
        DeviceError,
        "the Read of {path} was cancelled: {endpoint!r} registered anew, moved or left",
    ),
    "malformed": (DeviceError, "{endpoint!r} answered the Read of {path} with an unusable message"),
    "too_large": (
        DeviceError,
        "the answer of {endpoint!r} to a Read of {path} is larger than coap.max_body_bytes",
    ),
}


def failure(outcome: str, endpoint: str, path: str) -> DeviceError:
    """The error that a caller gets for a request that ended so."""
    kind, text = FAILURES[outcome]
    return kind(text.format(endpoint=endpoint, path=path))


def parse_path(path: str) -> list[int]:
    """The one to four ids of a path; RequestError names the fault."""
    parts = path.strip("/").split("/")
    if not 1 <= len(parts) <= MAX_IDS:
        raise RequestError(f"path {path!r} has {len(parts)} parts, allowed are 1 to {MAX_IDS}")
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) <= 5 and int(part) <= MAX_ID):
            raise RequestError(f"path {path!r}: {part!r} is not an id from 0 to {MAX_ID}")
    return [int(part) for part in parts]


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
        self._calls: dict[int, asyncio.Future[Answer]] = {}
        self._turns: Turns | None = None
        self._asked: dict[int, tuple[str, str]] = {}

    def attach(self, turns: Turns) -> None:
        """The turns that our own requests take part in."""
        self._turns = turns

    # Devices

    def device(self, endpoint: str) -> dict[str, Any] | None:
        return self._engine.device(endpoint)

    def devices(
        self, cursor: int, limit: int, contains: str = ""
    ) -> tuple[list[dict[str, Any]], int | None]:
        return self._engine.devices(cursor, limit, contains)

    def device_count(self) -> int:
        return self._engine.device_count()

    async def read(self, endpoint: str, path: str, accept: int | None, timeout_s: float) -> Answer:
        turns = self._running()
        segments = tuple(b"%d" % number for number in parse_path(path))
        request = CoapRequest(Code.GET, segments, accept=accept)
        call = self._engine.start(endpoint, request, timeout_s, turns.now())
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._calls[call] = answer
        self._asked[call] = (endpoint, path)
        turns.act()
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise failure("timeout", endpoint, path) from None
        finally:
            if self._calls.pop(call, None) is not None:
                self._engine.cancel(call, turns.now())
                turns.act()
            self._asked.pop(call, None)

    def resolve(self, answers: Answers) -> None:
        """Hand the answers of devices to those who wait for them."""
        if self._operating is not None:
            self._operating.resolve(answers)
        for call, outcome, code, content_format, payload, etag, _, _ in answers:
            waiting = self._calls.pop(call, None)
            if waiting is None or waiting.done():
                continue
            if outcome == "answered":
                waiting.set_result(Answer(code, content_format, payload, etag))
            else:
                waiting.set_exception(failure(outcome, *self._asked[call]))

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

    def subscribe(self, endpoint: str | None = None) -> Subscription:
        return self._stream.subscribe(endpoint)

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
