"""The rows of configured devices in the fleet store: what they are called and what is in them.

    device      endpoint name -> sealed JSON: id, tenant, configuration, shell, when
    device_id   u64 id        -> tenant, 0, endpoint name; the id stays when the name is free again
    route       endpoint name -> tenant, 0, u64 id: who may have this name; outlives a bare deletion
    unbound     tenant, 0, endpoint name -> as device: kept, though the name is another tenant's

All numbers big-endian. Knows no transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet import configuration
from lwm2m_fast.fleet.device_fields import DeviceConfiguration
from lwm2m_fast.fleet.vault import Vault

DEVICE: Final = "device"
DEVICE_ID: Final = "device_id"
ROUTE: Final = "route"
UNBOUND: Final = "unbound"
LISTED: Final = "provisioned"
"""A key is an endpoint name that may register, of whoever keeps no configurations."""


@dataclass(frozen=True, slots=True)
class Device:
    """One configured device, registered or not."""

    id: int
    """Unique for ever; what the tools of existing fleets call a managed object."""
    tenant: str
    configuration: DeviceConfiguration
    shell: bool
    """False: shell commands are refused."""
    created_at: float
    """Unix time."""

    @property
    def endpoint(self) -> str:
        return self.configuration.endpoint_id


@dataclass(frozen=True, slots=True)
class Route:
    """Whose an endpoint name is."""

    tenant: str
    id: int


def id_bytes(number: int) -> bytes:
    return number.to_bytes(8, "big")


def device_about(endpoint: bytes) -> bytes:
    """What a device's row is sealed for: its place."""
    return b"device\0" + endpoint


def unbound_about(key: bytes) -> bytes:
    return b"unbound\0" + key


def build_device(device: Device, vault: Vault) -> bytes:
    return vault.seal(_plain(device), device_about(device.endpoint.encode()))


def build_unbound(device: Device, vault: Vault) -> tuple[bytes, bytes]:
    """Key and row of a device whose name is another tenant's."""
    key = build_owner(device.tenant, device.endpoint)
    return key, vault.seal(_plain(device), unbound_about(key))


def _plain(device: Device) -> bytes:
    return orjson.dumps(
        {
            "id": device.id,
            "tenant": device.tenant,
            "shell": device.shell,
            "created_at": device.created_at,
            "configuration": orjson.Fragment(configuration.as_bytes(device.configuration)),
        }
    )


def parse_device(key: bytes, row: bytes, vault: Vault) -> Device:
    """StoreError: the row was changed on the disk, or is another's."""
    return _parse(key, vault.unseal(row, device_about(key)))


def parse_unbound(key: bytes, row: bytes, vault: Vault) -> Device:
    """The same of one that is unbound."""
    return _parse(parse_owner(key)[1].encode(), vault.unseal(row, unbound_about(key)))


def _parse(key: bytes, plain: bytes) -> Device:
    try:
        fields = orjson.loads(plain)
        return Device(
            int(fields["id"]),
            str(fields["tenant"]),
            configuration.from_bytes(key.decode(), orjson.dumps(fields["configuration"])),
            bool(fields["shell"]),
            float(fields["created_at"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the stored device {key!r} cannot be read: {error}") from None


def build_route(route: Route) -> bytes:
    return route.tenant.encode() + b"\0" + id_bytes(route.id)


def parse_route(row: bytes) -> Route:
    if len(row) < 9 or row[-9]:
        raise StoreError(f"a stored route of {len(row)} bytes cannot be read")
    return Route(_text(row[:-9]), int.from_bytes(row[-8:], "big"))


def build_owner(tenant: str, endpoint: str) -> bytes:
    return tenant.encode() + b"\0" + endpoint.encode()


def parse_owner(row: bytes) -> tuple[str, str]:
    """Tenant and endpoint name."""
    tenant, _, endpoint = row.partition(b"\0")
    return _text(tenant), _text(endpoint)


def _text(stored: bytes) -> str:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        raise StoreError(f"a stored name of {len(stored)} bytes is not UTF-8") from None
