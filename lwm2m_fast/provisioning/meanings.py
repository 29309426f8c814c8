"""What a device's configuration means elsewhere: its credential, and the settings that the server
goes by; and what a credential means in a configuration. Pure; keeps nothing.
"""

from __future__ import annotations

from dataclasses import fields, replace

from pydantic import SecretStr

from lwm2m_fast.fleet import settings
from lwm2m_fast.fleet.device_fields import BootstrapSecurity, DeviceConfiguration
from lwm2m_fast.fleet.log_levels import LIFECYCLE
from lwm2m_fast.fleet.secured import Credential, Mode, Security


def _security(mode: str, identity: str | None, key: str | None) -> Security:
    if mode == "PSK":
        return Security(Mode.PSK, identity or "", bytes.fromhex(key or ""))
    return Security(Mode.X509 if mode == "X509" else Mode.NO_SEC)


def bootstrap_of(held: Security) -> BootstrapSecurity:
    """What a configuration says of a connection that a credential secures."""
    if held.mode is not Mode.PSK:
        return BootstrapSecurity(security_mode="X509" if held.mode is Mode.X509 else "NO_SEC")
    key = SecretStr(held.key.hex())
    return BootstrapSecurity(security_mode="PSK", psk_id=held.identity, psk_key=key)


def credential_of(given: DeviceConfiguration, tenant: str, now: float) -> Credential:
    """What the device may connect with, on both sides."""
    server, own = given.server_security, given.bootstrap_security
    key = server.psk_key.get_secret_value() if server.psk_key else None
    own_key = own.psk_key.get_secret_value() if own is not None and own.psk_key else None
    return Credential(
        given.endpoint_id,
        _security(server.security_mode, server.psk_id, key),
        None if own is None else _security(own.security_mode, own.psk_id, own_key),
        tenant,
        now,
    )


def settings_of(given: DeviceConfiguration) -> settings.Settings:
    """Those fields that the server itself goes by; UNSET where all are as without a row."""
    encoding = given.binary_delivery_encoding
    return settings.Settings(
        awake_ms=given.awake_time_registration_parameter,
        request_timeout_ms=given.lwm2m_request_timeout,
        serialization_format=given.serialization_format,
        binary_encoding=None if encoding == "OPAQUE" else encoding,  # what None means there
        retains_values=given.retain_old_values,
        manages_interval=given.auto_manage_availability_required_interval,
        interval_min=given.availability_required_interval or None,  # 0, of older files: none
        log_level=None if given.log_level == LIFECYCLE else given.log_level,
    )


def settings_after(
    kept: settings.Settings, before: DeviceConfiguration, after: DeviceConfiguration
) -> settings.Settings:
    """`kept` with what a change of its configuration changes: what was set by itself stays."""
    old, new = settings_of(before), settings_of(after)
    names = [each.name for each in fields(new)]
    return replace(
        kept,
        **{name: getattr(new, name) for name in names if getattr(new, name) != getattr(old, name)},
    )
