"""Observes again, after a device registered anew, what was observed before.

First the attributes that were written to it, then each lapsed observation, one request at a time
and before anything in its line, so that the queue finds the device as it was left. What the device
refuses is given up; when it does not answer, its next contact goes on where this one ended.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from lwm2m_fast.core import operations
from lwm2m_fast.core.orders import Order
from lwm2m_fast.core.pending import Pending
from lwm2m_fast.errors import FormatError, QueueFull, RequestError, StoreError, UnknownDevice
from lwm2m_fast.faults import Faults
from lwm2m_fast.queue.calls import Calls, Clock, Ended
from lwm2m_fast.queue.delivery import UNANSWERED
from lwm2m_fast.queue.kept_attributes import KeptAttributes
from lwm2m_fast.queue.reach import Reach

LAPSED = "lapsed"


class Engine(Protocol):
    """The part of core/engine that keeps observations."""

    def lapsed(self) -> list[str]: ...
    def observations(self, endpoint: str) -> list[dict[str, Any]]: ...
    def unobserve(self, number: int, active: bool, timeout_s: float, now: float) -> int | None: ...


class Reestablish:
    """Devices that are being observed again, by name: how many attribute orders were sent.

    Loop's thread only. `go_on` is called with a device that may get what is next.
    """

    def __init__(
        self,
        engine: Engine,
        pending: Pending,
        calls: Calls,
        attributes: KeptAttributes,
        reach: Reach,
        clock: Clock,
        faults: Faults,
    ) -> None:
        self._engine, self._pending, self._calls = engine, pending, calls
        self._faults = faults
        self._attributes, self._reach, self._clock = attributes, reach, clock
        self._sent: dict[str, int] = {}
        self.go_on: Callable[[str], None] = lambda endpoint: None
        self.reestablished = self.given_up = 0

    def load(self) -> list[str]:
        """The devices that the process before had not asked for everything yet, at a start."""
        found = self._engine.lapsed()
        self._sent = dict.fromkeys(found, 0)
        return found

    def registered(self, endpoint: str) -> None:
        """A full Register: begin anew, if anything has lapsed."""
        self._sent.pop(endpoint, None)
        if self._lapsed(endpoint) is not None:
            self._sent[endpoint] = 0

    def waits(self, endpoint: str) -> bool:
        return endpoint in self._sent

    def send(self, endpoint: str) -> bool:
        """Send the next request; False when there is nothing left."""
        while endpoint in self._sent:
            step = self._next(endpoint)
            if step is None:
                del self._sent[endpoint]
                break
            if self._ask(endpoint, *step):
                return True
        return False

    def _next(self, endpoint: str) -> tuple[Order, int] | None:
        """(order, number of the observation or 0), or None at the end."""
        lapsed = self._lapsed(endpoint)
        if lapsed is None:
            return None
        try:
            orders = self._attributes.orders(endpoint)
        except StoreError:
            orders = []
        sent = self._sent[endpoint]
        if sent < len(orders):
            return orders[sent], 0
        return lapsed

    def _lapsed(self, endpoint: str) -> tuple[Order, int] | None:
        try:
            observations = self._engine.observations(endpoint)
        except UnknownDevice:  # it has left meanwhile
            return None
        for each in observations:
            if each["state"] == LAPSED:
                order = observe_order(each["context"])
                if order is not None:
                    return order, each["number"]
                self._give_up(each["number"])
        return None

    def _ask(self, endpoint: str, order: Order, number: int) -> bool:
        self._pending.start(endpoint, 0, self._clock.wall())
        timeout_s = self._reach.timeout_s(endpoint, None)
        try:
            self._calls.ask(endpoint, order, timeout_s, partial(self._ended, endpoint, number))
        except (UnknownDevice, QueueFull, StoreError):  # the next contact goes on
            self._pending.hold(endpoint)
            return True
        except RequestError:  # it has this no more
            return self._not_asked(endpoint, number)
        except Exception as error:  # the device would stay busy
            self._faults.note(error, "an observation that is made anew")
            return self._not_asked(endpoint, number)
        return True

    def _not_asked(self, endpoint: str, number: int) -> bool:
        self._pending.pause(endpoint)
        self._refused(endpoint, number)
        return False

    def _ended(self, endpoint: str, number: int, ended: Ended) -> None:
        if self._pending.running(endpoint) != 0:
            return
        if ended.outcome in UNANSWERED:
            self._pending.hold(endpoint)
            return
        self._pending.pause(endpoint)
        if endpoint in self._sent:
            if number and ended.observation:
                self.reestablished += 1
            elif number or ended.result is None or not ended.result.ok:
                self._refused(endpoint, number)
            else:
                self._sent[endpoint] += 1
        self.go_on(endpoint)

    def _refused(self, endpoint: str, number: int) -> None:
        if number:
            self._give_up(number)
        elif endpoint in self._sent:
            self._sent[endpoint] += 1

    def _give_up(self, number: int) -> None:
        self.given_up += 1
        with suppress(RequestError, StoreError):  # gone already, or tried anew next time
            self._engine.unobserve(number, False, 0.0, self._clock.now())

    def counters(self) -> dict[str, int]:
        return {
            "observations_reestablished": self.reestablished,
            "observations_given_up": self.given_up,
            "devices_reestablishing": len(self._sent),
        }


def observe_order(context: bytes) -> Order | None:
    """The order that made an observation; None when its context cannot be read."""
    try:
        kept = operations.read_context(context)
    except FormatError:
        return None
    if kept.is_composite:
        return Order("observe_composite", paths=kept.paths, format=kept.accept)
    return Order("observe", kept.paths[0], format=kept.accept)
