"""Sends one operation to its device and keeps what comes of it.

Knows one operation at a time: which one, and when, is dispatch.py's business.

    PENDING --kept, sent--> EXECUTING --answered--> SUCCESSFUL or FAILED
       ^------------------------'  nobody answered: until the next contact

That it is executing is in the store before its request leaves, so that a process that starts again
knows what may have been done already, and leaves that until the device's next contact.
A device that has answered gets its next operation once its answer is kept, so that a killed process
can have forgotten one answer of a device at most: only that operation is done again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

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
)
from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.core.pending import Pending
from lwm2m_fast.errors import QueueFull, RequestError, StoreError, UnknownDevice
from lwm2m_fast.faults import MESSAGE, Faults
from lwm2m_fast.queue.calls import Calls, Clock, Ended
from lwm2m_fast.queue.durable import Keeper
from lwm2m_fast.queue.history import History
from lwm2m_fast.queue.ownership import Ownership
from lwm2m_fast.queue.reach import Reach
from lwm2m_fast.store.base import FleetChange
from lwm2m_fast.store.changes import MAX_VALUE_BYTES

# Nobody answered, or nothing left: the operation waits for the device's next contact.
NEVER_LEFT = "store"
UNANSWERED = frozenset({"timeout", "no_response", "cancelled", NEVER_LEFT})

GIVEN_UP = "unanswered"
"""The reason of an operation that was sent `queue.max_attempts` times."""
FAULT = "fault"
"""The reason of an operation that a fault of our own has ended."""

Tell = Callable[[Operation], None]

NOT_SENT = 0
"""In place of a call, which is never 0: the row is being kept that must be there before."""


@dataclass(slots=True)
class _Step:
    """What became of a row that was to be kept: perhaps it is before the call has returned."""

    is_over: bool = False
    """The one who asked for it has gone on."""
    has_ended: bool = False


class Delivery:
    """Operations under way. `tell` gets each one whose state has changed; an end once it is kept.

    `go_on` is called with a device that may get its next one.
    """

    def __init__(
        self,
        pending: Pending,
        history: History,
        keeper: Keeper,
        calls: Calls,
        reach: Reach,
        clock: Clock,
        tell: Tell,
        ownership: Ownership,
        faults: Faults,
        max_attempts: int = 0,
    ) -> None:
        self._max_attempts = max_attempts
        self._ownership, self._faults = ownership, faults
        self.pending, self.history, self._keeper = pending, history, keeper
        self._calls, self._reach, self._clock, self._tell = calls, reach, clock, tell
        self._running: dict[str, tuple[Operation, int]] = {}
        self._ending: dict[str, int] = {}  # answered, and not kept yet
        self._marked: dict[str, Operation] = {}  # its row says already that it is executing
        self._unkept: dict[str, Operation] = {}  # pending again, and its row does not say so yet
        self._leaving: dict[str, set[int]] = {}  # ended, and that is not kept yet
        self.go_on: Callable[[str], None] = lambda endpoint: None
        self._expiring: list[tuple[str, int]] = []  # whose time is over, and who could not be read
        self.later: set[str] = set()
        """Devices for which there was no room just now."""
        self.succeeded = self.failed = self.unanswered = 0

    def join(self, operation: Operation) -> None:
        """Put a stored operation into its device's line."""
        self.pending.add(
            operation.endpoint,
            operation.id,
            valid_until_ms=round((operation.valid_until or 0) * 1000),
            is_post_registration=operation.is_listed,
        )

    def mark(self, operation: Operation) -> FleetChange:
        """The row of one that is likely to be sent as soon as this is kept, which then need not be
        said in a transaction of its own. Should it not be sent, it has lost nothing but this: a
        process that starts again leaves it until the device's next contact."""
        marked = replace(operation, state=EXECUTING)
        self._marked[operation.endpoint] = marked
        return PENDING_ROWS, pending_key(operation.endpoint, operation.id), marked.as_row()

    def unmark(self, endpoint: str) -> None:
        """What was to be sent has been, or will not be for now."""
        self._marked.pop(endpoint, None)

    # Sending

    def send(self, endpoint: str, operation_id: int) -> bool:
        """True when it has ended without being sent, so that the next one may go."""
        operation = self._marked.pop(endpoint, None)
        if operation is not None and operation.id == operation_id and self._may_go(operation):
            return self._ask(operation, is_marked=True)
        try:
            operation = self._waiting(endpoint, operation_id)
            is_own = operation is not None and self._ownership.has(operation)
        except StoreError:
            self.later.add(endpoint)
            return False
        if operation is None:  # a row that nobody can read any more
            return self.pending.remove(endpoint, operation_id)
        if not is_own:  # the name is another tenant's now, and so is the device
            self.end(operation, FAILED, reason="cancelled")
            return True
        if self._is_over(operation):
            self.end(operation, FAILED, reason="expired")
            return True
        return self._ask(operation)

    def _may_go(self, operation: Operation) -> bool:
        return not self._is_over(operation) and self._ownership.may_tell(operation)

    def _ask(self, operation: Operation, *, is_marked: bool = False) -> bool:
        """Keep that it is sent, then send it: a process that is killed between the two has not sent
        what it will not send again before the device's next contact."""
        endpoint, now = operation.endpoint, self._clock.wall()
        self.pending.start(endpoint, operation.id, now)
        operation.state, operation.started_at, operation.updated_at = EXECUTING, now, now
        operation.attempts += 1
        operation.reason = None
        self._running[endpoint] = (operation, NOT_SENT)
        if is_marked:
            return self._send(operation)
        step = _Step()
        row = (PENDING_ROWS, pending_key(endpoint, operation.id), operation.as_row())
        self._keeper.keep([row], partial(self._leave, operation, step))
        step.is_over = True
        return step.has_ended

    def _leave(self, operation: Operation, step: _Step, error: StoreError | None) -> None:
        """The row that says so is kept, or it is not."""
        endpoint = operation.endpoint
        running = self._running.get(endpoint)
        if running is None or running[0] is not operation:  # it was ended from our side meanwhile
            return
        if error is not None:
            self._not_sent(operation, is_kept=False)
            return
        step.has_ended = self._send(operation)
        if step.has_ended and step.is_over:
            self.go_on(endpoint)

    def _send(self, operation: Operation) -> bool:
        """True when it has ended at once, without a request or by being refused."""
        endpoint = operation.endpoint
        try:
            order = parse_order(operation.order)
            timeout_s = self._reach.timeout_s(endpoint, operation.timeout_s)
            asked = self._calls.ask(endpoint, order, timeout_s, partial(self._ended, operation))
        except (UnknownDevice, QueueFull, StoreError):  # gone, or no room just now
            self._not_sent(operation, is_kept=True)
            return False
        except RequestError as error:
            del self._running[endpoint]
            self.end(operation, FAILED, {"error": str(error)}, "refused")
            return True
        except Exception as error:  # it would be executing for ever, and again after each restart
            self._faults.note(error, "an operation")
            self._running.pop(endpoint, None)
            self.end(operation, FAILED, {"error": MESSAGE}, FAULT)
            return True
        if isinstance(asked, Ended):
            self._settle(operation, asked)
            return True
        self._running[endpoint] = (operation, asked)
        self._tell(operation)
        return False

    def _not_sent(self, operation: Operation, *, is_kept: bool) -> None:
        """It waits as before; its row must not say otherwise."""
        endpoint = operation.endpoint
        del self._running[endpoint]
        self.pending.pause(endpoint)
        self.later.add(endpoint)
        operation.state, operation.started_at = PENDING, None
        operation.attempts -= 1
        if is_kept:
            self._keep(operation)
        if self._is_over(operation):  # while it was on its way, when expire() leaves it out
            self._expiring.append((endpoint, operation.id))

    # What comes of it

    def _ended(self, operation: Operation, ended: Ended) -> None:
        endpoint = operation.endpoint
        if self.pending.running(endpoint) != operation.id:
            return
        if ended.outcome not in UNANSWERED:
            self._ending[endpoint] = operation.id
        self._settle(operation, ended)
        if endpoint not in self._ending:
            self.go_on(endpoint)

    def _settle(self, operation: Operation, ended: Ended) -> None:
        self._running.pop(operation.endpoint, None)
        if ended.result is not None:
            state = SUCCESSFUL if ended.result.ok else FAILED
            self.end(operation, state, self._shown(ended))
        elif ended.outcome not in UNANSWERED:
            self.end(operation, FAILED, reason=ended.outcome)
        elif self._is_over(operation):
            self.end(operation, FAILED, reason="expired")
            if self.pending.waits(operation.endpoint):
                self.pending.hold(operation.endpoint)
        elif operation.attempts >= self._max_attempts > 0 and ended.outcome != NEVER_LEFT:
            self.end(operation, FAILED, reason=GIVEN_UP)
            if self.pending.waits(operation.endpoint):
                self.pending.hold(operation.endpoint)
        else:
            self._again(operation, ended.outcome)

    def _shown(self, ended: Ended) -> dict[str, Any] | None:
        try:
            return ended.as_json()
        except Exception as error:  # the device would never get another
            self._faults.note(error, "an operation")
            return {"code": "" if ended.result is None else ended.result.code, "error": MESSAGE}

    def _again(self, operation: Operation, why: str) -> None:
        self.unanswered += 1
        if why == NEVER_LEFT:
            self.pending.pause(operation.endpoint)
            self.later.add(operation.endpoint)
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
        """Its row is to say that it is pending again; until it does, nobody is to read it."""
        endpoint = operation.endpoint
        said = self._unkept[endpoint] = replace(operation)
        row = (PENDING_ROWS, pending_key(endpoint, operation.id), operation.as_row())
        self._keeper.keep([row], partial(self._row_kept, said), must=True)

    def _row_kept(self, said: Operation, error: StoreError | None) -> None:
        if self._unkept.get(said.endpoint) is said:
            del self._unkept[said.endpoint]

    def _waiting(self, endpoint: str, operation_id: int) -> Operation | None:
        """One that has not ended and is not under way, as it was left. StoreError."""
        unkept = self._unkept.get(endpoint)
        if unkept is not None and unkept.id == operation_id:
            return replace(unkept)
        return self.history.waiting(endpoint, operation_id)

    def end(
        self,
        operation: Operation,
        state: str,
        result: dict[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        """`operation` has ended: out of the line, into the history, and told once that is kept."""
        endpoint, following = operation.endpoint, None
        self.pending.remove(endpoint, operation.id)
        operation.state, operation.result, operation.reason = state, result, reason
        operation.updated_at = self._clock.wall()
        if self._ending.get(endpoint) == operation.id:
            following = self._next(endpoint)
            self.pending.start(endpoint, 0, operation.updated_at)
        if state == SUCCESSFUL:
            self.succeeded += 1
        else:
            self.failed += 1
        rows = self._end_rows(operation)
        if following is not None:
            rows.append(self.mark(following))
        self._leaving.setdefault(endpoint, set()).add(operation.id)
        self._keeper.keep(rows, partial(self._kept, operation), must=True)

    def _next(self, endpoint: str) -> Operation | None:
        """The one that goes when this answer is kept, unless something comes between."""
        operation_id = self.pending.due(endpoint)
        try:
            return None if operation_id is None else self._waiting(endpoint, operation_id)
        except StoreError:  # cannot be read now; it will be tried when it is its turn
            return None

    def _left(self, endpoint: str, operation_id: int) -> None:
        left = self._leaving.get(endpoint)
        if left is not None:
            left.discard(operation_id)
            if not left:
                del self._leaving[endpoint]

    def _kept(self, operation: Operation, error: StoreError | None) -> None:
        self._left(operation.endpoint, operation.id)
        if error is not None:
            return
        self._tell(operation)
        endpoint = operation.endpoint
        if self._ending.get(endpoint) == operation.id:
            del self._ending[endpoint]
            self.pending.pause(endpoint)
            self.go_on(endpoint)
            self.unmark(endpoint)

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

    # Ending it from our side

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
        was_running = self.pending.running(endpoint) == operation_id
        if was_running:
            self._calls.forget(self._running.pop(endpoint)[1])
        self.pending.remove(endpoint, operation_id)
        operation.state, operation.reason, operation.result = FAILED, reason, None
        operation.updated_at = self._clock.wall()

        def kept(error: StoreError | None) -> None:
            self._left(endpoint, operation_id)
            if error is None:
                self.failed += 1
                self._tell(operation)
            else:
                self.join(before)
                if was_running:
                    self.pending.hold(endpoint)
            done(error)
            self.go_on(endpoint)

        rows = self._end_rows(operation)
        self._leaving.setdefault(endpoint, set()).add(operation_id)
        self._keeper.keep(rows, kept)
        self.go_on(endpoint)
        return True

    def expire(self, now: float) -> None:
        """End those whose time is over at `now`, unix time; what cannot be read, later."""
        found = [*self._expiring, *self.pending.expired(int(now * 1000))]
        self._expiring = []
        for endpoint, operation_id in found:
            self._faults.tell("an operation that expires", self._expired, endpoint, operation_id)

    def _expired(self, endpoint: str, operation_id: int) -> None:
        if not self.pending.has(endpoint, operation_id):  # it has ended since the last time
            return
        if self.pending.running(endpoint) == operation_id:
            return
        try:
            operation = self._waiting(endpoint, operation_id)
        except StoreError:
            self._expiring.append((endpoint, operation_id))
            return
        if operation is None:
            self.pending.remove(endpoint, operation_id)
        else:
            self.end(operation, FAILED, reason="expired")

    def sweep(self, started_before: float) -> None:
        """End those that have been executing since before that moment: nobody will answer."""
        for endpoint, operation_id in self.pending.stale(started_before):
            self._faults.tell("an operation that hangs", self._swept, endpoint, operation_id)

    def _swept(self, endpoint: str, operation_id: int) -> None:
        running = self._running.get(endpoint)
        if running is not None and running[0].id == operation_id:
            del self._running[endpoint]
            self._calls.forget(running[1])
            self.end(running[0], FAILED, reason="stale")
            self.go_on(endpoint)

    def line(self, endpoint: str) -> list[int]:
        """All that have not ended, oldest first: also those whose end is not kept yet, which are in
        no list otherwise."""
        leaving = self._leaving.get(endpoint)
        line = self.pending.line(endpoint)
        return line if leaving is None else sorted({*line, *leaving})

    def current(self, endpoint: str, operation_id: int) -> Operation | None:
        """As it is now, or as it ended; None when there is none. StoreError."""
        running = self._running.get(endpoint)
        if running is not None and running[0].id == operation_id:
            return running[0]
        waiting = self._waiting(endpoint, operation_id)
        if waiting is None:
            return self.history.ended(endpoint, operation_id)
        if self.pending.has(endpoint, operation_id):  # as the process before left it, perhaps
            waiting.state = PENDING
        return waiting

    def counters(self) -> dict[str, int]:
        return {
            "operations_succeeded": self.succeeded,
            "operations_failed": self.failed,
            "operations_unanswered": self.unanswered,
            "operations_unreadable": self.history.unreadable,
        }
