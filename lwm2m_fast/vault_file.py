"""The file that the vault's keys are in: made at the first start, refused when others may read it.

A line per key, its number and 64 hex digits; the highest number seals. Whoever has this file and
the data directory has every key of every device, so the two belong in different backups.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lwm2m_fast.errors import ConfigError, StoreError
from lwm2m_fast.fleet.vault import KEY_BYTES, MAX_NUMBER, Vault

NAMESPACE = "vault"
CHECK = b"check"
"""Of the fleet store: a row that only the right key file opens."""

FILE_NAME = "vault.key"
"""Below the data directory, unless the configuration names another place."""

MAX_FILE_BYTES = 65536
HEADER = (
    "# Keys of the vault of lwm2m_fast: number and key. Without this file, credentials are lost.\n"
)

_log = logging.getLogger("lwm2m_fast.vault")


class Fleet(Protocol):
    """The part of the fleet store (store/base.py) that is needed here."""

    def apply(self, changes: list[tuple[str, bytes, bytes | None]]) -> None: ...

    def get(self, namespace: str, key: bytes) -> bytes | None: ...


def passing_vault() -> Vault:
    """A vault whose key is nowhere: for a store that does not outlive the process."""
    return Vault({1: secrets.token_bytes(KEY_BYTES)}, os.urandom)


def open_vault(path: Path, fleet: Fleet) -> Vault:
    """The vault that `fleet` was sealed with; its key file is made when neither has been used.

    ConfigError: the file is not ours alone, is missing, or is not the one that the rows need.
    """
    row = fleet.get(NAMESPACE, CHECK)
    if not path.exists():
        if row is not None:
            raise ConfigError(
                f"store.key_file: {path} is missing, and the credentials in the data directory are "
                "sealed with it; put it back, or begin with an empty data directory"
            )
        _make(path)
    vault = Vault(_read(path), os.urandom)
    if row is None:
        fleet.apply([(NAMESPACE, CHECK, vault.seal(CHECK, CHECK))])
        return vault
    try:
        vault.unseal(row, CHECK)
    except StoreError as error:
        raise ConfigError(
            f"store.key_file: {path} is not the file that this data directory was sealed with "
            f"({error})"
        ) from None
    return vault


def keys_of(path: Path) -> list[int]:
    """The numbers of the keys in the file, in order. ConfigError as open_vault()."""
    return sorted(_read(path))


def add_key(path: Path) -> int:
    """Put a fresh key beside those in the file, on the disk when it returns; its number.

    ConfigError: no number is left, or the file cannot be written; then it is as before.
    """
    keys = _read(path)
    number = max(keys) + 1
    if number > MAX_NUMBER:
        raise ConfigError(f"store.key_file: {path} has a key {MAX_NUMBER}, the last there can be")
    _put(path, {**keys, number: secrets.token_bytes(KEY_BYTES)}, os.replace)
    return number


def drop_older_keys(path: Path) -> None:
    """Leave the newest key in the file. Rows that another has sealed are lost with it."""
    keys = _read(path)
    newest = max(keys)
    _put(path, {newest: keys[newest]}, os.replace)


def _make(path: Path) -> None:
    """A file with one fresh key."""

    def place(unfinished: str, path: Path) -> None:
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(unfinished, path)
        os.unlink(unfinished)

    _put(path, {1: secrets.token_bytes(KEY_BYTES)}, place)
    _log.info("made the key file; keep a copy apart from the data", extra={"path": str(path)})


def _put(path: Path, keys: dict[int, bytes], place: Callable[[str, Path], None]) -> None:
    """A file with these keys, mode 0600; whole on the disk before `place` gives it its name."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(prefix=".vault-", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(HEADER)
                file.writelines(f"{number} {keys[number].hex()}\n" for number in sorted(keys))
                file.flush()
                os.fsync(file.fileno())
            place(unfinished, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(unfinished)
            raise
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise ConfigError(f"store.key_file: {path} cannot be made: {error.strerror}") from None


def _read(path: Path) -> dict[int, bytes]:
    try:
        with open(path, "rb") as file:
            _check_access(path, os.fstat(file.fileno()))
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"store.key_file: {path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"store.key_file: {path} has more than {MAX_FILE_BYTES} bytes")
    return _parse(path, data)


def _check_access(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"store.key_file: {path} is no regular file")
    if found.st_mode & 0o077:
        raise ConfigError(
            f"store.key_file: {path} has mode {stat.S_IMODE(found.st_mode):04o}, others may "
            f"use it; allowed is 0600: chmod 600 {path}"
        )
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"store.key_file: {path} belongs to another user (id {found.st_uid})")


def _parse(path: Path, data: bytes) -> dict[int, bytes]:
    keys: dict[int, bytes] = {}
    for at, line in enumerate(data.decode("ascii", "replace").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        key = _key(words[1]) if len(words) == 2 else None
        number = int(words[0]) if words[0].isdigit() and len(words[0]) <= 5 else 0
        if key is None or not 1 <= number <= MAX_NUMBER or number in keys:
            raise ConfigError(
                f"store.key_file: line {at} of {path} is not a new number from 1 to {MAX_NUMBER} "
                f"and {2 * KEY_BYTES} hex digits"
            )
        keys[number] = key
    if not keys:
        raise ConfigError(f"store.key_file: {path} has no key in it")
    return keys


def _key(text: str) -> bytes | None:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None
