"""The queue at work: whose turn it is, and what wakes it.

Here the queue's decisions (core/pending), the contacts of devices and the clock meet. What may be
kept waiting is kept waiting here: a sleeping device, a silent one, a store that is full. Knows no
HTTP, not what an order means, and not how one is sent (delivery.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Protocol

from lwm2m_fast.config import QueueConfig
from lwm2m_fast.core.ask import Contact
from lwm2m_fast.core.operation import PENDING_ROWS, Operation, pending_key
from lwm2m_fast.errors import StoreError
from lwm2m_fast.faults import Faults
from lwm2m_fast.queue.calls import Clock
from lwm2m_fast.queue.delivery import Delivery, Tell
from lwm2m_fast.queue.durable import Done, Keeper
from lwm2m_fast.queue.operation_ids import OperationIds
from lwm2m_fast.queue.reach import Reach
from lwm2m_fast.queue.stored_lines import load_lines
from lwm2m_fast.store.base import FleetChange, FleetStore

SLICE = 64
"""Devices looked at in one go, when many have become ready at once."""


class Engine(Protocol):
    """The part of core/engine that says whose contacts are told."""

    hears_registers: bool

    def watch(self, endpoint: str, on: bool) -> None: ...


class First(Protocol):
    """What a device gets before its line (reestablish.py)."""

    def load(self) -> list[str]:
        """Whose turn it was when the process before ended."""

    def registered(self, endpoint: str) -> None:
        """A full Register: begin anew."""

    def send(self, endpoint: str) -> bool:
        """Send the next of it; False when there is nothing left."""

    def waits(self, endpoint: str) -> bool: ...


class Dispatch:
    """The lines of all devices, moving. Loop's thread only; `nudge` asks for run() soon."""

    def __init__(
        self,
        config: QueueConfig,
        engine: Engine,
        delivery: Delivery,
        keeper: Keeper,
        ids: OperationIds,
        reach: Reach,
        clock: Clock,
        first: First,
        tell: Tell,
        nudge: Callable[[], None],
        faults: Faults,
    ) -> None:
        self._faults = faults
        self._config, self._engine, self._keeper, self._reach = config, engine, keeper, reach
        self._ids, self._clock, self._first, self._tell, self._nudge = (
            ids,
            clock,
            first,
            tell,
            nudge,
        )
        self.delivery, self.pending = delivery, delivery.pending
        delivery.go_on = self.kick
        self._ready: deque[str] = deque()
        self.registered: Callable[[str], None] | None = None
        """Called at each full Register of a device, before it gets anything."""

    # Joining the queue

    def enqueue(self, operations: Sequence[Operation], done: Done) -> None:
        """Keep `operations`, whose places are reserved; then let them go their way. With an error,
        none of them is kept or queued. All are of one device."""
        rows = rows_of(operations)
        if self._goes_at_once(operations[0].endpoint):
            rows[0] = self.delivery.mark(operations[0])
        self.keep(rows, partial(self._enqueued, operations, done))

    def _goes_at_once(self, endpoint: str) -> bool:
        """Whether what is queued first for this device is sent as soon as it is kept."""
        if self._has_work(endpoint) or self.pending.is_busy(endpoint):
            return False
        heard_at = self._reach.heard_at(endpoint)
        return heard_at is not None and self._reach.listens(endpoint, heard_at)

    def keep(self, rows: Sequence[FleetChange], done: Done) -> None:
        """The first half of enqueue(): whoever has many operations takes both in slices."""
        self._ids.given(self.pending.next_id)
        self._keeper.keep(rows, done)

    def _enqueued(
        self, operations: Sequence[Operation], done: Done, error: StoreError | None
    ) -> None:
        self.join(operations, error, partial(done, error))
        self.delivery.unmark(operations[0].endpoint)

    def join(
        self,
        operations: Sequence[Operation],
        error: StoreError | None,
        joined: Callable[[], None] = lambda: None,
    ) -> None:
        """The second half: the rows of `operations` are kept, or they are not. `joined` is called
        before any of them is sent."""
        for operation in operations:
            self.pending.release(operation.endpoint, 1)
            if error is None:
                self.delivery.join(operation)
        if error is None:
            self.hear()
            for operation in operations:
                self._tell(operation)
        joined()
        self.ready(dict.fromkeys(operation.endpoint for operation in operations))

    def load(self, fleet: FleetStore) -> int:
        """Take up the stored operations at a start; how many rows could not be used."""
        unusable = load_lines(fleet.scan(PENDING_ROWS), self.pending)
        self.hear()
        self.ready(dict.fromkeys([*self._first.load(), *self.pending.endpoints()]))
        return unusable

    # What wakes it

    def contacts(self, contacts: Sequence[Contact]) -> None:
        """Devices were heard: what waits for that may go, if they listen."""
        for contact in contacts:
            self._faults.tell("a contact", self._heard, contact)

    def _heard(self, contact: Contact) -> None:
        if contact.kind == "registered":
            self._registered(contact.endpoint)
        self.pending.heard(contact.endpoint)
        self.kick(contact.endpoint)

    def _registered(self, endpoint: str) -> None:
        try:
            self._first.registered(endpoint)
            if self.registered is not None:
                self.registered(endpoint)
        except Exception as error:  # what waits for it goes all the same
            self._faults.note(error, "a Register")

    def ready(self, endpoints: Collection[str]) -> None:
        """Look at these devices: one at once, of many a slice at a time."""
        if len(endpoints) == 1:
            self.kick(*endpoints)
        elif endpoints:
            self._ready.extend(endpoints)
            self._nudge()

    def run(self) -> None:
        """Look at some of those that are ready; ask for another run when there are more."""
        for _ in range(min(SLICE, len(self._ready))):
            self._faults.tell("a device that is ready", self.kick, self._ready.popleft())
        if self._ready:
            self._nudge()

    def tick(self) -> None:
        """Once a second: what has expired, what hangs, and what found no room before."""
        now, later = self._clock.wall(), self.delivery.later
        self.delivery.expire(now)
        self.delivery.sweep(now - self._config.stale_after_s)
        if later and self._keeper.problem is None:
            again = list(later)
            later.clear()
            self.ready(again)
        self.hear()

    # Whose turn it is

    def kick(self, endpoint: str) -> None:
        """Send the device what is next, if it is to get anything now."""
        try:
            self._look_at(endpoint)
        except Exception as error:  # behind it are others, or a transaction's other ends
            self._faults.note(error, "a device's turn")

    def _look_at(self, endpoint: str) -> None:
        heard_at = self._reach.heard_at(endpoint)
        if heard_at is None:  # not registered: its Register is a contact
            return
        may_send = self._has_work(endpoint) and self._may_send(endpoint, heard_at)
        if may_send and not self._first.send(endpoint):
            self._send_line(endpoint)
        # Be told of each contact of a device exactly as long as something waits for it.
        self._engine.watch(endpoint, self._has_work(endpoint))

    def _has_work(self, endpoint: str) -> bool:
        return self.pending.waits(endpoint) or self._first.waits(endpoint)

    def _may_send(self, endpoint: str, heard_at: float) -> bool:
        if self.pending.is_busy(endpoint) or self.pending.is_held(endpoint):
            return False
        if self._keeper.problem is not None:  # what it answers could not be kept
            self.delivery.later.add(endpoint)
            return False
        return self._reach.listens(endpoint, heard_at)

    def _send_line(self, endpoint: str) -> None:
        while (operation_id := self.pending.due(endpoint)) is not None:
            if not self.delivery.send(endpoint, operation_id):
                break

    def hear(self) -> None:
        """Be told of full Registers as long as that of any device may matter."""
        self._engine.hears_registers = len(self.pending) > 0 or self.registered is not None

    def counters(self) -> dict[str, Any]:
        return {**self.pending.counters(), **self.delivery.counters()}


def rows_of(operations: Sequence[Operation]) -> list[FleetChange]:
    """What keeps them."""
    return [(PENDING_ROWS, pending_key(o.endpoint, o.id), o.as_row()) for o in operations]
