"""Files of devices as work of its own: one after the other, with progress and a result per row.

A job is kept from the moment it is accepted; what was under way when the process ended is failed at
the next start, and says how far it came. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import orjson

from lwm2m_fast.errors import Error, NotFound, QueueFull, RequestError, StoreError
from lwm2m_fast.fleet.configuration import read
from lwm2m_fast.fleet.csv_rows import BadRow, Row, endpoint_of, read_rows
from lwm2m_fast.provisioning.device_rows import id_bytes
from lwm2m_fast.provisioning.devices import ProvisionedDevices
from lwm2m_fast.provisioning.registry import Wanted
from lwm2m_fast.store.base import FleetStore

BULK: Final = "bulk"
"""Namespace of the fleet store: u64 id of a job to JSON."""
MAX_PENDING: Final = 20
MAX_KEPT: Final = 1_000
"""Jobs; the oldest that have ended are forgotten first."""
MAX_ERRORS: Final = 1_000
"""Refused rows named per job; beyond, they are counted."""
ROWS_AT_ONCE: Final = 1_024
"""One transaction, whose sync is what costs time; and some 100 ms of work in another thread."""
ROWS_IN_PART: Final = 128
"""Rows that are alive as objects at the same time: see Registry.add_file()."""
NAMES_AT_ONCE: Final = 256
"""Devices removed in one transaction."""

_log = logging.getLogger("lwm2m_fast.provisioning")


@dataclass(slots=True)
class RowError:
    line: int
    endpoint: str
    why: str


@dataclass(slots=True)
class Job:
    """One file. `state` as of operations: PENDING, EXECUTING, SUCCESSFUL, FAILED (any bad row)."""

    id: int
    tenant: str
    action: str
    """register · delete"""
    created_at: float
    name: str = ""
    """The file's own name, as it was sent."""
    state: str = "PENDING"
    size: int = 0
    """Bytes, and of them so many that have been worked off: progress before rows are counted."""
    rows: int = 0
    succeeded: int = 0
    failed: int = 0
    ended_at: float | None = None
    reason: str | None = None
    """Why the file as a whole could not be used."""
    errors: list[RowError] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "action": self.action,
            "name": self.name,
            "status": self.state,
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "rows": self.rows,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "reason": self.reason,
            "errors": [
                {"line": one.line, "endpointId": one.endpoint, "reason": one.why}
                for one in self.errors
            ],
        }

    def refuse(self, line: int, endpoint: str, why: str) -> None:
        self.rows += 1
        self.failed += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(RowError(line, endpoint, why))


def _build(job: Job) -> bytes:
    return orjson.dumps({**job.as_json(), "tenant": job.tenant, "size": job.size})


def _parse(key: bytes, row: bytes) -> Job:
    try:
        fields = orjson.loads(row)
        return Job(
            int.from_bytes(key, "big"),
            fields["tenant"],
            fields["action"],
            fields["created_at"],
            fields["name"],
            fields["status"],
            fields["size"],
            fields["rows"],
            fields["succeeded"],
            fields["failed"],
            fields["ended_at"],
            fields["reason"],
            [RowError(e["line"], e["endpointId"], e["reason"]) for e in fields["errors"]],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"a stored bulk job cannot be read: {error}") from None


class Jobs:
    """Files of devices, worked off in order. `changed` hears of each state of each job."""

    def __init__(
        self,
        devices: ProvisionedDevices,
        fleet: FleetStore,
        clock: Callable[[], float],
        changed: Callable[[Job], None],
    ) -> None:
        self._devices, self._fleet = devices, fleet
        self._clock, self._changed = clock, changed
        self._jobs: dict[int, Job] = {}
        self._waiting: deque[tuple[Job, bytes]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._last_id = 0
        self._is_stopping = False

    def load(self) -> int:
        """Once at start: how many were cut off by the end of the last process."""
        cut_off = 0
        for key, row in self._fleet.scan(BULK):
            job = _parse(key, row)
            self._jobs[job.id] = job
            self._last_id = job.id
            if job.state in ("PENDING", "EXECUTING"):
                cut_off += 1
                job.state, job.ended_at = "FAILED", self._clock()
                job.reason = (
                    f"the server stopped after {job.rows} rows; the same file can be sent again, "
                    "as rows that are in are only reported as such"
                )
                self._keep(job)
        return cut_off

    def get(self, number: int, tenant: str) -> Job:
        """NotFound: no such job of this tenant."""
        job = self._jobs.get(number)
        if job is None or job.tenant != tenant:
            raise NotFound(f"there is no bulk operation {number}")
        return job

    def page(self, tenant: str, limit: int) -> list[Job]:
        """The newest first."""
        own = (job for job in reversed(self._jobs.values()) if job.tenant == tenant)
        return [job for _, job in zip(range(limit), own, strict=False)]

    async def submit(self, action: str, tenant: str, data: bytes, name: str = "") -> Job:
        """Accept a file; what it does goes on by itself.

        RequestError: the file as a whole cannot be used. QueueFull: MAX_PENDING wait already.
        """
        if len(self._waiting) >= MAX_PENDING:
            raise QueueFull("the server", MAX_PENDING, "files of devices waiting")
        await asyncio.to_thread(read_rows, data)  # the header, before it is accepted
        self._last_id += 1
        job = Job(self._last_id, tenant, action, self._clock(), name[:255], size=len(data))
        await asyncio.to_thread(self._keep, job)
        self._jobs[job.id] = job
        self._forget_old()
        self._waiting.append((job, data))
        self._changed(job)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return job

    async def finished(self) -> None:
        """Wait until every file that was accepted has been worked off."""
        if self._worker is not None:
            await self._worker

    async def stop(self) -> None:
        """Finish the rows under way; what is left is failed at the next start."""
        self._is_stopping = True
        await self.finished()

    def _forget_old(self) -> None:
        ended = [job.id for job in self._jobs.values() if job.ended_at is not None]
        surplus = ended[: max(0, len(self._jobs) - MAX_KEPT)]
        for number in surplus:
            del self._jobs[number]
        if surplus:
            self._fleet.delete(BULK, [id_bytes(number) for number in surplus])

    def _keep(self, job: Job) -> None:
        self._fleet.put(BULK, [(id_bytes(job.id), _build(job))])

    async def _work(self) -> None:
        while self._waiting and not self._is_stopping:
            job, data = self._waiting.popleft()
            job.state = "EXECUTING"
            self._changed(job)
            try:
                if not await self._run(job, data):
                    break  # the next start says so
            except Error as error:  # the store, say: what is in is in
                _log.error("a bulk operation failed", exc_info=error, extra={"job": job.id})
                job.reason = str(error)
            job.state = "FAILED" if job.failed or job.reason else "SUCCESSFUL"
            job.ended_at = self._clock()
            await self._note(job)
        self._worker = None

    async def _note(self, job: Job) -> None:
        try:
            await asyncio.to_thread(self._keep, job)
            if job.id not in self._jobs:  # forgotten meanwhile: it had ended
                await asyncio.to_thread(self._fleet.delete, BULK, [id_bytes(job.id)])
        except StoreError as error:
            _log.error("a bulk operation's state could not be kept", exc_info=error)
        self._changed(job)

    async def _run(self, job: Job, data: bytes) -> bool:
        """Whether every row has been worked off; False: we stop."""
        rows = await asyncio.to_thread(read_rows, data)
        step = self._register if job.action == "register" else self._delete
        while not self._is_stopping:
            before = job.rows
            await step(job, rows)
            if job.rows == before:
                return True
            await self._note(job)
        return False

    async def _register(self, job: Job, rows: Iterator[Row | BadRow]) -> None:
        read = _Parts(rows, job.tenant)
        filed = await self._devices.add_file(read)
        for line, endpoint, why in read.refused:
            job.refuse(line, endpoint, why)
        for (line, endpoint), refused in zip(read.wanted, filed.refused, strict=True):
            self._count(job, line, endpoint, refused)

    async def _delete(self, job: Job, rows: Iterator[Row | BadRow]) -> None:
        batch = await asyncio.to_thread(_some, rows, NAMES_AT_ONCE)
        names: dict[str, int] = {}
        for row in batch:
            if isinstance(row, BadRow):
                job.refuse(row.line, "", row.why)
            elif not (name := endpoint_of(row.fields)):
                job.refuse(row.line, "", "endpointId is missing")
            elif name in names:
                job.refuse(row.line, name, "is there twice")
            else:
                names[name] = row.line
        results = await self._devices.remove(names, job.tenant)
        for (name, line), result in zip(names.items(), results, strict=True):
            self._count(job, line, name, result)

    @staticmethod
    def _count(job: Job, line: int, endpoint: str, result: object) -> None:
        if isinstance(result, RequestError):
            job.refuse(line, endpoint, str(result))
        else:
            job.rows += 1
            job.succeeded += 1

    def counters(self) -> dict[str, int]:
        return {
            "bulk_waiting": len(self._waiting),
            "bulk_current": len(self._jobs),
        }


def _some(rows: Iterator[Row | BadRow], limit: int) -> list[Row | BadRow]:
    return list(islice(rows, limit))


class _Parts:
    """The next rows of a file as devices, part by part; in another thread than the loop's."""

    def __init__(self, rows: Iterator[Row | BadRow], tenant: str) -> None:
        self._rows, self._tenant = rows, tenant
        self.wanted: list[tuple[int, str]] = []
        """Line and endpoint name, in the order of the parts."""
        self.refused: list[tuple[int, str, str]] = []
        """Line, endpoint name where there is one, and why."""

    def __call__(self) -> Iterator[list[Wanted]]:
        for _ in range(ROWS_AT_ONCE // ROWS_IN_PART):
            some = _some(self._rows, ROWS_IN_PART)
            if not some:
                return
            yield [made for row in some if (made := self._read(row)) is not None]

    def _read(self, row: Row | BadRow) -> Wanted | None:
        if isinstance(row, BadRow):
            self.refused.append((row.line, "", row.why))
            return None
        try:
            made = read(row.fields, is_text=True, needs_bootstrap=True)
        except RequestError as error:
            self.refused.append((row.line, endpoint_of(row.fields), str(error)))
            return None
        self.wanted.append((row.line, made.endpoint_id))
        return Wanted(made, self._tenant, row.shell)
