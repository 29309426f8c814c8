"""Who simulated devices are to a DTLS server: keys they share with it, from a file or a secret.

Each source is a function from a device's number to its Identity; certificates are
sim/certificates.py's. Reads files, opens nothing else.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from lwm2m_fast.errors import ConfigError

MOST_IDENTITY_BYTES: Final = 128
MOST_KEY_BYTES: Final = 64
MOST_OF_A_BODY: Final = 10_000
"""Credentials that the HTTP interface takes at once."""
DERIVED_KEY_BYTES: Final = 16
STAND_IN: Final = "{endpoint}"
"""In an identity: the device's endpoint name."""


class Identity(NamedTuple):
    """What a handshake shows and needs; empty where there is nothing."""

    name: bytes = b""
    """The PSK identity."""
    psk: bytes = b""
    chain: bytes = b""
    """DER of the leaf, or PEM of the whole chain with a NUL at its end; `key` and `anchors` too."""
    key: bytes = b""
    anchors: bytes = b""
    pinned: bytes = b""
    """The server's certificate as DER, where it is known by that and not by `anchors`."""


Identify = Callable[[int], Identity]
"""By the device's number. The same object again means: nothing has to be set up anew."""

Name = Callable[[int], str]
"""The endpoint name of a device, by its number."""


def listed(path: Path, name: Name, numbers: range) -> Identify:
    """Keys from a file of lines `endpoint,identity,key in hex` (a first line with these words is
    skipped), or of JSON objects with `endpoint`, `identity` and `key`, or of bodies of POST
    /api/v1/credentials.

    ConfigError names the line that cannot be used, or the first device without one.
    """
    rows = {endpoint: pair for endpoint, *pair in _rows(path)}
    for number in numbers:
        if name(number) not in rows:
            raise ConfigError(f"psk {str(path)!r}: no line for endpoint {name(number)!r}")
    identities = {number: Identity(*map(bytes, rows[name(number)])) for number in numbers}
    return identities.__getitem__


def shared(identity: str, key: str, name: Name) -> Identify:
    """The same key for all devices; `{endpoint}` in the identity makes those differ."""
    psk = _key(key, "psk-key")
    if STAND_IN not in identity:
        same = Identity(_identity(identity, "psk-identity"), psk)
        return lambda number: same
    return lambda number: Identity(_named(identity, name(number)), psk)


def derived(secret: str, identity: str, name: Name) -> Identify:
    """A key of its own for each device: the first 16 bytes of HMAC-SHA-256(secret, endpoint)."""
    if not secret:
        raise ConfigError("psk-secret: must not be empty")
    root = secret.encode()

    def identify(number: int) -> Identity:
        endpoint = name(number)
        key = hmac.digest(root, endpoint.encode(), hashlib.sha256)[:DERIVED_KEY_BYTES]
        return Identity(_named(identity, endpoint), key)

    return identify


def write(path: Path, identify: Identify, name: Name, numbers: range) -> None:
    """The file that listed() reads, for its owner only.

    One that ends in .json has a body of POST /api/v1/credentials in each line, MOST_OF_A_BODY
    credentials each: a server with up to so many devices takes the file as it is.
    """
    path.touch(mode=0o600)
    path.chmod(0o600)
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix != ".json":
            out = csv.writer(file, lineterminator="\n")
            out.writerow(_HEADER)
            out.writerows(_row(name(number), identify(number)) for number in numbers)
            return
        for first in range(0, len(numbers), MOST_OF_A_BODY):
            some = numbers[first : first + MOST_OF_A_BODY]
            body = [_credential(*_row(name(number), identify(number))) for number in some]
            file.write(orjson.dumps(body).decode() + "\n")


def _row(endpoint: str, identity: Identity) -> tuple[str, str, str]:
    return endpoint, identity.name.decode(), identity.psk.hex()


def _credential(endpoint: str, identity: str, key: str) -> dict[str, Any]:
    return {"endpoint": endpoint, "server": {"mode": "PSK", "identity": identity, "key": key}}


_HEADER: Final = ("endpoint", "identity", "key")


def _rows(path: Path) -> Iterator[tuple[str, bytes, bytes]]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(f"psk {str(path)!r}: {why}") from None
    for number, line in enumerate(text.splitlines(), 1):
        where = f"psk {str(path)!r} line {number}"
        if not line.strip() or (number == 1 and line.lower().startswith("endpoint,")):
            continue
        for endpoint, identity, key in _json(line, where) if line[0] in "[{" else _csv(line, where):
            yield endpoint, _identity(identity, where), _key(key, where)


def _csv(line: str, where: str) -> list[tuple[str, str, str]]:
    (fields,) = csv.reader([line])
    if len(fields) != 3:
        raise ConfigError(f"{where}: must be endpoint,identity,key in hex")
    endpoint, identity, key = (each.strip() for each in fields)
    return [(endpoint, identity, key)]


def _json(line: str, where: str) -> list[tuple[str, str, str]]:
    """One credential or a list; as here, or as the HTTP interface has them."""
    try:
        found = orjson.loads(line)
        rows = [one | one.get("server", {}) for one in (found if line[0] == "[" else [found])]
        return [tuple(str(row[name]) for name in _HEADER) for row in rows]  # type: ignore[misc]
    except orjson.JSONDecodeError:
        raise ConfigError(f"{where}: is not JSON") from None
    except (KeyError, TypeError, AttributeError):
        raise ConfigError(f"{where}: must have {', '.join(_HEADER)}") from None


def _named(identity: str, endpoint: str) -> bytes:
    return _identity(identity.replace(STAND_IN, endpoint), "psk-identity")


def _identity(text: str, where: str) -> bytes:
    data = text.encode()
    if not 1 <= len(data) <= MOST_IDENTITY_BYTES:
        raise ConfigError(
            f"{where}: identity of {len(data)} bytes, must be 1 to {MOST_IDENTITY_BYTES}"
        )
    return data


def _key(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"{where}: the key must be in hex") from None
    if not 1 <= len(key) <= MOST_KEY_BYTES:
        raise ConfigError(f"{where}: key of {len(key)} bytes, must be 1 to {MOST_KEY_BYTES}")
    return key
