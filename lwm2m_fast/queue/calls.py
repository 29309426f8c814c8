"""From an order to a CoAP request of the engine, and from the device's answer to a Result.

One road for everything that is asked of a device, queued or not. Knows the observations by the
paths that people name; knows no queue and no store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from mmap import mmap
from typing import Any, NamedTuple, Protocol

from lwm2m_fast.core import operations
from lwm2m_fast.core.ask import Answered, CoapRequest
from lwm2m_fast.core.operations import Result, Target
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import FormatError, RequestError, StoreError, UnknownDevice
from lwm2m_fast.faults import MESSAGE, Faults
from lwm2m_fast.queue.traffic import Traffic
from lwm2m_fast.wire.numbers import code_text

OBSERVES = frozenset({"observe", "observe_composite"})
CANCELS = frozenset({"cancel_observe", "cancel_composite"})
COMPOSITE = frozenset({"observe_composite", "cancel_composite"})
PENDING = "pending"


class Engine(Protocol):
    """The part of core/engine that asks devices."""

    def start(self, endpoint: str, request: CoapRequest, timeout_s: float, now: float) -> int: ...
    def observe(
        self, endpoint: str, request: CoapRequest, context: bytes, timeout_s: float, now: float
    ) -> int: ...
    def unobserve(self, number: int, active: bool, timeout_s: float, now: float) -> int | None: ...
    def observations(self, endpoint: str) -> list[dict[str, Any]]: ...
    def cancel(self, call: int, now: float) -> None: ...


class Targets(Protocol):
    """What is known of a device that a request must fit (targets.py)."""

    def of(self, endpoint: str) -> Target | None: ...


class Hears(Protocol):
    """Who keeps something of what devices answer (values.py, kept_attributes.py)."""

    def answered(self, target: Target, order: Order, result: Result, at: float) -> None: ...

    def read(
        self, endpoints: list[str], orders: list[Order], results: list[Result], at: float
    ) -> None:
        """answered() for many Reads of a single path that brought values, each with a pack: the
        first endpoint, order and result are of the first, and so on."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Both times: `now` is monotonic, for what lasts; `wall` is unix time, for what is shown."""

    now: Callable[[], float]
    wall: Callable[[], float]


class Ended(NamedTuple):
    """What came of it. `result` is None unless the outcome is "answered"."""

    outcome: str
    """As core/ask.py: Answered.outcome."""
    result: Result | None
    observation: int = 0
    cancelled: int | None = None
    """How many observations were given up."""

    def as_json(self) -> dict[str, Any] | None:
        """The result as the API shows it."""
        if self.result is None:
            return None
        shown = operations.result_json(self.result)
        if self.observation:
            shown["observation"] = self.observation
        if self.cancelled is not None:
            shown["cancelled"] = self.cancelled
        return shown


End = Callable[[Ended], None]


class _Asked(NamedTuple):
    order: Order
    target: Target
    end: End
    cancelled: int | None


def at_once(then: Callable[[], None]) -> None:
    """Where nothing has to be kept first."""
    then()


class Calls:
    """Starts requests and hands each answer to the one who asked. Loop's thread only.

    What it starts leaves with the next turn; `act` makes that come soon. `when_kept` calls what it
    is given once the engine's turn is kept.
    """

    def __init__(
        self,
        engine: Engine,
        targets: Targets,
        hears: Sequence[Hears],
        open_file: Callable[[str, str], bytes | mmap],
        clock: Clock,
        act: Callable[[], None],
        traffic: Traffic,
        faults: Faults,
        when_kept: Callable[[Callable[[], None]], None] = at_once,
    ) -> None:
        self._when_kept = when_kept
        self._engine, self._targets, self._hears = engine, targets, hears
        self._open_file, self._clock, self._act = open_file, clock, act
        self._traffic, self._faults = traffic, faults
        self._calls: dict[int, _Asked] = {}

    def ask(self, endpoint: str, order: Order, timeout_s: float, end: End) -> int | Ended:
        """Start `order`: its call number, with which `end` is called once; or its end at once.

        Raises UnknownDevice, QueueFull, StoreError (the engine cannot keep what it must first),
        RequestError (it cannot be done with this device); then nothing is sent.
        """
        target = self._targets.of(endpoint)
        if target is None:
            raise UnknownDevice(endpoint)
        if order.op in CANCELS:
            return self._cancel_observations(endpoint, order, target, timeout_s, end)
        request = operations.build(order, target, partial(self._open_file, endpoint))
        now = self._clock.now()
        if order.op in OBSERVES:
            context = operations.context_of(order, request)
            call = self._engine.observe(endpoint, request, context, timeout_s, now)
        else:
            call = self._engine.start(endpoint, request, timeout_s, now)
        return self._started(call, _Asked(order, target, end, None), request)

    def _started(self, number: int, call: _Asked, request: CoapRequest | None = None) -> int:
        self._calls[number] = call
        self._traffic.began(number, call.target.endpoint, call.order, request)
        self._act()
        return number

    def _cancel_observations(
        self, endpoint: str, order: Order, target: Target, timeout_s: float, end: End
    ) -> int | Ended:
        numbers = observations_of(self._engine.observations(endpoint), order)
        is_active = order.mode == "active"
        if not numbers and not is_all(order):
            raise RequestError(f"{endpoint!r} has no observation of {_named(order)}")
        if is_active and len(numbers) > 1:
            raise RequestError(
                f"{len(numbers)} observations of {endpoint!r} match; an active cancellation is of "
                "one, name its path"
            )
        now, last = self._clock.now(), None
        for number in numbers:
            last = self._engine.unobserve(number, is_active, timeout_s, now)
        if last is not None:
            return self._started(last, _Asked(order, target, end, len(numbers)))
        self._act()
        return Ended("answered", nothing_to_tell(), cancelled=len(numbers))

    def forget(self, call: int) -> None:
        """Nobody waits for this any more: withdraw it, and ignore what still comes."""
        if self._calls.pop(call, None) is not None:
            self._engine.cancel(call, self._clock.now())
            self._traffic.given_up(call)
            self._act()

    def resolve(self, answers: Sequence[Sequence[Any]]) -> None:
        """Hand out the engine's answers; those that nobody here has asked for are not touched. A
        fault in one of them is that one's: the others are handed out."""
        agreed = []
        for answer in answers:
            call = self._calls.pop(answer[0], None)
            if call is not None:
                answered = Answered(*answer)
                self._traffic.ended(answered)
                self._end(call, answered)
                if answered.observation:
                    agreed.append((call, answered.observation))
        for each in reversed(agreed):  # of two of the same paths the one asked for last stays
            self._faults.tell("an observation", self._supersede, *each)

    def _end(self, call: _Asked, answered: Answered) -> None:
        ended = self._what_came(call, answered)
        if answered.observation or call.cancelled is not None:
            # Whoever reads that it stands, or is gone, finds it so also after a kill.
            self._when_kept(partial(self._hand_out, call, ended))
        else:
            self._hand_out(call, ended)

    def _hand_out(self, call: _Asked, ended: Ended) -> None:
        self._faults.tell("an answer", call.end, ended)

    def _what_came(self, call: _Asked, answered: Answered) -> Ended:
        if answered.outcome != "answered":
            return Ended(answered.outcome, None)
        wall = self._clock.wall()
        try:
            result = operations.interpret(call.order, call.target, answered, int(wall * 1e9))
        except Exception as error:
            self._faults.note(error, "an answer")
            result = not_understood(answered)
        for each in self._hears:
            try:
                each.answered(call.target, call.order, result, wall)
            except Exception as error:  # who asked gets his answer, and who listens behind it
                self._faults.note(error, "who hears of answers")
        return Ended("answered", result, answered.observation, call.cancelled)

    def _supersede(self, call: _Asked, number: int) -> None:
        """End what `number` has taken the place of: the same paths, in another format or order.

        To the device those are two relations (RFC 7641, section 4.1), and it would tell all twice.
        One that is still asked for is left: it takes the place of this one, when it stands. And one
        that has gone already, as of two that were answered in one turn, takes nobody's.
        """
        try:
            known = self._engine.observations(call.target.endpoint)
        except UnknownDevice:  # it has left meanwhile
            return
        others = [one for one in known if one["number"] != number and one["state"] != PENDING]
        if not others or not any(one["number"] == number for one in known):
            return
        for other in observations_of(others, call.order):
            with suppress(RequestError, StoreError):  # gone already, or it goes the next time
                self._engine.unobserve(other, False, 0.0, self._clock.now())
                self._act()

    def answer(
        self, endpoint: str, order: Order, form: Target, end: End, answered: Answered
    ) -> None:
        """An answer to what was asked elsewhere (plain_reads), of a device like `form`."""
        target = self._targets.of(endpoint) or replace(form, endpoint=endpoint)
        self._end(_Asked(order, target, end, None), answered)

    def __len__(self) -> int:
        return len(self._calls)


def is_all(order: Order) -> bool:
    """Whether a cancellation names no path, and so means every observation of the device."""
    return order.op == "cancel_observe" and order.path in (None, "", "/")


def observations_of(observations: Sequence[dict[str, Any]], order: Order) -> list[int]:
    """The numbers of those that `order` names: of the same path, or the same set of paths."""
    if is_all(order):
        return [each["number"] for each in observations]
    is_composite = order.op in COMPOSITE
    wanted = {_plain(path) for path in (order.paths if is_composite else (order.path or "",))}
    found = []
    for each in observations:
        try:
            context = operations.read_context(each["context"])
        except FormatError:
            continue
        if context.is_composite == is_composite and wanted == set(map(_plain, context.paths)):
            found.append(each["number"])
    return found


def nothing_to_tell() -> Result:
    """The result of what needs no answer: an observation given up without a request."""
    return Result(ok=True, code="", pack=None, links=None, location=None, error=None)


def not_understood(answered: Answered) -> Result:
    """The result of an answer that a fault of our own keeps from being read."""
    return Result(False, code_text(answered.code), error=MESSAGE, answered=answered)


def _plain(path: str) -> str:
    return path.strip("/")


def _named(order: Order) -> str:
    return ", ".join(order.paths) if order.op == "cancel_composite" else str(order.path)
