"""Brings each waiting operation to its device, one at a time, and keeps what comes of it.

Here the queue's decisions (core/pending), the store's rows and the engine's calls meet. What may
be kept waiting is kept waiting here: a sleeping device, a silent one, a store that is full. Knows
no HTTP, and not what an order means.

    PENDING --sent--> EXECUTING --answered--> SUCCESSFUL or FAILED
       ^------------------'  nobody answered: until the next contact
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from lwm2m_fast.asking import Asking, Clock, Ended
from lwm2m_fast.config import QueueConfig
from lwm2m_fast.core.operation import (
    EXECUTING,
    FAILED,
    HISTORY_ROWS,
    PENDING,
    PENDING_ROWS,
    SUCCESSFUL,
    Operation,
    history_key,
    pending_key,
    read_head,
    read_key,
)
from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.core.pending import Pending
from lwm2m_fast.core.presence import Window, window_of
from lwm2m_fast.durable import Keeper
from lwm2m_fast.errors import FormatError, QueueFull, RequestError, StoreError, UnknownDevice
from lwm2m_fast.fleet.settings import Settings
from lwm2m_fast.history import History
from lwm2m_fast.store.base import MAX_VALUE_BYTES, FleetChange, FleetStore

SLICE = 64
"""Devices looked at in one go, when many have become ready at once."""

# Nobody answered, or nothing left: the operation waits for the device's next contact.
UNANSWERED = frozenset({"timeout", "no_response", "cancelled", "store"})


class Engine(Protocol):
    """The part of core/engine that says who can be reached."""

    def device(self, endpoint: str) -> dict[str, Any] | None: ...
    def heard_at(self, endpoint: str) -> float | None: ...
    def watch(self, endpoint: str, on: bool) -> None: ...


class HasSettings(Protocol):
    """device_settings.py"""

    def get(self, endpoint: str) -> Settings: ...


class First(Protocol):
    """What goes before a device's line (reestablish.py)."""

    def begin(self, endpoint: str) -> bool:
        """Send the next of it; False when there is nothing left."""
        ...

    def waits(self, endpoint: str) -> bool: ...


class Dispatch:
    """The queue at work. `tell` gets each operation whose state has changed, once that is kept.

    Loop's thread only. `nudge` asks for run() soon.
    """

    def __init__(
        self,
        config: QueueConfig,
        engine: Engine,
        fleet: FleetStore,
        keeper: Keeper,
        asking: Asking,
        settings: HasSettings,
        clock: Clock,
        tell: Callable[[Operation], None],
        nudge: Callable[[], None],
    ) -> None:
        self._config, self._engine, self._keeper = config, engine, keeper
        self._fleet, self._asking, self._settings = fleet, asking, settings
        self._clock, self._tell, self._nudge = clock, tell, nudge
        self.pending = Pending(config.max_operations_per_device, config.max_operations)
        self.history = History(fleet, config.history_per_device)
        self._calls: dict[str, tuple[Operation, int]] = {}
        self._ready: deque[str] = deque()
        self._later: set[str] = set()
        self.first: First | None = None
        """What a device gets before its line."""
        self.succeeded = self.failed = self.unanswered = 0

    # Joining the queue

    def enqueue(
        self, operations: Sequence[Operation], done: Callable[[StoreError | None], None]
    ) -> None:
        """Keep `operations`, whose places are reserved, then let them go their way; then `done`.

        With an error none of them is queued.
        """
        rows = [(PENDING_ROWS, pending_key(o.endpoint, o.id), o.as_row()) for o in operations]
        self._keeper.keep(rows, partial(self._enqueued, operations, done))

    def _enqueued(
        self,
        operations: Sequence[Operation],
        done: Callable[[StoreError | None], None],
        error: StoreError | None,
    ) -> None:
        for operation in operations:
            self.pending.release(operation.endpoint, 1)
            if error is None:
                self._join(operation)
                self._tell(operation)
        done(error)
        if error is None:
            self.ready(dict.fromkeys(operation.endpoint for operation in operations))

    def _join(self, operation: Operation) -> None:
        self.pending.add(
            operation.endpoint,
            operation.id,
            valid_until_ms=round((operation.valid_until or 0) * 1000),
            is_post_registration=operation.is_listed,
        )

    def load(self) -> int:
        """Take up the stored operations at a start; how many rows could not be used."""
        unusable = 0
        for key, value in self._fleet.scan(PENDING_ROWS):
            try:
                endpoint, operation_id = read_key(key, is_history=False)
                head = read_head(value)
            except FormatError:
                unusable += 1
                continue
            self.pending.load(
                endpoint,
                operation_id,
                valid_until_ms=head.valid_until_ms,
                is_post_registration=head.is_post_registration,
                is_tried=head.is_tried or head.state == EXECUTING,
            )
        self.ready(self.pending.endpoints())
        return unusable

    # Whose turn it is

    def ready(self, endpoints: Sequence[str] | dict[str, None]) -> None:
        """Look at these devices: one at once, of many a slice at a time."""
        if len(endpoints) == 1:
            self.kick(*endpoints)
        else:
            self._ready.extend(endpoints)
            self._nudge()

    def run(self) -> None:
        """Look at some of those that are ready; ask for another run when there are more."""
        for _ in range(min(SLICE, len(self._ready))):
            self.kick(self._ready.popleft())
        if self._ready:
            self._nudge()

    def heard(self, endpoint: str) -> None:
        """The device made contact: what waits for that may go, if it listens."""
        self.pending.heard(endpoint)
        self.kick(endpoint)

    def kick(self, endpoint: str) -> None:
        """Send the device what is next, if it is to get anything now."""
        if self.pending.is_busy(endpoint) or self.pending.is_held(endpoint):
            self._watch(endpoint)
            return
        if self._keeper.problem is not None:  # what it answers could not be kept
            self._later.add(endpoint)
            return
        if not self.listens(endpoint):
            self._watch(endpoint)
            return
        if self.first is not None and self.first.begin(endpoint):
            return
        while (operation_id := self.pending.due(endpoint)) is not None:
            if not self._send(endpoint, operation_id):
                break
        self._watch(endpoint)

    def _watch(self, endpoint: str) -> None:
        """Hear of each contact of a device exactly as long as something waits for it."""
        if self._engine.heard_at(endpoint) is not None:
            waits = self.pending.waits(endpoint)
            if self.first is not None:
                waits = waits or self.first.waits(endpoint)
            self._engine.watch(endpoint, waits)

    def window(self, endpoint: str) -> Window | None:
        """The awake window in force; None when the device is not registered."""
        device = self._engine.device(endpoint)
        if device is None:
            return None
        setting = self._settings.get(endpoint).awake_ms
        return window_of(setting, device["attributes"], self._config.awake_time_ms)

    def listens(self, endpoint: str) -> bool:
        """Registered, and inside its window."""
        heard_at = self._engine.heard_at(endpoint)
        window = None if heard_at is None else self.window(endpoint)
        return window is not None and window.is_awake(heard_at, self._clock.now())

    # Sending

    def _send(self, endpoint: str, operation_id: int) -> bool:
        """True when it has ended without being sent, so that the next one may go."""
        try:
            operation = self.history.waiting(endpoint, operation_id)
        except StoreError:
            self._later.add(endpoint)
            return False
        if operation is None:  # a row that nobody can read any more
            return self.pending.remove(endpoint, operation_id)
        if self._is_over(operation):
            self.end(operation, FAILED, reason="expired")
            return True
        return self._ask(operation)

    def _ask(self, operation: Operation) -> bool:
        endpoint, now = operation.endpoint, self._clock.wall()
        self.pending.start(endpoint, operation.id, now)
        try:
            order = parse_order(operation.order)
            asked = self._asking.ask(
                endpoint, order, self.timeout_s(operation), partial(self._ended, operation)
            )
        except (UnknownDevice, QueueFull, StoreError):  # gone, or no room just now
            self.pending.pause(endpoint)
            self._later.add(endpoint)
            return False
        except RequestError as error:
            self.end(operation, FAILED, {"error": str(error)}, "refused")
            return True
        operation.state, operation.started_at, operation.updated_at = EXECUTING, now, now
        operation.attempts += 1
        operation.reason = None
        if isinstance(asked, Ended):
            self._settle(operation, asked)
            return True
        self._calls[endpoint] = (operation, asked)
        self._keep(operation)
        self._tell(operation)
        return False

    def timeout_s(self, operation: Operation) -> float:
        """Its own, else the device's, else the server's."""
        if operation.timeout_s is not None:
            return operation.timeout_s
        setting = self._settings.get(operation.endpoint).request_timeout_ms
        return self._config.request_timeout_s if setting is None else setting / 1000.0

    # What comes of it

    def _ended(self, operation: Operation, ended: Ended) -> None:
        if self.pending.running(operation.endpoint) == operation.id:
            self._settle(operation, ended)
            self.kick(operation.endpoint)

    def _settle(self, operation: Operation, ended: Ended) -> None:
        self._calls.pop(operation.endpoint, None)
        if ended.result is not None:
            state = SUCCESSFUL if ended.result.ok else FAILED
            self.end(operation, state, ended.as_json())
        elif ended.outcome not in UNANSWERED:
            self.end(operation, FAILED, reason=ended.outcome)
        elif self._is_over(operation):
            self.end(operation, FAILED, reason="expired")
            if self.pending.waits(operation.endpoint):
                self.pending.hold(operation.endpoint)
        else:
            self._again(operation, ended.outcome)

    def _again(self, operation: Operation, why: str) -> None:
        self.unanswered += 1
        if why == "store":  # it never left
            self.pending.pause(operation.endpoint)
            self._later.add(operation.endpoint)
        else:
            self.pending.hold(operation.endpoint)
        operation.state, operation.reason = PENDING, why
        operation.updated_at = self._clock.wall()
        self._keep(operation)
        self._tell(operation)

    def _is_over(self, operation: Operation) -> bool:
        until = operation.valid_until
        return until is not None and until <= self._clock.wall()

    def _keep(self, operation: Operation) -> None:
        key = pending_key(operation.endpoint, operation.id)
        self._keeper.keep([(PENDING_ROWS, key, operation.as_row())], must=True)

    def end(
        self,
        operation: Operation,
        state: str,
        result: dict[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        """`operation` has ended: out of the line, into the history, and told once that is kept."""
        self.pending.remove(operation.endpoint, operation.id)
        operation.state, operation.result, operation.reason = state, result, reason
        operation.updated_at = self._clock.wall()
        if state == SUCCESSFUL:
            self.succeeded += 1
        else:
            self.failed += 1
        self._keeper.keep(self._end_rows(operation), partial(self._kept, operation), must=True)

    def _kept(self, operation: Operation, error: StoreError | None) -> None:
        if error is None:
            self._tell(operation)

    def _end_rows(self, operation: Operation) -> list[FleetChange]:
        endpoint, row = operation.endpoint, operation.as_row()
        if len(row) > MAX_VALUE_BYTES:
            code = (operation.result or {}).get("code")
            said = f"the result has {len(row)} bytes, kept are at most {MAX_VALUE_BYTES}"
            operation.result = {"code": code, "error": said}
            row = operation.as_row()
        try:
            surplus = self.history.surplus(endpoint)
        except StoreError:  # cannot be read now: the next one that ends will see to it
            surplus = []
        return [
            (PENDING_ROWS, pending_key(endpoint, operation.id), None),
            (HISTORY_ROWS, history_key(endpoint, operation.id), row),
            *surplus,
        ]

    def cancel(
        self,
        endpoint: str,
        operation_id: int,
        done: Callable[[StoreError | None], None],
        reason: str = "cancelled",
    ) -> bool:
        """End one that has not ended; `done` when that is kept. False: it is not in the queue.

        With an error it waits as before.
        """
        operation = self.current(endpoint, operation_id)
        if operation is None or not self.pending.has(endpoint, operation_id):
            return False
        before = replace(operation, state=PENDING)
        if self.pending.running(endpoint) == operation_id:
            self._asking.forget(self._calls.pop(endpoint)[1])
        self.pending.remove(endpoint, operation_id)
        operation.state, operation.reason, operation.result = FAILED, reason, None
        operation.updated_at = self._clock.wall()

        def kept(error: StoreError | None) -> None:
            if error is None:
                self.failed += 1
                self._tell(operation)
            else:
                self._join(before)
            done(error)
            self.kick(endpoint)

        self._keeper.keep(self._end_rows(operation), kept)
        self.kick(endpoint)
        return True

    # With time

    def tick(self) -> None:
        """Once a second: what has expired, what hangs, and what could not be sent before."""
        now = self._clock.wall()
        for endpoint, operation_id in list(self.pending.expired(int(now * 1000))):
            operation = self.history.waiting(endpoint, operation_id)
            if operation is None:
                self.pending.remove(endpoint, operation_id)
            else:
                self.end(operation, FAILED, reason="expired")
        for endpoint, operation_id in self.pending.stale(now - self._config.stale_after_s):
            if operation_id and endpoint in self._calls:
                operation, call = self._calls.pop(endpoint)
                self._asking.forget(call)
                self.end(operation, FAILED, reason="stale")
                self.kick(endpoint)
        if self._later and self._keeper.problem is None:
            later, self._later = self._later, set()
            self.ready(dict.fromkeys(later))

    # Looking

    def current(self, endpoint: str, operation_id: int) -> Operation | None:
        """As it is now, or as it ended; None when there is none. StoreError."""
        running = self._calls.get(endpoint)
        if running is not None and running[0].id == operation_id:
            return running[0]
        return self.history.waiting(endpoint, operation_id) or self.history.ended(
            endpoint, operation_id
        )

    def counters(self) -> dict[str, int]:
        return {
            **self.pending.counters(),
            "operations_succeeded": self.succeeded,
            "operations_failed": self.failed,
            "operations_unanswered": self.unanswered,
            "operations_unreadable": self.history.unreadable,
        }
