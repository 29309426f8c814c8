"""Whether a device can be asked right now, how long its answer is waited for, and if it is missed.

Brings together what the engine heard, what the device registered and what is set for it; the
rules themselves are those of core/presence.py and core/availability.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, Protocol

from lwm2m_fast.config import QueueConfig
from lwm2m_fast.core.availability import availability, required_interval_s
from lwm2m_fast.core.presence import ATTRIBUTE, Window, window_of
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.settings import Settings
from lwm2m_fast.queue.calls import Clock


class Engine(Protocol):
    """The part of core/engine that says who was heard when."""

    def attribute(self, endpoint: str, name: str) -> str | None: ...
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
        self._usual = window_of(None, {}, config.awake_time_ms)
        self._timeouts_s = config.min_request_timeout_s, config.max_request_timeout_s

    def window(self, endpoint: str) -> Window | None:
        """The awake window in force; None when the device is not registered."""
        setting = self._settings.get(endpoint).awake_ms
        if setting is not None:
            return window_of(setting, {}, 0)
        said = self._engine.attribute(endpoint, ATTRIBUTE)
        if said is None:  # nearly all
            return self._usual if self.heard_at(endpoint) is not None else None
        return window_of(None, {ATTRIBUTE: said}, self._config.awake_time_ms)

    def heard_at(self, endpoint: str) -> float | None:
        """When the device was last heard, monotonic; None when it is not registered."""
        return self._engine.heard_at(endpoint)

    def window_said(self, endpoint: str, attributes: Mapping[str, str | None]) -> Window:
        """The window in force of a device that registered with these attributes."""
        setting = self._settings.get(endpoint).awake_ms
        return window_of(setting, attributes, self._config.awake_time_ms)

    def awake_until(self, endpoint: str, said: Window) -> float | None:
        """The end of the window, when without a setting it is `said`; infinite when it never ends,
        None when the device is not registered."""
        heard_at = self._engine.heard_at(endpoint)
        setting = self._settings.get(endpoint).awake_ms
        window = said if setting is None else window_of(setting, {}, 0)
        return None if heard_at is None else window.awake_until(heard_at)

    def listens(self, endpoint: str, heard_at: float) -> bool:
        """Whether a device that was heard then is inside its window."""
        window = self.window(endpoint)
        if window is self._usual and window.awake_ms == 0:
            return True
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

    def availability(self, endpoint: str, lifetime_s: int) -> dict[str, Any]:
        """`availability` and `required_interval_s` of a registered device (rest/devices.py)."""
        settings, now = self._settings.get(endpoint), self._clock.now()
        interval = required_interval_s(settings.manages_interval, settings.interval_min, lifetime_s)
        heard_at = self._engine.heard_at(endpoint)
        state = availability(interval, now if heard_at is None else heard_at, now)
        return {"availability": state, "required_interval_s": interval}

    def timeout_s(self, endpoint: str, own: float | None) -> float:
        """What was asked for, else the device's setting, else the server's."""
        if own is not None:
            return own
        setting = self._settings.get(endpoint).request_timeout_ms
        return self._config.request_timeout_s if setting is None else setting / 1000.0

    def check_timeout(self, timeout_s: float | None) -> float | None:
        """`timeout_s` itself; RequestError beyond its bounds."""
        least, most = self._timeouts_s
        if timeout_s is not None and not least <= timeout_s <= most:
            raise RequestError(
                f"timeout_s is {timeout_s}, allowed are {least} to {most} "
                "(queue.min_request_timeout_s, queue.max_request_timeout_s)"
            )
        return timeout_s
