"""Credentials as ThingsBoard writes them, told in the words of secured.py.

Two forms, which mean the same: nested, `client` beside `bootstrap` with the halves
`bootstrapServer` and `lwm2mServer`; and the older flat one, all fields of all modes in `client`, or
in the object itself, where what the mode has no use for is null and `bootstrap` may be missing.

`client` is how the device connects to the server, `bootstrapServer` how to the bootstrap server.
`lwm2mServer` is what bootstrap writes for the connection to the server, so that it must be what
`client` says, or NO_SEC, which says nothing. Knows no store and no HTTP.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.certificates import UNREADABLE, read_certificate
from lwm2m_fast.fleet.secured import MAX_CERTIFICATE_BYTES, MAX_IDENTITY_BYTES, text_bytes

KEY_DIGITS: Final = (32, 64, 96, 128)
MAX_BASE64: Final = 2 * MAX_CERTIFICATE_BYTES
DISCRIMINATOR: Final = "securityConfigClientMode"
HALVES: Final = ("bootstrapServer", "lwm2mServer")

_HEX: Final = re.compile(r"[0-9A-Fa-f]+", re.ASCII)
_ID, _SECRET = "clientPublicKeyOrId", "clientSecretKey"

Side = dict[str, Any]
"""As secured.parse_security() reads it."""


def is_thingsboard(given: Any) -> bool:
    """Whether an object is in one of the two forms, and not in our own."""
    return isinstance(given, Mapping) and ("client" in given or DISCRIMINATOR in given)


def translated(given: Mapping[str, Any]) -> dict[str, Any]:
    """`{"endpoint", "server", "bootstrap"}`. RequestError names the field, never a key."""
    whole = {"client": given} if DISCRIMINATOR in given else given
    _refuse_others("", whole, ("client", "bootstrap"))
    client = _object(whole, "client")
    is_flat = whole is not given or "x509" in client
    endpoint = client.get("endpoint")
    if not isinstance(endpoint, str) or not endpoint.strip():
        raise RequestError("client.endpoint is blank")
    server = _client(client)
    if is_flat and whole.get("bootstrap") is None:
        return {"endpoint": endpoint, "server": server, "bootstrap": None}
    bootstrap = _object(whole, "bootstrap")
    _refuse_others("bootstrap.", bootstrap, HALVES)
    own, written = (_half(f"bootstrap.{name}", _object(bootstrap, name)) for name in HALVES)
    if written["mode"] != "NO_SEC" and not _agree(written, server):
        raise RequestError(
            "bootstrap.lwm2mServer is another credential than client: it is what the device shows "
            "this server after a bootstrap, so that they have to be the same, or the mode NO_SEC"
        )
    return {"endpoint": endpoint, "server": server, "bootstrap": own}


def _agree(written: Side, server: Side) -> bool:
    """A certificate of a trusted CA may be any one."""
    names = ("mode", "identity", "key") + (("certificate",) if "certificate" in server else ())
    return all(written.get(name) == server.get(name) for name in names)


def _object(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = given.get(name)
    if not isinstance(found, Mapping):
        raise RequestError(f"{name} is missing, an object is needed")
    return found


def _refuse_others(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise RequestError(f"{where + name!r:.80} is not known; there are {', '.join(known)}")


def _mode(where: str, given: Any) -> str:
    if given == "RPK":
        raise RequestError(f"{where} is RPK: the TLS library of this server has no raw public keys")
    if not isinstance(given, str) or given not in _CLIENT:
        raise RequestError(f"{where} is {given!r:.80}, allowed are {', '.join(_CLIENT)}")
    return given


# `client`

_COMMON: Final = (DISCRIMINATOR, "endpoint")


def _client(given: Mapping[str, Any]) -> Side:
    """Null says nothing; what is said must belong to the mode."""
    mode = _mode(f"client.{DISCRIMINATOR}", given.get(DISCRIMINATOR))
    own, read = _CLIENT[mode]
    said = {name: value for name, value in given.items() if value is not None}
    if said.get("x509") is False:
        del said["x509"]
    _refuse_others("client.", said, (*_COMMON, *own))
    return read(said)


def _client_psk(given: Mapping[str, Any]) -> Side:
    return _psk("client.identity", given.get("identity"), "client.key", given.get("key"))


def _client_x509(given: Mapping[str, Any]) -> Side:
    """Older ones have only a flag: any certificate of a trusted CA with the endpoint's name."""
    for name in ("cert", "x509"):
        text = given.get(name)
        if text is not None and text is not True and text != "":
            return {"mode": "X509", "certificate": _certificate(f"client.{name}", text)}
    return {"mode": "X509"}


_CLIENT: Final[dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Side]]]] = {
    "NO_SEC": ((), lambda given: {"mode": "NO_SEC"}),
    "PSK": (("identity", "key"), _client_psk),
    "X509": (("cert", "x509"), _client_x509),
}
"""Mode to its fields and how they are read."""

CLIENT_MODES: Final = tuple(_CLIENT)


# `bootstrap`


def _half(where: str, given: Mapping[str, Any]) -> Side:
    mode = _mode(f"{where}.securityMode", given.get("securityMode"))
    known = ("securityMode",) if mode == "NO_SEC" else ("securityMode", _ID, _SECRET)
    _refuse_others(f"{where}.", {n: v for n, v in given.items() if v not in (None, "")}, known)
    identity, secret = (f"{where}.{name}" for name in (_ID, _SECRET))
    if mode == "PSK":
        return _psk(identity, given.get(_ID), secret, given.get(_SECRET))
    if mode == "X509":
        _check_private(secret, given.get(_SECRET))
        return {"mode": "X509", "certificate": _certificate(identity, given.get(_ID))}
    return {"mode": "NO_SEC"}


# Values


def _psk(name: str, identity: Any, key_name: str, key: Any) -> Side:
    if not isinstance(identity, str) or not identity.strip() or identity == "NO_SEC":
        raise RequestError(f"{name} is blank or NO_SEC, a PSK identity is needed")
    text_bytes(name, identity, MAX_IDENTITY_BYTES)
    if not isinstance(key, str) or not _HEX.fullmatch(key):
        raise RequestError(f"{key_name} is missing, or has characters that are no hex digits")
    if len(key) not in KEY_DIGITS:
        allowed = ", ".join(map(str, KEY_DIGITS))
        raise RequestError(f"{key_name} has {len(key)} hex digits, allowed are {allowed}")
    return {"mode": "PSK", "identity": identity, "key": key.lower()}


def _decoded(name: str, text: Any) -> bytes:
    if not isinstance(text, str) or not 0 < len(text) <= MAX_BASE64:
        raise RequestError(f"{name} is missing: base64 of at most {MAX_BASE64} characters")
    try:
        return b64decode("".join(text.split()), None, True)
    except (binascii.Error, ValueError):
        raise RequestError(f"{name} is not base64") from None


def _certificate(name: str, text: Any) -> str:
    """Base64 of the DER, as it was given: secured.py reads it again."""
    der = read_certificate(name, _decoded(name, text))
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except UNREADABLE:  # of a kind that the library does not know
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise RequestError(f"{name} has no key of an elliptic curve")
    return "".join(str(text).split())


def _check_private(name: str, text: Any) -> None:
    """It has to be right, and is not kept: nothing here writes it to a device."""
    data = _decoded(name, text)
    try:
        key = load_der_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise RequestError(f"{name} is no private key of an elliptic curve (PKCS#8)")
