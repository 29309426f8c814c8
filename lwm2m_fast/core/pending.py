"""Which operations wait for which device, and which comes next: the queue's decisions.

Knows ids, not orders; moments are passed in and nothing here waits. What is decided must be stored
and sent by the caller. A waiting operation costs 8 bytes in its device's line, a device that has
any the line itself: bytes of 8-byte ids, oldest first, objects that the garbage collector never
looks at. So a million sleeping devices can each have something to do.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from lwm2m_fast.errors import QueueFull

ID_BYTES = 8
MIN_EXPIRIES = 1024
"""So many expiries of operations that have ended are not worth a clean-up."""

MARK = 1 << 63
"""Set in a line's entry that came from the post-registration list."""

SHARDS = 256
"""Dictionaries that the lines are spread over: one that holds a million lines and grows would hold
up everything for 30 ms while it moves them."""

Expiry = tuple[int, int, str]
"""Unix ms, id, endpoint."""


@dataclass(slots=True)
class Running:
    """What a device is busy with."""

    id: int
    """0: something that is in no line, as re-establishing an observation."""
    started_at: float


class Pending:
    """The lines of all devices: at most `per_device` operations each and `total` in all.

    An operation keeps its place while it runs, so that it is the next again when nobody answers.
    """

    def __init__(self, per_device: int, total: int, first_id: int = 1) -> None:
        self._per_device, self._total = per_device, total
        self._next_id = first_id
        self._lines: tuple[dict[str, bytes], ...] = tuple({} for _ in range(SHARDS))
        self._running: dict[str, Running] = {}
        self._held: set[str] = set()
        self._phases: dict[str, int] = {}
        self._reserved: dict[str, int] = {}
        self._expiries: list[Expiry] = []
        self._count = self._reserved_count = 0
        self.refused = 0

    def _shard(self, endpoint: str) -> dict[str, bytes]:
        """Where the device's line is, or would be."""
        return self._lines[hash(endpoint) % SHARDS]

    def _line(self, endpoint: str) -> bytes | None:
        return self._lines[hash(endpoint) % SHARDS].get(endpoint)

    # Joining a line

    def reserve(self, endpoint: str, count: int) -> int:
        """Make room for `count` operations that are being stored; the first of their ids.

        QueueFull, and nothing reserved, when the device or the server has its limit.
        """
        waiting = len(self._line(endpoint) or b"") // ID_BYTES + self._reserved.get(endpoint, 0)
        if waiting + count > self._per_device:
            self.refused += 1
            raise QueueFull(repr(endpoint), self._per_device, has=waiting, more=count)
        in_all = self._count + self._reserved_count
        if in_all + count > self._total:
            self.refused += 1
            raise QueueFull("the server", self._total, has=in_all, more=count)
        self._reserved[endpoint] = self._reserved.get(endpoint, 0) + count
        self._reserved_count += count
        first = self._next_id
        self._next_id += count
        return first

    def release(self, endpoint: str, count: int) -> None:
        """Give back what reserve() made room for."""
        left = self._reserved[endpoint] - count
        self._reserved_count -= count
        if left:
            self._reserved[endpoint] = left
        else:
            del self._reserved[endpoint]

    def add(
        self,
        endpoint: str,
        operation_id: int,
        *,
        valid_until_ms: int = 0,
        is_post_registration: bool = False,
    ) -> None:
        """Let a stored operation join its device's line, where its id belongs."""
        entry = operation_id | MARK if is_post_registration else operation_id
        place, lines = entry.to_bytes(ID_BYTES, "big"), self._shard(endpoint)
        line = lines.get(endpoint)
        lines[endpoint] = place if line is None else _with(line, place, operation_id)
        self._count += 1
        if operation_id >= self._next_id:
            self._next_id = operation_id + 1
        if valid_until_ms:
            heapq.heappush(self._expiries, (valid_until_ms, operation_id, endpoint))
            if len(self._expiries) > 2 * self._count + MIN_EXPIRIES:
                self._forget_expiries()

    def _forget_expiries(self) -> None:
        """Most of them have ended before their time."""
        self._expiries = [e for e in self._expiries if self.has(e[2], e[1])]
        heapq.heapify(self._expiries)

    def load(
        self, lines: dict[str, bytes], expiries: list[Expiry], held: set[str], next_id: int
    ) -> None:
        """All lines at a start, before anything else: each with its entries in the order of their
        ids, which are below `next_id`. Those in `held` wait for their device's next contact."""
        self._expiries, self._held = expiries, held
        heapq.heapify(expiries)
        for endpoint, line in lines.items():
            self._lines[hash(endpoint) % SHARDS][endpoint] = line
        self._count = sum(map(len, lines.values())) // ID_BYTES
        self._next_id = max(self._next_id, next_id)

    # Whose turn it is

    def due(self, endpoint: str) -> int | None:
        """The operation to send next; None while one runs, a contact is awaited, or none waits."""
        line = self._line(endpoint)
        if line is None or endpoint in self._running or endpoint in self._held:
            return None
        left = self._phases.get(endpoint)
        if left is None:
            return _id_at(line, 0)
        return self._due_in_phase(endpoint, line, left)

    def _due_in_phase(self, endpoint: str, line: bytes, left: int) -> int | None:
        listed, plain = _first(line, is_marked=True), _first(line, is_marked=False)
        if listed is None and endpoint in self._reserved:  # the list is being stored
            return plain if left > 0 else None
        if listed is None:
            del self._phases[endpoint]
            return plain
        return plain if left > 0 and plain is not None and plain < listed else listed

    def registered(self, endpoint: str, cap: int) -> None:
        """A full Register: before the post-registration list at most `cap` of what waits already.

        To be called when the list's own operations have their places reserved.
        """
        self._phases[endpoint] = cap

    def leave_phase(self, endpoint: str) -> None:
        """There is no list to wait for after all."""
        self._phases.pop(endpoint, None)

    def start(self, endpoint: str, operation_id: int, now: float) -> None:
        """`operation_id` is being sent; 0 for what is in no line."""
        self._running[endpoint] = Running(operation_id, now)
        if operation_id and self._phases.get(endpoint, 0) > 0:
            self._phases[endpoint] -= 1

    def is_busy(self, endpoint: str) -> bool:
        return endpoint in self._running

    def is_held(self, endpoint: str) -> bool:
        """Whether its next contact is awaited."""
        return endpoint in self._held

    def running(self, endpoint: str) -> int | None:
        """The id of what is under way, 0 for what is in no line, None when nothing is."""
        found = self._running.get(endpoint)
        return None if found is None else found.id

    def hold(self, endpoint: str) -> None:
        """Nobody answered: what ran is pending again, and all wait for the next contact."""
        self._running.pop(endpoint, None)
        self._held.add(endpoint)

    def pause(self, endpoint: str) -> None:
        """What ran could not be sent after all: it is pending again, and may be tried anew."""
        self._running.pop(endpoint, None)

    def heard(self, endpoint: str) -> None:
        """The device made contact: what waits for that may go."""
        self._held.discard(endpoint)

    # Leaving it

    def remove(self, endpoint: str, operation_id: int) -> bool:
        """An operation has ended, however. False when it is not in the line."""
        lines = self._shard(endpoint)
        line = lines.get(endpoint, b"")
        at = _find(line, operation_id)
        if at < 0:
            return False
        self._count -= 1
        if self.running(endpoint) == operation_id:
            del self._running[endpoint]
        rest = line[:at] + line[at + ID_BYTES :]
        if rest:
            lines[endpoint] = rest
        else:
            del lines[endpoint]
            self._held.discard(endpoint)
            self._phases.pop(endpoint, None)
        return True

    def expired(self, now_ms: int) -> Iterator[tuple[str, int]]:
        """Those whose time is over, each once. One that runs may still be answered, and is left
        out: who gets it back must look at its time."""
        while self._expiries and self._expiries[0][0] <= now_ms:
            _, operation_id, endpoint = heapq.heappop(self._expiries)
            if self.has(endpoint, operation_id) and self.running(endpoint) != operation_id:
                yield endpoint, operation_id

    def next_expiry_ms(self) -> int | None:
        return self._expiries[0][0] if self._expiries else None

    def stale(self, started_before: float) -> list[tuple[str, int]]:
        """What has been running since before that moment."""
        return [
            (endpoint, running.id)
            for endpoint, running in self._running.items()
            if running.started_at < started_before
        ]

    # Looking

    def line(self, endpoint: str) -> list[int]:
        """All ids of a device, oldest first, what runs included."""
        line = self._line(endpoint) or b""
        return [_id_at(line, at) for at in range(0, len(line), ID_BYTES)]

    def listed(self, endpoint: str) -> list[int]:
        """Those from the post-registration list."""
        line = self._line(endpoint) or b""
        return [_id_at(line, at) for at in range(0, len(line), ID_BYTES) if line[at] & 0x80]

    def has(self, endpoint: str, operation_id: int) -> bool:
        return _find(self._line(endpoint) or b"", operation_id) >= 0

    def waits(self, endpoint: str) -> bool:
        """Whether anything is in the device's line."""
        return endpoint in self._shard(endpoint)

    def __len__(self) -> int:
        """Operations of all devices."""
        return self._count

    def endpoints(self) -> list[str]:
        """Every device with a line."""
        return list(chain.from_iterable(self._lines))

    @property
    def next_id(self) -> int:
        """The smallest id that was never given."""
        return self._next_id

    def counters(self) -> dict[str, int]:
        return {
            "operations_waiting": self._count,
            "operations_running": len(self._running),
            "operations_refused": self.refused,
            "operation_devices": sum(map(len, self._lines)),
        }


def _id_at(line: bytes, at: int) -> int:
    return int.from_bytes(line[at : at + ID_BYTES], "big") & ~MARK


def _with(line: bytes, place: bytes, operation_id: int) -> bytes:
    """A line in order with another place in it, which is the last one as a rule."""
    at = len(line)
    while at and _id_at(line, at - ID_BYTES) > operation_id:
        at -= ID_BYTES
    return line[:at] + place + line[at:]


def _find(line: bytes, operation_id: int) -> int:
    """Where it stands in a line, which is in order; -1: nowhere."""
    low, high = 0, len(line) // ID_BYTES
    while low < high:
        middle = (low + high) // 2
        if _id_at(line, middle * ID_BYTES) < operation_id:
            low = middle + 1
        else:
            high = middle
    at = low * ID_BYTES
    return at if at < len(line) and _id_at(line, at) == operation_id else -1


def _first(line: bytes, *, is_marked: bool) -> int | None:
    for at in range(0, len(line), ID_BYTES):
        if bool(line[at] & 0x80) == is_marked:
            return _id_at(line, at)
    return None
