"""The bootstrap server, on and off while the process runs.

What the operator says stands in the fleet store, above the configuration, until it is taken back.
Knows when the ports are open; nothing of what happens on them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from lwm2m_fast.bootstrap.outcomes import Outcomes
from lwm2m_fast.errors import ConfigError, Conflict
from lwm2m_fast.store.base import FleetStore

_log = logging.getLogger("lwm2m_fast.bootstrap")

NAMESPACE: Final = "bootstrap"
KEY: Final = b"enabled"
ON, OFF = b"on", b"off"

SWITCHED_OFF: Final = "the bootstrap server was switched off"
STOPPED: Final = "the server was stopped"


class Ports(Protocol):
    """An open bootstrap server (running.py)."""

    @property
    def coap_port(self) -> int: ...
    @property
    def dtls_port(self) -> int | None: ...
    def start(self) -> None: ...
    def forget(self, endpoint: str) -> None: ...
    async def stop(self, why: str) -> None: ...
    def counters(self) -> dict[str, int]: ...


class BootstrapSwitch:
    """Implements rest/base.py: Bootstrap. Belongs to the loop.

    `make` opens the ports, and raises ConfigError where one cannot be had; what comes of bootstraps
    is in `outcomes`, which outlive them. `is_configured` is what the configuration says;
    `is_served` False: no port for devices is to be open, whoever asks.
    """

    def __init__(
        self,
        fleet: FleetStore,
        make: Callable[[], Ports],
        outcomes: Outcomes,
        *,
        is_configured: bool,
        is_served: bool = True,
    ) -> None:
        self._fleet, self._make = fleet, make
        self._is_configured, self._is_served = is_configured, is_served
        self._said = {ON: True, OFF: False}.get(fleet.get(NAMESPACE, KEY) or b"")
        self._ports: Ports | None = None
        self._lock = asyncio.Lock()
        self.outcomes = outcomes
        self.problem: str | None = None
        """Why its ports are closed though they were switched on; None: nothing is wrong."""

    def open(self) -> None:
        """At the start: open the ports where they are to be open.

        ConfigError where the configuration has them open and they cannot be. What was switched on
        while the server ran keeps nobody from starting: the LwM2M server goes on without, says so,
        and it can be switched on again.
        """
        if self._said is not None and self._said != self._is_configured:
            _log.warning(
                "whether bootstraps are served is not as configured, but as it was switched",
                extra={"enabled": self._said, "configured": self._is_configured},
            )
        if not self._is_served or not self._wanted(self._said):
            return
        try:
            self._ports = self._make()
        except ConfigError as error:
            if self._is_configured:
                raise
            self.problem = str(error)
            _log.error(
                "bootstraps are not served, though they were switched on; "
                "`lwm2m-fast bootstrap on` tries again",
                extra={"reason": self.problem},
            )

    def start(self) -> None:
        """Serve at what open() has opened."""
        if self._ports is not None:
            self._ports.start()

    async def stop(self) -> None:
        """With the process; what was said stays."""
        async with self._lock:
            await self._close(STOPPED)

    @property
    def ports(self) -> tuple[int, int | None] | None:
        """Plain and DTLS port; None: they are closed."""
        return None if self._ports is None else (self._ports.coap_port, self._ports.dtls_port)

    def forget(self, endpoint: str) -> None:
        """The device is configured no longer: nothing is written to it, and nothing known of it."""
        if self._ports is not None:
            self._ports.forget(endpoint)
        self.outcomes.forget(endpoint)

    def _wanted(self, said: bool | None) -> bool:
        return self._is_configured if said is None else said

    # -- rest/base.py: Bootstrap

    def shown(self) -> dict[str, Any]:
        ports = self.ports
        return {
            "enabled": ports is not None,
            "decided_by": "configuration" if self._said is None else "operator",
            "configured": self._is_configured,
            "coap_port": None if ports is None else ports[0],
            "dtls_port": None if ports is None else ports[1],
            "problem": self.problem,
            "counts": {"bootstraps_current": 0, **self._counted()},
        }

    def _counted(self) -> dict[str, int]:
        counted = self.counters()
        return {name: n for name, n in counted.items() if name in _SHOWN}

    async def switch(self, said: bool | None) -> dict[str, Any]:
        if said and not self._is_served:
            raise Conflict("`enabled` is false in the configuration: no port is open for devices")
        async with self._lock:
            is_opened = self._ports is None and self._is_served and self._wanted(said)
            if is_opened:
                self._open_now()
            try:
                await asyncio.to_thread(self._keep, said)
            except BaseException:  # a request that is given up, too: open ports nobody serves
                if is_opened:
                    await self._close(SWITCHED_OFF)
                raise
            self._said = said
            self.problem = None
            if is_opened:
                self.start()
                _log.info("bootstraps are served", extra={"ports": self.ports})
            elif self._ports is not None and not self._wanted(said):
                await self._close(SWITCHED_OFF)
                _log.info("bootstraps are not served any longer")
        return self.shown()

    def _open_now(self) -> None:
        try:
            self._ports = self._make()
        except ConfigError as error:
            if self.problem is not None:  # it is on, and still in vain
                self.problem = str(error)
            raise Conflict(f"the bootstrap server cannot be switched on: {error}") from None

    def _keep(self, said: bool | None) -> None:
        value = None if said is None else ON if said else OFF
        self._fleet.apply([(NAMESPACE, KEY, value)])

    async def _close(self, why: str) -> None:
        ports, self._ports = self._ports, None
        if ports is not None:
            await ports.stop(why)

    def counters(self) -> dict[str, int]:
        """Of the ports, where they are open, and of all bootstraps since the process started."""
        return {
            **({} if self._ports is None else self._ports.counters()),
            **self.outcomes.counters(),
            "bootstrap_not_opened_current": int(self.problem is not None),
        }


_SHOWN: Final = frozenset({*Outcomes().counters(), "bootstraps_current"})
