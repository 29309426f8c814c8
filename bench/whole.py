"""The core with what stands around it, in memory, for bench/instructions.py.

What takes the values of Sends, what a flush makes of them, and the way of a Read from its caller
to the request and back. Knows no socket and no store that is on disk; while a Send or a Read is
counted nothing is flushed.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from bench.instructions import (
    BATCH,
    CONTENT_FORMAT,
    POST,
    URI_PATH,
    Core,
    Datagram,
    Fleet,
    batches,
    request,
    unmarked,
)

ORDER_PATH = "/3303/0/5700"
NUMBER = b"\xfa\x41\xac\x00\x00"  # 21.5 in CBOR
RECORD = b"\x81\xa2\x00\x6c/3303/0/5700\x02" + NUMBER  # the same in SenML CBOR
CALLERS = 32
WARM = 2  # rounds before the one that is counted


class Whole:
    """A core whose reports, judgements and answers go where the server brings them."""

    def __init__(self, core: Core) -> None:
        from lwm2m_fast.config import Config
        from lwm2m_fast.core.forms import Forms
        from lwm2m_fast.core.judge import Judge
        from lwm2m_fast.device_settings import DeviceSettings
        from lwm2m_fast.model import Model, built_in
        from lwm2m_fast.queue.calls import Clock
        from lwm2m_fast.queue.durable import Durable
        from lwm2m_fast.queue.operating import Operating, Surroundings
        from lwm2m_fast.store import open_store
        from lwm2m_fast.targets import Targets
        from lwm2m_fast.values import Values

        config, self.core = Config(), core
        store = open_store("memory", "", config.store)
        self.state = store.state
        model, settings = Model(built_in()), DeviceSettings(store.fleet)
        targets = Targets(core.engine, model, settings)

        async def keep(changes: bytes) -> None:
            store.state.apply(changes)

        self.values = Values(
            store.state, keep, core.engine, targets, model, settings, config.reporting, []
        )
        core.engine.judge_send = judge = Judge(Forms(core.engine, targets))
        self.values.attach(judge)
        core.engine.wants_reports = True
        around = Surroundings(
            core.engine, store.fleet, Durable(store.fleet), settings, targets, [self.values],
            lambda name, tenant: b"", Clock(lambda: core.now, lambda: 1.7e9 + core.now),
            lambda events: None, lambda: None,
        )  # fmt: skip
        self.operating = Operating(config.queue, around)
        self.direct = self.operating.direct
        gc.collect()  # as the server does
        gc.freeze()

    def turn(self, batch: list[Datagram]) -> None:
        """A batch through the core, and what comes of it to those who want it."""
        self.core.now += 0.001
        self.core.engine.receive(self.core.inbox, self.core.now)
        output = self.core.engine.take_output()
        if output is not None:
            if output.answers:
                self.operating.resolve(output.answers)
            if output.reports:
                self.values.reports(output.reports)

    def flush(self, mark: Callable[[], None]) -> None:
        """As Values.flush(), but in this thread, and without the store counted."""
        from lwm2m_fast.value_rows import Batch

        rows, batch = self.values._rows, self.values._batch
        self.values._begin(Batch())
        mark()
        blobs = rows.blobs(batch)
        mark()
        for blob in blobs:
            self.state.apply(blob)


def sends(fleet: Fleet, mark: Callable[[], None]) -> int:
    """Every device sends a value; how many were answered."""
    return uvloop.run(_sends(fleet, mark, unmarked))


def flushes(fleet: Fleet, mark: Callable[[], None]) -> int:
    """Every device has sent a value, and all are flushed; how many had been."""
    return uvloop.run(_sends(fleet, unmarked, mark))


async def _sends(fleet: Fleet, mark: Callable[[], None], flushed: Callable[[], None]) -> int:
    core, addresses = fleet
    whole = Whole(core)
    answered = 0
    for number in range(WARM + 1):
        options = [(URI_PATH, b"dp"), (CONTENT_FORMAT, b"\x70")]
        message = request(POST, 100 + number, options, RECORD)
        answered = 0
        for batch in batches([(who, message) for who in addresses]):
            core.inbox.load(batch)
            counted = mark if number == WARM else unmarked
            counted()
            whole.turn(batch)
            counted()
            answered += sum(data[1] == 68 for _, data in core.engine.outbox.drain())
        if flushed is not unmarked:
            whole.flush(flushed if number == WARM else unmarked)
    return answered


def answer(asked: Datagram) -> Datagram:
    """A device's answer to a Read: 2.05, CBOR."""
    who, data = asked
    token = data[4 : 4 + (data[0] & 15)]
    return who, bytes([0x60 | len(token), 69]) + data[2:4] + token + b"\xc1\x3c\xff" + NUMBER


def reads(fleet: Fleet, mark: Callable[[], None], together: int) -> int:
    """Every device is read from, by one await each or `together` ones; how many answered."""
    return uvloop.run(_reads(fleet, mark, together))


async def _reads(fleet: Fleet, mark: Callable[[], None], together: int) -> int:
    from lwm2m_fast.core.orders import Order

    whole, devices = Whole(fleet[0]), len(fleet[1])
    asks = [(f"dev{number:07}", Order("read", path=ORDER_PATH)) for number in range(devices)]
    answered = 0
    for number in range(WARM + 1):
        if together == 1:
            asking = [_one_by_one(whole, asks[at::CALLERS]) for at in range(CALLERS)]
        else:
            asking = [_in_bulk(whole, asks, together)]
        answered = await _answer(whole, asking, mark if number == WARM else unmarked)
    return answered


async def _one_by_one(whole: Whole, asks: list[tuple[str, Any]]) -> int:
    found = 0
    for endpoint, order in asks:
        found += (await whole.direct.perform(endpoint, order, 30.0)).ok
    return found


async def _in_bulk(whole: Whole, asks: list[tuple[str, Any]], together: int) -> int:
    found = 0
    for at in range(0, len(asks), together):
        done = await whole.direct.perform_many(asks[at : at + together], 30.0)
        found += sum(each.ok for each in done)  # type: ignore[union-attr]
    return found


async def _answer(
    whole: Whole, asking: list[Coroutine[Any, Any, int]], mark: Callable[[], None]
) -> int:
    """Let the callers go on, and the devices answer, until all callers are done."""
    tasks = [asyncio.ensure_future(each) for each in asking]
    while not all(task.done() for task in tasks):
        mark()
        await asyncio.sleep(0)
        mark()
        asked = whole.core.engine.outbox.drain()
        for start in range(0, len(asked), BATCH):
            batch = [answer(each) for each in asked[start : start + BATCH]]
            whole.core.inbox.load(batch)
            mark()
            whole.turn(batch)
            mark()
    return sum(task.result() for task in tasks)
