"""The server as a whole: opens the store, loads, listens, and stops in the reverse order.

The only file that knows all rooms. What happens while it runs is in turn.py.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lwm2m_fast.bootstrap.offers import NamedCertificates, Offers
from lwm2m_fast.bootstrap.outcome_rows import OutcomeRows, reader
from lwm2m_fast.bootstrap.outcomes import Outcomes
from lwm2m_fast.bootstrap.running import BootstrapServer
from lwm2m_fast.bootstrap.switch import BootstrapSwitch
from lwm2m_fast.config import Config
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.forms import Forms
from lwm2m_fast.core.judge import Judge
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.device_data import DataParts
from lwm2m_fast.device_settings import DeviceSettings
from lwm2m_fast.errors import StoreError
from lwm2m_fast.faults import Faults
from lwm2m_fast.files import Files
from lwm2m_fast.fleet.log_levels import is_told
from lwm2m_fast.fleet.tokens import Tokens
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.forgetting import Forgetting
from lwm2m_fast.forgotten_parts import Parts
from lwm2m_fast.model import Model, built_in
from lwm2m_fast.net.dtls_base import principal_of
from lwm2m_fast.net.listeners import Listeners
from lwm2m_fast.ports import plain_ports, report_further, warn_small_buffers
from lwm2m_fast.provisioning.devices import ProvisionedDevices
from lwm2m_fast.provisioning.handover import Handovers
from lwm2m_fast.provisioning.registry import Registry
from lwm2m_fast.provisioning.start import Provisioning, open_provisioning, open_registry
from lwm2m_fast.queue.calls import Clock
from lwm2m_fast.queue.durable import Durable
from lwm2m_fast.queue.operating import Operating, Surroundings
from lwm2m_fast.rest.address import bind
from lwm2m_fast.rest.fresh_tokens import new_secret, open_tokens
from lwm2m_fast.saved_sessions import restore, save
from lwm2m_fast.secure import SecureSide
from lwm2m_fast.secure_start import DtlsPort, open_port, report, security_of, vault_of
from lwm2m_fast.service import PROVISIONED, RunningServer
from lwm2m_fast.sink.base import Sink
from lwm2m_fast.sink.leveled import Leveled
from lwm2m_fast.sink.log import LogSink
from lwm2m_fast.sink.stream import StreamSink
from lwm2m_fast.store import Store, open_store
from lwm2m_fast.targets import Targets
from lwm2m_fast.turn import Turns
from lwm2m_fast.values import Values

if TYPE_CHECKING:
    from lwm2m_fast.rest.app import HttpServer

_log = logging.getLogger("lwm2m_fast.server")

TABLES = (1, 2, 3)
"""Of the state store, in the order in which they are loaded: registrations, contacts, observations
(core/changes.pxd)."""


SWITCH_S = 0.0005
"""How long another thread may keep the interpreter from the loop (Python's default: 5 ms)."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a started server listens."""

    coap_port: int | None
    """None: nothing is served to devices."""
    dtls_port: int | None
    """None: DTLS is switched off."""
    http_port: int
    admin_token: str | None
    """Made at this, the first start, and never to be seen again; None: there was one."""
    bootstrap: tuple[int, int | None] | None = None
    """Plain and DTLS port of the bootstrap server; None: it is switched off."""


class Counted(Protocol):
    """A part that counts what it does, by metric name."""

    def counters(self) -> dict[str, int]: ...


class Server:
    """One worker: a CoAP port, a DTLS port, an HTTP port, a data directory.

    start() and stop() must run in the same event loop, which should be uvloop's.
    """

    def __init__(self, config: Config) -> None:
        self._config = _served(config)
        self._faults = Faults()
        self._store: Store | None = None
        self._vault: Vault | None = None
        self._listeners: Listeners | None = None
        self._side: SecureSide | None = None
        self._dtls: DtlsPort | None = None
        self._turns: Turns | None = None
        self._values: Values | None = None
        self._durable: Durable | None = None
        self._operating: Operating | None = None
        self._http: HttpServer | None = None
        self._http_socket: socket.socket | None = None
        self._provisioning: Provisioning | None = None
        self._bootstrap: BootstrapSwitch | None = None
        self._forgetting: Forgetting | None = None
        self._outcome_rows: OutcomeRows | None = None
        self.service: RunningServer | None = None

    async def start(self) -> Addresses:
        """Load what is stored and listen.

        Raises ConfigError (an address cannot be had) or StoreError (the data directory).
        """
        gc.disable()  # nearly nothing of what is made here is garbage
        try:
            return await self._start()
        finally:
            gc.enable()

    async def _start(self) -> Addresses:
        config = self._config
        started = time.monotonic()
        sys.setswitchinterval(SWITCH_S)
        bound = self._http_socket = bind(config.http.host, config.http.port)
        store = self._store = open_store(
            config.store.kind, str(config.store.data_dir), config.store
        )
        vault = self._vault = vault_of(config, store.fleet)
        tokens, admin_token = _tokens(store, config)
        seed = (secrets.randbits(64), secrets.randbits(64))
        engine = Engine(config, seed, os.urandom, time.monotonic(), time.time())
        loaded, passed_over = _load(engine, store)
        # Listening before loading would answer 4.04 to devices that are registered.
        plain = plain_ports(config) if config.enabled else []
        self._listeners = Listeners(plain)
        security = security_of(config, store, vault, self._faults)
        side = self._side = SecureSide(engine, security, principal_of, faults=self._faults)
        side.load()
        dtls = self._dtls = open_port(config, security, side)
        if dtls is not None:
            self._listeners = Listeners([*plain, dtls.endpoint, *dtls.doors])
            _restore(dtls, store, vault)
        listeners = self._listeners
        stream = StreamSink(config.http.subscriber_queue, faults=self._faults)
        settings = DeviceSettings(store.fleet)
        told: list[Sink] = [stream, LogSink(config.log.device_events)]
        outward = Leveled(told, settings.levels, is_told, self._faults)
        sinks: list[Sink] = [outward]
        data = _data(config, engine, store, settings, self._keep, sinks, self._faults)
        self._values = data.values
        service = RunningServer(
            engine,
            store,
            stream,
            self._counters(
                engine,
                listeners,
                store,
                security,
                side,
                *(() if dtls is None else dtls.counted()),
                *data.counted(),
                outward,
            ),
        )
        service.attach_data(data)
        service.attach_security(security)
        turns = self._turns = Turns(
            engine,
            listeners,
            store.state,
            sinks,
            service.resolve,
            config.coap.batches_per_wakeup,
            data.values.reports,
            service.contacts,
            self._faults,
        )
        service.attach(turns)
        side.attach_turns(turns.act, turns.publish, turns.kept)
        resumed = side.resume()
        handovers = Handovers(store.fleet)
        registry = open_registry(handovers, vault, security)
        outcomes = Outcomes(row=reader(store.state))
        rows = self._outcome_rows = OutcomeRows(outcomes, turns.keep)
        bootstrap = self._bootstrap = _bootstrap(
            config, store, engine, security, registry, turns, outcomes
        )
        bootstrap.open()
        service.attach_bootstrap(bootstrap)
        provisioning = self._provisioning = open_provisioning(
            registry,
            store.fleet,
            security,
            data.settings,
            self._forget,
            lambda endpoint: _about(endpoint, engine, outcomes),
            turns.publish,
        )
        service.attach_provisioning(provisioning.face)
        durable = self._durable = Durable(store.fleet, self._faults)
        operating = self._operating = _operating(
            config, data, store, durable, turns, registry.owner, provisioning.devices, self._faults
        )
        registry.profiles.noticed = operating.post_registration.look
        parts = Parts(
            engine, side, bootstrap, rows, operating, durable, store.fleet, data.values
        ).all()
        forgetting = self._forgetting = Forgetting(
            handovers, parts, durable, handovers.is_configured, store.state.sync, self._faults
        )
        provisioning.devices.claimed = forgetting.claimed
        service.attach_operations(operating, durable)
        sinks.append(operating.wakefulness)  # turns and values hold this very list
        turns.work = operating.run
        turns.tick = _each(self._faults, operating.tick, side.look, rows.tick, forgetting.tick)
        stream.changed = turns.listen
        turns.listen()
        self.service = service
        turns.start()
        handed_over = forgetting.resume()
        if dtls is not None:
            dtls.start()
        bootstrap.start()
        data.values.start()
        # Devices are served; what HTTP needs, half of all that is imported, comes beside them.
        self._http = await asyncio.to_thread(_http, service, tokens, config)
        http_port = await self._http.start(bound)
        # What is alive now stays alive: the collector need not look at it again, and what it takes
        # to find that out must not hold up the loop. No collection before: it would take a tenth
        # of the start, for some hundred objects.
        gc.freeze()
        report(config, dtls, security)
        report_further("server", plain[1:], [] if dtls is None else dtls.doors)
        warn_small_buffers(plain, config)
        _log.info(
            "started",
            extra={
                "registrations": loaded,
                "passed_over": passed_over,
                "credential_changes_resumed": resumed,
                "handovers_resumed": handed_over,
                "seconds": round(time.monotonic() - started, 3),
                "receive_buffer_bytes": sum(udp.receive_buffer_bytes for udp in plain),
            },
        )
        dtls_port = None if dtls is None else dtls.endpoint.port
        coap_port = plain[0].port if plain else None
        return Addresses(coap_port, dtls_port, http_port, admin_token, bootstrap.ports)

    async def stop(self) -> None:
        """Answer what was received, then let go of everything. Harmless after a failed start.

        Where a part fails, those behind it are let go of all the same; its error is raised then.
        """
        async with AsyncExitStack() as ending:  # to be read from its end: the last comes first
            ending.callback(self._let_go)
            if self._store is not None:
                ending.push_async_callback(asyncio.to_thread, self._store.close)
            if self._listeners is not None:
                ending.callback(self._listeners.close)
            if self._dtls is not None:
                ending.push_async_callback(
                    asyncio.to_thread, _save, self._dtls, self._store, self._vault
                )
                ending.push_async_callback(self._dtls.stop)
            if self._durable is not None:
                ending.push_async_callback(self._durable.stop)
            if self._side is not None:
                ending.callback(self._side.stop)
            if self._turns is not None:
                ending.push_async_callback(self._turns.stop)
                ending.push_async_callback(self._close_values)
                if self._outcome_rows is not None:
                    ending.push_async_callback(self._outcome_rows.close)
                ending.callback(self._turns.pause)
            if self._bootstrap is not None:
                ending.push_async_callback(self._bootstrap.stop)
            if self._forgetting is not None:
                ending.push_async_callback(self._forgetting.stop)
            if self._provisioning is not None:
                ending.push_async_callback(self._provisioning.jobs.stop)
            if self._http_socket is not None:  # behind http: asyncio's loop asks it for its number
                ending.callback(self._http_socket.close)
            if self._http is not None:
                ending.push_async_callback(self._http.stop)
        _log.info("stopped")

    def _let_go(self) -> None:
        self._http = self._turns = self._store = self.service = self._values = None
        self._durable = self._operating = self._vault = None
        self._listeners = self._side = self._dtls = self._http_socket = None
        self._provisioning = self._bootstrap = None
        self._forgetting = self._outcome_rows = None

    async def _keep(self, changes: bytes) -> None:
        if self._turns is None:
            raise StoreError("the server is not running")
        await self._turns.keep(changes)

    async def _forget(self, names: Sequence[str]) -> None:
        if self._forgetting is not None:
            await self._forgetting.removed(names)

    async def _close_values(self) -> None:
        try:
            if self._values is not None:
                await self._values.close()
        except StoreError as error:
            _log.error("the newest last values could not be kept: %s", error)

    def _counters(self, *parts: Counted) -> Callable[[], dict[str, int]]:
        def counters() -> dict[str, int]:
            face = None if self._provisioning is None else self._provisioning.face
            named = (self._turns, self._durable, self._operating, face, self._bootstrap)
            later = (*named, self._forgetting)
            running = (*parts, *(part for part in later if part is not None))
            return {name: n for part in running for name, n in part.counters().items()}

        return counters


def _served(config: Config) -> Config:
    """`config` itself, or with `enabled` off without all that would open a port for devices."""
    if config.enabled:
        return config
    return config.model_copy(
        update={
            "dtls": config.dtls.model_copy(update={"enabled": False}),
            "bootstrap": config.bootstrap.model_copy(update={"enabled": False}),
        }
    )


def _bootstrap(
    config: Config,
    store: Store,
    engine: Engine,
    security: DeviceCredentials,
    registry: Registry,
    turns: Turns,
    outcomes: Outcomes,
) -> BootstrapSwitch:
    own = config.bootstrap

    def version(endpoint: str) -> str | None:
        found = engine.device(endpoint)
        return None if found is None else found["lwm2m_version"]

    def make() -> BootstrapServer:
        certificates = NamedCertificates(own.certificates, security.server_certificate)
        offers = Offers(registry, own, certificates, version)
        return BootstrapServer(config, security, offers, turns.publish, outcomes)

    return BootstrapSwitch(
        store.fleet, make, outcomes, is_configured=own.enabled, is_served=config.enabled
    )


def _about(endpoint: str, engine: Engine, outcomes: Outcomes) -> dict[str, Any]:
    """What is known of a configured device now."""
    found = outcomes.of(endpoint)
    return {
        "registered": engine.device(endpoint) is not None,
        "bootstrap": None if found is None else found.as_json(),
    }


def _each(faults: Faults, *ticks: Callable[[], None]) -> Callable[[], None]:
    def tick() -> None:
        for each in ticks:
            faults.tell("a tick", each)

    return tick


def _data(
    config: Config,
    engine: Engine,
    store: Store,
    settings: DeviceSettings,
    keep: Callable[[bytes], Awaitable[None]],
    sinks: Sequence[Sink],
    faults: Faults,
) -> DataParts:
    model = Model(built_in())
    targets = Targets(engine, model, settings)
    values = Values(
        store.state, keep, engine, targets, model, settings, config.reporting, sinks, faults=faults
    )
    engine.judge_send = judge = Judge(Forms(engine, targets))
    values.attach(judge)
    files = Files(config.store.data_dir, config.files)
    return DataParts(engine, values, targets, judge, settings, files)


def _operating(
    config: Config,
    data: DataParts,
    store: Store,
    durable: Durable,
    turns: Turns,
    owner: Callable[[str], str],
    devices: ProvisionedDevices,
    faults: Faults,
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
        owner,
        devices,
        faults,
        turns.when_kept,
    )
    operating = Operating(config.queue, around)
    if operating.unusable:
        _log.warning("stored operations could not be used", extra={"rows": operating.unusable})
    return operating


def _tokens(store: Store, config: Config) -> tuple[Tokens, str | None]:
    tokens = open_tokens(store.fleet)
    for name, why in tokens.unusable.items():
        _log.error("a stored token opens nothing", extra={"named": name, "why": why})
    given = config.http.admin_token
    fresh = tokens.ensure_admin(
        given.get_secret_value() if given else None, new_secret(), time.time()
    )
    return tokens, fresh


def _http(service: RunningServer, tokens: Tokens, config: Config) -> HttpServer:
    """The HTTP interface, not yet listening. Takes a while, and may run in any thread."""
    from lwm2m_fast.rest.app import HttpServer, create_app

    return HttpServer(create_app(service, tokens, config), config.http.host, config.http.port)


def _load(engine: Engine, store: Store) -> tuple[int, int]:
    """Bring the stored rows into the engine; how many registrations, and unusable rows."""
    unusable = 0
    engine.begin_load(store.state.expected(TABLES[0]))
    now = time.monotonic()
    for table in TABLES:
        unusable += engine.load_all(table, store.state.pages(table), now)
    engine.finish_load()
    engine.allow(key.decode() for key, _ in store.fleet.scan(PROVISIONED))
    if unusable:
        _log.warning("stored rows could not be used", extra={"rows": unusable})
    return engine.device_count(), unusable


def _restore(dtls: DtlsPort, store: Store, vault: Vault) -> None:
    """Go on with the sessions of the run before; not before the engine has their registrations."""
    restored = restore(dtls.endpoint, store.state, vault)
    if restored.sessions or restored.unusable:
        _log.info("restored DTLS sessions", extra=restored._asdict())


def _save(dtls: DtlsPort, store: Store | None, vault: Vault | None) -> None:
    """Keep the sessions for the next run."""
    if store is None or vault is None:
        return
    try:
        _log.info(
            "saved DTLS sessions", extra={"sessions": save(dtls.endpoint, store.state, vault)}
        )
    except StoreError as error:
        _log.error("DTLS sessions could not be kept; devices handshake again: %s", error)
