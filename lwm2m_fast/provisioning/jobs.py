"""Files of devices, and commands of the connector, as work of its own: one after the other, with
progress and a result per row.

A job is kept from the moment it is accepted; what was under way when the process ended is failed at
the next start, and says how far it came. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final

import orjson

from lwm2m_fast.errors import Error, NotFound, QueueFull, RequestError, StoreError
from lwm2m_fast.fleet.configuration import read
from lwm2m_fast.fleet.csv_rows import BadRow, Row, endpoint_of, read_rows
from lwm2m_fast.provisioning.device_rows import id_bytes
from lwm2m_fast.provisioning.devices import ProvisionedDevices
from lwm2m_fast.provisioning.transactions import Wanted
from lwm2m_fast.provisioning.unbound import KeptUnbound
from lwm2m_fast.store.base import FleetStore

BULK: Final = "bulk"
"""Namespace of the fleet store: u64 id of a job to JSON."""
FILES: Final = ("register", "delete")
"""Actions of files."""
MAX_PENDING: Final = 20
MAX_KEPT: Final = 1_000
"""Jobs; the oldest that have ended are forgotten first."""
MAX_ERRORS: Final = 1_000
"""Refused rows named per job; beyond, they are counted."""
ROWS_AT_ONCE: Final = 1_024
"""One transaction, whose sync is what costs time; and some 100 ms of work in another thread."""
ROWS_IN_PART: Final = 32
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
    """register · delete, of a file; else the name of a connector's command"""
    created_at: float
    name: str = ""
    """The file's own name, as it was sent; of a command its line."""
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

    @property
    def is_file(self) -> bool:
        return self.action in FILES

    def count(self, line: int, endpoint: str, result: object) -> None:
        """One more row, refused when the result is an error."""
        if isinstance(result, RequestError):
            self.refuse(line, endpoint, str(result))
        else:
            self.taken(1)

    def taken(self, rows: int) -> None:
        """So many more rows are in."""
        self.rows += rows
        self.succeeded += rows

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


Work = Callable[[Job], Awaitable[bool]]
"""Whether all of it has been done; False: we stop."""


class Jobs:
    """Jobs, worked off in order. `changed` hears of each state of each job; `alarm` of each device
    that is kept unbound, with tenant, endpoint and text."""

    def __init__(
        self,
        devices: ProvisionedDevices,
        fleet: FleetStore,
        clock: Callable[[], float],
        changed: Callable[[Job], None],
        alarm: Callable[[str, str, str], None] = lambda tenant, endpoint, text: None,
    ) -> None:
        self._devices, self._fleet = devices, fleet
        self._clock, self._changed, self._alarm = clock, changed, alarm
        self._jobs: dict[int, Job] = {}
        self._waiting: deque[tuple[Job, Work]] = deque()
        self._accepting = 0
        """Those that wait for the disk before they wait for their turn."""
        self._ends: dict[int, asyncio.Event] = {}
        """Of jobs that have not ended."""
        self._worker: asyncio.Task[None] | None = None
        self._last_id = 0
        self._is_stopping = False

    def load(self) -> int:
        """Once at start: how many were cut off by the end of the last process."""
        cut_off = 0
        for key, row in self._fleet.scan(BULK):
            self._last_id = int.from_bytes(key, "big")
            try:
                job = _parse(key, row)
            except StoreError as error:  # its result is lost, and the server's start must not be
                _log.error("a stored bulk operation is passed over", exc_info=error)
                continue
            self._jobs[job.id] = job
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

    def page(
        self,
        tenant: str,
        limit: int,
        *,
        before: int | None = None,
        wanted: Callable[[Job], bool] = lambda job: True,
    ) -> list[Job]:
        """The newest first, those with an id below `before`."""
        own = (
            job
            for job in reversed(self._jobs.values())
            if job.tenant == tenant and (before is None or job.id < before) and wanted(job)
        )
        return list(islice(own, limit))

    async def ended(self, job: Job, seconds: float) -> None:
        """Wait until it has ended, or so long."""
        end = self._ends.get(job.id)
        if end is not None and seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await end.wait()

    async def submit(self, action: str, tenant: str, data: bytes, name: str = "") -> Job:
        """Accept a file; what it does goes on by itself.

        RequestError: the file as a whole cannot be used. QueueFull: MAX_PENDING wait already.
        """
        self._check_room()
        await asyncio.to_thread(read_rows, data)  # the header, before it is accepted
        return await self.accept(action, tenant, name, partial(self._run, data), len(data))

    def _check_room(self) -> None:
        if len(self._waiting) + self._accepting >= MAX_PENDING:
            raise QueueFull("the server", MAX_PENDING, "files of devices waiting")

    async def accept(self, action: str, tenant: str, name: str, work: Work, size: int = 0) -> Job:
        """A job that is `work`, done in its turn. QueueFull as submit()."""
        self._check_room()
        self._last_id += 1
        job = Job(self._last_id, tenant, action, self._clock(), name[:255], size=size)
        self._accepting += 1
        try:
            await asyncio.to_thread(self._keep, job)
        finally:
            self._accepting -= 1
        self._jobs[job.id] = job
        self._ends[job.id] = asyncio.Event()
        self._forget_old()
        self._waiting.append((job, work))
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
            job, work = self._waiting.popleft()
            job.state = "EXECUTING"
            self._changed(job)
            try:
                if not await work(job):
                    break  # the next start says so
            except Error as error:  # the store, say: what is in is in
                _log.error("a bulk operation failed", exc_info=error, extra={"job": job.id})
                job.reason = str(error)
            except Exception:  # a fault of ours in one file must not keep the others
                _log.exception("a bulk operation met a fault", extra={"job": job.id})
                job.reason = "the server failed at it; its log says why"
            job.state = "FAILED" if job.failed or job.reason else "SUCCESSFUL"
            job.ended_at = self._clock()
            await self.note(job)
            self._ends.pop(job.id).set()
        self._worker = None

    async def note(self, job: Job) -> None:
        """Keep how far a job is, and tell."""
        try:
            await asyncio.to_thread(self._keep, job)
            if job.id not in self._jobs:  # forgotten meanwhile: it had ended
                await asyncio.to_thread(self._fleet.delete, BULK, [id_bytes(job.id)])
        except StoreError as error:
            _log.error("a bulk operation's state could not be kept", exc_info=error)
        self._changed(job)

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping

    async def _run(self, data: bytes, job: Job) -> bool:
        """Whether every row has been worked off; False: we stop."""
        rows = await asyncio.to_thread(read_rows, data)
        step = self._register if job.action == "register" else self._delete
        while not self._is_stopping:
            before = job.rows
            await step(job, rows)
            if job.rows == before:
                return True
            await self.note(job)
        return False

    async def _register(self, job: Job, rows: Iterator[Row | BadRow]) -> None:
        read = _Parts(rows, job.tenant)
        filed = await self._devices.add_file(read)
        for line, endpoint, why in read.refused:
            job.refuse(line, endpoint, why)
        # Mostly none: what is done here, the loop does.
        refusals = [(at, why) for at, why in enumerate(filed.refused) if why is not None]
        job.taken(len(filed.refused) - len(refusals))
        for at, refused in refusals:
            line, endpoint = read.wanted[at]
            job.count(line, endpoint, refused)
            if isinstance(refused, KeptUnbound) and refused.is_new:
                self._alarm(job.tenant, endpoint, str(refused))

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
            job.count(line, name, result)

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
        own = made.bootstrap_security
        if own is not None and own.security_mode == "PSK_GENERATED":
            why = (
                "bootstrapSecurity.bootstrapSecurityMode is 'PSK_GENERATED': the key that it makes "
                "could be shown to nobody, as a file's result has none; register the device singly"
            )
            self.refused.append((row.line, made.endpoint_id, why))
            return None
        self.wanted.append((row.line, made.endpoint_id))
        return Wanted(made, self._tenant, row.shell, row.is_legacy)
