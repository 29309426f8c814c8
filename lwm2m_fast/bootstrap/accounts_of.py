"""From a device's configuration to what a bootstrap writes: accounts with keys and certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from lwm2m_fast.bootstrap.profiled import BOOTSTRAP, OwnUri, Profiled, profiled
from lwm2m_fast.bootstrap.steps_of import steps_of
from lwm2m_fast.core.accounts import (
    Account,
    CertificateUsage,
    Configuration,
    SecurityMode,
    ServerTerms,
)
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.device_fields import (
    BootstrapSecurity,
    DeviceConfiguration,
    FurtherServer,
    ServerSecurity,
)
from lwm2m_fast.fleet.key_pairs import certificate_der, key_der, server_certificate
from lwm2m_fast.fleet.profile_fields import Profile

CertificateNamed = Callable[[str], bytes | None]
"""The server certificate (DER) that an operator has given this name; None: there is none."""

_MODES = {"NO_SEC": SecurityMode.NO_SEC, "PSK": SecurityMode.PSK, "X509": SecurityMode.X509}


def _mode(name: str) -> SecurityMode:
    if name not in _MODES:
        raise RequestError(f"security mode {name} has not been made into keys yet")
    return _MODES[name]


def _named(certificates: CertificateNamed, name: str | None) -> bytes:
    if not name:
        return b""
    found = certificates(name) or server_certificate(name)
    if found is None:
        raise RequestError(f"x509ServerCertificateName is {name!r:.80}, which nobody has given")
    return found


def _security(
    given: ServerSecurity, certificates: CertificateNamed, otherwise: bytes
) -> tuple[bytes, bytes, bytes, CertificateUsage | None]:
    """Identity, server key, secret and usage, as resources 3, 4, 5 and 15 of object 0."""
    if given.security_mode == "PSK":
        secret = given.psk_key.get_secret_value() if given.psk_key else ""
        return (given.psk_id or "").encode(), b"", bytes.fromhex(secret), None
    certificate, key = given.x509_certificate, given.x509_private_key
    usage = given.certificate_usage
    return (
        certificate_der(certificate) if certificate else b"",
        _named(certificates, given.x509_server_certificate_name) or otherwise,
        key_der(key.get_secret_value()) if key else b"",
        CertificateUsage[usage] if usage else None,
    )


def _account(
    uri: str,
    short_id: int,
    given: ServerSecurity,
    terms: ServerTerms,
    hold_off_s: int | None,
    certificates: CertificateNamed,
    keys: Mapping[int, bytes],
) -> Account:
    otherwise = keys.get(short_id, b"")
    identity, server_key, secret, usage = _security(given, certificates, otherwise)
    return Account(
        uri=uri,
        security_mode=_mode(given.security_mode),
        short_id=short_id,
        terms=terms,
        identity=identity,
        server_key=server_key,
        secret=secret,
        certificate_usage=usage,
        hold_off_s=hold_off_s,
    )


def _own_account(uri: str, given: BootstrapSecurity, server_key: bytes) -> Account:
    """The bootstrap server's own; its short id is not written, as LwM2M 1.1 has none for it."""
    secret = given.psk_key.get_secret_value() if given.psk_key else ""
    return Account(
        uri=uri,
        security_mode=_mode(given.security_mode),
        short_id=None,
        identity=(given.psk_id or "").encode(),
        server_key=server_key,
        secret=bytes.fromhex(secret),
        hold_off_s=given.client_hold_off_time,
        account_timeout_s=given.bootstrap_server_account_timeout,
    )


def _further(
    server: FurtherServer,
    lifetime_s: int,
    certificates: CertificateNamed,
    keys: Mapping[int, bytes],
) -> Account:
    terms = ServerTerms(
        lifetime_s=(
            lifetime_s if server.registration_lifetime is None else server.registration_lifetime
        ),
        min_period_s=server.default_min_period,
        max_period_s=server.default_max_period,
        disable_timeout_s=server.disable_timeout,
        stores_notifications=server.store_notifications,
        binding=server.binding_mode,
    )
    hold_off_s = server.client_hold_off_time
    security = server.security
    return _account(server.uri, server.server_id, security, terms, hold_off_s, certificates, keys)


def _short_id(given: DeviceConfiguration, default: int) -> int:
    if given.lwm2m_short_server_id is not None:
        return given.lwm2m_short_server_id
    if default in (server.server_id for server in given.further_servers):
        raise RequestError(
            f"lwm2mShortServerId is unset and {default} by default, as another server's serverId"
        )
    return default


def _accounts(
    made: Profiled,
    lifetime_s: int,
    short_id: int,
    own_uri: OwnUri,
    certificates: CertificateNamed,
) -> Iterator[Account]:
    given, keys = made.configuration, made.server_keys
    own = given.bootstrap_security
    if given.generate_bootstrap_server_config and own is not None:
        uri = made.own_uri or own_uri(own.security_mode != "NO_SEC")
        if uri is None:
            raise RequestError(
                "generateBootstrapServerConfig is true, but bootstrap.uri, where devices find this "
                "bootstrap server, is not configured"
            )
        yield _own_account(uri, own, keys.get(BOOTSTRAP, b""))
    if given.lwm2m_server_uri is None:
        too = ", and so is a server in its profile" if given.device_profile else ""
        raise RequestError(f"lwm2mServerUri is missing{too}, which a bootstrap writes")
    lifetime = given.registration_lifetime
    terms = ServerTerms(
        lifetime_s=lifetime_s if lifetime is None else lifetime,
        min_period_s=given.default_minimum_period,
        max_period_s=given.default_maximum_period,
        disable_timeout_s=given.disable_timeout,
        stores_notifications=given.notification_if_disabled,
        binding=given.binding_mode,
    )
    yield _account(
        given.lwm2m_server_uri,
        _short_id(given, short_id),
        given.server_security,
        terms,
        given.client_hold_off_time,
        certificates,
        keys,
    )
    for server in given.further_servers:
        yield _further(server, lifetime_s, certificates, keys)


def configuration_of(
    given: DeviceConfiguration,
    *,
    default_lifetime_s: int,
    default_short_id: int,
    own_uri: OwnUri,
    certificates: CertificateNamed,
    profile: Profile | None = None,
) -> Configuration:
    """What a bootstrap of this device writes: what its configuration says, else its profile.

    The defaults are for what both leave open. `own_uri` gives this bootstrap server's URI as
    devices know it, plain or secure. RequestError names what is missing, or does not agree.
    """
    made = Profiled(given, {}, None) if profile is None else profiled(given, profile, own_uri)
    accounts = tuple(_accounts(made, default_lifetime_s, default_short_id, own_uri, certificates))
    steps = steps_of(given.bootstrap_steps)
    return Configuration(accounts, offset=given.security_instance_offset, **steps)
