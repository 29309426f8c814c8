"""The server as a whole: opens the store, loads, listens, and stops in the reverse order.

The only file that knows all rooms. What happens while it runs is in turn.py.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lwm2m_fast.config import Config
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.forms import Forms
from lwm2m_fast.core.judge import Judge
from lwm2m_fast.device_data import DataParts
from lwm2m_fast.device_settings import DeviceSettings
from lwm2m_fast.errors import StoreError
from lwm2m_fast.files import Files
from lwm2m_fast.fleet.tokens import Tokens
from lwm2m_fast.model import Model, built_in
from lwm2m_fast.net.udp import UdpEndpoint
from lwm2m_fast.queue.calls import Clock
from lwm2m_fast.queue.durable import Durable
from lwm2m_fast.queue.operating import Operating, Surroundings
from lwm2m_fast.rest.app import HttpServer, create_app
from lwm2m_fast.rest.auth import new_secret, open_tokens
from lwm2m_fast.service import PROVISIONED, RunningServer
from lwm2m_fast.sink.base import Sink
from lwm2m_fast.sink.log import LogSink
from lwm2m_fast.sink.stream import StreamSink
from lwm2m_fast.store import Store, open_store
from lwm2m_fast.targets import Targets
from lwm2m_fast.turn import Turns
from lwm2m_fast.values import Values

_log = logging.getLogger("lwm2m_fast.server")

TABLES = (1, 2, 3)
"""Of the state store, in the order in which they are loaded: registrations, contacts, observations
(core/changes.pxd)."""


SWITCH_S = 0.0005
"""How long another thread may keep the interpreter from the loop (Python's default: 5 ms)."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a started server listens."""

    coap_port: int
    http_port: int
    admin_token: str | None
    """Made at this, the first start, and never to be seen again; None: there was one."""


class Counted(Protocol):
    """A part that counts what it does, by metric name."""

    def counters(self) -> dict[str, int]: ...


class Server:
    """One worker: a CoAP port, an HTTP port, a data directory.

    start() and stop() must run in the same event loop, which should be uvloop's.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store: Store | None = None
        self._udp: UdpEndpoint | None = None
        self._turns: Turns | None = None
        self._values: Values | None = None
        self._durable: Durable | None = None
        self._operating: Operating | None = None
        self._http: HttpServer | None = None
        self.service: RunningServer | None = None

    async def start(self) -> Addresses:
        """Load what is stored and listen.

        Raises ConfigError (an address cannot be had) or StoreError (the data directory).
        """
        config = self._config
        started = time.monotonic()
        sys.setswitchinterval(SWITCH_S)
        store = self._store = open_store(
            config.store.kind, str(config.store.data_dir), config.store
        )
        tokens, admin_token = _tokens(store, config)
        seed = (secrets.randbits(64), secrets.randbits(64))
        engine = Engine(config, seed, os.urandom, time.monotonic(), time.time())
        loaded, passed_over = _load(engine, store)
        # Listening before loading would answer 4.04 to devices that are registered.
        udp = self._udp = UdpEndpoint(
            config.coap.host,
            config.coap.port,
            receive_buffer_bytes=config.coap.receive_buffer_bytes,
            send_buffer_bytes=config.coap.send_buffer_bytes,
        )
        _warn_small_buffers(udp, config)
        stream = StreamSink(config.http.subscriber_queue)
        sinks: list[Sink] = [stream, LogSink(config.log.device_events)]
        data = _data(config, engine, store, self._keep, sinks)
        self._values = data.values
        service = RunningServer(
            engine,
            store,
            stream,
            self._counters(engine, udp, store, *data.counted()),
        )
        service.attach_data(data)
        turns = self._turns = Turns(
            engine,
            udp,
            store.state,
            sinks,
            service.resolve,
            config.coap.batches_per_wakeup,
            data.values.reports,
            service.contacts,
        )
        service.attach(turns)
        durable = self._durable = Durable(store.fleet)
        operating = self._operating = _operating(config, data, store, durable, turns)
        service.attach_operations(operating, durable)
        sinks.append(operating.wakefulness)  # turns and values hold this very list
        turns.work, turns.tick = operating.run, operating.tick
        stream.changed = turns.listen
        turns.listen()
        self.service = service
        app = create_app(service, tokens, config)
        # What is alive now stays alive: the collector need not look at it again, and what it
        # takes to find that out must not hold up the loop once devices are served.
        gc.collect()
        gc.freeze()
        self._http = HttpServer(app, config.http.host, config.http.port)
        http_port = await self._http.start()
        turns.start()
        data.values.start()
        _log.info(
            "started",
            extra={
                "registrations": loaded,
                "passed_over": passed_over,
                "seconds": round(time.monotonic() - started, 3),
                "receive_buffer_bytes": udp.receive_buffer_bytes,
            },
        )
        return Addresses(udp.port, http_port, admin_token)

    async def stop(self) -> None:
        """Answer what was received, then let go of everything. Harmless after a failed start."""
        if self._http is not None:
            await self._http.stop()
        if self._turns is not None:
            self._turns.pause()
            await self._close_values()
            await self._turns.stop()
        if self._durable is not None:
            await self._durable.stop()
        if self._udp is not None:
            self._udp.close()
        if self._store is not None:
            await asyncio.to_thread(self._store.close)
        self._http = self._turns = self._udp = self._store = self.service = self._values = None
        self._durable = self._operating = None
        _log.info("stopped")

    async def _keep(self, changes: bytes) -> None:
        if self._turns is None:
            raise StoreError("the server is not running")
        await self._turns.keep(changes)

    async def _close_values(self) -> None:
        try:
            if self._values is not None:
                await self._values.close()
        except StoreError as error:
            _log.error("the newest last values could not be kept: %s", error)

    def _counters(self, *parts: Counted) -> Callable[[], dict[str, int]]:
        def counters() -> dict[str, int]:
            later = (self._turns, self._durable, self._operating)
            running = (*parts, *(part for part in later if part is not None))
            return {name: n for part in running for name, n in part.counters().items()}

        return counters


def _data(
    config: Config,
    engine: Engine,
    store: Store,
    keep: Callable[[bytes], Awaitable[None]],
    sinks: Sequence[Sink],
) -> DataParts:
    model = Model(built_in())
    settings = DeviceSettings(store.fleet)
    targets = Targets(engine, model, settings)
    values = Values(store.state, keep, engine, targets, model, settings, config.reporting, sinks)
    engine.judge_send = judge = Judge(Forms(engine, targets))
    values.attach(judge)
    files = Files(config.store.data_dir, config.files)
    return DataParts(engine, values, targets, judge, settings, files)


def _operating(
    config: Config, data: DataParts, store: Store, durable: Durable, turns: Turns
) -> Operating:
    around = Surroundings(
        data.engine,
        store.fleet,
        durable,
        data.settings,
        data.targets,
        [data.values],
        data.files.open,
        Clock(turns.now, time.time),
        turns.publish,
        turns.nudge,
    )
    operating = Operating(config.queue, around)
    if operating.unusable:
        _log.warning("stored operations could not be used", extra={"rows": operating.unusable})
    return operating


def _tokens(store: Store, config: Config) -> tuple[Tokens, str | None]:
    tokens = open_tokens(store.fleet)
    given = config.http.admin_token
    fresh = tokens.ensure_admin(
        given.get_secret_value() if given else None, new_secret(), time.time()
    )
    return tokens, fresh


def _load(engine: Engine, store: Store) -> tuple[int, int]:
    """Bring the stored rows into the engine; how many registrations, and unusable rows."""
    unusable = 0
    gc.disable()  # nothing of what is made here is garbage
    try:
        engine.begin_load()
        now = time.monotonic()
        for table in TABLES:
            unusable += engine.load_all(table, store.state.load(table), now)
        engine.finish_load()
        engine.allow(key.decode() for key, _ in store.fleet.scan(PROVISIONED))
    finally:
        gc.enable()
    if unusable:
        _log.warning("stored rows could not be used", extra={"rows": unusable})
    return engine.device_count(), unusable


def _warn_small_buffers(udp: UdpEndpoint, config: Config) -> None:
    wanted = config.coap.receive_buffer_bytes
    if udp.receive_buffer_bytes < wanted:
        _log.warning(
            "the receive buffer is smaller than asked for: bursts may be lost; "
            "raise net.core.rmem_max",
            extra={"bytes": udp.receive_buffer_bytes, "asked": wanted},
        )
