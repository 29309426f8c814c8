"""The operations' parts, put together: from the engine's answers and contacts to what callers see.

Owns no loop and no thread: who drives it calls resolve(), contacts(), run() and tick(), and is
asked through `nudge` for a run() soon. Built the same for a server and for a test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from typing import Protocol

from lwm2m_fast.config import QueueConfig
from lwm2m_fast.core.ask import AnsweredTuple, Contact
from lwm2m_fast.core.events import Event
from lwm2m_fast.core.operation import Operation
from lwm2m_fast.core.orders import Order
from lwm2m_fast.core.pending import Pending
from lwm2m_fast.core.shell import parse_shell
from lwm2m_fast.errors import RequestError
from lwm2m_fast.faults import Faults
from lwm2m_fast.queue import calls, dispatch, profile_observing, reach, reestablish
from lwm2m_fast.queue.batches import Batches
from lwm2m_fast.queue.calls import Calls, Clock, Hears, Targets
from lwm2m_fast.queue.delivery import Delivery
from lwm2m_fast.queue.desk import Desk
from lwm2m_fast.queue.direct import Direct
from lwm2m_fast.queue.dispatch import Dispatch
from lwm2m_fast.queue.durable import Done, Keeper
from lwm2m_fast.queue.history import History
from lwm2m_fast.queue.kept_attributes import KeptAttributes
from lwm2m_fast.queue.operation_ids import OperationIds
from lwm2m_fast.queue.ownership import Ownership, managements
from lwm2m_fast.queue.plain_reads import PlainReads
from lwm2m_fast.queue.post_registration import PostRegistration
from lwm2m_fast.queue.profile_observing import ProfileObserving, Profiles
from lwm2m_fast.queue.reach import Reach, SettingsSource
from lwm2m_fast.queue.reestablish import Reestablish
from lwm2m_fast.queue.traffic import HasLevels, Traffic
from lwm2m_fast.queue.wakefulness import Wakefulness
from lwm2m_fast.store.base import FleetStore


class Engine(
    calls.Engine,
    dispatch.Engine,
    reach.Engine,
    reestablish.Engine,
    profile_observing.Engine,
    Protocol,
):
    """Everything that the operations need of core/engine."""

    tells: bool


class Settings(SettingsSource, HasLevels, Protocol):
    """Everything that they need of device_settings.py."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the operations are put into."""

    engine: Engine
    fleet: FleetStore
    keeper: Keeper
    settings: Settings
    targets: Targets
    hears: Sequence[Hears]
    """Who else wants to know what devices answer."""
    open_file: Callable[[str, str], bytes | mmap]
    """Of an uploaded file's name and tenant."""
    clock: Clock
    publish: Callable[[Sequence[Event]], None]
    nudge: Callable[[], None]
    owner: Callable[[str], str] = managements
    """Whose a device is."""
    profiles: Profiles | None = None
    faults: Faults = field(default_factory=Faults)
    when_kept: Callable[[Callable[[], None]], None] = calls.at_once
    """Calls what it is given once the engine's turn is kept."""


class Operating:
    """Every operation of every device. Loop's thread only."""

    def __init__(self, config: QueueConfig, around: Surroundings) -> None:
        self._engine, self._publish, self._faults = around.engine, around.publish, around.faults
        ownership = self._ownership = Ownership(around.owner)
        ids = OperationIds(around.fleet, around.keeper)
        pending = Pending(config.max_operations_per_device, config.max_operations, ids.first)
        self.reach = Reach(config, around.engine, around.settings, around.clock)
        attributes = self._attributes = KeptAttributes(around.fleet, around.keeper)
        hears = [attributes, *around.hears]
        traffic = Traffic(
            around.engine,
            around.settings,
            around.clock,
            self._hand_on,
            owner=ownership.tenant,
        )
        self.calls = Calls(
            around.engine,
            around.targets,
            hears,
            lambda endpoint, name: around.open_file(name, around.owner(endpoint)),
            around.clock,
            around.nudge,
            traffic,
            around.faults,
            around.when_kept,
        )
        reads = PlainReads(
            around.engine,
            around.targets,
            hears,
            around.clock,
            self.calls.answer,
            config.awake_time_ms,
            around.faults,
        )
        self._reads = reads
        delivery = Delivery(
            pending,
            History(around.fleet, config.history_per_device),
            around.keeper,
            self.calls,
            self.reach,
            around.clock,
            self._told,
            ownership,
            around.faults,
            config.max_attempts,
        )
        first = Reestablish(
            around.engine, pending, self.calls, attributes, self.reach, around.clock, around.faults
        )
        self.dispatch = Dispatch(
            config,
            around.engine,
            delivery,
            around.keeper,
            ids,
            self.reach,
            around.clock,
            first,
            self._told,
            around.nudge,
            around.faults,
        )
        first.go_on = self.dispatch.kick
        profiles = around.profiles
        own = None if profiles is None else ProfileObserving(profiles, around.engine)
        self.post_registration = PostRegistration(
            around.fleet,
            self.dispatch,
            parse_commands,
            config.post_registration_pending,
            around.clock.wall,
            around.owner,
            own,
        )
        batches = Batches(around.fleet, config.max_batches, delivery.current)
        self.desk = Desk(config, self.dispatch, self.reach, batches, around.clock, ownership)
        self.direct = Direct(self.calls, reads, self.reach, around.nudge)
        self.wakefulness = Wakefulness(self.reach, around.clock, self._hand_on)
        """To be put behind the sinks, so that a device has registered before it is awake."""
        self._counted = (
            self.dispatch, first, attributes, self.post_registration, self.wakefulness, traffic,
            *(() if own is None else (own,)),
        )  # fmt: skip
        self.unusable = self.dispatch.load(around.fleet)
        self.unusable += batches.unusable + self.post_registration.unusable
        """Stored operations, batches and lists that could not be read."""

    def resolve(self, answers: Sequence[AnsweredTuple]) -> None:
        """What came of requests, ours among them."""
        rest = self._reads.resolve(answers)
        if rest:
            self.calls.resolve(rest)

    def contacts(self, contacts: Sequence[Contact]) -> None:
        """Devices that were heard; once what they said is kept."""
        self.dispatch.contacts(contacts)

    def run(self) -> None:
        """What was asked for by `nudge`."""
        self.dispatch.run()

    def tick(self) -> None:
        """To be called once a second."""
        self.dispatch.tick()
        self.wakefulness.tick()

    def settings_changed(self, endpoint: str) -> None:
        """A device is treated differently from now on; its window may be open again."""
        self.dispatch.kick(endpoint)
        self.wakefulness.settings_changed(endpoint)

    def forget(self, endpoint: str, reason: str, kept: Done | None = None) -> None:
        """A device is gone for good: end what waits for it, and forget what would be done to the
        next one of its name. What has ended stays, for its owner. `kept` is told of each that it
        is kept as ended, or is not. StoreError."""
        try:
            self.desk.cancel_all(endpoint, reason, kept)
        finally:
            self._attributes.forget(endpoint)

    def disown(self, endpoint: str, reason: str, kept: Done | None = None) -> None:
        """The name has another owner, who may be asking it already: the same with what is of the
        one before. StoreError."""
        try:
            self.desk.cancel_all(endpoint, reason, kept, of_others=True)
        finally:
            self._attributes.forget(endpoint)

    def _told(self, operation: Operation) -> None:
        """Neither keeps the other from hearing of it, nor the device from its next operation."""
        self._faults.tell("who waits for an operation", self.desk.told, operation)
        self._faults.tell("an operation's event", self._tell, operation)

    def _tell(self, operation: Operation) -> None:
        if self._engine.tells and self._ownership.may_tell(operation):
            shown = operation.as_json()
            self._hand_on([Event("operation", operation.endpoint, operation.updated_at, shown)])

    def _hand_on(self, events: Sequence[Event]) -> None:
        self._faults.tell("who hears of operations", self._publish, events)

    def counters(self) -> dict[str, int]:
        return {name: n for part in self._counted for name, n in part.counters().items()}


def parse_commands(text: str) -> list[Order]:
    """The orders of shell commands; RequestError for a command that is no order to a device."""
    orders = []
    for line in parse_shell(text):
        if line.order is None:
            raise RequestError(f"{line.text[:80]!r} asks nothing of a device")
        orders.append(line.order)
    return orders
