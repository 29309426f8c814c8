"""Requests to devices, and what came of them, as events: of those devices whose log level says so.

Costs others a look into a dictionary that is empty in most fleets. Each `request` is told once, and
then its end as a `response`, if the level still says so. Knows neither queue nor store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from lwm2m_fast.core.ask import Answered, CoapRequest
from lwm2m_fast.core.events import Event
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.log_levels import TRAFFIC_LEVELS, VERBOSE
from lwm2m_fast.wire.numbers import code_text

MAX_SHOWN_BYTES: Final = 1_024
"""Of a payload, at the level VERBOSE."""

MAX_OPEN: Final = 100_000
"""Requests that were told and have not ended; beyond, none is told, and that is counted."""


class Engine(Protocol):
    """The part of core/engine that knows whether anybody listens."""

    tells: bool


class HasLevels(Protocol):
    """device_settings.py"""

    @property
    def levels(self) -> Mapping[str, str]: ...


class Clock(Protocol):
    """calls.py"""

    @property
    def now(self) -> Callable[[], float]: ...
    @property
    def wall(self) -> Callable[[], float]: ...


def _nobodys(endpoint: str) -> str | None:
    """On a server without tenants."""
    return None


class _Open(NamedTuple):
    tenant: str | None
    endpoint: str
    order: Order
    began: float


class Traffic:
    """`owner` tells whose a device is: the end of what one asked is not told to the next; nor is
    anything where it cannot be known (StoreError). Loop's thread only."""

    def __init__(
        self,
        engine: Engine,
        settings: HasLevels,
        clock: Clock,
        publish: Callable[[Sequence[Event]], None],
        most: int = MAX_OPEN,
        owner: Callable[[str], str | None] = _nobodys,
    ) -> None:
        self._owner = owner
        self._engine, self._levels, self._clock = engine, settings.levels, clock
        self._publish, self._most = publish, most
        self._open: dict[int, _Open] = {}
        self.missed = 0

    def began(self, call: int, endpoint: str, order: Order, request: CoapRequest | None) -> None:
        """A request leaves; None: the engine has made it itself."""
        if not self._levels or self._levels.get(endpoint) not in TRAFFIC_LEVELS:
            return
        if not self._engine.tells:
            return
        if len(self._open) >= self._most:
            self.missed += 1
            return
        try:
            tenant = self._owner(endpoint)
        except StoreError:
            return
        self._open[call] = _Open(tenant, endpoint, order, self._clock.now())
        more = {} if request is None else self._bytes(endpoint, request)
        self._tell("request", endpoint, _about(call, order) | more)

    def ended(self, answered: Answered) -> None:
        """How the engine says that a request ended."""
        if self._open:
            code = code_text(answered.code) if answered.code else None
            self._end(answered.call, answered.outcome, code, answered)

    def given_up(self, call: int) -> None:
        """Nobody waits for its answer any more."""
        if self._open:
            self._end(call, "cancelled", None, None)

    def _end(self, call: int, outcome: str, code: str | None, answered: Answered | None) -> None:
        known = self._open.pop(call, None)
        if known is None or self._levels.get(known.endpoint) not in TRAFFIC_LEVELS:
            return
        if not self._is_same(known):
            return
        data = _about(call, known.order) | {
            "outcome": outcome,
            "code": code,
            "seconds": round(self._clock.now() - known.began, 6),
        }
        more = {} if answered is None else self._bytes(known.endpoint, answered)
        self._tell("response", known.endpoint, data | more)

    def _is_same(self, known: _Open) -> bool:
        try:
            return self._owner(known.endpoint) == known.tenant
        except StoreError:
            return False

    def _bytes(self, endpoint: str, message: CoapRequest | Answered) -> dict[str, Any]:
        """What VERBOSE has beside the facts."""
        if self._levels.get(endpoint) != VERBOSE or not len(message.payload):
            return {}
        return {
            "content_format": message.content_format,
            "payload_hex": message.payload[:MAX_SHOWN_BYTES].hex(),
            "payload_bytes": len(message.payload),
        }

    def _tell(self, kind: str, endpoint: str, data: dict[str, Any]) -> None:
        self._publish([Event(kind, endpoint, self._clock.wall(), data)])

    def counters(self) -> dict[str, int]:
        return {"traffic_told_current": len(self._open), "traffic_not_told": self.missed}


def _about(call: int, order: Order) -> dict[str, Any]:
    place: dict[str, Any] = {"path": order.path} if order.path is not None else {}
    if order.paths:
        place["paths"] = list(order.paths)
    return {"request": call, "op": order.op, **place}
