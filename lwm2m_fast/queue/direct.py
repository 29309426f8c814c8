"""Requests to devices at once: neither queued nor stored, for whoever waits for the answer.

Refuses a device that sleeps instead of waiting for it: that is the queue's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lwm2m_fast.core.operations import Result
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import (
    DeviceAsleep,
    DeviceError,
    DeviceTimeout,
    Error,
    RequestError,
    StoreError,
    UnknownDevice,
)
from lwm2m_fast.queue.calls import Calls, Ended
from lwm2m_fast.queue.reach import Reach
from lwm2m_fast.rest.base import MAX_BULK

SLICE = 256
"""Requests begun between two turns of the loop."""

GRACE_S = 0.5
"""Beyond the caller's time: who has been asked in time may end it in his own way."""

MAX_LEVELS = 3
"""Of maps in an order's values: instances, resources, their instances."""

# How a direct request can end without an answer, and what its caller is told.
FAILURES: dict[str, tuple[type[DeviceError], str]] = {
    "timeout": (DeviceTimeout, "did not answer"),
    "no_response": (DeviceTimeout, "acknowledged the request and did not answer it"),
    "reset": (DeviceError, "rejected the request (reset)"),
    "cancelled": (DeviceError, "registered anew, moved or left before it answered"),
    "malformed": (DeviceError, "answered with an unusable message"),
    "too_large": (DeviceError, "answered with more than coap.max_body_bytes"),
}


def failure(endpoint: str, order: Order, outcome: str) -> Error:
    """The error that a caller gets for a direct request that ended so."""
    if outcome == "store":
        return StoreError("what the request needs could not be kept; nothing was sent")
    kind, text = FAILURES[outcome]
    return kind(f"{order.op} {order.path or ' '.join(order.paths)}: {endpoint!r} {text}")


def is_streamed(order: Order) -> bool:
    """Whether it sends an uploaded file, which takes what it takes: each block that is taken
    begins the time anew (core/downlink). Everything else ends with the caller's time."""
    return _has_file(order.value) or _has_file(order.values)


def _has_file(value: Any, levels: int = MAX_LEVELS) -> bool:
    if not isinstance(value, Mapping):
        return False
    return "file" in value or (
        levels > 0 and any(_has_file(each, levels - 1) for each in value.values())
    )


class Direct:
    """Loop's thread only."""

    def __init__(self, calls: Calls, reach: Reach) -> None:
        self._calls, self._reach = calls, reach

    async def perform(self, endpoint: str, order: Order, timeout_s: float) -> Result:
        [outcome] = await self.perform_many([(endpoint, order)], timeout_s)
        if isinstance(outcome, Error):
            raise outcome
        return outcome

    async def perform_many(
        self, asks: Sequence[tuple[str, Order]], timeout_s: float
    ) -> list[Result | Error]:
        self._reach.check_timeout(timeout_s)
        if len(asks) > MAX_BULK:
            raise RequestError(f"{len(asks)} requests, allowed are at most {MAX_BULK}")
        together = _Together(asks)
        loop = asyncio.get_running_loop()
        # The engine's time begins when a request leaves; this one has others before it, perhaps.
        timer = loop.call_later(timeout_s + GRACE_S, self._give_up, together)
        try:
            for number, (endpoint, order) in enumerate(asks):
                self._start(together, number, endpoint, order, timeout_s)
                if number % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
            await together.ended()
        finally:
            timer.cancel()
            for call in together.calls.values():  # its caller has gone
                self._calls.forget(call)
        return together.outcomes

    def _give_up(self, together: _Together) -> None:
        for number, call in list(together.calls.items()):
            endpoint, order = together.asks[number]
            if not is_streamed(order):
                self._calls.forget(call)
                del together.calls[number]
                together.fail(number, failure(endpoint, order, "timeout"))

    def _start(
        self, together: _Together, number: int, endpoint: str, order: Order, timeout_s: float
    ) -> None:
        try:
            heard_at = self._reach.heard_at(endpoint)
            if heard_at is None:
                raise UnknownDevice(endpoint)
            if not self._reach.listens(endpoint, heard_at):
                raise DeviceAsleep(endpoint)
            asked = self._calls.ask(endpoint, order, timeout_s, partial(together.end, number))
        except Error as error:
            together.fail(number, error)
        else:
            if isinstance(asked, Ended):
                together.end(number, asked)
            else:
                together.calls[number] = asked


class _Together:
    """Direct requests that are waited for together."""

    def __init__(self, asks: Sequence[tuple[str, Order]]) -> None:
        self.asks, self._left = asks, len(asks)
        self.outcomes: list[Any] = [None] * len(asks)
        self.calls: dict[int, int] = {}
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, number: int, ended: Ended) -> None:
        self.calls.pop(number, None)
        if ended.result is None:
            self.fail(number, failure(*self.asks[number], ended.outcome))
        else:
            self._put(number, ended.result)

    def fail(self, number: int, error: Error) -> None:
        self._put(number, error)

    def _put(self, number: int, outcome: Result | Error) -> None:
        self.outcomes[number] = outcome
        self._left -= 1
        if self._left == 0 and not self._ended.done():
            self._ended.set_result(None)

    async def ended(self) -> None:
        if self._left:
            await self._ended
