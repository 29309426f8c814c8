"""Last values: what devices reported or answered, in memory first, in the store a moment later.

A report costs one entry in a dictionary when it comes in, a newer one of the same observation
takes its place, and a flush reads them all off the loop's thread. Whoever asks in between is shown
both. Knows no socket and no HTTP; what a row looks like is value_rows.py's business.

A killed process loses the values of the last flush interval; the devices were already told that
they have arrived. What a graceful stop has heard is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol

from lwm2m_fast.codec import Path
from lwm2m_fast.config import ReportingConfig
from lwm2m_fast.core.ask import Report, ReportTuple
from lwm2m_fast.core.events import Event
from lwm2m_fast.core.last_values import LastValue, Origin, at_or_below, decode, unlisted
from lwm2m_fast.core.operations import (
    ObservedContext,
    Result,
    decode_report,
    read_context,
)
from lwm2m_fast.core.orders import Order
from lwm2m_fast.core.target import Target
from lwm2m_fast.core.typed_values import value_json
from lwm2m_fast.errors import FormatError, RequestError, StoreError, UnknownDevice
from lwm2m_fast.faults import Faults
from lwm2m_fast.model import Model, View
from lwm2m_fast.report_events import notification, observe_ended, send
from lwm2m_fast.report_intake import Heard, read_known, take_known
from lwm2m_fast.sink.base import Sink
from lwm2m_fast.store.base import StateStore
from lwm2m_fast.targets import SettingsSource, Targets
from lwm2m_fast.value_rows import Batch, ValueRows, origin_of

_log = logging.getLogger("lwm2m_fast.values")

ERROR = 0x80
"""From this code byte on, an answer is a refusal."""

MAX_UNFLUSHED_BYTES = 64 << 20
"""Payloads of all unflushed reports together."""

READS = {"read": Origin.READ_RESPONSE, "read_composite": Origin.READ_RESPONSE}
OBSERVES = {
    "observe": Origin.OBSERVATION_RESPONSE,
    "observe_composite": Origin.OBSERVATION_RESPONSE,
}
WRITES = ("write", "write_composite")
REMOVING_CODES = frozenset({"4.01", "4.03", "4.04", "5.00", "5.01"})
"""Answers to a Read or Write that say that the value is no more (requirement 1.14)."""


class Registry(Protocol):
    """The part of the engine that is asked."""

    def endpoint_of(self, slot: int) -> str: ...

    def reported(self, number: int) -> tuple[str, bytes] | None: ...


class Judge(Protocol):
    """Who says which Sends are taken (core/judge)."""

    def report_to(
        self, known: dict[int, Any], first: Callable[[int, str, Target], None]
    ) -> None: ...


class Values:
    """The last values of all devices. Everything is called on the loop's thread.

    `keep` brings changes to the store after all that was submitted before, and raises StoreError
    when they are not kept. `wall` is unix time in seconds.
    """

    def __init__(
        self,
        state: StateStore,
        keep: Callable[[bytes], Awaitable[None]],
        registry: Registry,
        targets: Targets,
        model: Model,
        settings: SettingsSource,
        config: ReportingConfig,
        sinks: Sequence[Sink] = (),
        wall: Callable[[], float] = time.time,
        faults: Faults | None = None,
    ) -> None:
        self._faults = faults or Faults()
        self._keep, self._registry, self._targets = keep, registry, targets
        self._model, self._settings, self._config = model, settings, config
        self._sinks, self._wall = sinks, wall
        self._rows = ValueRows(state, config)
        self._judge: Judge | None = None
        self._batch = Batch()
        self._going: Batch | None = None
        self._bytes = 0
        self._next_key = -1
        self._flushing = asyncio.Lock()
        self._is_due = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._counts = {
            "values_reports": 0, "values_reports_dropped": 0, "values_reports_orphaned": 0,
            "values_observations_ended": 0, "values_flushes": 0, "values_flush_failures": 0,
        }  # fmt: skip

    # Hearing

    def attach(self, judge: Judge) -> None:
        """Hear from now on whose Sends are that this one takes."""
        self._judge = judge
        self._begin(self._batch)

    def _begin(self, batch: Batch) -> None:
        self._batch = batch
        if self._judge is not None:
            self._judge.report_to(batch.bound, self.judged)

    def judged(self, number: int, endpoint: str, form: Target) -> None:
        """A Send was taken whose number has not been heard since the last flush."""
        self._batch.bind(number, (endpoint, None, form))

    def reports(self, reports: list[ReportTuple]) -> list[Event]:
        """Take over what devices reported in a turn, before the next one begins.

        The events are to be told when the turn is kept; there are some only if somebody listens."""
        listeners = [sink for sink in self._sinks if sink.listens]
        events: list[Event] = []
        if listeners:
            rest, size = reports, sum(len(report[4]) for report in reports)
        else:  # in a fleet that reports often, nearly all are taken here
            rest, size = take_known(reports, self._batch.items, self._batch.bound, ERROR)
        for report in rest:
            self._faults.tell("a report", self._take, report, listeners, events)
        self._counts["values_reports"] += len(reports)
        self._bytes += size
        self._check_bounds()
        return events

    def _take(self, report: ReportTuple, listeners: list[Sink], events: list[Event]) -> None:
        """One that is told, the first of its number, or the end of an observation."""
        number = report[1]
        if not number:  # a Send that nobody judged is for itself
            number = self._fresh_key()
            report = (report[0], number, *report[2:])
        if (number in self._batch.bound or self._bind(report)) and report[2] < ERROR:
            self._batch.items[number] = report
            if listeners:
                self._tell(report, listeners, events)
        else:
            self._ended(report, listeners, events)

    def _bind(self, report: ReportTuple) -> bool:
        """Look up what reports of this number are read with, while the device is there."""
        number = report[1]
        endpoint, about = self._name_of(report[0]), None
        if number > 0:
            found = self._registry.reported(number)
            if found is None:
                return False
            endpoint, about = found[0], _read_context(found[1])
        form = None if endpoint is None else self._targets.form_at(report[0], endpoint)
        if endpoint is None or form is None:
            return False
        self._batch.bind(number, (endpoint, about, form))
        return True

    def _ended(self, report: ReportTuple, listeners: list[Sink], events: list[Event]) -> None:
        """The device said no more; or it is gone, and nobody knows of what it reported."""
        known = self._batch.bound.get(report[1])
        if report[2] < ERROR:
            self._counts["values_reports_orphaned"] += 1
            return
        self._counts["values_observations_ended"] += 1
        endpoint = known[0] if known else self._name_of(report[0])
        if endpoint is not None and self._is_heard(endpoint, listeners):
            context = known[1] if known else None
            events.append(observe_ended(endpoint, context, Report(*report)))

    def _is_heard(self, endpoint: str, listeners: list[Sink]) -> bool:
        return any(self._faults.ask("a sink", sink.hears, endpoint) for sink in listeners)

    def _tell(self, report: ReportTuple, listeners: list[Sink], events: list[Event]) -> None:
        number = report[1]
        endpoint, context, form = self._batch.bound[number]
        if not self._is_heard(endpoint, listeners):
            return
        whole, pack, why = Report(*report), None, ""
        try:
            pack = decode_report(form, context, whole)
            # So that it is not read a second time.
            self._batch.items[number] = Heard(endpoint, whole.at, origin_of(number), pack)
        except FormatError as error:
            why = str(error)
        if number > 0:
            events.append(notification(endpoint, context, whole, pack, why))
        else:
            events.append(send(endpoint, whole, pack, why))

    def _note_values(self, item: Heard) -> None:
        """In the place of what no flush has seen of the same values, from the same origin."""
        known = self._batch.newest.get(item.kind)
        if known is not None:
            known.renew(item)
        else:
            self._batch.newest[item.kind] = self._batch.latest[item.endpoint] = item
            self._note(item)

    def _name_of(self, slot: int) -> str | None:
        """None: the device left in the turn in which it reported."""
        try:
            return self._registry.endpoint_of(slot)
        except UnknownDevice:
            return None

    def answered(self, target: Target, order: Order, result: Result, at: float) -> None:
        """What an answer says about last values; call for every answer, refusals included.

        A Read or Observe that was answered with values sets them, a Delete removes those below its
        path. Unless the device's settings retain them, so does a Read or Write that is refused with
        4.01, 4.03, 4.04, 5.00 or 5.01, and a Discover those that it no longer lists. `at` is unix
        time in seconds.
        """
        endpoint = target.endpoint
        origin = READS.get(order.op) or OBSERVES.get(order.op)
        if origin is not None and result.ok and result.pack is not None:
            self._note_values(Heard(endpoint, at, origin, result.pack))
        elif order.op == "delete" and result.ok:
            self._forget(endpoint, at, _paths_of(order))
        elif self._settings.get(endpoint).retains_values:
            return
        elif order.op == "discover" and result.ok and result.links is not None:
            asked = Path.parse(order.path or "/")
            listed = _listed(result.links)
            self._note(Heard(endpoint, at, Origin.READ_RESPONSE, None, unlisted(asked, listed)))
        elif (order.op in READS or order.op in WRITES) and result.code in REMOVING_CODES:
            self._forget(endpoint, at, _paths_of(order))

    def read(
        self, endpoints: list[str], orders: list[Order], results: list[Result], at: float
    ) -> None:
        """As queue/calls.py: Hears."""
        key = self._next_key
        self._next_key = read_known(endpoints, results, at, self._batch, Origin.READ_RESPONSE, key)
        if self._next_key != key:
            self._check_bounds()

    def _forget(self, endpoint: str, at: float, paths: Sequence[Path]) -> None:
        if paths:
            gone = at_or_below(paths)
            self._note(Heard(endpoint, at, Origin.READ_RESPONSE, None, gone))

    def _note(self, item: Heard) -> None:
        if item.gone is not None:  # what comes after it must not take the place of what came before
            self._batch.newest, self._batch.latest = {}, {}
            self._batch.set_aside(item.endpoint, self._fresh_key)
        key = self._fresh_key()
        self._batch.items[key] = item
        self._batch.keys.setdefault(item.endpoint, []).append(key)
        if not -key % 64:
            self._check_bounds()

    def _fresh_key(self) -> int:
        key, self._next_key = self._next_key, self._next_key - 1
        return key

    def _check_bounds(self) -> None:
        items = self._batch.items
        limit = self._config.max_unflushed_reports
        if len(items) * 2 >= limit or self._bytes * 2 >= MAX_UNFLUSHED_BYTES:
            self._is_due.set()
        while len(items) > limit:
            self._batch.drop_oldest()
            self._counts["values_reports_dropped"] += 1
        if self._bytes > MAX_UNFLUSHED_BYTES:
            # What was replaced has been counted, too: look closer, which happens rarely.
            self._bytes = self._batch.size_bytes()
            while self._bytes * 2 > MAX_UNFLUSHED_BYTES and items:
                self._bytes -= _payload_bytes(self._batch.drop_oldest())
                self._counts["values_reports_dropped"] += 1

    # Flushing

    def start(self) -> None:
        """Begin to flush every `reporting.values_flush_s`, and earlier when much has come in."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop flushing, and keep what was heard. StoreError when that cannot be kept."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        await self.flush()

    async def _run(self) -> None:
        failing = False
        while True:
            try:
                async with asyncio.timeout(self._config.values_flush_s):
                    await self._is_due.wait()
            except TimeoutError:
                pass
            try:
                await self.flush()
                failing = False
            except StoreError as error:
                if not failing:
                    _log.error("last values cannot be kept now: %s", error)
                failing = True
                await asyncio.sleep(self._config.values_flush_s)
            except Exception:  # a fault of ours: the batch is lost, the next one need not be
                _log.exception("last values were lost")

    async def flush(self) -> None:
        """Bring everything heard so far into the store.

        StoreError when it is not kept; it then waits, in memory, for the next time.
        """
        async with self._flushing:
            self._is_due.clear()
            batch = self._batch
            self._begin(Batch())
            self._bytes = 0
            if not batch.items:
                return
            self._going = batch
            devices = self._rows.devices
            try:
                for blob in await asyncio.to_thread(self._rows.blobs, batch):
                    await self._keep(blob)
                self._counts["values_flushes"] += 1
            except (StoreError, asyncio.CancelledError):
                self._rows.devices = devices
                self._begin(batch.followed_by(self._batch))
                self._bytes = self._batch.size_bytes()
                self._counts["values_flush_failures"] += 1
                raise
            finally:
                self._going = None

    # Asking

    def listing(self, endpoint: str, prefix: str = "") -> list[dict[str, Any]]:
        """The last values at or below the path `prefix`, in its order, ready for JSON.

        Each has path, type, value, time, origin, and from the object model name, object, units and
        operations (R, W, E), null where nobody knows them. RequestError when it is no path.
        """
        base = _parsed(prefix)
        values = self._rows.stored(endpoint)
        for batch in (self._going, self._batch):
            if batch is not None:
                self._rows.take(values, batch, endpoint)
        self._rows.evict(endpoint, values)
        view = self._view(endpoint, {packed >> 48 for packed in values.paths()})
        is_wanted = at_or_below([base])
        found = []
        for packed in sorted(values.paths()):
            if not is_wanted(packed):
                continue
            row = values.row(packed, lambda each: self._rows.row(endpoint, each))
            value = decode(packed, row) if row is not None else None
            if value is not None and base.contains(value.path):
                found.append(_described(value, view))
        return found

    def _view(self, endpoint: str, object_ids: set[int]) -> View:
        form = self._targets.form_of(endpoint)
        if form is not None:
            return form.view
        return self._model.view(
            dict.fromkeys(object_ids),
            default_version=self._settings.get(endpoint).default_object_version,
        )

    async def forget(self, endpoint: str, prefix: str = "") -> None:
        """Remove the last values at or below a path, all without one. RequestError, StoreError."""
        self._forget(endpoint, self._wall(), [_parsed(prefix)])
        await self.flush()

    async def forget_devices(self, endpoints: Iterable[str]) -> int:
        """Remove all last values of devices that are gone for good; how many had some. They are
        gone from answers at once; with StoreError they leave the store when it works again."""
        known = [name for name in endpoints if self._has_any(name)]
        for endpoint in known:
            self._forget(endpoint, self._wall(), [_parsed("")])
        if known:
            await self.flush()
        return len(known)

    def _has_any(self, endpoint: str) -> bool:
        batches = (self._batch, self._going)
        if any(batch is not None and endpoint in batch.keys for batch in batches):
            return True
        try:
            return bool(self._rows.stored(endpoint).stored)
        except StoreError:  # it may: forgotten when the store works again
            return True

    def counters(self) -> dict[str, int]:
        waiting = len(self._batch.items) + (len(self._going.items) if self._going else 0)
        return {
            **self._counts,
            **self._rows.counts,
            "values_unflushed": waiting,
            "values_devices_current": self._rows.devices,
        }


@lru_cache(maxsize=4096)
def _read_context(context: bytes) -> ObservedContext | None:
    try:
        return read_context(context)
    except FormatError:
        return None


def _payload_bytes(item: ReportTuple | Heard) -> int:
    if isinstance(item, Heard):
        return len(item.pack.payload) if item.pack is not None else 0
    return len(item[4])


def _parsed(prefix: str) -> Path:
    try:
        return Path.parse(prefix or "/")
    except FormatError as error:
        raise RequestError(f"path {prefix!r:.80}: {error}") from None


def _paths_of(order: Order) -> list[Path]:
    """What an order is about."""
    texts = [order.path] if order.path is not None else [*order.paths]
    if order.op == "write_composite" and order.values is not None:
        texts = list(order.values)
    return [Path.parse(text) for text in texts]


def _listed(links: Sequence[dict[str, Any]]) -> list[Path]:
    """The paths of a Discover's answer; what is no path of LwM2M is passed over."""
    return [Path.parse(link["path"]) for link in links if link["path"] is not None]


def _described(value: LastValue, view: View) -> dict[str, Any]:
    object_id, _, resource_id = value.path.ids[:3]
    known = view.objects.get(object_id)
    resource = view.resource(object_id, resource_id)
    return {
        "path": str(value.path),
        "type": value.kind.name,
        "value": value_json(value.kind, value.value),
        "time": value.time_ns / 1e9,
        "origin": value.origin.name,
        "object": known.name if known else None,
        "name": resource.name if resource else None,
        "units": resource.units if resource else None,
        "operations": resource.operations if resource else None,
    }
