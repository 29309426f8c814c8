"""The rows that credentials are kept in: where they stand, and what is in them before the seal.

Namespaces of their own, so that a handshake costs one look and one unsealing:

    credential   endpoint name  -> u8 server mark, u8 bootstrap mark · sealed JSON
    psk          PSK identity   -> sealed: u8 size · server key, u8 size · bootstrap key, endpoint
    pin          SHA-256 of DER -> sealed: u8 sides (bit 0 server, bit 1 bootstrap),
                                   u8 size · tenant, endpoint

    ended        u64 ticket     -> JSON: the sessions that a change has ended, until nothing of them
                                   is left

A key stands in its `psk` row and nowhere else. The marks are in the open, so that a start can look
through a million of them without unsealing; they are authenticated with their row.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import orjson

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.secured import DEFAULT_TENANT, SIDES, Credential, Mode, Security

CREDENTIAL, PSK, PIN, ENDED = "credential", "psk", "pin", "ended"

Ended = tuple[tuple[int, bytes], ...]
"""Kind and subject of sessions that are good no more: net/dtls has their principals."""

Place = tuple[str, bytes]
"""Namespace and key of a row."""


def about(space: str, key: bytes) -> bytes:
    """What a row is sealed for: its place."""
    return space.encode() + b"\0" + key


class Mark(IntEnum):
    """What stands before the seal of a credential: how one side is secured."""

    NONE = 0
    NO_SEC = 1
    PSK = 2
    AUTHORITY = 3  # X.509, any certificate of a trusted CA with the endpoint's name
    PINNED = 4  # X.509, one certificate and no other


def place(security: Security | None) -> Place | None:
    """Where the row is that makes a side's identity or certificate unique."""
    if security is None:
        return None
    if security.mode is Mode.PSK:
        return PSK, security.identity.encode()
    if security.certificate:
        return PIN, hashlib.sha256(security.certificate).digest()
    return None


def places(one: Credential) -> Iterator[Place]:
    for name in SIDES:
        at = place(one.side(name))
        if at is not None:
            yield at


def owner_in(space: str, plain: bytes) -> str:
    return parse_psk(plain)[1] if space == PSK else parse_pin(plain)[2]


def claim_words(space: str, key: bytes) -> str:
    if space == PSK:
        return f"the PSK identity {key.decode()!r}"
    return f"the certificate with SHA-256 {key.hex()}"


_MARKS = {Mode.NO_SEC: Mark.NO_SEC, Mode.PSK: Mark.PSK, Mode.X509: Mark.AUTHORITY}


def mark_of(security: Security | None) -> Mark:
    if security is None:
        return Mark.NONE
    return Mark.PINNED if security.certificate else _MARKS[security.mode]


def mark_in(row: bytes, side: int) -> Mark:
    try:
        return Mark(row[side])
    except (IndexError, ValueError):
        raise StoreError("a stored credential begins with marks that do not exist") from None


# The plain forms of rows.


def build_credential(one: Credential) -> bytes:
    sides: dict[str, Any] = {}
    for name in SIDES:
        security = one.side(name)
        if security is not None:
            sides[name] = {
                "mode": int(security.mode),
                "identity": security.identity,
                "certificate": b64encode(security.certificate).decode(),
            }
    return orjson.dumps({"tenant": one.tenant, "changed_at": one.changed_at, **sides})


def parse_row(endpoint: str, plain: bytes) -> Credential:
    try:
        fields = orjson.loads(plain)
        sides = {name: _parse_side(fields[name]) for name in SIDES if name in fields}
        tenant = str(fields.get("tenant", DEFAULT_TENANT))
        return Credential(endpoint, **sides, tenant=tenant, changed_at=float(fields["changed_at"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"the credential of {endpoint!r} cannot be read: {error}") from None


def _parse_side(fields: dict[str, Any]) -> Security:
    certificate = b64decode(fields["certificate"])
    return Security(Mode(fields["mode"]), fields["identity"], certificate=certificate)


def with_key(row: bytes | None, side: int, key: bytes, endpoint: str) -> bytes:
    keys = [b"", b""] if row is None else list(parse_psk(row)[0])
    keys[side] = key
    return b"".join(bytes([len(one)]) + one for one in keys) + endpoint.encode()


def parse_psk(plain: bytes) -> tuple[tuple[bytes, bytes], str]:
    first = 1 + plain[0]
    second = first + 1 + plain[first]
    return (plain[1:first], plain[first + 1 : second]), plain[second:].decode()


def parse_psk_side(plain: bytes, side: int) -> tuple[bytes, str]:
    """A side's key (empty: none) and the endpoint: what a handshake needs of parse_psk()."""
    first = 1 + plain[0]
    second = first + 1 + plain[first]
    return plain[first + 1 : second] if side else plain[1:first], plain[second:].decode()


def with_pin(row: bytes | None, side: int, tenant: str, endpoint: str) -> bytes:
    sides = (0 if row is None else row[0]) | 1 << side
    name = tenant.encode()
    return bytes([sides, len(name)]) + name + endpoint.encode()


def parse_pin(plain: bytes) -> tuple[int, str, str]:
    """Sides, tenant, endpoint."""
    end = 2 + plain[1]
    return plain[0], plain[2:end].decode(), plain[end:].decode()


def build_ended(endpoint: str, ended: Ended) -> bytes:
    sessions = [[kind, b64encode(subject).decode()] for kind, subject in ended]
    return orjson.dumps({"endpoint": endpoint, "sessions": sessions})


def parse_ended(row: bytes) -> tuple[str, Ended]:
    """StoreError: it is of another form, or damaged."""
    try:
        fields = orjson.loads(row)
        sessions = tuple((int(kind), b64decode(text)) for kind, text in fields["sessions"])
        return str(fields["endpoint"]), sessions
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"a stored end of sessions cannot be read: {error}") from None
