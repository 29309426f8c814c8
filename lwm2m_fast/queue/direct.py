"""Requests to devices at once: neither queued nor stored, for whoever waits for the answer.

Refuses a device that sleeps instead of waiting for it: that is the queue's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
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
from lwm2m_fast.queue.plain_reads import PlainReads, Together
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
    """Loop's thread only. `act` has what was asked sent soon."""

    def __init__(
        self, calls: Calls, reads: PlainReads, reach: Reach, act: Callable[[], None]
    ) -> None:
        self._calls, self._reads, self._reach, self._act = calls, reads, reach, act
        self._waiting: dict[Together, float] = {}
        """What is waited for, and the loop's time until when."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf
        """The moment of the timer."""

    async def perform(self, endpoint: str, order: Order, timeout_s: float) -> Result:
        self._reach.check_timeout(timeout_s)
        loop = asyncio.get_running_loop()
        together = Together(((endpoint, order),), loop.create_future(), failure)
        self._watch(together, timeout_s, loop)
        try:
            if self._reads.begin(together, 0, 1, timeout_s):
                self._start(together, 0, endpoint, order, timeout_s)
            self._act()
            if together.left:
                await together.ended
        finally:
            self._leave(together)
        [outcome] = together.outcomes
        if isinstance(outcome, Error):
            raise outcome
        return outcome

    async def perform_many(
        self, asks: Sequence[tuple[str, Order]], timeout_s: float
    ) -> list[Result | Error]:
        self._reach.check_timeout(timeout_s)
        if len(asks) > MAX_BULK:
            raise RequestError(f"{len(asks)} requests, allowed are at most {MAX_BULK}")
        loop = asyncio.get_running_loop()
        together = Together(asks, loop.create_future(), failure)
        self._watch(together, timeout_s, loop)
        try:
            for first in range(0, len(asks), SLICE):
                last = min(first + SLICE, len(asks))
                for number in self._reads.begin(together, first, last, timeout_s):
                    self._start(together, number, *asks[number], timeout_s)
                self._act()
                if last < len(asks):
                    await asyncio.sleep(0)
            if together.left:
                await together.ended
        finally:
            self._leave(together)
        return together.outcomes

    def _leave(self, together: Together) -> None:
        """Nobody waits for it any more."""
        del self._waiting[together]
        if together.left:
            for _, call in together.waiting():  # its caller has gone
                self._forget(call)

    # The engine's time begins when a request leaves; this one has others before it, perhaps.

    def _watch(self, together: Together, timeout_s: float, loop: asyncio.AbstractEventLoop) -> None:
        """Give up on what has not ended by then. One timer for all that are waited for."""
        until = loop.time() + timeout_s + GRACE_S
        self._waiting[together] = until
        if until < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due, self._timer = until, loop.call_at(until, self._on_timer, loop)

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        now, self._due, self._timer = max(loop.time(), self._due), inf, None
        for together, until in list(self._waiting.items()):
            if until <= now:
                self._give_up(together)
        left = [until for until in self._waiting.values() if until > now]
        if left:
            self._due = min(left)
            self._timer = loop.call_at(self._due, self._on_timer, loop)

    def _give_up(self, together: Together) -> None:
        for number, call in together.waiting():
            endpoint, order = together.asks[number]
            if not is_streamed(order):
                self._forget(call)
                together.fail(number, failure(endpoint, order, "timeout"))

    def _forget(self, call: int) -> None:
        if self._reads.forget(call):
            self._act()
        else:
            self._calls.forget(call)

    def _start(
        self, together: Together, number: int, endpoint: str, order: Order, timeout_s: float
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
                together.begun(number, asked)
