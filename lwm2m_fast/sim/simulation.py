"""One simulation from beginning to end: phases of a fleet over its sockets.

A phase says who asks for what, what it waits for, and for how long at most. The compiled loop
runs for a few hundredths of a second at a time; between two runs signals and progress have their
turn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lwm2m_fast.sim.answers import Naming, catalogue, sent
from lwm2m_fast.sim.blueprint import Blueprint
from lwm2m_fast.sim.bootstrap_stage import bootstrap, identify
from lwm2m_fast.sim.catalogue import Catalogue
from lwm2m_fast.sim.desk import Desk, Manners
from lwm2m_fast.sim.fleet import Fleet
from lwm2m_fast.sim.identities import Identify
from lwm2m_fast.sim.impairment import Impairment
from lwm2m_fast.sim.layer import Receiver
from lwm2m_fast.sim.misbehaviour import Misbehaviour, parse_misbehaviour
from lwm2m_fast.sim.objects import registration_links
from lwm2m_fast.sim.opening import open_transport, resolve
from lwm2m_fast.sim.operations import Operations
from lwm2m_fast.sim.options import LOAD_DURATION_S, Options
from lwm2m_fast.sim.report import DtlsReport, Measure, Report
from lwm2m_fast.sim.securing import build_dtls
from lwm2m_fast.sim.serving import Serving
from lwm2m_fast.sim.transport import Transport, now_ns
from lwm2m_fast.sim.ways import Ways
from lwm2m_fast.wire.coap import build

SLICE_S: Final = 0.05
SILENCE_S: Final = 93.0
"""MAX_TRANSMIT_WAIT (RFC 7252, section 4.8.2): a server silent for longer is not there."""
DRAIN_S: Final = 4.0
"""A retransmission or two for what is still under way at the end."""
LEAVE_S: Final = 10.0
EXCHANGE_LIFETIME_S: Final = 247
MESSAGE_IDS: Final = 65536

# Numbers of device.pxd and fleet.pxd.
NOBODY, REGISTER, UPDATE, DEREGISTER, PING, SEND = range(6)
NEW, REGISTERED, OUT, GONE = range(4)
NO_GOAL, SETTLED, QUIET, ALL_GONE = range(4)


@dataclass(frozen=True)
class Phase:
    """Who asks (`request` of devices in `states`), until when."""

    name: str
    request: int = NOBODY
    states: tuple[int, ...] = ()
    once: bool = False
    goal: int = NO_GOAL
    timers_rest: bool = False
    limit_s: float = math.inf
    is_ending: bool = False
    """Still run after the first request to stop."""


@dataclass(frozen=True)
class Snapshot:
    """How a simulation stands, a few times a second."""

    phase: str
    devices: int
    settled: int
    registered: int
    outstanding: int
    received: int
    notifications: int
    """Since the start; `sends` likewise."""
    sends: int
    seconds: float
    """Since the phase began."""


LOADS: Final = {
    "live": (NOBODY, ()),
    "register": (REGISTER, (NEW, REGISTERED, OUT)),
    "update": (UPDATE, (REGISTERED,)),
    "send": (SEND, (REGISTERED,)),
    "ping": (PING, (NEW, REGISTERED, OUT)),
}


def phases(options: Options) -> Iterator[Phase]:
    """What happens, in order."""
    registers = options.mode != "ping"
    if registers:
        yield Phase("registering", REGISTER, (NEW,), once=True, goal=SETTLED)
    request, states = LOADS[options.mode]
    limit = LOAD_DURATION_S if options.mode != "live" else math.inf
    limit = options.duration_s if options.duration_s is not None else limit
    yield Phase("running", request, states, limit_s=limit)
    yield Phase("ending", goal=QUIET, timers_rest=True, limit_s=DRAIN_S, is_ending=True)
    if registers and options.deregister:
        yield Phase(
            "leaving", DEREGISTER, (REGISTERED,), once=True, goal=ALL_GONE,
            timers_rest=True, limit_s=LEAVE_S, is_ending=True,
        )  # fmt: skip


def register_head(options: Options, naming: Naming) -> tuple[bytes, int]:
    """The Register of one device before its object list, and where its number stands in it."""
    name = naming.stand_in(0)
    query = [f"ep={name}", f"lt={options.lifetime_s}", f"lwm2m={options.version}"]
    query += _BINDINGS[options.sleep_s > 0, options.version > "1.0"]
    datagram = build(
        0,
        2,
        0,
        bytes(4),
        [(11, b"rd"), (12, 40), *((15, each.encode()) for each in query)],
    )
    at = datagram.index(f"ep={name}".encode()) + len(f"ep={naming.prefix}".encode())
    return datagram, at


# By queue mode and by whether the version tells it apart from the binding (OMA TS Core, 6.2.1.2).
_BINDINGS: Final = {
    (False, False): ["b=U"],
    (False, True): ["b=U"],
    (True, False): ["b=UQ"],
    (True, True): ["b=U", "Q"],
}


def build_fleet(options: Options, at_ns: int, started_at_s: int) -> Fleet:
    """The devices, none of them registered; `started_at_s` is Unix time at `at_ns`."""
    return build_devices(options, at_ns, started_at_s)[0]


def build_devices(options: Options, at_ns: int, started_at_s: int) -> tuple[Fleet, Desk]:
    """The same, with the desk that attends to them."""
    naming = Naming(options.prefix, options.digits)
    blueprint, answers = _alike(
        options.version, options.lifetime_s, options.sensors, naming, started_at_s
    )
    head, digits_at = register_head(options, naming)
    instances = [(each.id, each.version, each.instances) for each in blueprint.objects]
    keeps_alive = options.mode in ("live", "update", "send")
    sends = None
    if options.version > "1.0" and options.sensors > 0:
        sends = sent(blueprint.objects, options.send_samples, naming, started_at_s)
    fleet = Fleet(
        options.devices,
        Serving(answers),
        head,
        digits_at,
        options.digits,
        links=registration_links(instances, blueprint.offered).encode(),
        send_every_s=options.send_every_s,
        sends=sends,
        update_every_s=options.lifetime_s * options.update_at if keeps_alive else 0.0,
        first_number=options.first,
        now_ns=at_ns,
        seed=options.seed,
        ack_timeout_s=options.ack_timeout_s,
    )
    fleet.sleep_after(options.sleep_s)
    manners = Manners(
        options.block_bytes.bit_length() - 5,
        round(options.slow_s * 1e9),
        options.confirm_every,
        round(options.ack_timeout_s * 1e9),
    )
    desk = Desk(
        fleet,
        blueprint,
        Operations(blueprint, answers, naming, fleet.number),
        manners,
        Misbehaviour(parse_misbehaviour(options.misbehave), options.seed),
        notify_every_s=options.notify_every_s,
        started_at_s=started_at_s,
        seed=options.seed,
    )
    return fleet, desk


@lru_cache(maxsize=8)
def _alike(
    version: str, lifetime_s: int, sensors: int, naming: Naming, started_at_s: int
) -> tuple[Blueprint, Catalogue]:
    """What nothing ever changes, so that any number of fleets may share it."""
    blueprint = Blueprint(version, lifetime_s, sensors)
    return blueprint, catalogue(blueprint.objects, version, naming, started_at_s)


def build_ways(options: Options, above: Receiver) -> Ways | None:
    """The link beneath `above`; None for a perfect one."""
    if not (options.loss or options.delay_s or options.reorder):
        return None

    def way(seed: int) -> Impairment[tuple[int, bytes]]:
        return Impairment(seed, loss=options.loss, delay_s=options.delay_s, reorder=options.reorder)

    return Ways(above, way(options.seed + 1), way(options.seed + 2))


class Simulation:
    """A fleet and its sockets. `stop()` may be called from a signal handler."""

    def __init__(self, options: Options, watch: Callable[[Snapshot], None]) -> None:
        """Opens the sockets; ConfigError when that cannot be done. Sends nothing yet."""
        self._options, self._watch = options, watch
        self._stops = 0
        self._report = Report(options.devices, options.seed)
        if not options.bootstrap:
            self._open(options.server, None)

    def _open(self, server: str, who: Identify | None) -> None:
        """The devices and their sockets to this server; `who` they are where the options do not
        say it."""
        options = self._options
        self._transport: Transport = open_transport(
            resolve(server), options.devices, options.sockets, rebinds=options.rebind_s > 0
        )
        began = now_ns()
        self._fleet, self._desk = build_devices(options, began, int(time.time()))
        is_secure = server.startswith("coaps:")
        self._dtls = build_dtls(options, self._fleet, began, who) if is_secure else None
        if self._dtls is not None:
            self._transport.put_beneath(self._dtls)
        ways = build_ways(options, self._dtls or self._fleet)
        if ways is not None:
            self._transport.put_beneath(ways)
        if options.rebind_s:
            self._transport.rebind_every(options.devices, options.rebind_s, began, options.seed)

    def stop(self) -> None:
        """First: end in order, devices leave. Second: end at once."""
        self._stops += 1

    def run(self) -> Report:
        """Every phase in turn; then the sockets are closed. ConfigError as at the start, when the
        devices were told of a server that cannot be used."""
        if self._options.bootstrap and not self._bootstrap():
            return self._report
        try:
            for phase in phases(self._options):
                if self._stops == 0 or (self._stops == 1 and phase.is_ending):
                    self._run_phase(phase)
            if self._stops < 2 and self._options.deregister:
                self._close_sessions()
        finally:
            self._transport.close()
        self._conclude()
        return self._report

    def _bootstrap(self) -> bool:
        """Whether any device was told what to do next."""
        began = now_ns()

        def watch(done: int, received: int) -> None:
            seconds = (now_ns() - began) / 1e9
            devices = self._options.devices
            self._watch(Snapshot("bootstrap", devices, done, 0, 0, received, 0, 0, seconds))

        given, self._report.bootstrap = bootstrap(self._options, watch, lambda: self._stops > 0)
        if not given.server or self._stops:
            return False
        self._open(given.server, identify(given, self._options))
        for device in range(self._options.devices):
            if device not in given.identities:
                self._fleet.leave_out(device)
        return True

    def _close_sessions(self) -> None:
        while self._dtls is not None and self._dtls.close_some(now_ns()):
            self._transport.flush(self._dtls)

    def _operations(self) -> dict[str, int]:
        """What the desk and the sessions count."""
        counts = self._desk.counters()
        if self._dtls is not None:
            counts |= {f"dtls_{name}": n for name, n in self._dtls.counters().items()}
        return counts

    def _run_phase(self, phase: Phase) -> None:
        fleet, began = self._fleet, now_ns()
        fleet.quiet, fleet.goal = phase.timers_rest, phase.goal
        fleet.load(
            phase.request,
            phase.states,
            once=phase.once,
            outstanding=self._options.outstanding,
            rate=0.0 if phase.is_ending else self._options.rate,
            now_ns=began,
        )
        measure = Measure(fleet, self._operations, began)
        self._until_over(phase, began)
        self._report.phases.append(measure.finish(phase.name, now_ns()))
        self._report.registered = max(self._report.registered, fleet.registered)

    def _until_over(self, phase: Phase, began: int) -> None:
        fleet, stops = self._fleet, self._stops
        end = began + phase.limit_s * 1e9
        heard, heard_at = -1, began
        while self._stops == stops and not fleet.reached():
            now = now_ns()
            received = self._received()
            if received != heard:
                heard, heard_at = received, now
            silent = phase.goal == SETTLED and now - heard_at > SILENCE_S * 1e9
            if silent:
                self._report.notes.append(f"the server was silent for {SILENCE_S:.0f} s")
                self._stops = max(self._stops, 1)
            if silent or now >= end:
                return
            self._transport.run(fleet, min(SLICE_S, (end - now) / 1e9))
            self._watch(self._snapshot(phase, received, (now - began) / 1e9))

    def _received(self) -> int:
        """Datagrams of the server, whoever they were for."""
        secure = self._dtls.counters()["received"] if self._dtls is not None else 0
        return max(self._fleet.count_received(), secure)

    def _snapshot(self, phase: Phase, received: int, seconds: float) -> Snapshot:
        fleet = self._fleet
        return Snapshot(
            phase.name,
            fleet.size,
            fleet.settled,
            fleet.registered,
            fleet.outstanding,
            received,
            self._desk.counters().get("notifications", 0),
            fleet.count_started(SEND),
            seconds,
        )

    def _conclude(self) -> None:
        report, counters = self._report, self._fleet.counters()
        report.counters = {name: n for name, n in counters.items() if isinstance(n, int)}
        transport = self._transport
        report.counters |= {
            name: getattr(transport, name) for name in ("strangers", "lost", "rebound")
        }
        report.operations = self._operations()
        if self._dtls is not None:
            report.dtls = DtlsReport.of(self._dtls)
        rows = [row for phase in report.phases for row in phase.rows]
        if self._options.mode == "ping":
            answered = sum(row.answered for row in rows)
            report.complete = answered > 0 and not any(row.timeouts for row in rows)
        else:
            report.complete = report.registered == report.devices
        self._note_worn_message_ids()

    def _note_worn_message_ids(self) -> None:
        for phase in self._report.phases:
            window_s = min(phase.seconds, EXCHANGE_LIFETIME_S)
            for row in phase.rows:
                if row.started / phase.seconds * window_s > MESSAGE_IDS * self._report.devices:
                    self._report.notes.append(
                        f"{phase.name}: each device used its message ids up within "
                        f"{EXCHANGE_LIFETIME_S} s and a server may see duplicates: use more devices"
                    )
