"""What callers ask about devices' data: last values, observations, settings, uploaded files.

The service's share of values.py and its neighbours (rest/base.py: Service); the operations are
another's.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any

from lwm2m_fast.core.contexts import read_context
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.judge import Judge
from lwm2m_fast.core.target import Target
from lwm2m_fast.device_settings import DeviceSettings
from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.files import Files
from lwm2m_fast.targets import Targets
from lwm2m_fast.values import Values


@dataclass(frozen=True, slots=True)
class DataParts:
    """What the service asks."""

    engine: Engine
    values: Values
    targets: Targets
    judge: Judge
    settings: DeviceSettings
    files: Files

    def counted(self) -> tuple[Values, Targets, Judge, DeviceSettings, Files]:
        """Those that count what they do."""
        return self.values, self.targets, self.judge, self.settings, self.files


class DeviceData:
    """Everything is called on the loop's thread."""

    _parts: DataParts | None = None

    def attach_data(self, parts: DataParts) -> None:
        """The parts of the running server."""
        self._parts = parts

    def _data(self) -> DataParts:
        if self._parts is None:
            raise RequestError("the server is not running")
        return self._parts

    def values(self, endpoint: str, prefix: str = "") -> list[dict[str, Any]]:
        """The last values of a device at or below a path, in its order; see Values.listing()."""
        return self._data().values.listing(endpoint, prefix)

    async def forget_values(self, endpoint: str, prefix: str = "") -> None:
        """Remove last values at or below a path, all without one. RequestError, StoreError."""
        await self._data().values.forget(endpoint, prefix)

    def observations(self, endpoint: str) -> list[dict[str, Any]]:
        """What a device was asked to report, oldest first; UnknownDevice.

        Each has id, paths, is_composite, content_format, state (pending, active, lapsed), since
        and last_at (unix seconds), notified.
        """
        return [_observation(each) for each in self._data().engine.observations(endpoint)]

    def settings(self, endpoint: str) -> dict[str, Any]:
        """The settings of a device, registered or not; null where nothing is set."""
        return self._data().settings.as_json(endpoint)

    async def set_settings(self, endpoint: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Change what is given (null unsets); all settings as they are then.

        RequestError names the setting and what is allowed; StoreError: not kept. Then nothing
        has changed.
        """
        settings = self._data().settings
        await settings.set(endpoint, given)
        return settings.as_json(endpoint)

    async def put_file(
        self, name: str, stream: AsyncIterable[bytes], tenant: str
    ) -> dict[str, Any]:
        """Take a file in, for orders that name it; see Files.put()."""
        return await self._data().files.put(name, stream, tenant)

    def files(self, tenant: str) -> list[dict[str, Any]]:
        """Name, size and changed_at of every file of a tenant, by name."""
        return self._data().files.listing(tenant)

    async def delete_file(self, name: str, tenant: str) -> bool:
        """Remove a file; False when there is none."""
        return await self._data().files.delete(name, tenant)

    def target(self, endpoint: str) -> Target | None:
        """The device as operations see it; None when it is not registered."""
        return self._data().targets.of(endpoint)


def _observation(told: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: told[name] for name in ("state", "since", "notified", "last_at")}
    try:
        about = read_context(told["context"])
    except FormatError:  # of another version; it can still be cancelled
        return {"id": told["number"], "paths": [], "is_composite": False,
                "content_format": None, **shown}  # fmt: skip
    return {
        "id": told["number"],
        "paths": list(about.paths),
        "is_composite": about.is_composite,
        "content_format": about.accept,
        **shown,
    }
