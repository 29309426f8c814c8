"""Uploaded files: what an order may name as {"file": name}, kept beside the store.

A file comes in whole or not at all, and goes out as a mapping, block by block, so that a large
one never sits in memory. Each tenant has names of its own, and a share of the room. Knows no order
and no device.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any

from lwm2m_fast.config import FilesConfig
from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.tenants import MANAGEMENT

DIRECTORY = "files"
"""Below the data directory."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_OF = "+"
"""Between a tenant and the name, for all but the one that runs the server; no name has it."""

SHARE = 4
"""A tenant other than the one that runs the server has one part in so many of `files.max_files`,
of `files.max_total_bytes` and of `files.max_uploads`; there must be room for all of them together,
too."""

_UNFINISHED = ".upload-"
"""How an unfinished upload begins; no name of a file does."""


class UnknownFile(RequestError):
    """There is no uploaded file of this name."""

    http_status = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no file {name!r}")


def checked_name(name: str) -> str:
    """`name` itself; RequestError unless it is 1 to 128 letters, digits, `.`, `_`, `-`."""
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"file name {name!r:.80}: allowed are 1 to 128 letters, digits, '.', '_' and '-', "
            "beginning with a letter or a digit"
        )
    return name


class Files:
    """The files of one data directory, mode 0600; what an earlier process left half is removed.

    put() and delete() wait for the disk in a thread; one of them at a time has the books.
    """

    def __init__(self, data_dir: Path, config: FilesConfig) -> None:
        self._dir, self._config = data_dir / DIRECTORY, config
        self._writing = asyncio.Lock()
        self._uploads = 0
        self._uploading: Counter[str] = Counter()
        try:
            self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self._dir.glob(_UNFINISHED + "*"):
                left.unlink()
            self._sizes = {entry.name: entry.stat().st_size for entry in os.scandir(self._dir)}
        except OSError as error:
            raise StoreError(f"{self._dir} cannot be used: {error}") from error

    def listing(self, tenant: str = MANAGEMENT) -> list[dict[str, Any]]:
        """Name, size and unix time of every file of a tenant, by name."""
        return [self._entry(key) for key in sorted(self._of(tenant))]

    def _of(self, tenant: str) -> list[str]:
        """Its files as they are called on the disk."""
        return [key for key in self._sizes if _tenant_of(key) == tenant]

    def _entry(self, key: str) -> dict[str, Any]:
        try:
            changed_at = (self._dir / key).stat().st_mtime
        except OSError:
            changed_at = None
        name = key.rpartition(_OF)[2]
        return {"name": name, "size": self._sizes[key], "changed_at": changed_at}

    async def put(
        self, name: str, stream: AsyncIterable[bytes], tenant: str = MANAGEMENT
    ) -> dict[str, Any]:
        """Take a file in, replacing the tenant's of that name once all of it is on the disk.

        RequestError: the name, a size beyond `files.max_file_bytes`, a count beyond
        `files.max_files`, a total beyond `files.max_total_bytes` (or the tenant's share of these),
        or an upload too many at once; StoreError: the disk. In all cases, also when the stream
        breaks, the files are as before.
        """
        key = _key(name, tenant)
        self._check_uploads(tenant)
        self._uploads += 1
        self._uploading[tenant] += 1
        try:
            descriptor, unfinished = await asyncio.to_thread(self._begin)
            try:
                size = await self._receive(key, descriptor, stream)
                await self._finish(key, unfinished, size)
            finally:
                await asyncio.to_thread(Path(unfinished).unlink, missing_ok=True)
        except OSError as error:
            raise StoreError(f"file {name!r} cannot be kept: {error}") from error
        finally:
            self._uploads -= 1
            self._uploading -= Counter((tenant,))  # keeps no zeros
        return self._entry(key)

    def _check_uploads(self, tenant: str) -> None:
        if self._uploads >= self._config.max_uploads:
            raise RequestError(f"{self._uploads} files are being uploaded, which is the limit")
        own = self._uploading[tenant]
        if tenant != MANAGEMENT and own >= max(1, self._config.max_uploads // SHARE):
            raise RequestError(f"{own} files of this tenant are being uploaded, its limit")

    def _begin(self) -> tuple[int, str]:
        return tempfile.mkstemp(prefix=_UNFINISHED, dir=self._dir)  # mode 0600

    async def _receive(self, key: str, descriptor: int, stream: AsyncIterable[bytes]) -> int:
        size = 0
        try:
            async for piece in stream:
                size += len(piece)
                self._check_size(key, size)
                await asyncio.to_thread(_write_all, descriptor, piece)
            await asyncio.to_thread(os.fsync, descriptor)
        finally:
            os.close(descriptor)
        return size

    def _check_size(self, key: str, size: int) -> None:
        config, tenant = self._config, _tenant_of(key)
        name = key.rpartition(_OF)[2]
        if size > config.max_file_bytes:
            raise RequestError(
                f"file {name!r} is longer than files.max_file_bytes, {config.max_file_bytes}"
            )
        if tenant != MANAGEMENT:
            self._check_share(key, name, size, tenant)
        if key not in self._sizes and len(self._sizes) >= config.max_files:
            raise RequestError(f"there are {len(self._sizes)} files, files.max_files is reached")
        others = sum(self._sizes.values()) - self._sizes.get(key, 0)
        if others + size > config.max_total_bytes:
            raise RequestError(
                f"file {name!r} with {size} bytes beside {others} bytes of others: "
                f"files.max_total_bytes is {config.max_total_bytes}"
            )

    def _check_share(self, key: str, name: str, size: int, tenant: str) -> None:
        own = [one for one in self._of(tenant) if one != key]
        files = max(1, self._config.max_files // SHARE)
        total = self._config.max_total_bytes // SHARE
        if len(own) >= files:
            raise RequestError(f"there are {len(own)} files of this tenant, which is the limit")
        others = sum(self._sizes[one] for one in own)
        if others + size > total:
            raise RequestError(
                f"file {name!r} with {size} bytes beside {others} bytes of others: this tenant has "
                f"{total}"
            )

    async def _finish(self, key: str, unfinished: str, size: int) -> None:
        async with self._writing:
            self._check_size(key, size)  # others may have come in meanwhile
            await asyncio.to_thread(self._rename, unfinished, key)
            self._sizes[key] = size

    def _rename(self, unfinished: str, key: str) -> None:
        os.replace(unfinished, self._dir / key)
        self._sync()

    def _sync(self) -> None:
        """A name is on the disk only once its directory is."""
        descriptor = os.open(self._dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    async def delete(self, name: str, tenant: str = MANAGEMENT) -> bool:
        """Remove a tenant's file; False when there is none. Who has it open may read on."""
        key = _key(name, tenant)
        async with self._writing:
            if key not in self._sizes:
                return False
            try:
                await asyncio.to_thread(self._unlink, key)
            except OSError as error:
                raise StoreError(f"file {name!r} cannot be removed: {error}") from error
            del self._sizes[key]
        return True

    def _unlink(self, key: str) -> None:
        (self._dir / key).unlink(missing_ok=True)
        self._sync()

    def open(self, name: str, tenant: str = MANAGEMENT) -> bytes | mmap.mmap:
        """The content of a tenant's file, mapped read-only: it stays what it is when the file is
        replaced or removed.

        UnknownFile; StoreError when it cannot be read.
        """
        key = _key(name, tenant)
        if key not in self._sizes:
            raise UnknownFile(name)
        try:
            with open(self._dir / key, "rb") as file:
                if not os.fstat(file.fileno()).st_size:  # nothing cannot be mapped
                    return b""
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise StoreError(f"file {name!r} cannot be read: {error}") from error

    def counters(self) -> dict[str, int]:
        return {
            "files_current": len(self._sizes),
            "files_bytes": sum(self._sizes.values()),
            "files_uploading": self._uploads,
        }


def _key(name: str, tenant: str) -> str:
    """What a file is called on the disk. RequestError: it cannot be called so."""
    return checked_name(name) if tenant == MANAGEMENT else f"{tenant}{_OF}{checked_name(name)}"


def _tenant_of(key: str) -> str:
    return key.rpartition(_OF)[0] or MANAGEMENT


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
