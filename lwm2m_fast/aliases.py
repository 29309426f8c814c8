"""Environment variables of other LwM2M servers, as other names of settings here.

One table for all of them. Ours win, the first of several for one setting wins over the rest, and
whatever is not used is told. Reads no environment: sources.py hands it in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

LIKE: Final = "LWM2M_"
"""What looks like a variable for an LwM2M server; those of `LWM2M_FAST_` are ours."""
OURS: Final = "LWM2M_FAST_"


class Alias(NamedTuple):
    """`variable` means the setting `path`, after `read` has brought its text into our unit."""

    variable: str
    path: str
    since: str
    """Whose it is: the current ThingsBoard transport, or older layouts of its variables."""
    read: Callable[[str], str] = str
    note: str = ""
    only_if: tuple[tuple[str, str], ...] = ()
    """Other variables and what each must be for this one to count; unset counts as well where the
    value begins with `?`."""


def _seconds(text: str) -> str:
    """Milliseconds as seconds; what is no number stays, to be refused by name."""
    try:
        return format(float(text) / 1000, "g")
    except ValueError:
        return text


def _negated(text: str) -> str:
    return {"true": "false", "false": "true"}.get(text.strip().lower(), text)


def _cid_length(text: str) -> str:
    return text.strip() or "-1"


_CURRENT, _OLDER, _OLDEST = "current", "single pair", "pair per mode"
_ON = ("LWM2M_SERVER_CREDENTIALS_ENABLED", "?true")
_PEM = (_ON, ("LWM2M_SERVER_CREDENTIALS_TYPE", "?PEM"))
_KEYSTORE = (_ON, ("LWM2M_SERVER_CREDENTIALS_TYPE", "KEYSTORE"))
_MS = "milliseconds"

ALIASES: Final = (
    Alias("LWM2M_ENABLED", "enabled", _CURRENT),
    Alias("LWM2M_ENABLED_BS", "bootstrap.enabled", _CURRENT),
    Alias("LWM2M_BOOTSTRAP_ENABLED", "bootstrap.enabled", _OLDER),
    Alias("LWM2M_SERVER_ID", "bootstrap.default_short_server_id", _CURRENT),
    Alias("LWM2M_BIND_ADDRESS", "coap.host", _CURRENT),
    Alias("LWM2M_BIND_PORT", "coap.port", _CURRENT),
    Alias("LWM2M_BIND_PORT_NO_SEC", "coap.port", _OLDER),
    Alias("LWM2M_BIND_PORT_NO_SEC_PSK", "coap.port", _OLDEST),
    Alias("LWM2M_BIND_PORT_NO_SEC_X509", "coap.more_ports", _OLDEST),
    Alias("LWM2M_SECURITY_BIND_ADDRESS", "dtls.host", _CURRENT),
    Alias("LWM2M_BIND_ADDRESS_SECURITY", "dtls.host", _OLDER),
    Alias("LWM2M_SECURITY_BIND_PORT", "dtls.port", _CURRENT),
    Alias("LWM2M_BIND_PORT_SECURITY", "dtls.port", _OLDER),
    Alias("LWM2M_BIND_PORT_SEC_PSK", "dtls.port", _OLDEST),
    Alias("LWM2M_BIND_PORT_SEC_X509", "dtls.more_ports", _OLDEST),
    Alias("LWM2M_BS_BIND_ADDRESS", "bootstrap.host", _CURRENT),
    Alias("LWM2M_BIND_ADDRESS_BS", "bootstrap.host", _OLDER),
    Alias("LWM2M_BS_BIND_PORT", "bootstrap.port", _CURRENT),
    Alias("LWM2M_BIND_PORT_NO_SEC_BS", "bootstrap.port", _OLDER),
    Alias("LWM2M_BS_SECURITY_BIND_PORT", "bootstrap.dtls_port", _CURRENT),
    Alias("LWM2M_BIND_PORT_SEC_BS", "bootstrap.dtls_port", _OLDER),
    Alias("LWM2M_BIND_PORT_SEC_PSK_BS", "bootstrap.dtls_port", _OLDEST),
    Alias("LWM2M_BIND_PORT_SEC_X509_BS", "bootstrap.more_dtls_ports", _OLDEST),
    Alias("LWM2M_SERVER_PEM_CERT", "dtls.certificate", _CURRENT, only_if=_PEM),
    Alias("LWM2M_SERVER_PEM_KEY", "dtls.key", _CURRENT, only_if=_PEM),
    Alias("LWM2M_SERVER_PEM_KEY_PASSWORD", "dtls.key_password", _CURRENT, only_if=_PEM),
    Alias(
        "LWM2M_SERVER_KEY_STORE", "dtls.certificate", _CURRENT, note="PKCS #12", only_if=_KEYSTORE
    ),
    Alias("LWM2M_SERVER_KEY_STORE_PASSWORD", "dtls.key_password", _CURRENT, only_if=_KEYSTORE),
    Alias(
        "LWM2M_TRUST_PEM_CERT", "dtls.anchors", _CURRENT,
        only_if=(("LWM2M_TRUST_CREDENTIALS_ENABLED", "true"),),
    ),
    Alias(
        "TB_LWM2M_SERVER_SECURITY_SKIP_VALIDITY_CHECK_FOR_CLIENT_CERT", "dtls.check_validity",
        _CURRENT, _negated, "the opposite",
    ),
    Alias(
        "LWM2M_DTLS_RETRANSMISSION_TIMEOUT_MS", "dtls.retransmit_first_s", _CURRENT, _seconds, _MS
    ),
    Alias(
        "LWM2M_DTLS_CONNECTION_ID_LENGTH", "dtls.cid_length", _CURRENT, _cid_length, "empty: -1"
    ),
    Alias("LWM2M_TIMEOUT", "queue.request_timeout_s", _CURRENT, _seconds, _MS),
    Alias("LWM2M_PSM_ACTIVITY_TIMER", "queue.awake_time_ms", _CURRENT),
)  # fmt: skip

_ONE_CERTIFICATE = "both servers here have the certificate of `dtls.certificate`"
_NO_RPK = "raw public keys are not served"
_ALIAS_IN_STORE = "the file has one certificate with its key, so there is nothing to choose"

UNUSED: Final[Mapping[str, str]] = {
    "LWM2M_SERVER_ID_BS": "a bootstrap account has no short id since LwM2M 1.1",
    "LWM2M_BS_SECURITY_BIND_ADDRESS": "`bootstrap.host` is for both ports",
    "LWM2M_BIND_ADDRESS_SECURITY_BS": "`bootstrap.host` is for both ports",
    "LWM2M_BIND_PORT_NO_SEC_RPK": _NO_RPK,
    "LWM2M_BIND_PORT_SEC_RPK": _NO_RPK,
    "LWM2M_BIND_PORT_SER_RPK_BS": _NO_RPK,
    "LWM2M_BS_CREDENTIALS_ENABLED": _ONE_CERTIFICATE,
    "LWM2M_BS_CREDENTIALS_TYPE": _ONE_CERTIFICATE,
    "LWM2M_BS_PEM_CERT": _ONE_CERTIFICATE,
    "LWM2M_BS_PEM_KEY": _ONE_CERTIFICATE,
    "LWM2M_BS_PEM_KEY_PASSWORD": _ONE_CERTIFICATE,
    "LWM2M_BS_KEY_STORE": _ONE_CERTIFICATE,
    "LWM2M_BS_KEY_STORE_PASSWORD": _ONE_CERTIFICATE,
    "LWM2M_SERVER_KEY_STORE_TYPE": "PKCS #12 is read; convert a JKS file with keytool",
    "LWM2M_KEYSTORE_TYPE": "PKCS #12 is read; convert a JKS file with keytool",
    "LWM2M_KEYSTORE_PASSWORD_SERVER": "its file has no variable of its own; set `dtls.certificate`",
    "LWM2M_SERVER_KEY_ALIAS": _ALIAS_IN_STORE,
    "LWM2M_SERVER_KEY_PASSWORD": "the key has the file's password",
    "LWM2M_KEYSTORE_ALIAS_SERVER": _ALIAS_IN_STORE,
    "LWM2M_KEYSTORE_ALIAS_BOOTSTRAP": _ALIAS_IN_STORE,
    "LWM2M_SERVER_ROOT_CA": "an entry of a key store; anchors are files: `dtls.anchors`",
    "LWM2M_SERVER_PUBLIC_X": _NO_RPK,
    "LWM2M_SERVER_PUBLIC_Y": _NO_RPK,
    "LWM2M_SERVER_PRIVATE_ENCODED": _NO_RPK,
    "LWM2M_SERVER_PRIVATE_S": _NO_RPK,
    "LWM2M_RECOMMENDED_CIPHERS": "`dtls.suites` names them",
    "LWM2M_RECOMMENDED_SUPPORTED_GROUPS": "the curve is secp256r1",
    "LWM2M_PAGING_TRANSMISSION_WINDOW": "`queue.awake_time_ms` is the one default there is",
    "LWM2M_UPLINK_POOL_SIZE": "there are no such threads",
    "LWM2M_DOWNLINK_POOL_SIZE": "there are no such threads",
    "LWM2M_OTA_POOL_SIZE": "there are no such threads",
    "LWM2M_CLEAN_PERIOD_IN_SEC": "what has expired is removed when it expires",
    "LWM2M_LOG_MAX_LENGTH": "log lines have their own bound",
}
"""Known variables that set nothing here, and why."""

_SWITCHES: Final = frozenset(switch for alias in ALIASES for switch, _ in alias.only_if)


class Taken(NamedTuple):
    """What the variables of others say."""

    values: dict[str, Any]
    """Like the tree of settings."""
    names: dict[str, str]
    """Path of a setting to the variable that it was taken from."""
    notes: list[str]
    """One line for each thing that a person should know; never a value."""


def taken(environment: Mapping[str, str]) -> Taken:
    """Settings from the variables of other servers, and what is to be told of the rest."""
    made = Taken({}, {}, [])
    for alias in ALIASES:
        text = environment.get(alias.variable)
        if text is None or (not text and not alias.read("")):
            continue
        against = next((pair for pair in alias.only_if if not _is(*pair, environment)), None)
        if against is not None:
            switch, wanted = against
            made.notes.append(
                f"{alias.variable} is not used: {switch} is not {wanted.lstrip('?')!r}"
            )
            continue
        if alias.path in made.names:
            if environment[made.names[alias.path]] != text:
                made.notes.append(
                    f"{alias.variable} is not used: {made.names[alias.path]} says otherwise and "
                    f"wins, both set {alias.path}"
                )
            continue
        made.names[alias.path] = alias.variable
        section, _, name = alias.path.rpartition(".")
        holder = made.values.setdefault(section, {}) if section else made.values
        holder[name] = alias.read(text)
    made.notes.extend(_unused(environment))
    return made


def _is(switch: str, wanted: str, environment: Mapping[str, str]) -> bool:
    given = environment.get(switch, "").strip().lower()
    return given == wanted.lstrip("?").lower() or (wanted[0] == "?" and not given)


def _unused(environment: Mapping[str, str]) -> list[str]:
    known = {alias.variable for alias in ALIASES} | _SWITCHES
    unused = [
        name
        for name in sorted(environment)
        if (name.startswith(LIKE) and not name.startswith(OURS) and name not in known)
    ]
    told = [f"{name} is not used: {UNUSED[name]}" for name in unused if name in UNUSED]
    unknown = [name for name in unused if name not in UNUSED]
    if unknown:
        told.append(f"{', '.join(unknown)}: no setting has such a name, so nothing is set by it")
    return told
