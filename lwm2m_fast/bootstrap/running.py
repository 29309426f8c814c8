"""The bootstrap server of a running process: an engine, its ports and its turns, beside the LwM2M
server's. Nothing of a bootstrap outlives the process: a device that was cut off begins anew.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from lwm2m_fast.bootstrap.offers import Offers
from lwm2m_fast.bootstrap.outcomes import Outcomes
from lwm2m_fast.bootstrap.sessions import Bootstraps, Limits
from lwm2m_fast.config import Config
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.events import Event
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.errors import ConfigError, StoreError
from lwm2m_fast.faults import Faults
from lwm2m_fast.net.dtls_base import principal_of
from lwm2m_fast.net.listeners import Listeners
from lwm2m_fast.ports import plain_ports, report_further
from lwm2m_fast.secure import SecureSide
from lwm2m_fast.secure_start import DtlsPort, open_port
from lwm2m_fast.store.memory import MemoryState
from lwm2m_fast.turn import Turns

SIDE = "bootstrap"


def bootstrap_config(config: Config) -> Config:
    """The configuration of the bootstrap server's own engine and ports."""
    own = config.bootstrap
    return config.model_copy(
        update={
            "coap": config.coap.model_copy(
                update={
                    "host": own.host,
                    "port": own.port,
                    "more_ports": own.more_ports,
                }
            ),
            "dtls": config.dtls.model_copy(
                update={
                    "host": own.host,
                    "port": own.dtls_port,
                    "more_ports": own.more_dtls_ports,
                    "max_sessions": own.max_sessions,
                    "session_timeout_s": max(60.0, 2 * own.session_timeout_s),
                }
            ),
            "registration": config.registration.model_copy(
                update={
                    # Who may is asked of Bootstraps.judge, which knows why not.
                    "policy": "open",
                    "max_devices": own.max_sessions,
                    "default_lifetime_s": int(own.session_timeout_s) + 60,
                }
            ),
        }
    )


_NAMES = {
    "coap.host": "bootstrap.host",
    "coap.port": "bootstrap.port",
    "dtls.host": "bootstrap.host",
    "dtls.port": "bootstrap.dtls_port",
}
"""What sockets call the settings that bootstrap_config() puts in their place."""


def _named(error: ConfigError) -> ConfigError:
    """The same, with the setting that is to be changed."""
    name, colon, rest = str(error).partition(":")
    return ConfigError(_NAMES.get(name, name) + colon + rest)


class BootstrapServer:
    """Listens once it is made; serves from start() to stop(). ConfigError: a port is taken.

    `outcomes` is told what comes of each bootstrap, and outlives this.
    """

    def __init__(
        self,
        config: Config,
        security: DeviceCredentials,
        offers: Offers,
        tell: Callable[[Sequence[Event]], None],
        outcomes: Outcomes,
    ) -> None:
        self._credentials = security.credentials
        own, self._faults = bootstrap_config(config), Faults()
        seed = (secrets.randbits(64), secrets.randbits(64))
        self._engine = Engine(own, seed, os.urandom, time.monotonic(), time.time(), SIDE)
        try:
            plain = plain_ports(own)
        except ConfigError as error:
            raise _named(error) from None
        self._udp = plain[0]
        self._side = SecureSide(self._engine, security, principal_of, SIDE, self._faults)
        try:
            self._dtls: DtlsPort | None = open_port(own, security, self._side, SIDE)
        except BaseException as error:  # whatever it is, there is another try
            self._side.stop()
            for endpoint in plain:
                endpoint.close()
            if isinstance(error, ConfigError):
                raise _named(error) from None
            raise
        doors = [] if self._dtls is None else self._dtls.doors
        secure = [] if self._dtls is None else [self._dtls.endpoint, *doors]
        self._listeners = Listeners([*plain, *secure])
        report_further(SIDE, plain[1:], doors)
        self.bootstraps = Bootstraps(
            self._engine,
            offers,
            Limits(config.bootstrap.session_timeout_s, config.bootstrap.request_timeout_s),
            tell,
            time.monotonic,
            time.time,
            self._nudge,
            outcomes=outcomes,
            faults=self._faults,
        )
        self._turns = Turns(
            self._engine,
            self._listeners,
            MemoryState(),
            (),
            self.bootstraps.resolve,
            own.coap.batches_per_wakeup,
            None,
            self.bootstraps.contacts,
            self._faults,
        )
        self._turns.tick = self._tick
        self._side.attach_turns(self._turns.act, tell)
        self._side.refused_identity = self._refused

    @property
    def coap_port(self) -> int:
        return self._udp.port

    @property
    def dtls_port(self) -> int | None:
        return None if self._dtls is None else self._dtls.endpoint.port

    def _refused(self, identity: str, why: str) -> None:
        """A key that is not the identity's, say: it belongs with what came of that device."""
        try:
            endpoint = self._credentials.endpoint_of(identity)
        except StoreError:  # it is told by the identity alone
            return
        if endpoint is not None:
            self.bootstraps.handshake_refused(endpoint, why)

    def _tick(self) -> None:
        self._faults.tell("a tick", self.bootstraps.tick)
        self._faults.tell("a tick", self._side.look)

    def _nudge(self) -> None:
        self._turns.nudge()

    def forget(self, endpoint: str) -> None:
        """Its configuration is gone: end what is under way of its bootstrap."""
        self.bootstraps.forget(endpoint)

    def start(self) -> None:
        self._turns.start()
        if self._dtls is not None:
            self._dtls.start()

    async def stop(self, why: str) -> None:
        """Answer what was received, and close the ports; bootstraps under way end, and say `why`.
        Their devices will try again. Where a part fails, those behind it are let go of all the
        same; its error is raised then."""
        async with AsyncExitStack() as ending:  # to be read from its end: the last comes first
            ending.push_async_callback(self._cut_off, why)
            ending.callback(self._listeners.close)
            if self._dtls is not None:
                ending.push_async_callback(self._dtls.stop)
            ending.callback(self._side.stop)
            ending.push_async_callback(self._turns.stop)

    async def _cut_off(self, why: str) -> None:
        for _ in self.bootstraps.cut_off(why):
            await asyncio.sleep(0)

    def counters(self) -> dict[str, int]:
        """Of the bootstraps, and with a prefix those of its engine, ports and turns."""
        parts = (self._engine, self._listeners, self._side, self._turns)
        found = {f"bootstrap_{name}": n for part in parts for name, n in part.counters().items()}
        return {**found, **self.bootstraps.counters()}
