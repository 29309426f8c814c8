"""What a device gets after a full Register: the commands that every device of its tenant gets
(requirements Q5), and what its profile wants observed (I3).

Each tenant has a list of its own, which may be empty. Each Register makes operations of both,
durable like all others; what an earlier Register has left of them is superseded, so that a device
that never answers does not fill its own queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import orjson

from lwm2m_fast.core.operation import POST_REGISTRATION, Operation
from lwm2m_fast.core.orders import Order, order_json
from lwm2m_fast.errors import QueueFull, RequestError, StoreError
from lwm2m_fast.fleet.tenants import MANAGEMENT
from lwm2m_fast.queue.dispatch import Dispatch
from lwm2m_fast.store.base import FleetChange, FleetStore

NAMESPACE = "post-registration"
"""A key is a tenant's name, a value its commands as JSON; an empty list has no row."""

MAX_TENANTS = 10_000
"""Lists that are kept in all."""

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


class Keeps(Protocol):
    """Who keeps the lists (durable.py)."""

    async def put(self, changes: Sequence[FleetChange]) -> None: ...


class PostRegistration:
    """The lists, and what becomes of them at each Register. Loop's thread only.

    `parse` reads one command line, `cap` is how many older operations go before the list, `owner`
    tells the tenant of a device.
    """

    def __init__(
        self,
        fleet: FleetStore,
        dispatch: Dispatch,
        parse: Parse,
        cap: int,
        wall: Callable[[], float],
        owner: Callable[[str], str],
        own: Own | None = None,
    ) -> None:
        self._fleet, self._dispatch, self._parse = fleet, dispatch, parse
        self._cap, self._wall, self._owner, self._own = cap, wall, owner, own
        self._commands: dict[str, list[str]] = {}
        self._orders: dict[str, list[Order]] = {}
        self.not_queued = self.not_superseded = 0
        self.unusable = 0
        for key, row in fleet.scan(NAMESPACE):
            try:
                self._take(key.decode(), orjson.loads(row))
            except (RequestError, ValueError, TypeError, AttributeError):
                self.unusable += 1  # of another version, say: no reason not to start
        self.look()

    def commands(self, tenant: str) -> list[str]:
        """The list of a tenant."""
        return list(self._commands.get(tenant, ()))

    async def replace(self, commands: Sequence[str], durable: Keeps, tenant: str) -> list[str]:
        """Keep another list for a tenant. RequestError names the line that is no command of ours,
        or the bound; QueueFull: too many tenants have one."""
        lines = [line.strip() for line in commands if line.strip()]
        if len(lines) > MAX_COMMANDS:
            raise RequestError(f"{len(lines)} commands, allowed are at most {MAX_COMMANDS}")
        for number, line in enumerate(lines):
            size = len(line.encode("utf-8", "surrogatepass"))
            if size > MAX_COMMAND_BYTES:
                raise RequestError(
                    f"commands[{number}]: {size} bytes, allowed are at most {MAX_COMMAND_BYTES}"
                )
            try:
                self._parse(line)
            except RequestError as error:
                raise RequestError(f"commands[{number}]: {error}") from None
        if lines and tenant not in self._commands and len(self._commands) >= MAX_TENANTS:
            raise QueueFull("the server", MAX_TENANTS, "lists of commands after a registration")
        row = orjson.dumps(lines) if lines else None
        await durable.put([(NAMESPACE, tenant.encode(), row)])
        self._take(tenant, lines)
        return lines

    def _take(self, tenant: str, commands: list[str]) -> None:
        if commands:
            self._orders[tenant] = [order for line in commands for order in self._parse(line)]
            self._commands[tenant] = commands
        else:
            self._commands.pop(tenant, None)
            self._orders.pop(tenant, None)
        self.look()

    def look(self) -> None:
        """Hear of Registers exactly as long as one may mean something."""
        wanted = self._orders or (self._own is not None and self._own.is_on)
        self._dispatch.registered = self.registered if wanted else None
        self._dispatch.hear()

    def registered(self, endpoint: str) -> None:
        """A device has registered in full: queue its tenant's list for it, and what is its own."""
        try:
            tenant = self._owner(endpoint)
        except StoreError:
            self.not_queued += 1
            return
        own = [] if self._own is None or not self._own.is_on else self._own.orders(endpoint)
        listed = self._orders.get(tenant, [])
        orders = [*listed, *own]
        if not orders:
            return
        pending, now = self._dispatch.pending, self._wall()
        self._supersede(endpoint)
        first = self._reserve(endpoint, orders)
        if first is None and own and listed:  # a large profile does not keep the list away
            orders = listed
            first = self._reserve(endpoint, orders)
        if first is None:
            self.not_queued += len(listed) + len(own)
            return
        self.not_queued += len(listed) + len(own) - len(orders)
        count = len(orders)
        operations = [
            Operation(
                first + i, endpoint, order_json(order), now, updated_at=now,
                origin=POST_REGISTRATION, tenant=None if tenant == MANAGEMENT else tenant,
            )
            for i, order in enumerate(orders)
        ]  # fmt: skip
        pending.registered(endpoint, self._cap)
        self._dispatch.enqueue(operations, partial(self._queued, endpoint, count))

    def _reserve(self, endpoint: str, orders: Sequence[Order]) -> int | None:
        """The first id; None: there is no room."""
        try:
            return self._dispatch.pending.reserve(endpoint, len(orders))
        except QueueFull:
            return None

    def _supersede(self, endpoint: str) -> None:
        """End what an earlier Register has left. What the store cannot read now runs, and is
        superseded by the next one."""
        for operation_id in self._dispatch.pending.listed(endpoint):
            try:
                self._dispatch.delivery.cancel(endpoint, operation_id, _ignore, reason="superseded")
            except StoreError:
                self.not_superseded += 1

    def _queued(self, endpoint: str, count: int, error: StoreError | None) -> None:
        if error is not None:
            self.not_queued += count
            self._dispatch.pending.leave_phase(endpoint)

    def counters(self) -> dict[str, int]:
        return {
            "post_registration_not_queued": self.not_queued,
            "post_registration_not_superseded": self.not_superseded,
            "post_registration_lists_current": len(self._commands),
            "post_registration_lists_unusable": self.unusable,
        }


def _ignore(error: StoreError | None) -> None:
    """What could not be kept is as before: it runs, and is superseded by the next Register."""
