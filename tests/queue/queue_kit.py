"""The operations over the real core and a link in memory, in lock step.

The fleet store is a memory one behind a keeper that keeps at once, unless told to hold or to fail.
A test moves the clock and lets devices speak; nothing happens by itself.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "scenario"))

from scripted import Device, Heard, World

from lwm2m_fast.config import QueueConfig
from lwm2m_fast.core.ask import Contact
from lwm2m_fast.core.engine import Output
from lwm2m_fast.core.events import Event
from lwm2m_fast.core.operations import Result, Target
from lwm2m_fast.core.orders import Order, parse_order
from lwm2m_fast.errors import StoreError
from lwm2m_fast.faults import Faults
from lwm2m_fast.fleet.settings import UNSET, Settings, changed
from lwm2m_fast.fleet.tenants import MANAGEMENT
from lwm2m_fast.model import Model, built_in
from lwm2m_fast.queue.calls import Clock
from lwm2m_fast.queue.durable import Done
from lwm2m_fast.queue.operating import Operating, Surroundings
from lwm2m_fast.store.base import FleetChange
from lwm2m_fast.store.memory import MemoryFleet
from lwm2m_fast.targets import Targets
from tests.raising_faults import RaisingFaults

MODEL = Model(built_in())


class Keeper:
    """Keeps rows at once; or later, when it `holds`; or refuses them, when it has a `problem`."""

    def __init__(self, fleet: MemoryFleet) -> None:
        self.fleet = fleet
        self.problem: str | None = None
        self.holds = False
        self.held: deque[tuple[list[FleetChange], Done | None, bool]] = deque()
        self.calls = 0

    def keep(
        self, changes: Sequence[FleetChange], done: Done | None = None, *, must: bool = False
    ) -> None:
        self.calls += 1
        self.held.append((list(changes), done, must))
        if not self.holds:
            self.release()

    def release(self) -> None:
        """Keep, or refuse, what was held."""
        self.holds = False
        again = []
        while self.held:
            changes, done, must = self.held.popleft()
            if self.problem is None:
                self.fleet.apply(changes)
                error = None
            elif must:
                again.append((changes, done, must))
                continue
            else:
                error = StoreError(self.problem)
            if done is not None:
                done(error)
        self.held.extend(again)


class SettingsTable:
    """Settings by endpoint name, as the API names them."""

    def __init__(self) -> None:
        self.rows: dict[str, Settings] = {}
        self.levels: dict[str, str] = {}

    @property
    def own(self) -> dict[str, Settings]:
        return self.rows

    def get(self, endpoint: str) -> Settings:
        return self.rows.get(endpoint, UNSET)

    def set(self, endpoint: str, **given: Any) -> None:
        settings = self.rows[endpoint] = changed(self.get(endpoint), given)
        self.levels[endpoint] = settings.log_level or "LIFECYCLE"


class Ear:
    """Notes what devices answered, as values.py would."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, bool]] = []

    def answered(self, target: Target, order: Order, result: Result, at: float) -> None:
        self.heard.append((target.endpoint, order.op, result.ok))

    def read(
        self, endpoints: list[str], orders: list[Order], results: list[Result], at: float
    ) -> None:
        done = zip(endpoints, orders, results, strict=True)
        self.heard += [(endpoint, order.op, result.ok) for endpoint, order, result in done]


class QueueWorld(World):
    """A World whose answers and contacts go to the operations."""

    def __init__(
        self,
        rows: dict[tuple[int, bytes], bytes] | None = None,
        *,
        fleet: MemoryFleet | None = None,
        settings: SettingsTable | None = None,
        queue: dict[str, Any] | None = None,
        profiles: Any = None,
        faults: Faults | None = None,
        **parts: Any,
    ) -> None:
        self.operating: Operating | None = None
        super().__init__(rows, **parts)
        self.fleet = fleet or MemoryFleet()
        self.keeper = Keeper(self.fleet)
        self.settings = settings or SettingsTable()
        self.ear = Ear()
        self.told: list[Event] = []
        self.faults = faults or RaisingFaults()
        self.nudged = False
        self.files: dict[str, bytes] = {}
        self.owners: dict[str, str] = {}
        """Tenants by endpoint name, where it is not the one that runs the server."""
        self.owner_of: Callable[[str], str] = lambda name: self.owners.get(name, MANAGEMENT)
        clock = Clock(lambda: self.now, lambda: self.now + self.wall)
        self.queue_config = QueueConfig(**(queue or {}))
        self.operating = Operating(
            self.queue_config,
            Surroundings(
                self.engine,
                self.fleet,
                self.keeper,
                self.settings,
                Targets(self.engine, MODEL, self.settings),
                [self.ear],
                lambda name, tenant: self.files[
                    name if tenant == MANAGEMENT else f"{tenant}/{name}"
                ],
                clock,
                self.told.extend,
                self._nudge,
                self._owner,
                profiles,
                self.faults,
            ),
        )
        self.desk, self.direct = self.operating.desk, self.operating.direct
        self.finish_turn()

    def restarted(self, after_s: float = 0.0, **parts: Any) -> QueueWorld:
        """Another process over the same rows, the fleet's included."""
        return QueueWorld(
            self.rows,
            now=500.0,
            wall=self.now + self.wall + after_s,
            seed=(3, 4),
            fleet=self.fleet,
            settings=self.settings,
            **parts,
        )

    def _nudge(self) -> None:
        self.nudged = True

    def _owner(self, endpoint: str) -> str:
        return self.owner_of(endpoint)

    def finish_turn(self) -> None:
        while True:
            output = self.engine.take_output()
            self._deliver(self.engine.outbox.drain())
            assert self.engine.fault is None, self.engine.fault
            if output is not None:
                self._finish_output(output)
            if output is None and not self.nudged:
                return
            if self.nudged and self.operating is not None:
                self.nudged = False
                self.operating.run()

    def _finish_output(self, output: Output) -> None:
        if self.operating is not None:
            self.operating.resolve(output.answers)
        if not output.turn:
            self.events += output.events
            self._tell(output.events)
            self._contacts(output.contacts)
            return
        self.waiting.append(output)
        if self.commits_by_itself:
            self.commit()

    def commit_one(self) -> None:
        events, contacts = self.waiting[0].events, self.waiting[0].contacts
        super().commit_one()
        self._tell(events)
        self._contacts(contacts)

    def _tell(self, events: Sequence[Event]) -> None:
        if self.operating is not None:
            self.operating.wakefulness.publish(events)

    def _contacts(self, contacts: Sequence[Contact]) -> None:
        if self.operating is not None:
            self.operating.contacts(contacts)

    def tick(self) -> None:
        """The second's tick."""
        assert self.operating is not None
        self.operating.tick()
        self.finish_turn()

    def at(self, moment: float) -> QueueWorld:
        super().at(moment)
        return self

    # What callers do

    def submit(self, endpoint: str, *orders: dict[str, Any] | str, **terms: Any) -> list[int]:
        """The ids of operations that were submitted; a path alone is a read of it."""
        parsed = [
            parse_order({"op": "read", "path": o} if isinstance(o, str) else o) for o in orders
        ]
        shown = self.do(self.desk.submit(endpoint, parsed, **terms))
        return [each["id"] for each in shown]

    def do(self, coroutine: Any) -> Any:
        """Run what does not wait for a device."""

        async def done() -> Any:
            async with asyncio.timeout(10):
                return await coroutine

        try:
            return asyncio.run(done())
        finally:
            self.finish_turn()

    def state(self, endpoint: str, operation_id: int) -> str:
        return self.shown_operation(endpoint, operation_id)["state"]

    def shown_operation(self, endpoint: str, operation_id: int) -> dict[str, Any]:
        found = self.desk.operation(endpoint, operation_id)
        assert found is not None, f"{endpoint} has no operation {operation_id}"
        return found

    def states(self, endpoint: str) -> list[tuple[int, str]]:
        """All operations, newest first."""
        return [(o["id"], o["state"]) for o in self.desk.operations(endpoint)]

    def settings_changed(self, endpoint: str, **given: Any) -> None:
        self.settings.set(endpoint, **given)
        assert self.operating is not None
        self.operating.settings_changed(endpoint)
        self.finish_turn()


def path_of(heard: Heard) -> str:
    """The Uri-Path of a request."""
    return "/" + b"/".join(heard.path).decode()


def registered(**parts: Any) -> tuple[QueueWorld, Any]:
    """A world and its one device, which has registered for a day."""
    world = QueueWorld(**parts)
    device = world.device()
    device.register(lifetime=86400)
    return world, device


def asked(device: Device) -> str:
    """The path of the one request that the device has heard; it is not answered."""
    heard = device.hear()
    device.hear_nothing()
    return path_of(heard)


def answer_next(device: Device, code: str = "2.05", value: bytes = b"7") -> str:
    """Answer the one request that the device has heard, in plain text; its path."""
    heard = device.hear()
    options = [(12, b"")] if code == "2.05" else []
    device.answer(heard, code, options=options, payload=value if code == "2.05" else b"")
    return path_of(heard)


def answer_all(device: Device) -> list[str]:
    """Answer one request after the other until none comes any more; their paths."""
    paths = []
    while device.inbox:
        paths.append(answer_next(device))
    return paths
