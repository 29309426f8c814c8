"""The turn: what happens between a wake-up of a socket and the next, in an order that is law.

Receive a batch, decide, bring the changes to the store; then answer; then tell. Owns the sockets,
the timer and the way to the store of one worker; knows no HTTP and no configuration file.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lwm2m_fast.committer import Committer
from lwm2m_fast.core.ask import AnsweredTuple, Contact, ReportTuple
from lwm2m_fast.core.engine import Engine, Output
from lwm2m_fast.core.events import Event
from lwm2m_fast.datagram import Inbox, Outbox
from lwm2m_fast.errors import StoreError
from lwm2m_fast.faults import Faults
from lwm2m_fast.sink.base import Sink
from lwm2m_fast.store.base import StateStore

_log = logging.getLogger("lwm2m_fast.turn")

MAX_PENDING = 128
"""Turns on their way to the store; beyond, nothing is received until some are kept."""

PROBE_S = 1.0
"""How often a store that failed is tried again."""

WALL_CLOCK_S = 60.0
"""How often the system's clock is looked at, for the times that are stored and shown."""

TICK_S = 1.0
"""How often the queue of operations looks at the clock."""

# A change that changes nothing: deleting a row that never was (see store/base.py).
PROBE = bytes([2, 255, 0, 5, 0, 0, 0, 0]) + b"probe"

DATA = ("notification", "send")
"""Events that are true whatever the store says."""

Answers = Sequence[AnsweredTuple]
Reports = list[ReportTuple]
Contacts = Sequence[Contact]


def _ignore(_: Contacts) -> None:
    """Nobody wants to know."""


class Endpoint(Protocol):
    """A socket (net/udp), secure or plain."""

    @property
    def fd(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def queued(self) -> int: ...
    @property
    def is_timed(self) -> bool: ...
    def receive(self, inbox: Inbox) -> bool: ...
    def work(self, inbox: Inbox) -> None: ...
    def flush_backlog(self) -> bool: ...


class Listeners(Protocol):
    """The sockets as one way out (net/listeners)."""

    @property
    def endpoints(self) -> Sequence[Endpoint]: ...
    def send(self, outbox: Outbox) -> bool: ...
    def next_timer(self) -> float: ...
    def handle_timer(self, now: float) -> None: ...


class Turns:
    """Drives `engine` from `listeners`, the clock and our own side's calls.

    `resolve` gets the answers of devices to our requests (Output.answers), once each; `reports`
    what devices sent by themselves, in the turn that received it, as the slots in it are those of
    this turn, and returns what is to be told of it; `contacts` who was heard, as events are told:
    once the store has what came with it and before it.
    """

    def __init__(
        self,
        engine: Engine,
        listeners: Listeners,
        store: StateStore,
        sinks: Sequence[Sink],
        resolve: Callable[[Answers], None],
        batches_per_wakeup: int,
        reports: Callable[[Reports], Sequence[Event]] | None = None,
        contacts: Callable[[Contacts], None] = _ignore,
        faults: Faults | None = None,
    ) -> None:
        self._engine, self._sinks, self._faults = engine, sinks, faults or Faults()
        self._listeners, self._send = listeners, listeners.send
        self._is_timed = any(endpoint.is_timed for endpoint in listeners.endpoints)
        self._resolve, self._reports, self.contacts = resolve, reports, contacts
        engine.wants_reports = reports is not None
        self._batches = batches_per_wakeup
        self._inbox = Inbox()
        self._loop = asyncio.get_running_loop()
        self._committer = Committer(store, self._done)
        self._pending: deque[tuple[Output, list[Event], list[Contact]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._wall_clock: asyncio.TimerHandle | None = None
        self._next_probe: asyncio.TimerHandle | None = None
        self._probing: asyncio.Task[None] | None = None
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._afterwards: deque[tuple[int, Callable[[], None]]] = deque()
        self._deciding = 0
        """The turn whose answers are being handed out; 0: none that the store is to keep."""
        self._is_running = False
        self._read: set[int] = set()
        self._blocked: set[int] = set()
        self._working: set[int] = set()
        """Descriptors: those we receive from, can send nothing to, and will soon look at again."""
        self.store_problem: str | None = None
        self.commits = self.commits_failed = 0
        self.work: Callable[[], None] = lambda: None
        """Done soon after nudge(); what it asks of devices leaves then."""
        self.tick: Callable[[], None] = lambda: None
        """Called every TICK_S; as `work`."""
        self._is_nudged = False
        self._ticking: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to receive."""
        self._is_running = True
        self._watch_wall_clock()
        self._on_tick()
        self._choose_reading()
        self._arm_timer()

    def pause(self) -> None:
        """Receive no more; what was received goes on. start() and stop() come after it."""
        self._is_running = False
        self._choose_reading()

    async def stop(self) -> None:
        """Stop receiving; keep and answer what was received."""
        self.pause()
        for handle in (self._timer, self._wall_clock, self._next_probe, self._ticking):
            if handle is not None:
                handle.cancel()
        self._timer = self._wall_clock = self._next_probe = self._ticking = None
        await self._committer.stop()
        for fd in self._blocked:
            self._loop.remove_writer(fd)
        self._blocked.clear()

    # Receiving

    def _choose_reading(self) -> None:
        """Receive only what can be answered: not while the way out or the store is behind."""
        wanted = self._is_running and len(self._pending) < MAX_PENDING
        for endpoint in self._listeners.endpoints:
            if (wanted and endpoint.fd not in self._blocked) != (endpoint.fd in self._read):
                self._switch_reading(endpoint)

    def _switch_reading(self, endpoint: Endpoint) -> None:
        if endpoint.fd in self._read:
            self._read.remove(endpoint.fd)
            self._loop.remove_reader(endpoint.fd)
            return
        self._read.add(endpoint.fd)
        self._loop.add_reader(endpoint.fd, self._on_readable, endpoint)
        if endpoint.queued:
            self._work_soon(endpoint)

    def _on_readable(self, endpoint: Endpoint) -> None:
        now = time.monotonic()
        for _ in range(self._batches):
            more = endpoint.receive(self._inbox)
            try:
                self._engine.receive(self._inbox, now)
            except Exception as error:  # out of memory, say: the next batch may fare better
                self._engine.fault = error
            self._finish_turn()
            if not more or endpoint.fd not in self._read:
                break
        if endpoint.queued:
            self._work_soon(endpoint)
        self._arm_timer()

    def _work_soon(self, endpoint: Endpoint) -> None:
        """Have the endpoint's own work done, a share of it between any two looks at the sockets."""
        if endpoint.fd not in self._working:
            self._working.add(endpoint.fd)
            self._loop.call_soon(self._on_work, endpoint)

    def _on_work(self, endpoint: Endpoint) -> None:
        self._working.discard(endpoint.fd)
        if endpoint.fd not in self._read:
            return  # _choose_reading() comes back to it
        endpoint.work(self._inbox)
        try:
            self._engine.receive(self._inbox, time.monotonic())
        except Exception as error:
            self._engine.fault = error
        self._finish_turn()
        if endpoint.queued:
            self._work_soon(endpoint)
        self._arm_timer()

    def _finish_turn(self) -> None:
        output = self._engine.take_output()
        if not self._send(self._engine.outbox):
            self._wait_writable()
        if output is not None:
            self._finish_output(output)
        if self._engine.fault is not None:
            self._report_fault()

    def _report_fault(self) -> None:
        fault, self._engine.fault = self._engine.fault, None
        if fault is not None:
            self._faults.note(fault, "a request")

    def _finish_output(self, output: Output) -> None:
        events, contacts = list(output.events), list(output.contacts)
        # Each by itself: a turn that is lost here would be neither kept nor answered.
        if output.answers:
            self._deciding = output.turn
            self._faults.tell("answers of devices", self._resolve, output.answers)
            self._deciding = 0
        if output.reports and self._reports is not None:
            self._faults.tell("reports of devices", self._take_reports, output.reports, events)
        if output.turn:
            self._pending.append((output, events, contacts))
            self._committer.submit(output)
            self._choose_reading()
        elif self._pending:  # told in order: behind what is not yet kept
            self._pending[-1][1].extend(events)
            self._pending[-1][2].extend(contacts)
        else:
            self._tell(events, contacts)

    def _take_reports(self, reports: Reports, events: list[Event]) -> None:
        if self._reports is not None:
            events += self._reports(reports)

    def _wait_writable(self) -> None:
        """Take nothing more in where answers cannot leave."""
        for endpoint in self._listeners.endpoints:
            if endpoint.waiting and endpoint.fd not in self._blocked:
                self._blocked.add(endpoint.fd)
                self._loop.add_writer(endpoint.fd, self._on_writable, endpoint)
        self._choose_reading()

    def _on_writable(self, endpoint: Endpoint) -> None:
        if endpoint.flush_backlog():
            self._blocked.discard(endpoint.fd)
            self._loop.remove_writer(endpoint.fd)
            self._choose_reading()

    # Keeping, answering, telling

    def _done(self, turns: list[Output], error: StoreError | None) -> None:
        if error is not None:
            self._failed(turns, error)
            return
        self.commits += 1
        self._engine.committed(turns[-1].turn)
        for turn in turns:
            _, events, contacts = self._pending.popleft()
            if not self._send(turn.held):
                self._wait_writable()
            self._tell(events, contacts)
        while self._waiters and self._waiters[0][0] <= turns[-1].turn:
            self._end_wait(None)
        self._go_on(turns[-1].turn)
        if not self._send(self._engine.outbox):  # requests that waited for these turns
            self._wait_writable()
        self._choose_reading()
        self._arm_timer()

    def _failed(self, turns: list[Output], error: StoreError) -> None:
        """Undo every turn that is not kept, and tell the devices to come back later."""
        if not self._pending or self._pending[0][0] is not turns[0]:
            return  # undone together with an earlier one
        self.commits_failed += len(self._pending)
        self.store_problem = str(error)
        _log.error("the store failed; registrations are refused until it works", exc_info=error)
        self._engine.failed(self._pending[0][0].turn)
        heard: list[Contact] = []
        for turn, _, contacts in self._pending:
            if not self._send(turn.refusals()):
                self._wait_writable()
            # Who was heard was heard; only a Register that was refused is none.
            heard += [contact for contact in contacts if contact.kind != "registered"]
        reported = [
            event for _, events, _ in self._pending for event in events if event.kind in DATA
        ]
        self._pending.clear()
        while self._waiters:
            self._end_wait(error)
        if self._afterwards:
            self._go_on(self._afterwards[-1][0])
        self._choose_reading()
        self._engine.store_works = False
        self._committer.resume()
        self._finish_turn()  # requests that ended with what was undone
        self._tell(reported, heard)  # what needed no store, and has been answered
        self._probe_later()

    def _probe_later(self) -> None:
        if self._is_running:
            self._next_probe = self._loop.call_later(PROBE_S, self._probe)

    def _probe(self) -> None:
        self._probing = self._loop.create_task(self.keep(PROBE))
        self._probing.add_done_callback(self._probed)

    def _probed(self, asked: asyncio.Task[None]) -> None:
        if asked.cancelled():
            return
        if (error := asked.exception()) is not None:
            self.store_problem = str(error)
            self._probe_later()
            return
        _log.info("the store works again")
        self.store_problem = None
        self._engine.store_works = True
        self._choose_reading()
        self._arm_timer()

    async def keep(self, changes: bytes) -> None:
        """Bring changes to the store that no turn decided; StoreError when they are not kept.

        In the order of the calls, but not with or behind turns: nothing that devices are answered
        for may depend on them. Some 128 KiB at a time, for a turn may have to wait for them.
        """
        await self._committer.keep(changes)

    async def kept(self) -> None:
        """Wait until the store has everything decided so far; StoreError when it has refused."""
        if not self._pending:
            return
        kept: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((self._pending[-1][0].turn, kept))
        await kept

    def when_kept(self, then: Callable[[], None]) -> None:
        """Call `then` once the store has kept, or refused, all that is decided so far, this turn
        with it; at once when there is nothing to keep. Loop's thread only."""
        turn = self._deciding or (self._pending[-1][0].turn if self._pending else 0)
        if turn:
            self._afterwards.append((turn, then))
        else:
            then()

    def _go_on(self, turn: int) -> None:
        while self._afterwards and self._afterwards[0][0] <= turn:
            _, then = self._afterwards.popleft()
            self._faults.tell("who waits for a turn", then)

    def _end_wait(self, error: StoreError | None) -> None:
        _, kept = self._waiters.popleft()
        if kept.done():  # its caller has gone
            return
        if error is None:
            kept.set_result(None)
        else:
            kept.set_exception(StoreError(str(error)))

    def _tell(self, events: Sequence[Event], contacts: Contacts) -> None:
        if contacts:
            self._let_hear(self.contacts, contacts)
        self._let_hear(self._publish, events)

    def _let_hear(self, hear: Callable[[Any], None], what: Sequence[Any]) -> None:
        """A fault of who hears of a turn is ours alone: those behind it must be answered, too."""
        self._faults.tell("who hears of a turn", hear, what)

    def _publish(self, events: Sequence[Event]) -> None:
        if events:
            for sink in self._sinks:
                self._faults.tell("a sink", sink.publish, events)

    def publish(self, events: Sequence[Event]) -> None:
        """Tell what happened beside the turns, and is kept."""
        self._publish(events)

    def listen(self) -> None:
        """Make events exactly when a sink listens; call when that may have changed."""
        self._engine.tells = any(sink.listens for sink in self._sinks)

    # Time

    def now(self) -> float:
        """The moment to pass to the engine."""
        return time.monotonic()

    def act(self) -> None:
        """Finish what a call of our own side has left to do."""
        self._finish_turn()
        self._arm_timer()

    def nudge(self) -> None:
        """Have `work` done soon, once for all who ask, and then what is to leave sent.

        For whoever asks something of a device in the middle of a turn, where act() must not be.
        """
        if not self._is_nudged:
            self._is_nudged = True
            self._loop.call_soon(self._on_nudge)

    def _on_nudge(self) -> None:
        self._is_nudged = False
        if self._is_running:
            self._faults.tell("work", self.work)
            self.act()

    def _on_tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_S, self._on_tick)
        self._faults.tell("a tick", self.tick)
        self.nudge()

    def _arm_timer(self) -> None:
        if not self._is_running:  # what is kept last must not wake what has been stopped
            return
        due = self._engine.next_timer()
        if self._is_timed:
            soonest = self._listeners.next_timer()
            due = soonest if soonest < due else due
        if due >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_later(max(0.0, due - time.monotonic()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer_at = float("inf")
        now = time.monotonic()
        self._listeners.handle_timer(now)
        self._engine.handle_timer(now)
        self._finish_turn()
        self._arm_timer()

    def _watch_wall_clock(self) -> None:
        self._engine.set_wall_clock(time.monotonic(), time.time())
        self._wall_clock = self._loop.call_later(WALL_CLOCK_S, self._watch_wall_clock)

    def counters(self) -> dict[str, int]:
        return {
            "commits": self.commits,
            "commits_failed": self.commits_failed,
            "internal_faults": self._faults.count,
            "commits_waiting": len(self._pending),
        }
