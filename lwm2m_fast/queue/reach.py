"""Whether a device can be asked right now, and how long its answer is waited for.

Brings together what the engine heard, what the device registered and what is set for it; the rule
itself is core/presence.py's.
"""

from __future__ import annotations

from math import inf
from typing import Any, Protocol

from lwm2m_fast.config import QueueConfig
from lwm2m_fast.core.presence import Window, window_of
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.settings import Settings
from lwm2m_fast.queue.calls import Clock

MIN_TIMEOUT_S = 0.1


class Engine(Protocol):
    """The part of core/engine that says who was heard when."""

    def attributes(self, endpoint: str) -> dict[str, str | None] | None: ...
    def heard_at(self, endpoint: str) -> float | None: ...


class SettingsSource(Protocol):
    """device_settings.py"""

    def get(self, endpoint: str) -> Settings: ...


class Reach:
    """Presence and patience, by endpoint name. Nothing is remembered: a changed setting counts at
    once, also for a window that is open."""

    def __init__(
        self, config: QueueConfig, engine: Engine, settings: SettingsSource, clock: Clock
    ) -> None:
        self._config, self._engine, self._settings = config, engine, settings
        self._clock = clock

    def window(self, endpoint: str) -> Window | None:
        """The awake window in force; None when the device is not registered."""
        setting = self._settings.get(endpoint).awake_ms
        if setting is not None:
            return window_of(setting, {}, 0)
        attributes = self._engine.attributes(endpoint)
        if attributes is None:
            return None
        return window_of(None, attributes, self._config.awake_time_ms)

    def is_registered(self, endpoint: str) -> bool:
        return self._engine.heard_at(endpoint) is not None

    def listens(self, endpoint: str) -> bool:
        """Registered, and inside its window."""
        heard_at = self._engine.heard_at(endpoint)
        window = None if heard_at is None else self.window(endpoint)
        return window is not None and window.is_awake(heard_at, self._clock.now())

    def presence(self, endpoint: str) -> dict[str, Any] | None:
        """As rest/base.py says."""
        heard_at = self._engine.heard_at(endpoint)
        window = None if heard_at is None else self.window(endpoint)
        if heard_at is None or window is None:
            return None
        now = self._clock.now()
        until = window.awake_until(heard_at)
        return {
            "awake": window.is_awake(heard_at, now),
            "awake_time_ms": window.awake_ms,
            "awake_until": None if until == inf else self._clock.wall() + until - now,
            "source": window.source,
        }

    def timeout_s(self, endpoint: str, own: float | None) -> float:
        """What was asked for, else the device's setting, else the server's."""
        if own is not None:
            return own
        setting = self._settings.get(endpoint).request_timeout_ms
        return self._config.request_timeout_s if setting is None else setting / 1000.0

    def check_timeout(self, timeout_s: float | None) -> float | None:
        """`timeout_s` itself; RequestError beyond its bounds."""
        most = self._config.max_request_timeout_s
        if timeout_s is not None and not MIN_TIMEOUT_S <= timeout_s <= most:
            raise RequestError(
                f"timeout_s is {timeout_s}, allowed are {MIN_TIMEOUT_S} to {most} "
                "(queue.max_request_timeout_s)"
            )
        return timeout_s
