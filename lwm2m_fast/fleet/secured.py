"""What a device may prove itself with: one Security per connection, and what it may say.

Pure rules: from JSON (the credential as the HTTP interface has it) to values, and to what may be
shown of them, which is never a key. Where they are kept is credentials.py's business.

A device has two connections, to the server and to a bootstrap server, with a Security each.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.certificates import certificate_facts, read_certificate

SIDES = ("server", "bootstrap")
MAX_ENDPOINT_BYTES = 255
MAX_IDENTITY_BYTES = 128
MAX_KEY_BYTES = 64
MAX_CERTIFICATE_BYTES = 8192
"""Of a certificate as DER; of its text twice as much."""

GENERATED_KEY_BYTES = 16
"""Of a key that the server makes: AES-128 has no use for more, and some devices take no more."""

DEFAULT_TENANT = "default"

_HEX = re.compile(r"([0-9A-Fa-f]{2})+", re.ASCII)


class Mode(IntEnum):
    """How a connection is secured. Numbers are stored."""

    NO_SEC = 1
    PSK = 2
    X509 = 3


MODES = {"NO_SEC": Mode.NO_SEC, "PSK": Mode.PSK, "X509": Mode.X509, "X.509": Mode.X509}
GENERATED = "PSK_GENERATED"
"""A mode of requests only: PSK, with a key that the server makes."""


@dataclass(frozen=True, slots=True)
class Security:
    """One connection of one device."""

    mode: Mode
    identity: str = ""
    """PSK: what the device says who it is."""
    key: bytes = field(default=b"", repr=False)
    """PSK: the secret; empty where only what may be shown was read."""
    certificate: bytes = b""
    """X509: the only certificate it may come with, as DER; empty: one of a trusted CA, by name."""
    is_generated: bool = False
    """The key was made here and has to be shown, this once."""

    def is_as(self, other: Security | None) -> bool:
        """Whether a session under the one is as good under the other."""
        return (
            other is not None
            and (self.mode, self.identity, self.certificate)
            == (other.mode, other.identity, other.certificate)
            and hmac.compare_digest(self.key, other.key)
        )

    def shown(self) -> dict[str, Any]:
        """All but the key, ready for JSON."""
        found: dict[str, Any] = {"mode": self.mode.name}
        if self.mode is Mode.PSK:
            found["identity"] = self.identity
        if self.mode is Mode.X509:
            facts = certificate_facts(self.certificate) if self.certificate else None
            found["certificate"] = facts
        return found


@dataclass(frozen=True, slots=True)
class Credential:
    """What one endpoint has. A side that is None is as the server's policy says."""

    endpoint: str
    server: Security | None = None
    bootstrap: Security | None = None
    tenant: str = DEFAULT_TENANT
    changed_at: float = 0.0

    def side(self, name: str) -> Security | None:
        return self.bootstrap if name == "bootstrap" else self.server

    def shown(self) -> dict[str, Any]:
        """All but the keys, ready for JSON."""
        sides = {
            name: None if (found := self.side(name)) is None else found.shown() for name in SIDES
        }
        return {
            "endpoint": self.endpoint,
            "tenant": self.tenant,
            "changed_at": self.changed_at,
            **sides,
        }

    def shown_once(self) -> dict[str, Any]:
        """shown(), and the keys that were made here."""
        found = self.shown()
        for name in SIDES:
            security = self.side(name)
            if security is not None and security.is_generated:
                found[name]["key"] = security.key.hex()
        return found


def endpoint_bytes(endpoint: str) -> bytes:
    """An endpoint name as it is stored; RequestError unless it has 1 to 255 bytes of UTF-8."""
    return text_bytes("endpoint", endpoint, MAX_ENDPOINT_BYTES)


def text_bytes(name: str, text: Any, limit: int) -> bytes:
    """`text` as UTF-8; RequestError names the field and the limit."""
    if not isinstance(text, str):
        raise RequestError(f"{name} is {text!r:.80}, allowed is text")
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate from a JSON escape
        raise RequestError(f"{name} is {text[:80]!a}, which is not UTF-8") from None
    if not 1 <= len(data) <= limit:
        raise RequestError(f"{name} has {len(data)} bytes, allowed are 1 to {limit}")
    return data


Sides = dict[str, Security | None]
"""What is said of an endpoint's sides; one that is not in it is not spoken of."""


def parse_credential(
    given: Mapping[str, Any], random: Callable[[int], bytes], now: float
) -> Credential:
    """A new credential from `{"endpoint", "server", "bootstrap"}`; `now` in unix seconds.

    RequestError names the field, its limit and, unless it is secret, its value.
    """
    refuse_unknown("", given, ("endpoint", *SIDES))
    endpoint: Any = given.get("endpoint")
    endpoint_bytes(endpoint)
    sides = {name: side for name, side in given.items() if name in SIDES}
    return changed(Credential(endpoint), parse_sides(endpoint, sides, random), now)


def parse_sides(endpoint: str, given: Mapping[str, Any], random: Callable[[int], bytes]) -> Sides:
    """The sides that are named in `given`; null: the policy decides. RequestError as above."""
    refuse_unknown("", given, SIDES)
    return {
        name: None if side is None else parse_security(name, side, endpoint, random)
        for name, side in given.items()
    }


def changed(before: Credential, sides: Sides, now: float) -> Credential:
    """`before` with these sides; RequestError when nothing would be left of it."""
    after = replace(
        before,
        server=sides.get("server", before.server),
        bootstrap=sides.get("bootstrap", before.bootstrap),
        changed_at=now,
    )
    if after.server is None and after.bootstrap is None:
        raise RequestError("a credential has `server`, `bootstrap`, or both")
    return after


def parse_security(
    where: str, given: Any, endpoint: str, random: Callable[[int], bytes]
) -> Security:
    """One side; `where` is its name, for errors."""
    if not isinstance(given, Mapping):
        raise RequestError(f"{where} is no JSON object with a `mode`")
    mode = given.get("mode")
    if not isinstance(mode, str) or mode not in _PARSERS:
        allowed = ", ".join([*MODES, GENERATED])
        raise RequestError(f"{where}.mode is {mode!r:.80}, allowed are {allowed}")
    fields, parse = _PARSERS[mode]
    refuse_unknown(where + ".", given, ("mode", *fields))
    return parse(where, given, endpoint, random)


def refuse_unknown(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """RequestError when `given` has a field that would not be used."""
    for name in given:
        if name not in known:
            raise RequestError(f"{where + name!r:.80} is not known; there are {', '.join(known)}")


def _no_sec(where: str, given: Mapping[str, Any], endpoint: str, random: Any) -> Security:
    return Security(Mode.NO_SEC)


def _psk(where: str, given: Mapping[str, Any], endpoint: str, random: Any) -> Security:
    return Security(Mode.PSK, _identity(where, given, endpoint), key_bytes(where, given.get("key")))


def _generated(
    where: str, given: Mapping[str, Any], endpoint: str, random: Callable[[int], bytes]
) -> Security:
    key = random(GENERATED_KEY_BYTES)
    return Security(Mode.PSK, _identity(where, given, endpoint), key, is_generated=True)


def _x509(where: str, given: Mapping[str, Any], endpoint: str, random: Any) -> Security:
    text = given.get("certificate")
    if text is None or text == "":
        return Security(Mode.X509)
    return Security(Mode.X509, certificate=_certificate(f"{where}.certificate", text))


_Parser = Callable[[str, Mapping[str, Any], str, Callable[[int], bytes]], Security]

_PARSERS: dict[Any, tuple[tuple[str, ...], _Parser]] = {
    "NO_SEC": ((), _no_sec),
    "PSK": (("identity", "key"), _psk),
    GENERATED: (("identity",), _generated),
    "X509": (("certificate",), _x509),
    "X.509": (("certificate",), _x509),
}


def _identity(where: str, given: Mapping[str, Any], endpoint: str) -> str:
    identity = given.get("identity")
    if identity is None:
        identity = endpoint
    text_bytes(f"{where}.identity", identity, MAX_IDENTITY_BYTES)
    return str(identity)


def key_bytes(where: str, text: Any) -> bytes:
    """A key from its hex digits. RequestError says what is wrong, and nothing of the key."""
    name = f"{where}.key"
    if not isinstance(text, str) or not text:
        raise RequestError(f"{name} is missing: it has 1 to {MAX_KEY_BYTES} bytes in hex digits")
    if len(text) > 2 * MAX_KEY_BYTES:
        raise RequestError(
            f"{name} has {len(text)} hex digits, allowed are 2 to {2 * MAX_KEY_BYTES}"
        )
    if len(text) % 2:
        raise RequestError(f"{name} has {len(text)} hex digits, an even number is needed")
    if not _HEX.fullmatch(text):
        raise RequestError(f"{name} has characters that are no hex digits")
    return bytes.fromhex(text)


def _certificate(name: str, text: Any) -> bytes:
    """DER from PEM or base64."""
    if not isinstance(text, str) or len(text) > 2 * MAX_CERTIFICATE_BYTES:
        raise RequestError(f"{name} is PEM or base64 of at most {2 * MAX_CERTIFICATE_BYTES} bytes")
    if "PRIVATE KEY-----" in text:
        raise RequestError(f"{name} has a private key in it; only the certificate is needed")
    try:
        data = (
            text.encode() if "-----BEGIN" in text else b64decode("".join(text.split()), None, True)
        )
    except (binascii.Error, ValueError):
        raise RequestError(f"{name} is neither PEM nor base64") from None
    return read_certificate(name, data)
