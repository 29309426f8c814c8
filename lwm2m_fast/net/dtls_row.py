"""A DTLS session as bytes: who its peer is, and the row that outlives the process.

Knows the form only. The row holds keys in clear: whoever keeps it seals it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

FORM = 1
_HEAD = struct.Struct("<BBbBIIII8s24sHHH")
_LENGTH = struct.Struct("<H")


ANCHOR_BYTES = 8


def pack_who(subject: bytes, names: tuple[str, ...], anchor: bytes = b"") -> bytes:
    """The subject and the endpoint names it may speak for; most often both are the same word.

    `anchor` says what vouches for it, in ANCHOR_BYTES; empty: nothing, or it is not known.
    ValueError: more than 64 KiB.
    """
    if len(subject) > 0xFFFF or any(len(name) > 0x3FFF for name in names):
        raise ValueError(f"a subject of {len(subject)} bytes, or a name, is too long")
    packed = _LENGTH.pack(len(subject)) + subject
    if names == (subject.decode(errors="replace"),) and not anchor:
        return packed
    encoded = [name.encode() for name in names]
    listed = b"".join(_LENGTH.pack(len(name)) + name for name in encoded)
    return packed + _LENGTH.pack(len(names)) + listed + anchor


def unpack_who(packed: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The inverse; ValueError: cut short."""
    return _apart(packed)[:2]


def anchor_in(packed: bytes) -> bytes:
    """What vouches for it, as pack_who() was told; ValueError: cut short."""
    anchor = _apart(packed)[2]
    return anchor if len(anchor) == ANCHOR_BYTES else b""


def _apart(packed: bytes) -> tuple[bytes, tuple[str, ...], bytes]:
    subject, rest = _take(packed)
    if not rest:
        return subject, (subject.decode(errors="replace"),), b""
    names, left = [], rest[2:]
    for _ in range(_number(rest)):
        name, left = _take(left)
        names.append(name.decode())
    return subject, tuple(names), left


def _number(packed: bytes) -> int:
    if len(packed) < _LENGTH.size:
        raise ValueError("a length is missing")
    number: int = _LENGTH.unpack_from(packed)[0]
    return number


def _take(packed: bytes) -> tuple[bytes, bytes]:
    end = 2 + _number(packed)
    if len(packed) < end:
        raise ValueError(f"{len(packed)} bytes, {end} were announced")
    return packed[2:end], packed[end:]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What brings a session back. `cid_size` -1: no connection ids. Times are Unix seconds."""

    kind: int
    cid_size: int
    uses_cid: bool
    number: int
    since: int
    heard: int
    suite: int
    cid_random: bytes
    address: bytes
    who: bytes
    blob: bytes

    def pack(self) -> bytes:
        """The row's value."""
        head = _HEAD.pack(
            FORM, self.kind, self.cid_size, self.uses_cid, self.number, self.since, self.heard,
            self.suite, self.cid_random, self.address, len(self.who), len(self.blob), 0,
        )  # fmt: skip
        return head + self.who + self.blob

    @classmethod
    def unpack(cls, value: bytes) -> SessionRow:
        """The inverse. ValueError: of another form, or damaged."""
        if len(value) < _HEAD.size or value[0] != FORM:
            raise ValueError(f"no session row of form {FORM}")
        (
            _,
            kind,
            cid_size,
            uses_cid,
            number,
            since,
            heard,
            suite,
            random,
            address,
            who,
            blob,
            _,
        ) = _HEAD.unpack_from(value)
        rest = value[_HEAD.size :]
        if len(rest) != who + blob:
            raise ValueError(f"{len(rest)} bytes, {who + blob} were announced")
        unpack_who(rest[:who])
        return cls(
            kind, cid_size, bool(uses_cid), number, since, heard, suite, random, address,
            rest[:who], rest[who:],
        )  # fmt: skip
