"""Bootstraps under way: from POST /bs to Finish, one per device, the newest one counting.

Between the engine that has the devices and core/bootstrap.py that decides the steps. Owns no socket
and no clock; what devices are given comes from whoever keeps the configurations.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, Final, Protocol

from lwm2m_fast.bootstrap.outcomes import Outcome, Outcomes
from lwm2m_fast.core.accounts import Configuration
from lwm2m_fast.core.ask import AnsweredTuple, Contact
from lwm2m_fast.core.bootstrap import PACKABLE, Policy, Session, pack
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.events import Event
from lwm2m_fast.errors import Error, RequestError
from lwm2m_fast.faults import MESSAGE, Faults
from lwm2m_fast.wire.numbers import Code

_log = logging.getLogger("lwm2m_fast.bootstrap")

TOLD_PER_S: Final = 20
"""Refused devices that are told, and failures that are logged; beyond, they are counted only."""

BEGAN_ANEW: Final = "the device began another bootstrap"
CHANGED: Final = "what the device may bootstrap with has changed"

CUT_OFF_AT_ONCE: Final = 128
"""Bootstraps that are ended before the loop gets its turn."""


class Offer(Protocol):
    """Who knows what a device is to be given."""

    def knows(self, endpoint: str) -> bool:
        """Whether anything is configured for it."""
        ...

    def mode(self, endpoint: str) -> str | None:
        """How it is to connect to the bootstrap server, "NO_SEC", "PSK" or "X509"; None: it is not
        to bootstrap, or unknown."""
        ...

    def configuration(self, endpoint: str) -> Configuration:
        """What it is given. RequestError, with the reason: its configuration lacks something."""
        ...

    def version(self, endpoint: str) -> str | None:
        """The LwM2M version that it registered with, where it has."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a bootstrap may take: all of it, and one answer."""

    session_s: float
    request_s: float


@dataclass(slots=True)
class _Run:
    session: Session
    began: float
    place: str | None
    """The registration id in the engine, which the next request of the device changes."""
    call: int = 0


class Bootstraps:
    """Drives `engine` (one that serves "bootstrap"). Everything is called on the loop's thread.

    `tell` gets the events, `now` and `wall` the two clocks in seconds, `nudge` has what was asked
    of a device sent soon.
    """

    def __init__(
        self,
        engine: Engine,
        offer: Offer,
        limits: Limits,
        tell: Callable[[Sequence[Event]], None],
        now: Callable[[], float],
        wall: Callable[[], float],
        nudge: Callable[[], None],
        policy: Policy | None = None,
        outcomes: Outcomes | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._engine, self._offer, self._limits = engine, offer, limits
        self._faults = faults or Faults()
        self._tell, self._now, self._wall, self._nudge = tell, now, wall, nudge
        self._policy = policy or Policy()
        self._runs: dict[str, _Run] = {}
        self._by_call: dict[int, str] = {}
        self.outcomes = Outcomes() if outcomes is None else outcomes
        self._counts = self.outcomes.counts
        self._refusals_told = self._failures_logged = 0
        engine.hears_registers = True
        engine.judge_bootstrap = self.judge
        engine.make_pack = self.make_pack

    # What the engine asks

    def judge(self, endpoint: str, is_secure: bool, other: str | None) -> int:
        """0, or 4.00 for a device that is unknown here or came the wrong way (row B9); 4.03 where
        the asker may not speak for this name, but for `other` (empty: for several, or nobody)."""
        if is_secure and other is not None:
            return self._refuse_other(endpoint, other)
        try:
            mode = self._offer.mode(endpoint)
        except Error as error:  # its row cannot be read, say
            return self._refuse(endpoint, str(error))
        if mode is None:
            return self._refuse(endpoint, "no bootstrap is configured for this endpoint")
        if (mode == "NO_SEC") == is_secure:
            came = "over DTLS" if is_secure else "without security"
            return self._refuse(endpoint, f"it is to bootstrap with {mode}, but came {came}")
        if other is not None:  # what is under way over DTLS is not ended by one who knows a name
            why = "a bootstrap over DTLS of this name is under way"
            return self._refuse(endpoint, why, Code.FORBIDDEN)
        return 0

    def _refuse_other(self, endpoint: str, other: str) -> int:
        if other:  # on its own page: the name that it sends may be one that nobody has configured
            why = f"it asked for the bootstrap of {endpoint!r}, which is not its name"
            return self._refuse(other, why, Code.FORBIDDEN)
        why = "who asked for it has shown a key or certificate that does not stand for this name"
        return self._refuse(endpoint, why, Code.FORBIDDEN)

    def handshake_refused(self, endpoint: str, why: str) -> None:
        """Whoever says that it is this device could not prove it; only told of what is known."""
        if self._knows(endpoint):
            self._refuse(endpoint, f"its DTLS handshake was refused: {why}")

    def make_pack(self, endpoint: str, accept: int, is_first: bool) -> tuple[int, int, bytes]:
        """The answer to GET /bspack. Told of only when its first block is asked for."""
        content_format = PACKABLE[0] if accept < 0 else accept
        if content_format not in PACKABLE:
            return Code.NOT_ACCEPTABLE, -1, b""
        try:
            payload = pack(self._offer.configuration(endpoint), content_format)
        except Error as error:
            self._refuse(endpoint, str(error))
            return Code.BAD_REQUEST, -1, b""
        if is_first:
            self._counts["bootstrap_packs"] += 1
            self._note(endpoint, "finished", None, (("PACK", "2.05"),))
        return Code.CONTENT, content_format, payload

    def _refuse(self, endpoint: str, why: str, code: int = Code.BAD_REQUEST) -> int:
        self._counts["bootstraps_refused"] += 1
        # Names that strangers try must not crowd out what came of devices, nor may the number of
        # those that are told keep a device's reason from its page.
        keeps, tells = self._knows(endpoint), self._refusals_told < TOLD_PER_S
        self._refusals_told += tells  # a stranger may try names all day
        if keeps or tells:
            self._note(endpoint, "failed", why, (), keeps=keeps, refused=True, tells=tells)
        return code

    # What the turns bring

    def contacts(self, contacts: Sequence[Contact]) -> None:
        """Devices whose bootstrap request has been answered."""
        for contact in contacts:
            if contact.kind != "registered":
                continue
            endpoint = contact.endpoint
            if not self._faults.tell("a bootstrap that begins", self._begin, endpoint):
                self._faults.tell("a bootstrap that ends", self._break_off, endpoint)

    def resolve(self, answers: Sequence[AnsweredTuple]) -> None:
        """How the requests to devices ended."""
        for answer in answers:
            endpoint = self._by_call.pop(answer[0], None)
            run = self._runs.get(endpoint) if endpoint is not None else None
            if endpoint is None or run is None or run.call != answer[0]:
                continue
            is_well = self._faults.tell("a bootstrap", self._answered, endpoint, run, answer)
            if not is_well and self._runs.get(endpoint) is run:
                self._faults.tell("a bootstrap that ends", self._break_off, endpoint)

    def _answered(self, endpoint: str, run: _Run, answer: AnsweredTuple) -> None:
        _call, outcome, code, _format, payload, *_rest = answer
        if outcome == "cancelled":  # whatever is in the engine now is another one
            del self._runs[endpoint]
            run.session.fail(BEGAN_ANEW if self._place(endpoint) is not None else CHANGED)
            self._told(endpoint, run)
            return
        self._take(run.session, outcome, code, payload)
        self._go_on(endpoint, run)

    def _take(self, session: Session, outcome: str, code: int, payload: bytes) -> None:
        try:
            session.answered(outcome, code, payload)
        except Error as error:
            session.fail(str(error))

    def tick(self) -> None:
        """Once a second: end what takes too long."""
        self._refusals_told = self._failures_logged = 0
        latest = self._now() - self._limits.session_s
        # In the order in which they began: the first that is young enough ends the search.
        late = list(takewhile(lambda item: item[1].began <= latest, self._runs.items()))
        for endpoint, run in late:
            step = run.session.step
            run.session.fail(f"{step}: not done within {self._limits.session_s:g} s in all")
            self._faults.tell("a bootstrap that ends", self._end, endpoint, run)

    def cut_off(self, why: str) -> Iterator[None]:
        """End all bootstraps, and say why; yields now and then, for the loop to have its turn.

        Nothing is sent any more: for when the ports have been closed.
        """
        while self._runs:
            for endpoint in list(islice(self._runs, CUT_OFF_AT_ONCE)):
                run = self._runs.pop(endpoint)
                run.session.fail(f"{run.session.step}: {why}")
                self._faults.tell("a bootstrap that ends", self._told, endpoint, run)
            yield

    def forget(self, endpoint: str) -> None:
        """Its configuration is gone: what it said is written no longer, if that is under way."""
        run = self._runs.get(endpoint)
        if run is not None:
            run.session.fail(f"{run.session.step}: the device's configuration was removed")
            self._end(endpoint, run)

    # One bootstrap

    def _break_off(self, endpoint: str) -> None:
        """A fault of ours is in its way: nobody is to wait for it until its time is over."""
        run = self._runs.get(endpoint)
        if run is not None:
            run.session.fail(f"{run.session.step}: {MESSAGE}")
            self._end(endpoint, run)
        else:
            self._refused_to_begin(endpoint, MESSAGE)

    def _refused_to_begin(self, endpoint: str, why: str) -> None:
        self._counts["bootstraps_failed"] += 1
        self._note(endpoint, "failed", why, ())
        self._leave(endpoint, self._place(endpoint))

    def _begin(self, endpoint: str) -> None:
        before = self._runs.pop(endpoint, None)
        if before is not None:  # between two of its requests
            before.session.fail(BEGAN_ANEW)
            self._told(endpoint, before)
        try:
            session = Session(
                self._offer.configuration(endpoint),
                self._preferred(endpoint),
                self._offer.version(endpoint),
                self._policy,
            )
        except Error as error:
            self._refused_to_begin(endpoint, str(error))
            return
        self._counts["bootstraps_started"] += 1
        run = self._runs[endpoint] = _Run(session, self._now(), self._place(endpoint))
        self._note(endpoint, "started", None, ())
        self._go_on(endpoint, run)

    def _preferred(self, endpoint: str) -> int | None:
        given = self._engine.attribute(endpoint, "pct")
        return int(given) if given is not None and given.isascii() and given.isdigit() else None

    def _go_on(self, endpoint: str, run: _Run) -> None:
        try:
            request = run.session.next()
        except Error as error:  # a format that cannot hold one of the values, say
            run.session.fail(f"{run.session.step}: {error}")
            request = None
        if request is None:
            self._end(endpoint, run)
            return
        try:
            run.call = self._engine.start(endpoint, request, self._limits.request_s, self._now())
        except RequestError as error:  # it has gone meanwhile, or too much is under way
            run.session.fail(f"{run.session.step}: {error}")
            self._end(endpoint, run)
            return
        self._by_call[run.call] = endpoint
        self._nudge()

    def _end(self, endpoint: str, run: _Run) -> None:
        try:
            if self._runs.get(endpoint) is run:
                del self._runs[endpoint]
                self._leave(endpoint, run.place)
        finally:
            self._told(endpoint, run)

    def _place(self, endpoint: str) -> str | None:
        found = self._engine.device(endpoint)
        return None if found is None else str(found["registration_id"])

    def _leave(self, endpoint: str, place: str | None) -> None:
        """The device is not wanted in the engine's tables any longer, if it still is that one: it
        may have begun anew in the very turn that ended this."""
        if place is not None and place == self._place(endpoint):
            self._engine.deregister(endpoint, self._now())
            self._nudge()

    def _told(self, endpoint: str, run: _Run) -> None:
        session = run.session
        keeps = self._knows(endpoint)  # its configuration may have been removed meanwhile
        state = session.ended or "failed"
        self._counts[f"bootstraps_{state}"] += 1
        self._note(endpoint, state, session.reason, tuple(session.steps), keeps=keeps)

    def _knows(self, endpoint: str) -> bool:
        try:
            return self._offer.knows(endpoint)
        except Error:
            return False

    def _note(
        self,
        endpoint: str,
        state: str,
        reason: str | None,
        steps: tuple[tuple[str, str], ...],
        *,
        keeps: bool = True,
        refused: bool = False,
        tells: bool = True,
    ) -> None:
        at = self._wall()
        outcome = Outcome(state, at, reason, tuple((step, result) for step, result in steps))
        if keeps:
            self.outcomes.note(endpoint, outcome)
        if not tells:
            return
        data: dict[str, Any] = {"reason": reason} if reason else {}
        if refused:
            data["refused"] = True
        if steps:
            data["steps"] = outcome.as_json()["steps"]
        self._tell([Event(f"bootstrap_{state}", endpoint, at, data)])
        if state == "failed" and self._failures_logged < TOLD_PER_S:
            self._failures_logged += 1
            _log.warning("a bootstrap failed", extra={"endpoint": endpoint, "reason": reason})

    def counters(self) -> dict[str, int]:
        return {**self.outcomes.counters(), "bootstraps_current": len(self._runs)}
