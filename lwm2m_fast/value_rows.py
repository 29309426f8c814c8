"""Last values in the state store: reports to rows, a device at a time, and rows back.

Two tables: 4, a value under endpoint name · zero byte · packed path; 5, the list of a device's
packed paths under its endpoint name. Deletes are written before the list, and the list before new
values: wherever a crash cuts, a path without a row is passed over and no row is without its path.
Runs in any thread, one flush at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from lwm2m_fast.background import CoreOffers
from lwm2m_fast.config import ReportingConfig
from lwm2m_fast.core.ask import Report, ReportTuple
from lwm2m_fast.core.last_values import (
    DeviceValues,
    Origin,
    read_paths,
    write_paths,
)
from lwm2m_fast.core.operations import ObservedContext, decode_report
from lwm2m_fast.core.target import Target
from lwm2m_fast.errors import FormatError
from lwm2m_fast.report_intake import Heard
from lwm2m_fast.rest.base import MAX_ENDPOINT_BYTES
from lwm2m_fast.store.base import StateStore
from lwm2m_fast.store.changes import delete, put

_log = logging.getLogger("lwm2m_fast.values")

TABLE_VALUES, TABLE_PATHS = 4, 5

OFFER_EVERY = 32
"""Devices between two looks at how long the event loop has had to wait."""

BLOB_BYTES = 128 << 10
"""Changes brought to the store at a time: a turn waits for one of them at most."""


Bound = tuple[str, ObservedContext | None, Target]
"""What a report needs to be read later, when its device may have gone: endpoint name, what it is
about, what the device is like."""


class Batch:
    """What was heard since the last flush, by a key that repeats where the later one suffices."""

    __slots__ = ("bound", "items", "keys", "latest", "newest")

    def __init__(self) -> None:
        self.items: dict[int, ReportTuple | Heard] = {}
        """Report.observation to the newest report of this number; what is no report has a key of
        its own, a little below zero."""
        self.bound: dict[int, Bound] = {}
        """Report.observation to what its reports are read with."""
        self.keys: dict[str, list[int]] = {}
        """Endpoint name to the keys of its items; some may have gone."""
        self.newest: dict[tuple[str, int, int], Heard] = {}
        """Heard.kind to the item that later ones of this kind renew."""
        self.latest: dict[str, Heard] = {}
        """Endpoint name to the item that was renewed last: nearly always it is the next, too."""

    def of(self, endpoint: str) -> list[tuple[int, ReportTuple | Heard]]:
        """A device's items with their keys, in the order of their arrival."""
        items = self.items
        found = [(key, items[key]) for key in self.keys.get(endpoint, ()) if key in items]
        return found if len(found) < 2 else sorted(found, key=_moment)

    def bind(self, number: int, bound: Bound) -> None:
        """From now on reports of this number are read with `bound`."""
        self.bound[number] = bound
        self.keys.setdefault(bound[0], []).append(number)

    def set_aside(self, endpoint: str, fresh_key: Callable[[], int]) -> None:
        """Let a Send that comes now stand behind what came before it, and not in its place."""
        keys = self.keys.get(endpoint, [])
        for at, number in enumerate(keys):
            if number < 0 and number in self.bound:
                keys[at] = key = fresh_key()
                self.bound[key] = self.bound.pop(number)
                if number in self.items:
                    self.items[key] = self.items.pop(number)

    def drop_oldest(self) -> ReportTuple | Heard:
        """Give up the item that has been here longest, and return it."""
        number = next(iter(self.items))
        if number < 0 and number in self.bound:  # of these there may be any number
            endpoint = self.bound.pop(number)[0]
            self.keys[endpoint].remove(number)
        item = self.items.pop(number)
        if isinstance(item, Heard):  # nor may their keys become ever more while no flush succeeds
            self.keys[item.endpoint].remove(number)
            if self.newest.get(item.kind) is item:
                del self.newest[item.kind]
                self.latest.pop(item.endpoint, None)
        return item

    def size_bytes(self) -> int:
        """Payloads and packs of all items, about."""
        return sum(_size(item) for item in self.items.values())

    def followed_by(self, later: Batch) -> Batch:
        """Both as one, this one's being the older."""
        both = Batch()
        both.items = self.items | later.items
        both.bound = self.bound | later.bound
        both.newest, both.latest = later.newest.copy(), later.latest.copy()
        both.keys = {name: list(keys) for name, keys in self.keys.items()}
        for name, keys in later.keys.items():
            both.keys[name] = list(dict.fromkeys([*both.keys.get(name, ()), *keys]))
        return both


def origin_of(number: int) -> Origin:
    """Of a report with this number."""
    return Origin.NOTIFICATION if number > 0 else Origin.SEND


def _moment(found: tuple[int, ReportTuple | Heard]) -> float:
    item = found[1]
    return item.at if isinstance(item, Heard) else item[5]


def _size(item: ReportTuple | Heard) -> int:
    if isinstance(item, Heard):
        return len(item.pack.payload) if item.pack is not None else 0
    return len(item[4])


class ValueRows:
    """The two tables; only flushes write them."""

    def __init__(self, state: StateStore, config: ReportingConfig) -> None:
        self._state, self._config = state, config
        self.devices = sum(len(page) for page in state.pages(TABLE_PATHS))
        self.counts = {
            "values_stored": 0, "values_removed": 0, "values_evicted": 0, "values_too_large": 0,
            "values_undecodable": 0, "values_device_refused": 0, "values_faults": 0,
        }  # fmt: skip

    def stored(self, endpoint: str) -> DeviceValues:
        """A device's values as the store has them."""
        return self._stored(_name(endpoint))

    def _stored(self, name: bytes) -> DeviceValues:
        return DeviceValues(read_paths(self._state.get(TABLE_PATHS, name)))

    def row(self, endpoint: str, packed: int) -> bytes | None:
        """One stored value."""
        return self._state.get(TABLE_VALUES, _key(_name(endpoint), packed))

    def take(self, values: DeviceValues, batch: Batch, endpoint: str) -> int:
        """Add what `batch` holds of a device to its values; how many reports cannot be read."""
        unreadable = 0
        for key, item in batch.of(endpoint):
            try:
                self._take(values, batch, key, item)
            except FormatError:
                unreadable += 1
            except Exception:  # a fault of ours in one report must not keep the others
                self.counts["values_faults"] += 1
                if self.counts["values_faults"] == 1:
                    _log.exception("a report could not be kept; further ones are only counted")
        return unreadable

    def _take(
        self, values: DeviceValues, batch: Batch, key: int, item: ReportTuple | Heard
    ) -> None:
        limit = self._config.max_value_bytes
        if not isinstance(item, Heard):
            report = Report(*item)
            _, context, form = batch.bound[key]
            pack = decode_report(form, context, report)
            values.put(pack, origin_of(key), nanoseconds(report.at), limit)
        elif item.gone is not None:
            values.remove(item.gone)
        elif item.pack is not None:
            values.put(item.pack, item.origin, nanoseconds(item.at), limit)

    def blobs(self, batch: Batch) -> list[bytes]:
        """The changes that bring all of `batch` into the store, to be applied in this order.

        `devices` is already what it will be then; when they are not applied, set it back.
        """
        return list(_joined(self._changes(batch)))

    def _changes(self, batch: Batch) -> Iterator[bytes]:
        core = CoreOffers()
        for number, endpoint in enumerate(batch.keys):
            if not number % OFFER_EVERY:
                core.offer()
            name = _name(endpoint)
            values = self._stored(name)
            if unreadable := self.take(values, batch, endpoint):
                self.counts["values_undecodable"] += unreadable
            yield from self._settled(endpoint, name, values)

    def _settled(self, endpoint: str, name: bytes, values: DeviceValues) -> list[bytes]:
        counts = self.counts
        settled: list[bytes] = []
        counts["values_too_large"] += values.too_large
        if values.is_reshaped:
            counts["values_evicted"] += self.evict(endpoint, values)
            paths = values.paths()
            was_there, is_there = bool(values.stored), bool(paths)
            if is_there and not was_there and self.devices >= self._config.max_valued_devices:
                counts["values_device_refused"] += 1
                return settled
            self.devices += is_there - was_there
            settled += self._reshaped(name, values, paths)
        reshaped = len(settled)
        settled += [
            put(TABLE_VALUES, _key(name, packed), row)
            for packed, row in values.changes.items()
            if row is not None
        ]
        counts["values_stored"] += len(settled) - reshaped
        return settled

    def _reshaped(
        self, name: bytes, values: DeviceValues, paths: dict[int, None]
    ) -> Iterator[bytes]:
        """What goes, and the list of what there is then."""
        for packed, row in values.changes.items():
            if row is None and packed in values.stored:
                self.counts["values_removed"] += 1
                yield delete(TABLE_VALUES, _key(name, packed))
        if paths.keys() == values.stored.keys():
            return
        yield put(TABLE_PATHS, name, write_paths(paths)) if paths else delete(TABLE_PATHS, name)

    def evict(self, endpoint: str, values: DeviceValues) -> int:
        """Let the oldest go beyond the bound; how many."""
        limit = self._config.max_values_per_device
        return values.evict(limit, lambda packed: self.row(endpoint, packed))


def nanoseconds(at: float) -> int:
    """Unix seconds in nanoseconds, as exact as a float of today is."""
    return round(at * 1e6) * 1000


def _name(endpoint: str) -> bytes:
    # What no device can have registered as is asked for by people only, and has no rows.
    return endpoint.encode("utf-8", "replace")[: MAX_ENDPOINT_BYTES + 1]


def _key(name: bytes, packed: int) -> bytes:
    return name + b"\0" + packed.to_bytes(8, "big")


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= BLOB_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
