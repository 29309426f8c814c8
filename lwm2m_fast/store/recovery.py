"""A data directory between two lives of the server: who holds it, and how it was left.

A marker file says whether the last server closed its state, and under which boot of the machine
it ran. Killed under this boot, the page cache still has every commit. Left open under another
one, unsynced pages may be lost: the state is then read through and, if damaged, set aside whole.
It is soft state: devices register anew. What people configured is never discarded.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import struct
from typing import IO

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.environment import make_directory

LOCK, MARKER = "lock", "state.mark"
MARKER_BYTES = 64
CLOSED = "closed"
BOOT_ID = "/proc/sys/kernel/random/boot_id"

log = logging.getLogger(__name__)


def hold(data_dir: str) -> IO[str]:
    """Create and lock `data_dir` until the file returned is closed; StoreError when it is held."""
    make_directory(data_dir)
    try:
        number = os.open(os.path.join(data_dir, LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"data directory {data_dir} cannot be used: {error.strerror}") from error
    file = os.fdopen(number, "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = file.read(32).strip()
        file.close()
        raise StoreError(
            f"data directory {data_dir} is in use by another server (process {holder})"
        ) from error
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except OSError as error:
        file.close()
        raise StoreError(f"data directory {data_dir} cannot be used: {error.strerror}") from error
    return file


def boot_id() -> str:
    """What is different after each start of the machine; empty when the machine does not say."""
    try:
        with open(BOOT_ID) as file:
            return file.read().strip()
    except OSError:
        return ""


def mark(data_dir: str, is_open: bool) -> None:
    """Note on disk that the state is open under this boot, or closed with everything on disk.

    Always as many bytes in the same place, so that a server can start and stop on a full disk.
    """
    path = os.path.join(data_dir, MARKER)
    text = f"open {boot_id()}" if is_open else CLOSED
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(number, text.ljust(MARKER_BYTES).encode(), 0)
            os.fsync(number)
        finally:
            os.close(number)
        _sync_directory(data_dir)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error


def was_cut_off(data_dir: str) -> bool:
    """Whether the machine went down, as far as known, while the state was open."""
    try:
        with open(os.path.join(data_dir, MARKER)) as file:
            marked = file.read(MARKER_BYTES).strip()
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        return True
    return marked != CLOSED and (not boot_id() or marked != f"open {boot_id()}")


def damage(path: str) -> str | None:
    """What is wrong with the environment in `path`, None when nothing is found.

    Reads the file's pages without liblmdb, which a damaged file could crash. About 1.5 s for a
    million registrations.
    """
    if not os.path.exists(os.path.join(path, "data.mdb")):
        return None
    try:
        from lmdb import verify
    except ImportError:
        return "this version of the lmdb package cannot check it (3.0 can)"
    try:
        findings: list[str] = verify.verify(path)  # type: ignore[no-untyped-call]
    except (verify.VerifyError, OSError, ValueError, LookupError, struct.error) as error:
        return str(error)
    return findings[0] if findings else None


def set_aside(path: str, why: str) -> None:
    """Rename the environment so that an empty one takes its place; only the latest is kept."""
    aside = path + ".damaged"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(path, aside)
    except OSError as error:
        raise StoreError(f"{path} is damaged and cannot be renamed: {error.strerror}") from error
    log.error(
        "state discarded, all devices must register anew: %s is damaged (%s), kept as %s",
        path, why, aside,
    )  # fmt: skip


def _sync_directory(path: str) -> None:
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
