"""Leshan's JSON of a bootstrap configuration, to a device's configuration and back.

Theirs names instances of objects 0 and 1, ours names servers, whose instances a bootstrap finds on
the device: ids say nothing here. What is beside accounts is bootstrap_steps.py's. Whatever else
ours cannot hold is refused, as a device would not get it. Bytes are lists of numbers from 0 to 255.
A key goes in and never comes out. Knows no HTTP.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.key_pairs import certificate_der
from lwm2m_fast.rest.leshan.bootstrap_steps import shown as shown_steps
from lwm2m_fast.rest.leshan.bootstrap_steps import steps_of

MAX_BYTES: Final = 8192
"""Of a key, an identity or a certificate."""

MAX_INSTANCES: Final = 64
"""Of servers, and of security: more than a device can have. Each is looked for among the others."""

_PARTS = ("servers", "security", "toDelete", "acls", "autoIdForSecurityObject")
_SERVER = {
    "lifetime": "registrationLifetime",
    "disableTimeout": "disableTimeout",
    "binding": "bindingMode",
}
_MAIN = {
    **_SERVER,
    "defaultMinPeriod": "defaultMinimumPeriod",
    "defaultMaxPeriod": "defaultMaximumPeriod",
    "notifIfDisabled": "notificationIfDisabled",
}
_FURTHER = {
    **_SERVER,
    "defaultMinPeriod": "defaultMinPeriod",
    "defaultMaxPeriod": "defaultMaxPeriod",
    "notifIfDisabled": "storeNotifications",
}
"""A server's members by what they are called in ours: of the first server, and of the others."""

_SECURITY = (
    "uri", "bootstrapServer", "securityMode", "publicKeyOrId", "serverPublicKey", "secretKey",
    "serverId", "clientOldOffTime", "bootstrapServerAccountTimeout", "certificateUsage",
)  # fmt: skip

_NOTHING: tuple[Any, ...] = (None, "", [], {}, "NO_SEC")
"""Values of members that are not held here: what says that there is nothing to hold."""

USAGES: Final = (
    "CA_CONSTRAINT",
    "SERVICE_CERTIFICATE_CONSTRAINT",
    "TRUST_ANCHOR_ASSERTION",
    "DOMAIN_ISSUER_CERTIFICATE",
)
MODES: Final = ("NO_SEC", "PSK", "X509")
OWN_CERTIFICATE: Final = "default"

_INSTANCE = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)


class Here(NamedTuple):
    """What of this server stands in configurations."""

    uri: str | None
    secure_uri: str | None
    certificate: bytes | None
    """As DER."""
    lifetime_s: int
    short_id: int
    """What a device is written that has none of its own."""


def given_of(endpoint: str, body: Mapping[str, Any], here: Here) -> dict[str, Any]:
    """The fields of a device's configuration that `body` means; null: unset.

    `bootstrapSecurity` is in it only where `body` has an account of the bootstrap server.
    RequestError names what is wrong, or cannot be held.
    """
    _refuse_others("", body, _PARTS)
    servers, security = (_instances(name, body.get(name)) for name in ("servers", "security"))
    accounts = _accounts(servers, security)
    if not accounts:
        raise RequestError("servers is empty: there is nothing to write to the device")
    (place, first), *others = accounts
    given = {
        "endpointId": endpoint,
        "lwm2mServerUri": _uri(*first),
        "lwm2mShortServerId": place[1]["shortId"],
        "serverSecurity": _server_security(*first, here),
        "clientHoldOffTime": first[1].get("clientOldOffTime"),
        **_terms(place[1], _MAIN),
        "furtherServers": [_further(server, account, here) for server, account in others],
        "generateBootstrapServerConfig": False,
        "bootstrapSteps": steps_of(body),
    }
    own = [each for each in security if each[1].get("bootstrapServer")]
    if len(own) > 1:
        raise RequestError("security has two accounts of the bootstrap server, one is allowed")
    if own:
        given |= _own(*own[0], here)
    return given


Instance = tuple[str, dict[str, Any]]
"""Where it stands, for errors, and its members."""


def _refuse_others(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """RequestError for a member that is not held here, unless it says nothing."""
    for name, value in given.items():
        if name not in known and value not in _NOTHING:
            raise RequestError(f"{where + name!r:.80} cannot be held here: leave it out")


def _instances(name: str, given: Any) -> list[Instance]:
    if not isinstance(given or {}, dict):
        raise RequestError(f"{name} is no JSON object of instances")
    if len(given or {}) > MAX_INSTANCES:
        raise RequestError(f"{name} has {len(given)} instances, allowed are {MAX_INSTANCES}")
    found = []
    for number in sorted(given or {}, key=lambda text: (len(text), text)):
        if not _INSTANCE.fullmatch(number):
            raise RequestError(f"{name} has {number!r:.80}, which is no instance id")
        if not isinstance(given[number], dict):
            raise RequestError(f"{name}.{number} is no JSON object")
        found.append((f"{name}.{number}", given[number]))
    return found


def _accounts(servers: list[Instance], security: list[Instance]) -> list[tuple[Instance, Instance]]:
    """Each server and how the device connects to it."""
    found = []
    for where, one in security:
        _refuse_others(f"{where}.", one, _SECURITY)
    used = set()
    for where, server in servers:
        _refuse_others(f"{where}.", server, ("shortId", *_MAIN))
        short_id = server.get("shortId")
        its = [
            each
            for each in security
            if not each[1].get("bootstrapServer") and each[1].get("serverId") == short_id
        ]
        if short_id is None or len(its) != 1:
            raise RequestError(
                f"{where}.shortId is {short_id!r:.20}: one entry of security has it as serverId, "
                f"here {len(its)} have"
            )
        used.add(its[0][0])
        found.append(((where, server), its[0]))
    for where, one in security:
        if where not in used and not one.get("bootstrapServer"):
            raise RequestError(f"{where}.serverId is no shortId in servers")
    return found


def _terms(server: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    terms = {ours: server.get(theirs) for theirs, ours in names.items()}
    return {**terms, "bindingMode": terms["bindingMode"] or "U"}


def _further(server: Instance, account: Instance, here: Here) -> dict[str, Any]:
    found = {
        "uri": _uri(*account),
        "serverId": server[1]["shortId"],
        "security": _server_security(*account, here),
        "clientHoldOffTime": account[1].get("clientOldOffTime"),
        **_terms(server[1], _FURTHER),
    }
    found["security"] = {name: one for name, one in found["security"].items() if one is not None}
    return {name: one for name, one in found.items() if one is not None}


def _uri(where: str, account: Mapping[str, Any]) -> str:
    uri = account.get("uri")
    if not isinstance(uri, str) or not uri:
        raise RequestError(f"{where}.uri is missing")
    return uri


def _mode(where: str, account: Mapping[str, Any]) -> str:
    mode = account.get("securityMode")
    if mode not in MODES:
        raise RequestError(
            f"{where}.securityMode is {mode!r:.80}, this server has {', '.join(MODES)}"
        )
    return str(mode)


def bytes_of(where: str, account: Mapping[str, Any], name: str) -> bytes:
    """A member that is a list of bytes; empty where it is missing. RequestError shows no value."""
    given = account.get(name)
    if given is None:
        return b""
    if not isinstance(given, list) or len(given) > MAX_BYTES:
        raise RequestError(f"{where}.{name} is no list of up to {MAX_BYTES} bytes")
    if not all(type(one) is int and 0 <= one <= 255 for one in given):
        raise RequestError(f"{where}.{name} is a list of something else than bytes, 0 to 255")
    return bytes(given)


_NO_KEYS: Final[dict[str, None]] = dict.fromkeys(
    ("pskId", "pskKey", "x509Certificate", "x509PrivateKey", "certificateUsage",
     "x509ServerCertificateName")
)  # fmt: skip


def _server_security(where: str, account: Mapping[str, Any], here: Here) -> dict[str, Any]:
    if account.get("bootstrapServerAccountTimeout"):
        raise RequestError(
            f"{where}.bootstrapServerAccountTimeout is of the bootstrap server's account only"
        )
    mode = _mode(where, account)
    return {**_NO_KEYS, "securityMode": mode, **_KEYS[mode](where, account, here)}


def _no_keys(where: str, account: Mapping[str, Any], here: Here) -> dict[str, Any]:
    for name in ("publicKeyOrId", "serverPublicKey", "secretKey"):
        if bytes_of(where, account, name):
            raise RequestError(f"{where}.{name} is given, which NO_SEC has no use for")
    return {}


def _psk(where: str, account: Mapping[str, Any], here: Here) -> dict[str, Any]:
    if bytes_of(where, account, "serverPublicKey"):
        raise RequestError(f"{where}.serverPublicKey is given, which PSK has no use for")
    return dict(zip(("pskId", "pskKey"), _pair(where, account), strict=True))


def _pair(where: str, account: Mapping[str, Any]) -> tuple[str, str]:
    identity, key = (bytes_of(where, account, name) for name in ("publicKeyOrId", "secretKey"))
    if not identity or not key:
        raise RequestError(f"{where} needs publicKeyOrId and secretKey with PSK")
    try:
        return identity.decode(), key.hex()
    except UnicodeDecodeError:
        raise RequestError(f"{where}.publicKeyOrId is not UTF-8, as a PSK identity is") from None


def _x509(where: str, account: Mapping[str, Any], here: Here) -> dict[str, Any]:
    certificate, key = (bytes_of(where, account, name) for name in ("publicKeyOrId", "secretKey"))
    return {
        "x509Certificate": _pem("CERTIFICATE", certificate),
        "x509PrivateKey": _pem("PRIVATE KEY", key),
        "certificateUsage": _usage(where, account.get("certificateUsage")),
        "x509ServerCertificateName": _certificate_name(where, account, here),
    }


_Keys = Callable[[str, Mapping[str, Any], Here], dict[str, Any]]
_KEYS: Final[dict[str, _Keys]] = {"NO_SEC": _no_keys, "PSK": _psk, "X509": _x509}


def _pem(label: str, der: bytes) -> str | None:
    """RFC 7468; None where there is nothing. Whether it is one is found out by who reads it."""
    if not der:
        return None
    text = b64encode(der).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def _usage(where: str, given: Any) -> str | None:
    if given is None:
        return None
    if type(given) is int and 0 <= given < len(USAGES):
        return USAGES[given]
    if given not in USAGES:
        raise RequestError(
            f"{where}.certificateUsage is {given!r:.80}, allowed are {', '.join(USAGES)}"
        )
    return str(given)


def _certificate_name(where: str, account: Mapping[str, Any], here: Here) -> str | None:
    given = bytes_of(where, account, "serverPublicKey")
    if given and given != here.certificate:
        raise RequestError(
            f"{where}.serverPublicKey is not this server's certificate (DER); those of others are "
            "files in bootstrap.certificates, named in /api/v1/configurations"
        )
    return OWN_CERTIFICATE if given else None


def _own(where: str, account: Mapping[str, Any], here: Here) -> dict[str, Any]:
    """The bootstrap server's own account, by which the device comes to it."""
    mode = _mode(where, account)
    name = "uri" if mode == "NO_SEC" else "secure_uri"
    ours = here.uri if mode == "NO_SEC" else here.secure_uri
    if _uri(where, account) != ours:
        raise RequestError(
            f"{where}.uri is not that of this bootstrap server, bootstrap.{name}: "
            f"{ours or 'it is not configured'}"
        )
    security: dict[str, Any] = {
        "bootstrapSecurityMode": mode,
        "bootstrapId": None,
        "bootstrapKey": None,
        "clientHoldOffTime": account.get("clientOldOffTime"),
        "bootstrapServerAccountTimeout": account.get("bootstrapServerAccountTimeout"),
    }
    if mode == "PSK":
        security["bootstrapId"], security["bootstrapKey"] = _pair(where, account)
    else:
        _no_keys(where, account, here)
    return {"bootstrapSecurity": security, "generateBootstrapServerConfig": True}


# And back


def shown(configuration: Mapping[str, Any], here: Here) -> dict[str, Any]:
    """A configuration, as it may be shown, in Leshan's JSON: numbered as it is written to a device
    that has nothing, and with no key in it."""
    servers: dict[str, Any] = {}
    security: dict[str, Any] = {}
    if configuration.get("generateBootstrapServerConfig"):
        security["0"] = _shown_own(configuration["bootstrapSecurity"], here)
    for number, (server, account) in enumerate(_shown_accounts(configuration, here)):
        servers[str(number)] = server
        security[str(len(security))] = account
    return {
        "autoIdForSecurityObject": True,
        "servers": servers,
        "security": security,
        **shown_steps(configuration.get("bootstrapSteps", {})),
        "oscore": {},
    }


def _shown_own(own: Mapping[str, Any], here: Here) -> dict[str, Any]:
    mode = own["bootstrapSecurityMode"]
    return {
        "uri": here.uri if mode == "NO_SEC" else here.secure_uri,
        "bootstrapServer": True,
        "securityMode": mode,
        "publicKeyOrId": list(own.get("bootstrapId", "").encode()),
        "serverPublicKey": [],
        "secretKey": [],
        "clientOldOffTime": own.get("clientHoldOffTime"),
        "bootstrapServerAccountTimeout": own.get("bootstrapServerAccountTimeout"),
    }


def _shown_accounts(
    configuration: Mapping[str, Any], here: Here
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    short_id = configuration.get("lwm2mShortServerId", here.short_id)
    uri, security = configuration.get("lwm2mServerUri"), configuration["serverSecurity"]
    server = _shown_server(short_id, configuration, _MAIN, here)
    yield server, _shown_account(uri, short_id, security, configuration, here)
    for one in configuration.get("furtherServers", ()):
        server = _shown_server(one["serverId"], one, _FURTHER, here)
        yield server, _shown_account(one["uri"], one["serverId"], one["security"], one, here)


def _shown_server(
    short_id: int, terms: Mapping[str, Any], names: Mapping[str, str], here: Here
) -> dict[str, Any]:
    found = {theirs: terms.get(ours) for theirs, ours in names.items()}
    lifetime = here.lifetime_s if found["lifetime"] is None else found["lifetime"]
    return {"shortId": short_id, **found, "lifetime": lifetime}


def _shown_account(
    uri: str | None,
    short_id: int,
    security: Mapping[str, Any],
    terms: Mapping[str, Any],
    here: Here,
) -> dict[str, Any]:
    certificate = security.get("x509Certificate")
    identity = certificate_der(certificate) if certificate else security.get("pskId", "").encode()
    is_own = security.get("x509ServerCertificateName") == OWN_CERTIFICATE
    return {
        "uri": uri,
        "bootstrapServer": False,
        "securityMode": security["securityMode"],
        "publicKeyOrId": list(identity),
        "serverPublicKey": list(here.certificate or b"") if is_own else [],
        "secretKey": [],
        "certificateUsage": security.get("certificateUsage"),
        "serverId": short_id,
        "clientOldOffTime": terms.get("clientHoldOffTime"),
    }
