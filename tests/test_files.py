"""Uploaded files: whole or not at all, bounded, and mapped for whoever sends them on."""

from __future__ import annotations

import asyncio
import mmap
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lwm2m_fast.config import FilesConfig
from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.files import Files, UnknownFile


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def files_in(tmp_path: Path, **bounds: Any) -> Files:
    return Files(tmp_path, FilesConfig(**bounds))


def names(files: Files) -> list[str]:
    return [entry["name"] for entry in files.listing()]


def left_behind(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "files").iterdir())


def test_a_file_is_kept_with_its_size_and_for_its_owner_alone(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path)
        entry = await files.put("fw-1.2.bin", stream(b"abc", b"", b"defg"))
        assert (entry["name"], entry["size"]) == ("fw-1.2.bin", 7)
        assert files.listing() == [entry]
        assert bytes(files.open("fw-1.2.bin")) == b"abcdefg"

    asyncio.run(act())
    path = tmp_path / "files" / "fw-1.2.bin"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_is_a_read_only_mapping(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path)
        await files.put("a", stream(b"abc"))
        content = files.open("a")
        assert isinstance(content, mmap.mmap)
        with pytest.raises(TypeError):
            content[0] = 0

    asyncio.run(act())


def test_what_is_being_sent_does_not_change_under_the_sender(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path)
        await files.put("a", stream(b"old"))
        content = files.open("a")
        await files.put("a", stream(b"new and longer"))
        assert bytes(content) == b"old"
        assert bytes(files.open("a")) == b"new and longer"
        await files.delete("a")
        assert bytes(content) == b"old"

    asyncio.run(act())


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path)
        await files.put("a", stream())
        assert bytes(files.open("a")) == b""

    asyncio.run(act())


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "../a", "a\0", "ä", "a b", "-a", "x" * 129, "a\n"]
)
def test_a_name_that_is_none_is_refused_everywhere(tmp_path: Path, name: str) -> None:
    async def act() -> None:
        files = files_in(tmp_path)
        with pytest.raises(RequestError, match="file name"):
            await files.put(name, stream(b"x"))
        with pytest.raises(RequestError, match="file name"):
            await files.delete(name)
        with pytest.raises(RequestError, match="file name"):
            files.open(name)

    asyncio.run(act())
    assert left_behind(tmp_path) == []


def test_the_longest_name_is_taken(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    asyncio.run(files.put("x" * 128, stream(b"1")))
    assert names(files) == ["x" * 128]


def test_a_file_at_its_bound_is_taken_and_one_past_it_leaves_nothing(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path, max_file_bytes=4)
        await files.put("a", stream(b"12", b"34"))
        with pytest.raises(RequestError, match=r"files\.max_file_bytes, 4"):
            await files.put("b", stream(b"12", b"345"))
        with pytest.raises(RequestError, match=r"files\.max_file_bytes, 4"):
            await files.put("a", stream(b"12345"))
        assert bytes(files.open("a")) == b"1234", "the former one stays"

    asyncio.run(act())
    assert left_behind(tmp_path) == ["a"]


def test_the_number_of_files_is_bounded_and_replacing_is_no_addition(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path, max_files=2)
        await files.put("a", stream(b"1"))
        await files.put("b", stream(b"2"))
        with pytest.raises(RequestError, match=r"files\.max_files"):
            await files.put("c", stream(b"3"))
        await files.put("b", stream(b"4"))
        assert await files.delete("a")
        await files.put("c", stream(b"3"))
        assert names(files) == ["b", "c"]

    asyncio.run(act())


def test_all_files_together_are_bounded_also_when_they_come_at_once(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path, max_total_bytes=10)
        await files.put("a", stream(b"1234"))
        ends = await asyncio.gather(
            files.put("b", stream(b"123456")),
            files.put("c", stream(b"123456")),
            return_exceptions=True,
        )
        (error,) = [end for end in ends if isinstance(end, RequestError)]
        assert "files.max_total_bytes is 10" in str(error)
        assert files.counters()["files_bytes"] == 10

    asyncio.run(act())


def test_uploads_at_once_are_bounded(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path, max_uploads=1)
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"1"
            await gate.wait()

        first = asyncio.ensure_future(files.put("a", slow()))
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="1 files are being uploaded"):
            await files.put("b", stream(b"2"))
        gate.set()
        await first
        await files.put("b", stream(b"2"))

    asyncio.run(act())


def test_one_tenant_cannot_take_all_places_for_uploads(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path, max_uploads=8)
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"1"
            await gate.wait()

        under_way = [asyncio.ensure_future(files.put(name, slow(), "acme")) for name in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="2 files of this tenant are being uploaded"):
            await files.put("c", stream(b"2"), "acme")
        for others in ("beta", "default"):
            await files.put("c", stream(b"2"), others)
        gate.set()
        await asyncio.gather(*under_way)
        await files.put("c", stream(b"2"), "acme")
        assert files.counters()["files_uploading"] == 0

    asyncio.run(act())


def test_a_stream_that_breaks_leaves_the_files_as_they_were(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path)

        async def broken() -> AsyncIterator[bytes]:
            yield b"half"
            raise ConnectionResetError("the client has gone")

        with pytest.raises(StoreError, match="the client has gone"):
            await files.put("a", broken())
        assert files.counters() == {"files_current": 0, "files_bytes": 0, "files_uploading": 0}

    asyncio.run(act())
    assert left_behind(tmp_path) == []


def test_a_cancelled_upload_leaves_nothing(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path)
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"1"
            begun.set()
            await asyncio.Event().wait()

        upload = asyncio.ensure_future(files.put("a", endless()))
        await begun.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert names(files) == []
        assert files.counters()["files_uploading"] == 0

    asyncio.run(act())
    assert left_behind(tmp_path) == []


def test_a_new_process_finds_the_files_and_clears_what_was_left_half(tmp_path: Path) -> None:
    asyncio.run(files_in(tmp_path).put("a", stream(b"abc")))
    (tmp_path / "files" / ".upload-xyz").write_bytes(b"half")
    files = files_in(tmp_path)
    assert [(entry["name"], entry["size"]) for entry in files.listing()] == [("a", 3)]
    assert left_behind(tmp_path) == ["a"]


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path)
        with pytest.raises(UnknownFile, match="there is no file 'a'"):
            files.open("a")
        assert not await files.delete("a")

    asyncio.run(act())


def test_a_directory_that_cannot_be_had_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "files").write_bytes(b"in the way")
    with pytest.raises(StoreError, match="cannot be used"):
        files_in(tmp_path)


# Of tenants


def test_each_tenant_has_names_of_its_own(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path)
        for tenant in ("default", "acme", "be-ta"):
            await files.put("a", stream(tenant.encode()), tenant)
        await files.put("b", stream(b"b"), "acme")
        assert [one["name"] for one in files.listing("acme")] == ["a", "b"]
        assert names(files) == ["a"]
        later = files_in(tmp_path)
        for tenant in ("default", "acme", "be-ta"):
            assert bytes(later.open("a", tenant)) == tenant.encode()
        assert await later.delete("a", "acme")
        assert bytes(later.open("a")) == b"default"
        for tenant in ("default", "be-ta", "gamma"):
            with pytest.raises(UnknownFile):
                later.open("b", tenant)
            assert not await later.delete("b", tenant)

    asyncio.run(act())


def test_no_name_reaches_into_another_tenants(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path)
        await files.put("a", stream(b"secret"), "acme")
        for name in ("acme+a", "../acme+a", "+a"):
            with pytest.raises(RequestError):
                files.open(name)

    asyncio.run(act())


def test_a_tenant_has_a_share_of_the_room(tmp_path: Path) -> None:
    async def act() -> None:
        files = files_in(tmp_path, max_files=8, max_total_bytes=40)
        await files.put("a", stream(b"12345"), "acme")
        await files.put("b", stream(b"12345"), "acme")
        with pytest.raises(RequestError, match="2 files of this tenant"):
            await files.put("c", stream(b""), "acme")
        with pytest.raises(RequestError, match="this tenant has 10"):
            await files.put("b", stream(b"123456"), "acme")
        assert [one["size"] for one in files.listing("acme")] == [5, 5]
        await files.put("a", stream(b"1234567890"), "beta")
        await files.put("a", stream(bytes(20)))  # who runs the server has what is left
        with pytest.raises(RequestError, match="max_total_bytes"):
            await files.put("b", stream(b"1"), "gamma")

    asyncio.run(act())
