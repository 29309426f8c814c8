"""A fresh key for the vault: everything that is sealed is sealed anew, then the older keys go.

For a data directory that no server uses. The fresh key is in the file before a row needs it, and an
older one leaves when none does, so that whatever ends this on the way loses nothing: the next run
goes on where it was. Knows where every sealed row is, and not what is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from lwm2m_fast import saved_sessions, vault_file
from lwm2m_fast.config import Config
from lwm2m_fast.errors import ConfigError, StoreError
from lwm2m_fast.fleet import credential_rows, trust
from lwm2m_fast.fleet.secured import SIDES
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.provisioning import device_rows, profiles
from lwm2m_fast.store import Store, open_store
from lwm2m_fast.store.base import FleetChange
from lwm2m_fast.store.changes import put
from lwm2m_fast.vault_file import CHECK, FILE_NAME, add_key, drop_older_keys, keys_of, open_vault

ROWS_AT_ONCE: Final = 512
"""In one transaction."""


class Sealed(NamedTuple):
    """A namespace of the fleet store with sealed rows."""

    space: str
    about: Callable[[bytes, bytes], bytes]
    """What a row is sealed for, from what stands open before the seal, and from its key."""
    open_bytes: int = 0
    """So many bytes stand before the seal."""


SEALED: Final = (
    Sealed(
        credential_rows.CREDENTIAL,
        lambda marks, key: credential_rows.about(credential_rows.CREDENTIAL, marks + key),
        len(SIDES),
    ),
    Sealed(credential_rows.PSK, lambda _, key: credential_rows.about(credential_rows.PSK, key)),
    Sealed(credential_rows.PIN, lambda _, key: credential_rows.about(credential_rows.PIN, key)),
    Sealed(trust.NAMESPACE, lambda _, key: b"trust\0" + key),
    Sealed(device_rows.DEVICE, lambda _, key: device_rows.device_about(key)),
    Sealed(device_rows.UNBOUND, lambda _, key: device_rows.unbound_about(key)),
    Sealed(profiles.PROFILE, lambda _, key: profiles.profile_about(key)),
    Sealed(vault_file.NAMESPACE, lambda _, key: CHECK),
)
"""Of the fleet store; of the state store the saved sessions."""


@dataclass(slots=True)
class Rotated:
    """What a rotation has done."""

    number: int
    """Of the key that seals from now on."""
    rows: int = 0
    """Sealed anew by this run."""
    unreadable: int = 0
    """Rows that no key of the file opens: they stay as they are, and so do the older keys."""
    dropped: tuple[int, ...] = ()
    """Numbers of the keys that are gone."""


def rotate_data(config: Config) -> Rotated:
    """Rotate the keys of a data directory. ConfigError, StoreError: it is in use, or not there."""
    data_dir = config.store.data_dir
    if config.store.kind == "memory" or not data_dir.is_dir():
        raise ConfigError(f"store.data_dir: {data_dir} is no data directory that has been used")
    store = open_store(config.store.kind, str(data_dir), config.store)
    try:
        return rotate(config.store.key_file or data_dir / FILE_NAME, store)
    finally:
        store.close()


def rotate(path: Path, store: Store) -> Rotated:
    """The same of an open store and its key file."""
    if store.fleet.get(vault_file.NAMESPACE, CHECK) is None:
        raise ConfigError("the data directory has no vault yet; the first start makes one")
    open_vault(path, store.fleet)  # it is the right file
    before = keys_of(path)
    if len(before) == 1:  # else a rotation was interrupted: its key is there, and is the newest
        add_key(path)
    vault = open_vault(path, store.fleet)
    done = Rotated(vault.newest)
    for sealed in SEALED:
        _reseal(store, vault, sealed, done)
    _reseal_sessions(store, vault, done)
    if not done.unreadable:
        drop_older_keys(path)
        done.dropped = tuple(number for number in before if number != vault.newest)
    return done


def _reseal(store: Store, vault: Vault, sealed: Sealed, done: Rotated) -> None:
    after: bytes | None = None
    while rows := list(store.fleet.scan(sealed.space, after, ROWS_AT_ONCE)):
        after = rows[-1][0]
        changes: list[FleetChange] = []
        for key, row in rows:
            marks, body = row[: sealed.open_bytes], row[sealed.open_bytes :]
            anew = _anew(vault, body, sealed.about(marks, key), done)
            if anew is not None:
                changes.append((sealed.space, key, marks + anew))
        if changes:
            store.fleet.apply(changes)
            done.rows += len(changes)


def _reseal_sessions(store: Store, vault: Vault, done: Rotated) -> None:
    table = saved_sessions.TABLE
    for key, row in list(store.state.load(table)):
        anew = _anew(vault, row, saved_sessions.ABOUT + key, done)
        if anew is not None:
            store.state.apply(put(table, key, anew))
            done.rows += 1
    store.state.sync()


def _anew(vault: Vault, row: bytes, about: bytes, done: Rotated) -> bytes | None:
    """The row sealed by the newest key; None: it is already, or no key opens it."""
    if vault.is_newest(row):
        return None
    try:
        return vault.seal(vault.unseal(row, about), about)
    except StoreError:
        done.unreadable += 1
        return None
