"""What older ways of keeping devices mean as a configuration: credentials alone, and names on the
list of who may register.

Only reads: nothing of it is taken away. How a device connects for which there is no more than a
name is not known, so that its configuration says NO_SEC and its credential stays as it is, until
somebody changes that part of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from lwm2m_fast.errors import NotFound, RequestError
from lwm2m_fast.fleet import settings
from lwm2m_fast.fleet.configuration import read
from lwm2m_fast.fleet.credential_rows import CREDENTIAL
from lwm2m_fast.fleet.credentials import Credentials
from lwm2m_fast.fleet.secured import Mode, Security
from lwm2m_fast.fleet.tenants import CONNECTOR, MANAGEMENT
from lwm2m_fast.provisioning.device_rows import LISTED
from lwm2m_fast.provisioning.registry import SETTINGS, Registry
from lwm2m_fast.provisioning.transactions import Wanted
from lwm2m_fast.store.base import FleetStore

NAMES_AT_ONCE: Final = 512
"""Looked at in one go, in another thread."""


class OlderWays:
    """What is known of devices beside their configurations. Reading blocks on the disk."""

    def __init__(self, fleet: FleetStore, credentials: Credentials, registry: Registry) -> None:
        self._fleet, self._credentials, self._registry = fleet, credentials, registry

    def names(self, *, skips_list: bool) -> Iterator[list[str]]:
        """Names that have no configuration, a few hundred at a time; some lists may be empty."""
        for space in (CREDENTIAL,) if skips_list else (CREDENTIAL, LISTED):
            after: bytes | None = None
            while rows := list(self._fleet.scan(space, after, NAMES_AT_ONCE)):
                after = rows[-1][0]
                names = (key.decode(errors="replace") for key, _ in rows)
                yield [name for name in names if self._is_free(name)]

    def _is_free(self, name: str) -> bool:
        return name != CONNECTOR and self._registry.route(name) is None

    def wanted(
        self, names: Iterable[str], *, skips_list: bool
    ) -> tuple[list[Wanted], list[tuple[str, RequestError]]]:
        """Devices to be, and those that cannot be with the reason.

        A name that is neither listed nor has a credential is one that cannot be.
        """
        made: list[Wanted] = []
        refused: list[tuple[str, RequestError]] = []
        for name in names:
            try:
                made.append(self._one(name, skips_list))
            except RequestError as error:
                refused.append((name, error))
        return made, refused

    def _one(self, name: str, skips_list: bool) -> Wanted:
        held = self._credentials.has(name)
        listed = not skips_list and self._fleet.get(LISTED, name.encode()) is not None
        if not held and not listed:
            raise NotFound(f"no device is known as {name!r:.80}")
        server = self._credentials.before(name).server if held else None
        given = {"endpointId": name, "serverSecurity": _side(server), **self._settings(name)}
        return Wanted(read(given), MANAGEMENT)

    def _settings(self, name: str) -> dict[str, Any]:
        key = name.encode()
        row = self._fleet.get(SETTINGS, key)
        if row is None:
            return {}
        known = settings.from_bytes(key, row)
        given = {
            "awakeTimeRegistrationParameter": known.awake_ms,
            "lwm2mRequestTimeout": known.request_timeout_ms,
            "serializationFormat": known.serialization_format,
            "binaryDeliveryEncoding": known.binary_encoding,
            "genericUIRetainOldValuesIfError": known.retains_values,
            "autoManageAvailabilityRequiredInterval": known.manages_interval,
            "availabilityRequiredInterval": known.interval_min,
            "logLevel": known.log_level,
        }
        return {name: value for name, value in given.items() if value is not None}


def _side(security: Security | None) -> dict[str, Any]:
    if security is None:
        return {"securityMode": "NO_SEC"}
    if security.mode is Mode.PSK:
        return {
            "securityMode": "PSK", "pskId": security.identity, "pskKey": security.key.hex(),
        }  # fmt: skip
    return {"securityMode": security.mode.name}
