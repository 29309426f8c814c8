"""The settings of all devices: in memory for whoever asks often, on disk before they count.

What may be set is fleet/settings.py's business. Belongs to the shell: blocks on no disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.log_levels import LIFECYCLE
from lwm2m_fast.fleet.settings import UNSET, Settings, as_bytes, as_json, changed, from_bytes
from lwm2m_fast.store.base import MAX_FLEET_KEY_BYTES, FleetStore

_log = logging.getLogger("lwm2m_fast.settings")

NAMESPACE = "settings"
"""Of the fleet store: endpoint name to the settings as JSON."""

MAX_ENDPOINT_BYTES = 255
MAX_DEVICES = 4_000_000
"""Devices that have settings of their own; equal ones share one Settings in memory."""

assert MAX_ENDPOINT_BYTES <= MAX_FLEET_KEY_BYTES  # noqa: S101


class DeviceSettings:
    """Settings by endpoint name; of devices that nobody configured, the defaults.

    Everything is called on the loop's thread. A stored row that cannot be read is passed over,
    counted and logged once.
    """

    def __init__(self, fleet: FleetStore) -> None:
        self._fleet = fleet
        self._by_endpoint: dict[str, Settings] = {}
        self._shared: dict[Settings, Settings] = {}
        self._levels: dict[str, str] = {}
        self._unusable = 0
        self._writing = asyncio.Lock()
        for key, value in fleet.scan(NAMESPACE):
            self._load(key, value)
        if self._unusable:
            _log.warning("stored settings could not be used", extra={"rows": self._unusable})

    def _load(self, key: bytes, value: bytes) -> None:
        try:
            self._remember(key.decode(), from_bytes(key, value))
        except (StoreError, UnicodeDecodeError):
            self._unusable += 1

    def _remember(self, endpoint: str, settings: Settings) -> None:
        if settings is UNSET or settings == UNSET:
            self._by_endpoint.pop(endpoint, None)
        else:
            self._by_endpoint[endpoint] = self._shared.setdefault(settings, settings)
        if settings.log_level in (None, LIFECYCLE):
            self._levels.pop(endpoint, None)
        else:
            self._levels[endpoint] = settings.log_level

    @property
    def own(self) -> Mapping[str, Settings]:
        """The settings of those that have any, by endpoint name; as they are at each moment."""
        return self._by_endpoint

    @property
    def levels(self) -> Mapping[str, str]:
        """Log levels that are not the usual one, by endpoint name; as they are at each moment."""
        return self._levels

    def get(self, endpoint: str) -> Settings:
        """What is set for this device, registered or not; a look into a dictionary."""
        return self._by_endpoint.get(endpoint, UNSET)

    def adopt(self, endpoint: str, settings: Settings) -> None:
        """Whoever keeps the row (provisioning/registry.py) has written it: it counts at once."""
        self._remember(endpoint, settings)

    def as_json(self, endpoint: str) -> dict[str, Any]:
        """get() by the names of the API."""
        return as_json(self.get(endpoint))

    async def set(self, endpoint: str, given: Mapping[str, Any]) -> Settings:
        """Change what is `given` (null unsets), and return all; kept once it returns.

        RequestError: a name or value that is not allowed, or too many devices. StoreError: it
        could not be kept. In both cases everything is as before.
        """
        key = endpoint.encode("utf-8", "surrogatepass")
        if not 1 <= len(key) <= MAX_ENDPOINT_BYTES:
            raise RequestError(
                f"endpoint name {endpoint!r:.80} has {len(key)} bytes, "
                f"allowed are 1 to {MAX_ENDPOINT_BYTES}"
            )
        async with self._writing:  # two changes of one device must not lose each other
            settings = changed(self.get(endpoint), given)
            if settings == UNSET:
                await asyncio.to_thread(self._fleet.delete, NAMESPACE, [key])
            else:
                self._check_room(endpoint)
                row = (key, as_bytes(settings))
                await asyncio.to_thread(self._fleet.put, NAMESPACE, [row])
            self._remember(endpoint, settings)
        return settings

    def _check_room(self, endpoint: str) -> None:
        if endpoint not in self._by_endpoint and len(self._by_endpoint) >= MAX_DEVICES:
            raise RequestError(
                f"{MAX_DEVICES} devices have settings of their own already, which is the limit"
            )

    def counters(self) -> dict[str, int]:
        return {
            "device_settings_current": len(self._by_endpoint),
            "device_settings_unusable": self._unusable,
            "device_log_levels_current": len(self._levels),
        }
