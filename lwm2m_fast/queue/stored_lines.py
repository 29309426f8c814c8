"""The stored operations back into their lines, at a start.

A million rows are read here, so no row becomes an object: of each one only its key and what stands
before its JSON is looked at (core/operation.py), and a device's rows, which follow each other,
become its line in one go. Trusts no row: a disk may give back anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from lwm2m_fast.core.operation import (
    EXECUTING,
    HEAD_BYTES,
    MARK_POST_REGISTRATION,
    MARK_TRIED,
    STATE_BITS,
    STATES,
)
from lwm2m_fast.core.pending import ID_BYTES, MARK, Expiry, Pending

UNTOUCHED = bytes(HEAD_BYTES)
"""How nearly all rows begin: pending, never sent, without a time limit."""

_BESIDE_NAME = 1 + ID_BYTES
_MARK_BYTE = MARK >> 56
_EXECUTING = STATES.index(EXECUTING)


def load_lines(rows: Iterable[tuple[bytes, bytes]], pending: Pending) -> int:
    """Put all of `rows`, in the order of their keys, into `pending`, which has nothing yet; how
    many could not be used."""
    unusable = 0
    lines: dict[str, bytes] = {}
    expiries: list[Expiry] = []
    held: set[str] = set()
    last, endpoint, newest = b"", "", bytes(ID_BYTES)
    for key, value in rows:
        name, place = key[1:-ID_BYTES], key[-ID_BYTES:]
        if name != last:
            last, endpoint = name, _text(name)
        if (
            not endpoint
            or len(key) != key[0] + _BESIDE_NAME
            or place[0] & _MARK_BYTE
            or len(value) < HEAD_BYTES
        ):
            unusable += 1
            continue
        if place > newest:
            newest = place
        if not value.startswith(UNTOUCHED):
            head, until = value[0], int.from_bytes(value[1:HEAD_BYTES], "big")
            if head & MARK_TRIED or head & STATE_BITS == _EXECUTING:
                held.add(endpoint)
            if until:
                expiries.append((until, int.from_bytes(place, "big"), endpoint))
            if head & MARK_POST_REGISTRATION:
                place = bytes([place[0] | _MARK_BYTE]) + place[1:]
        line = lines.get(endpoint)
        lines[endpoint] = place if line is None else line + place
    pending.load(lines, expiries, held, int.from_bytes(newest, "big") + 1)
    return unusable


def _text(name: bytes) -> str:
    """Empty when it is not UTF-8."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return ""
