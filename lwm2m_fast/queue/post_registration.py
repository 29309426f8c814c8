"""What a device gets after a full Register: a list of commands that all get (requirements Q5), and
what its profile wants observed (I3).

The list is per tenant; for now there is one. Each Register makes operations of both, durable like
all others; what an earlier Register has left of them is superseded, so that a device that never
answers does not fill its own queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import orjson

from lwm2m_fast.core.operation import POST_REGISTRATION, Operation
from lwm2m_fast.core.orders import Order, order_json
from lwm2m_fast.errors import QueueFull, RequestError, StoreError
from lwm2m_fast.queue.dispatch import Dispatch
from lwm2m_fast.queue.durable import Durable
from lwm2m_fast.store.base import FleetStore

NAMESPACE = "post-registration"
TENANT = b"default"

MAX_COMMANDS = 100
MAX_COMMAND_BYTES = 8192

Parse = Callable[[str], Sequence[Order]]


class Own(Protocol):
    """What single devices get beside the list (profile_observing.py)."""

    @property
    def is_on(self) -> bool:
        """False: none of them gets anything."""
        ...

    def orders(self, endpoint: str) -> list[Order]: ...


class PostRegistration:
    """The list, and what becomes of it at each Register. Loop's thread only.

    `parse` reads one command line, `cap` is how many older operations go before the list.
    """

    def __init__(
        self,
        fleet: FleetStore,
        dispatch: Dispatch,
        parse: Parse,
        cap: int,
        wall: Callable[[], float],
        own: Own | None = None,
    ) -> None:
        self._fleet, self._dispatch, self._parse = fleet, dispatch, parse
        self._cap, self._wall, self._own = cap, wall, own
        self._commands: list[str] = []
        self._orders: list[Order] = []
        self.not_queued = 0
        row = fleet.get(NAMESPACE, TENANT)
        self._take(orjson.loads(row) if row is not None else [])

    def commands(self) -> list[str]:
        return list(self._commands)

    async def replace(self, commands: Sequence[str], durable: Durable) -> list[str]:
        """Keep another list. RequestError names the line that is no command of ours."""
        lines = [line.strip() for line in commands if line.strip()]
        if len(lines) > MAX_COMMANDS:
            raise RequestError(f"{len(lines)} commands, allowed are at most {MAX_COMMANDS}")
        for line in lines:
            if len(line.encode("utf-8", "surrogatepass")) > MAX_COMMAND_BYTES:
                raise RequestError(f"a command is longer than {MAX_COMMAND_BYTES} bytes")
            self._parse(line)
        await durable.put([(NAMESPACE, TENANT, orjson.dumps(lines) if lines else None)])
        self._take(lines)
        return lines

    def _take(self, commands: list[str]) -> None:
        self._commands = commands
        self._orders = [order for line in commands for order in self._parse(line)]
        self.look()

    def look(self) -> None:
        """Hear of Registers exactly as long as one may mean something."""
        wanted = self._orders or (self._own is not None and self._own.is_on)
        self._dispatch.registered = self.registered if wanted else None
        self._dispatch.hear()

    def registered(self, endpoint: str) -> None:
        """A device has registered in full: queue the list for it, and what is its own."""
        own = [] if self._own is None or not self._own.is_on else self._own.orders(endpoint)
        orders = [*self._orders, *own]
        if not orders:
            return
        pending, now = self._dispatch.pending, self._wall()
        for operation_id in pending.listed(endpoint):
            self._dispatch.delivery.cancel(endpoint, operation_id, _ignore, reason="superseded")
        count = len(orders)
        try:
            first = pending.reserve(endpoint, count)
        except QueueFull:
            self.not_queued += count
            return
        operations = [
            Operation(
                first + i, endpoint, order_json(order), now, updated_at=now,
                origin=POST_REGISTRATION,
            )
            for i, order in enumerate(orders)
        ]  # fmt: skip
        pending.registered(endpoint, self._cap)
        self._dispatch.enqueue(operations, partial(self._queued, endpoint, count))

    def _queued(self, endpoint: str, count: int, error: StoreError | None) -> None:
        if error is not None:
            self.not_queued += count
            self._dispatch.pending.leave_phase(endpoint)

    def counters(self) -> dict[str, int]:
        return {"post_registration_not_queued": self.not_queued}


def _ignore(error: StoreError | None) -> None:
    """What could not be kept is as before: it runs, and is superseded by the next Register."""
