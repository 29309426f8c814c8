"""The core with a store in a dict, links in memory, and a clock that is a number.

Does what turn.py does around an engine, in lock step; knows no socket and no loop.
"""

from __future__ import annotations

import hashlib
import ipaddress
import random
from collections import deque
from collections.abc import Iterator
from typing import Any

from lwm2m_fast.config import Config
from lwm2m_fast.core.ask import Answered, CoapRequest, Contact, Report
from lwm2m_fast.core.engine import Engine, Output
from lwm2m_fast.core.events import Event
from lwm2m_fast.datagram import Inbox
from tests.scenario.scripted_device import Device
from tests.scenario.scripted_messages import GET

START = 10_000.0
UNIX = 1_700_000_000.0
REGISTRATIONS, CONTACTS, OBSERVATIONS = 1, 2, 3


PSK, X509 = 1, 2


def principal_of(identity: str, kind: int = PSK) -> bytes:
    """The 16 bytes that stand for an identity."""
    return hashlib.sha256(bytes([kind]) + identity.encode()).digest()[:16]


class Chance:
    """Randomness that is the same every time; `always` makes every byte this one."""

    def __init__(self, always: int | None = None, seed: int = 1) -> None:
        self._always, self._rng = always, random.Random(seed)

    def __call__(self, count: int) -> bytes:
        if self._always is not None:
            return bytes([self._always]) * count
        return self._rng.randbytes(count)


class World:
    """The core with a store that keeps rows in a dict, and the link to every device.

    Turns are committed at once unless `commits_by_itself` is False: then commit() and refuse()
    decide. `now` moves only by at() and after().
    """

    def __init__(
        self,
        rows: dict[tuple[int, bytes], bytes] | None = None,
        *,
        now: float = START,
        wall: float = UNIX,
        chance: Chance | None = None,
        seed: tuple[int, int] = (1, 2),
        shard: int = 0,
        policy: str = "open",
        coap: dict[str, Any] | None = None,
        reporting: dict[str, Any] | None = None,
        dtls: dict[str, Any] | None = None,
        serves: str = "registration",
        **registration: Any,
    ) -> None:
        self.config = Config(
            coap=coap or {},
            registration={"policy": policy, **registration},
            reporting=reporting or {},
            dtls=dtls or {},
            shard=shard,
        )
        self.now = now
        self.wall = wall - now
        self.engine = Engine(self.config, seed, chance or Chance(), now, wall, serves)
        self.engine.tells = self.engine.wants_reports = True
        self.rows = {} if rows is None else dict(rows)
        self.passed_over = 0
        self.commits_by_itself = True
        self.waiting: deque[Output] = deque()
        self.events: list[Event] = []
        self.answers: list[Answered] = []
        self.reports: list[Report] = []
        self.contacts: list[Contact] = []
        self.devices: dict[str, Device] = {}
        self._inbox = Inbox()
        if rows is not None:
            self._load()

    def _load(self) -> None:
        self.engine.begin_load()
        for table in (REGISTRATIONS, CONTACTS, OBSERVATIONS):
            for (of, key), value in self.rows.items():
                if of == table and not self.engine.load(table, key, value, self.now):
                    self.passed_over += 1
        self.engine.finish_load()

    def restarted(self, after_s: float = 0.0, **settings: Any) -> World:
        """Another process over the same rows; its monotonic clock starts anew."""
        wall = self.now + self.wall + after_s
        return World(self.rows, now=500.0, wall=wall, seed=(3, 4), **settings)

    def device(self, address: str = "192.0.2.1:5683") -> Device:
        if address not in self.devices:
            self.devices[address] = Device(self, address)
        return self.devices[address]

    def secure(
        self, identity: str = "id-1", *names: str, kind: int = PSK, said: bool = True
    ) -> Device:
        """An authenticated peer that may speak for `names`, by default "dev-1".

        In core/ it is the address that it always has. `said` False: the listener has not said yet
        that it is there, or has said that it is gone.
        """
        principal = principal_of(identity, kind)
        if said:
            self.engine.secure_peer(principal, kind, names or ("dev-1",))
        return self.device(f"[{ipaddress.IPv6Address(principal)}]:0")

    # What comes in

    def receive(self, *datagrams: tuple[str, bytes]) -> None:
        """One batch."""
        self._inbox.load(list(datagrams))
        self.engine.receive(self._inbox, self.now)
        self.finish_turn()

    def at(self, moment: float) -> World:
        """Let time pass until `moment`, every timer in its order."""
        steps = 0
        while (due := self.engine.next_timer()) <= moment:
            steps += 1
            assert steps < 100_000, f"a timer that is due at {due} never goes away"
            self.now = max(self.now, due)
            self.engine.handle_timer(self.now)
            self.finish_turn()
        self.now = moment
        self.engine.handle_timer(moment)
        self.finish_turn()
        return self

    def after(self, seconds: float) -> World:
        return self.at(self.now + seconds)

    def read(
        self, endpoint: str, *path: int, accept: int | None = None, timeout_s: float = 300.0
    ) -> int:
        segments = tuple(b"%d" % number for number in path)
        return self.start(endpoint, CoapRequest(GET, segments, accept=accept), timeout_s)

    def start(self, endpoint: str, request: CoapRequest, timeout_s: float = 300.0) -> int:
        call = self.engine.start(endpoint, request, timeout_s, self.now)
        self.finish_turn()
        return call

    def cancel(self, call: int) -> None:
        self.engine.cancel(call, self.now)
        self.finish_turn()

    def observe(
        self,
        endpoint: str = "dev-1",
        path: str = "3303/0/5700",
        *,
        request: CoapRequest | None = None,
        context: bytes | None = None,
        timeout_s: float = 300.0,
    ) -> int:
        """Order an Observe; its context is the path unless one is given."""
        segments = tuple(part.encode() for part in path.split("/") if part)
        request = request or CoapRequest(GET, segments)
        context = path.encode() if context is None else context
        call = self.engine.observe(endpoint, request, context, timeout_s, self.now)
        self.finish_turn()
        return call

    def unobserve(self, number: int, active: bool = False, timeout_s: float = 300.0) -> int | None:
        call = self.engine.unobserve(number, active, timeout_s, self.now)
        self.finish_turn()
        return call

    def deregister(self, endpoint: str) -> None:
        self.engine.deregister(endpoint, self.now)
        self.finish_turn()

    # What a turn leaves to do

    def finish_turn(self) -> None:
        output = self.engine.take_output()
        self._deliver(self.engine.outbox.drain())
        assert self.engine.fault is None, self.engine.fault
        if output is None:
            return
        self.answers += map(Answered._make, output.answers)
        self.reports += map(Report._make, output.reports)
        if not output.turn:
            self.events += output.events
            self.contacts += output.contacts
            return
        self.waiting.append(output)
        if self.commits_by_itself:
            self.commit()

    def commit(self) -> None:
        """The store keeps all that waits."""
        while self.waiting:
            self.commit_one()

    def commit_one(self) -> None:
        """The store keeps the oldest turn that waits."""
        output = self.waiting.popleft()
        for op, table, key, value in changes_in(output.changes):
            if op == 1:
                self.rows[table, key] = value
            else:
                self.rows.pop((table, key), None)
        self.engine.committed(output.turn)
        self._deliver(output.held.drain())
        self.events += output.events
        self.contacts += output.contacts
        self._deliver(self.engine.outbox.drain())

    def refuse(self) -> None:
        """The store keeps nothing of what waits; as turn.py does it."""
        self.engine.failed(self.waiting[0].turn)
        for output in self.waiting:
            self._deliver(output.refusals().drain())
        self.waiting.clear()
        self.finish_turn()

    def _deliver(self, datagrams: list[tuple[str, bytes]]) -> None:
        for address, data in datagrams:
            self.device(address).inbox.append((self.now, data))

    # What can be seen

    def shown(self, endpoint: str) -> dict[str, Any]:
        found = self.engine.device(endpoint)
        assert found is not None, f"{endpoint} is not registered"
        return found

    def count(self, name: str) -> int:
        return self.engine.counters()[name]

    def kinds(self) -> list[tuple[str, str]]:
        """The events so far, taken."""
        kinds = [(event.kind, event.endpoint) for event in self.events]
        self.events.clear()
        return kinds

    def states(self, endpoint: str = "dev-1") -> dict[bytes, str]:
        """The state of each observation, by its context."""
        return {o["context"]: o["state"] for o in self.engine.observations(endpoint)}

    def told(self) -> list[bytes]:
        """The payloads that were reported so far, taken."""
        payloads = [report.payload for report in self.reports]
        self.reports.clear()
        return payloads

    def outcomes(self) -> list[tuple[int, str]]:
        """How our requests ended so far, taken."""
        ended = [(answer.call, answer.outcome) for answer in self.answers]
        self.answers.clear()
        return ended


def changes_in(blob: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """(op, table, key, value) of a turn's changes (store/base.py)."""
    at = 0
    while at < len(blob):
        op, table = blob[at], blob[at + 1]
        key_size = int.from_bytes(blob[at + 2 : at + 4], "big")
        value_size = int.from_bytes(blob[at + 4 : at + 8], "big")
        at += 8
        yield op, table, blob[at : at + key_size], blob[at + key_size : at + key_size + value_size]
        at += key_size + value_size
    assert at == len(blob)


def reachable(
    world: World | None = None, name: str = "dev-1", address: str = "192.0.2.1:5683"
) -> tuple[World, Device]:
    """A world and a device in it that has registered."""
    world = world or World()
    device = world.device(address)
    device.register(name, lifetime=86400)
    return world, device
