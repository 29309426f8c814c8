"""What callers ask of the queue: submit, look, wait, cancel (rest/base.py: Operations).

Checks what they give and waits on their behalf; everything else is dispatch.py's and delivery.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Any

import orjson

from lwm2m_fast.config import QueueConfig
from lwm2m_fast.core.operation import (
    ENDED,
    MAX_ID,
    MAX_NAME_BYTES,
    POST_REGISTRATION,
    Operation,
    device_key,
)
from lwm2m_fast.core.orders import Order, order_json
from lwm2m_fast.errors import (
    FormatError,
    QueueFull,
    RequestError,
    StoreError,
    UnknownOperation,
)
from lwm2m_fast.queue.batches import Batch, Batches, Entry
from lwm2m_fast.queue.calls import Clock
from lwm2m_fast.queue.dispatch import Dispatch, rows_of
from lwm2m_fast.queue.durable import Done, until_kept
from lwm2m_fast.queue.ownership import Ownership
from lwm2m_fast.queue.reach import Reach
from lwm2m_fast.rest.base import MAX_BULK, MAX_PAGE
from lwm2m_fast.store.base import FleetChange

MAX_ORDERS = 1000
"""Orders of one submission."""

MAX_ORDER_BYTES = 256 << 10
"""Of one order as JSON; what is longer goes as a file."""

MAX_BATCH_OPERATIONS = 100_000
MAX_UNIX_S = 253_402_300_799.0
"""The end of the year 9999."""

MAX_ORIGIN_BYTES = 64
MAX_WAIT_S = 3600.0
SLICE = 256
"""Devices or operations of a batch seen to between two turns of the loop."""


class Desk:
    """Everything is called on the loop's thread; told() by whoever keeps operations."""

    def __init__(
        self,
        config: QueueConfig,
        dispatch: Dispatch,
        reach: Reach,
        batches: Batches,
        clock: Clock,
        ownership: Ownership,
    ) -> None:
        self._config, self._dispatch = config, dispatch
        self._ownership = ownership
        self._reach, self._batches, self._clock = reach, batches, clock
        self._pending, self._delivery = dispatch.pending, dispatch.delivery
        self._waiters: dict[int, list[asyncio.Future[dict[str, Any]]]] = {}
        self._waiting = 0
        self._keeping: set[asyncio.Task[Any]] = set()  # the loop itself keeps none alive

    def told(self, operation: Operation) -> None:
        """The state of an operation has changed, and that is kept."""
        if operation.state not in ENDED:
            return
        if operation.batch is not None:
            self._batches.ended(operation)
        for waiter in self._waiters.pop(operation.id, ()):
            if not waiter.done():
                waiter.set_result(operation.as_json())

    # Submitting

    async def submit(
        self,
        endpoint: str,
        orders: Sequence[Order],
        *,
        timeout_s: float | None = None,
        valid_until: float | None = None,
        origin: str = "api",
    ) -> list[dict[str, Any]]:
        terms = self._terms(orders, timeout_s, valid_until, origin)
        _check_name(endpoint)
        tenant = self._ownership.tenant(endpoint)  # before the places, which an error would keep
        first = self._pending.reserve(endpoint, len(orders))
        operations = terms.operations(endpoint, first, self._clock.wall(), tenant)
        await self._keep(operations)
        return [operation.as_json() for operation in operations]

    async def submit_many(
        self,
        endpoints: Sequence[str],
        orders: Sequence[Order],
        *,
        timeout_s: float | None = None,
        valid_until: float | None = None,
        origin: str = "api",
    ) -> dict[str, Any]:
        terms = self._terms(orders, timeout_s, valid_until, origin)
        names = list(dict.fromkeys(endpoints))
        if not 1 <= len(names) <= MAX_BULK or len(names) * len(orders) > MAX_BATCH_OPERATIONS:
            raise RequestError(
                f"a batch of {len(names)} devices and {len(orders)} orders: allowed are 1 to "
                f"{MAX_BULK} devices and {MAX_BATCH_OPERATIONS} operations in all"
            )
        for name in names:
            _check_name(name)
        await asyncio.sleep(0)
        now = self._clock.wall()
        entries: list[Entry] = []
        operations: list[Operation] = []
        for number, name in enumerate(names):
            try:
                tenant = self._ownership.tenant(name)
                first = self._pending.reserve(name, len(orders))
            except StoreError:
                self._release(operations)
                raise
            except QueueFull as error:
                entries.append(Entry(name, 0, str(error)))
            else:
                entries.append(Entry(name, first, None))
                operations += terms.operations(name, first, now, tenant)
            if number % SLICE == SLICE - 1:
                await self._breathe(operations)
        return await self._begin(entries, operations, len(orders), origin, now)

    async def _breathe(self, operations: Sequence[Operation]) -> None:
        """Let others have the loop; give the places back when the caller goes meanwhile."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._release(operations)
            raise

    async def _begin(
        self,
        entries: Sequence[Entry],
        operations: Sequence[Operation],
        orders: int,
        origin: str,
        now: float,
    ) -> dict[str, Any]:
        try:
            batch, rows = self._batches.begin(entries, orders, origin, now)
        except QueueFull:
            self._release(operations)
            raise
        # Shielded: it goes its way also when the caller goes meanwhile.
        keeping = asyncio.create_task(self._keep_many(operations, rows, batch))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        error = await asyncio.shield(keeping)
        if error is not None:
            raise StoreError(str(error))
        shown = await self._batches.show(batch.id, 0, 100)
        return shown if shown is not None else batch.as_json()

    async def _keep_many(
        self, operations: Sequence[Operation], beside: Iterable[FleetChange], batch: Batch
    ) -> StoreError | None:
        """Queue them all in one transaction, without holding up the loop for all of them. With an
        error none of it is kept."""
        kept: asyncio.Future[StoreError | None] = asyncio.get_running_loop().create_future()
        rows: list[FleetChange] = []
        for row in beside:
            rows.append(row)
            await asyncio.sleep(0)
        for some in _slices(operations):
            for operation in some:
                operation.batch = batch.id
            rows += rows_of(some)
            await asyncio.sleep(0)
        self._dispatch.keep(rows, lambda error: None if kept.done() else kept.set_result(error))
        error = await kept
        if error is None:
            self._batches.begun(batch)
        else:
            self._batches.not_begun(batch)
        for some in _slices(operations):
            self._dispatch.join(some, error)
            await asyncio.sleep(0)
        return error

    def _release(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            self._pending.release(operation.endpoint, 1)

    async def _keep(self, operations: Sequence[Operation]) -> None:
        """Queue them, also when the caller goes meanwhile."""
        future, done = until_kept()
        self._dispatch.enqueue(operations, done)
        await future

    def _terms(
        self,
        orders: Sequence[Order],
        timeout_s: float | None,
        valid_until: float | None,
        origin: str,
    ) -> _Terms:
        if not 1 <= len(orders) <= MAX_ORDERS:
            raise RequestError(f"{len(orders)} orders, allowed are 1 to {MAX_ORDERS}")
        self._reach.check_timeout(timeout_s)
        now = self._clock.wall()
        if valid_until is not None and not now < valid_until <= MAX_UNIX_S:
            raise RequestError(
                f"valid_until is {valid_until}, allowed are unix seconds after now, {now:.3f}"
            )
        size = len(origin.encode("utf-8", "surrogatepass"))
        if not 1 <= size <= MAX_ORIGIN_BYTES or origin == POST_REGISTRATION:
            raise RequestError(
                f"origin {origin!r:.80} is not allowed: 1 to {MAX_ORIGIN_BYTES} bytes, and not "
                f"{POST_REGISTRATION!r}"
            )
        terms = _Terms([order_json(order) for order in orders], timeout_s, valid_until, origin)
        for order in terms.orders:
            _check_size(order)
        return terms

    # Looking

    def operation(self, endpoint: str, operation_id: int) -> dict[str, Any] | None:
        found = self._find(endpoint, operation_id)
        return None if found is None else found.as_json()

    def _find(self, endpoint: str, operation_id: int) -> Operation | None:
        try:
            device_key(endpoint)
        except FormatError:
            return None
        if not 0 < operation_id <= MAX_ID:
            return None
        found = self._delivery.current(endpoint, operation_id)
        return found if found is not None and self._ownership.has(found) else None

    def operations(
        self,
        endpoint: str,
        *,
        before: int | None = None,
        limit: int = 100,
        states: frozenset[str] | None = None,
    ) -> list[dict[str, Any]]:
        try:
            device_key(endpoint)
        except FormatError:
            return []
        both = merge(
            self._waiting_before(endpoint, before),
            self._delivery.history.all_ended(endpoint, before),
            key=lambda operation: -operation.id,
        )
        found: list[dict[str, Any]] = []
        for operation in both:
            if len(found) >= min(limit, MAX_PAGE):
                break
            if (states is None or operation.state in states) and self._ownership.has(operation):
                found.append(operation.as_json())
        return found

    def _waiting_before(self, endpoint: str, before: int | None) -> Iterator[Operation]:
        for operation_id in reversed(self._delivery.line(endpoint)):
            if before is None or operation_id < before:
                operation = self._delivery.current(endpoint, operation_id)
                if operation is not None and operation.state not in ENDED:  # else it is with those
                    yield operation

    async def batch(
        self, batch_id: int, *, after: int = 0, limit: int = 100
    ) -> dict[str, Any] | None:
        return await self._batches.show(batch_id, max(0, after), max(1, min(limit, MAX_PAGE)))

    def batches(self) -> list[dict[str, Any]]:
        return self._batches.all()

    def presence(self, endpoint: str) -> dict[str, Any] | None:
        return self._reach.presence(endpoint)

    # Waiting and ending

    async def wait(self, endpoint: str, operation_id: int, seconds: float) -> dict[str, Any]:
        found = self._find(endpoint, operation_id)
        if found is None:
            raise UnknownOperation(endpoint, operation_id)
        if found.state in ENDED or seconds <= 0:
            return found.as_json()
        if self._waiting >= self._config.max_waiters:
            raise QueueFull("the server", self._config.max_waiters)
        waiter: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(operation_id, []).append(waiter)
        self._waiting += 1
        try:
            async with asyncio.timeout(min(seconds, MAX_WAIT_S)):
                return await waiter
        except TimeoutError:
            again = self._find(endpoint, operation_id)
            return (again or found).as_json()
        finally:
            self._waiting -= 1
            self._forget_waiter(operation_id, waiter)

    def _forget_waiter(self, operation_id: int, waiter: asyncio.Future[dict[str, Any]]) -> None:
        waiters = self._waiters.get(operation_id)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[operation_id]

    async def cancel(self, endpoint: str, operation_id: int) -> dict[str, Any]:
        future, done = until_kept()
        if self._find(endpoint, operation_id) is None:
            raise UnknownOperation(endpoint, operation_id)
        if self._delivery.cancel(endpoint, operation_id, done):
            await future
        found = self._find(endpoint, operation_id)
        if found is None:
            raise UnknownOperation(endpoint, operation_id)
        return found.as_json()

    def cancel_all(
        self, endpoint: str, reason: str, kept: Done | None = None, *, of_others: bool = False
    ) -> int:
        """End what waits for a device that is not wanted any longer; how much there was. With
        `of_others` only what is not of who has the name now. `kept` is called for each. StoreError:
        some cannot be read now, and wait as before; the others have ended.

        Whoever has its name next must not be done to what was meant for it. What the store cannot
        keep as ended waits as before.
        """
        ended, unread = 0, None
        # The one under way last, or the next would leave.
        for operation_id in reversed(list(self._pending.line(endpoint))):
            try:
                if of_others and self._find(endpoint, operation_id) is not None:
                    continue
                self._delivery.cancel(endpoint, operation_id, kept or _ignore, reason)
                ended += 1
            except StoreError as error:
                unread = error
        if unread is not None:
            raise unread
        return ended


def _ignore(_: StoreError | None) -> None:
    """Nobody waits for it."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """What operations submitted together have in common."""

    orders: list[dict[str, Any]]
    timeout_s: float | None
    valid_until: float | None
    origin: str

    def operations(
        self, endpoint: str, first_id: int, now: float, tenant: str | None
    ) -> list[Operation]:
        return [
            Operation(
                first_id + i,
                endpoint,
                order,
                now,
                updated_at=now,
                timeout_s=self.timeout_s,
                valid_until=self.valid_until,
                origin=self.origin,
                tenant=tenant,
            )
            for i, order in enumerate(self.orders)
        ]


def _slices(operations: Sequence[Operation]) -> Iterator[Sequence[Operation]]:
    return (operations[at : at + SLICE] for at in range(0, len(operations), SLICE))


def _check_name(endpoint: str) -> None:
    if endpoint.isascii() and 1 <= len(endpoint) <= MAX_NAME_BYTES:  # nearly all
        return
    try:
        device_key(endpoint)
    except FormatError as error:
        raise RequestError(str(error)) from None


def _check_size(order: dict[str, Any]) -> None:
    try:
        size = len(orjson.dumps(order))
    except TypeError as error:
        raise RequestError(f"an order cannot be kept: {error}") from None
    if size > MAX_ORDER_BYTES:
        raise RequestError(f"an order has {size} bytes, allowed are at most {MAX_ORDER_BYTES}")
