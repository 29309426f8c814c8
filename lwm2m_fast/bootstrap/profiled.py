"""A device's configuration with what its profile says where it says nothing itself.

What comes out is a configuration like any other, so that accounts_of.py has one way only; beside it
stand the servers' certificates, which a profile has in itself and a configuration by name. Knows
neither where profiles are kept nor how an account is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.device_fields import (
    BootstrapSecurity,
    DeviceConfiguration,
    FurtherServer,
    ServerSecurity,
)
from lwm2m_fast.fleet.profile_fields import Profile, ProfileServer

OwnUri = Callable[[bool], str | None]
"""Where devices find this bootstrap server, plain or secure; None: that is not configured."""

BOOTSTRAP: Final = 0
"""Stands for the bootstrap server where others have their short id."""


class Profiled(NamedTuple):
    configuration: DeviceConfiguration
    server_keys: Mapping[int, bytes]
    """Short id to the server's certificate as the profile has it; BOOTSTRAP: of this server."""
    own_uri: str | None
    """Where devices find this bootstrap server, if the profile says so."""


def profiled(given: DeviceConfiguration, profile: Profile, own_uri: OwnUri) -> Profiled:
    """What a bootstrap of this device goes by.

    RequestError: the security modes of device and profile differ, or the profile has an address
    that no device can reach, and nobody has said what to put in its place.
    """
    keys: dict[int, bytes] = {}
    changes = _own_account(given, profile, keys, own_uri)
    uri = None
    own, bootstrap = given.bootstrap_security, profile.bootstrap_server
    if bootstrap is not None and own is not None:
        _check_mode("bootstrapSecurity", own.security_mode, "the bootstrap server", bootstrap)
        changes |= {"generate_bootstrap_server_config": True}
        changes |= {"bootstrap_security": _times(own, bootstrap)}
        keys[BOOTSTRAP] = _key(bootstrap)
        uri = _uri_of_bootstrap(bootstrap, own_uri)
    return Profiled(given.model_copy(update=changes), keys, uri)


def _own_account(
    given: DeviceConfiguration, profile: Profile, keys: dict[int, bytes], own_uri: OwnUri
) -> dict[str, Any]:
    """The servers' fields: the device's own before the profile's."""
    first = _first(given, profile)
    taken = {each.server_id for each in given.further_servers}
    changes: dict[str, Any] = {}
    if first is not None:
        changes = _filled(given, first, own_uri)
        taken.add(changes["lwm2m_short_server_id"])
        keys[changes["lwm2m_short_server_id"]] = _key(first)
    more = []
    for server in profile.servers:
        if server is first or server.short_server_id in taken or server.short_server_id is None:
            continue
        more.append(_further(given.server_security, server, own_uri))
        keys[server.short_server_id] = _key(server)
    return changes | {"further_servers": (*more, *given.further_servers)}


def _first(given: DeviceConfiguration, profile: Profile) -> ProfileServer | None:
    """The profile's server that the device's own fields are about: with its short id, if it has
    one, else the first that is not among its further servers."""
    wanted = given.lwm2m_short_server_id
    taken = {each.server_id for each in given.further_servers}
    left = [each for each in profile.servers if each.short_server_id not in taken]
    named = [each for each in left if each.short_server_id == wanted]
    return next(iter([*named, *left]), None)


def _filled(given: DeviceConfiguration, server: ProfileServer, own_uri: OwnUri) -> dict[str, Any]:
    _check_mode("serverSecurity", given.server_security.security_mode, _named(server), server)
    said = given.model_fields_set
    uri = given.lwm2m_server_uri
    return {
        "lwm2m_server_uri": _uri_of(server, own_uri) if uri is None else uri,
        "lwm2m_short_server_id": _or(given.lwm2m_short_server_id, server.short_server_id),
        "registration_lifetime": _or(given.registration_lifetime, server.lifetime),
        "default_minimum_period": _or(given.default_minimum_period, server.default_min_period),
        "notification_if_disabled": _or(given.notification_if_disabled, server.notif_if_disabled),
        "client_hold_off_time": _or(given.client_hold_off_time, server.client_hold_off_time),
        "binding_mode": given.binding_mode if "binding_mode" in said else server.binding,
    }


def _or(own: Any, profiles: Any) -> Any:
    return profiles if own is None else own


def _further(security: ServerSecurity, server: ProfileServer, own_uri: OwnUri) -> FurtherServer:
    """Another server of the profile; the device proves itself to it as to the first."""
    _check_mode("serverSecurity", security.security_mode, _named(server), server)
    return FurtherServer.model_construct(
        uri=_uri_of(server, own_uri),
        server_id=server.short_server_id,
        # A certificate that the device's configuration names is that of its own server.
        security=security.model_copy(update={"x509_server_certificate_name": None}),
        registration_lifetime=server.lifetime,
        default_min_period=server.default_min_period,
        store_notifications=server.notif_if_disabled,
        binding_mode=server.binding,
        client_hold_off_time=server.client_hold_off_time,
    )


def _times(own: BootstrapSecurity, server: ProfileServer) -> BootstrapSecurity:
    return own.model_copy(
        update={
            "client_hold_off_time": _or(own.client_hold_off_time, server.client_hold_off_time),
            "bootstrap_server_account_timeout": _or(
                own.bootstrap_server_account_timeout, server.bootstrap_server_account_timeout
            ),
        }
    )


def _key(server: ProfileServer) -> bytes:
    """With NO_SEC and PSK a server has none, whatever else stands in the profile."""
    return server.key if server.security_mode in ("RPK", "X509") else b""


def _named(server: ProfileServer) -> str:
    return f"the server with the short id {server.short_server_id}"


def _check_mode(field: str, mode: str, which: str, server: ProfileServer) -> None:
    if mode != server.security_mode:
        raise RequestError(
            f"{field} of the device has the mode {mode}, but its profile has "
            f"{server.security_mode} for {which}"
        )


# Addresses


def _is_everywhere(host: str) -> bool:
    """Stands for all addresses of a machine: to listen on, not to be reached."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_at_home(host: str) -> bool:
    """The machine that asks: the device's own, seldom the server's."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host_of(uri: str | None) -> str | None:
    try:
        return None if uri is None else urlsplit(uri).hostname
    except ValueError:
        return None


def _uri_of(server: ProfileServer, own_uri: OwnUri) -> str:
    """Where devices find an LwM2M server: its own address, or where they find this one, with its
    port. RequestError: nobody has said where that is."""
    everywhere = _is_everywhere(server.host)
    if not everywhere and not _is_at_home(server.host):
        return server.uri(server.host)
    is_secure = server.security_mode != "NO_SEC"
    host = _host_of(own_uri(is_secure)) or _host_of(own_uri(not is_secure))
    if host is None and everywhere:
        raise _unreachable(server, f"{_named(server)} in its profile")
    return server.uri(host or server.host)


def _uri_of_bootstrap(server: ProfileServer, own_uri: OwnUri) -> str:
    """The same of this bootstrap server: as it is configured where the profile has no address."""
    if not _is_everywhere(server.host) and not _is_at_home(server.host):
        return server.uri(server.host)
    uri = own_uri(server.security_mode != "NO_SEC")
    if uri is None and _is_everywhere(server.host):
        raise _unreachable(server, "the bootstrap server in its profile")
    return uri or server.uri(server.host)


def _unreachable(server: ProfileServer, which: str) -> RequestError:
    name = "bootstrap.uri" if server.security_mode == "NO_SEC" else "bootstrap.secure_uri"
    return RequestError(
        f"{which} has the host {server.host}, which no device can reach, and {name}, which says "
        "where devices find this machine, is not configured"
    )
