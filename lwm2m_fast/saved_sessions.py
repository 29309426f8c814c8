"""DTLS sessions between two runs: written at a graceful stop, and deleted before they are used.

A session that were used twice would encrypt two records under one nonce, which gives its key away.
So what is loaded has been deleted, and the disk knows, before the first of it reaches net/dtls; a
copy of the data directory meets net/dtls's second wall. Knows no insides of a session.

Rows of the state store, table 6: the key is a number (4 bytes, big-endian), the value sealed by the
vault, and in it one session behind the other:

    principal 16 | size 4 | what net/dtls wrote of it
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.store.base import StateStore
from lwm2m_fast.store.changes import delete, put

TABLE = 6
ABOUT = b"sessions\0"

ROW_BYTES = 48 << 10
"""Sessions share a row up to this size: each alone would take a stop too long."""

GROUP_BYTES = 16 << 20
"""Rows that are deleted, and waited for, at once."""

PRINCIPAL_BYTES = 16
SIZE_BYTES = 4

Session = tuple[bytes, bytes]

_log = logging.getLogger("lwm2m_fast.sessions")


class Sessions(Protocol):
    """The part of net/dtls that is needed here."""

    def save(self) -> Iterable[Session]: ...
    def load(self, rows: Iterable[Session]) -> int: ...


class Restored(NamedTuple):
    """How many sessions go on, and how many rows could not be used."""

    sessions: int
    unusable: int


def save(sessions: Sessions, state: StateStore, vault: Vault) -> int:
    """Write all sessions that can be kept, which ends their life in this process; how many.

    StoreError: the rest of them is lost, and those devices have to handshake again.
    """
    kept = 0
    for number, row in enumerate(_rows(sessions.save())):
        key = number.to_bytes(4, "big")
        state.apply(put(TABLE, key, vault.seal(b"".join(row), ABOUT + key)))
        kept += len(row)
    if kept:
        state.sync()
    return kept


def _rows(sessions: Iterable[Session]) -> Iterator[list[bytes]]:
    row: list[bytes] = []
    size = 0
    for principal, value in sessions:
        row.append(principal + len(value).to_bytes(SIZE_BYTES, "big") + value)
        size += len(row[-1])
        if size >= ROW_BYTES:
            yield row
            row, size = [], 0
    if row:
        yield row


def restore(sessions: Sessions, state: StateStore, vault: Vault) -> Restored:
    """Hand over what was saved, each group once the disk has forgotten it.

    What cannot be deleted is not used: it stays, and is tried again at the next start.
    """
    loaded = unusable = 0
    for group in _groups(state.load(TABLE)):
        try:
            state.apply(b"".join(delete(TABLE, key) for key, _ in group))
            state.sync()
        except StoreError as error:
            _log.error("saved DTLS sessions cannot be consumed, and are not used: %s", error)
            break
        usable: list[Session] = []
        for key, row in group:
            try:
                usable += _parse(vault.unseal(row, ABOUT + key))
            except (StoreError, ValueError):
                unusable += 1
        loaded += sessions.load(usable)
    return Restored(loaded, unusable)


def _groups(rows: Iterable[Session]) -> Iterator[list[Session]]:
    group: list[Session] = []
    size = 0
    for key, row in rows:
        group.append((key, row))
        size += len(row)
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _parse(row: bytes) -> list[Session]:
    """ValueError: it is not what save() writes."""
    found: list[Session] = []
    at = 0
    while at < len(row):
        body = at + PRINCIPAL_BYTES + SIZE_BYTES
        end = body + int.from_bytes(row[at + PRINCIPAL_BYTES : body], "big")
        if end > len(row) or body > len(row):
            raise ValueError("a saved session is cut off")
        found.append((row[at : at + PRINCIPAL_BYTES], row[body:end]))
        at = end
    return found
