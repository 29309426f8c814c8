"""The memory of DTLS sessions: blocks do not touch each other, and pages go back to the system."""

from __future__ import annotations

import ctypes
import os
import random
import re
import shlex
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEAST, MOST = 128, 2048
PIECE_BYTES, WARM_MOST = 16 << 10, 64


class Counts(ctypes.Structure):
    _fields_ = (
        ("blocks", ctypes.c_size_t),
        ("pieces", ctypes.c_size_t),
        ("warm", ctypes.c_size_t),
    )


@pytest.fixture
def memory(tmp_path: Path) -> ctypes.CDLL:
    """A library of its own for each test, so that counts begin at 0."""
    built = tmp_path / "memory.so"
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    words = ["-O2", "-fPIC", "-shared", "-pthread", "csrc/lf_memory.c", "-o", str(built)]
    subprocess.run([*compiler, *words], cwd=ROOT, check=True)
    library = ctypes.CDLL(str(built))
    library.lf_memory_take.restype = ctypes.c_void_p
    library.lf_memory_take.argtypes = (ctypes.c_size_t, ctypes.c_size_t)
    library.lf_memory_give.argtypes = (ctypes.c_void_p,)
    library.lf_memory_count.restype = Counts
    return library


def anonymous_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)[0])


@pytest.mark.parametrize("size", [1, LEAST - 1, LEAST, 1710, MOST, MOST + 1, 100_000])
def test_a_block_is_zero_aligned_and_zero_again(memory: ctypes.CDLL, size: int) -> None:
    for _ in range(3):
        block = memory.lf_memory_take(1, size)
        assert block % 16 == 0
        assert ctypes.string_at(block, size) == bytes(size)
        ctypes.memset(block, 0xFF, size)
        memory.lf_memory_give(block)
    assert memory.lf_memory_count().blocks == 0


def test_only_the_sizes_of_sessions_are_kept_in_pieces(memory: ctypes.CDLL) -> None:
    for size, kept in ((LEAST - 1, 0), (LEAST, 1), (MOST, 2), (MOST + 1, 2)):
        memory.lf_memory_take(1, size)
        assert memory.lf_memory_count().blocks == kept


def test_what_cannot_be_is_null(memory: ctypes.CDLL) -> None:
    assert memory.lf_memory_take(2, 1 << 63) is None
    assert memory.lf_memory_take(1, (1 << 64) - 1) is None
    memory.lf_memory_give(None)


def test_blocks_keep_what_is_written_through_any_order(memory: ctypes.CDLL) -> None:
    chance = random.Random(5)
    held: list[tuple[int, bytes]] = []
    for _ in range(20_000):
        if held and chance.random() < 0.5:
            block, written = held.pop(chance.randrange(len(held)))
            assert ctypes.string_at(block, len(written)) == written
            memory.lf_memory_give(block)
        else:
            written = chance.randbytes(chance.randint(1, 2500))
            block = memory.lf_memory_take(len(written), 1)
            ctypes.memmove(block, written, len(written))
            held.append((block, written))
    for block, written in held:
        assert ctypes.string_at(block, len(written)) == written
        memory.lf_memory_give(block)
    assert (memory.lf_memory_count().blocks, memory.lf_memory_count().pieces) == (0, 0)


def test_pages_go_back_but_for_a_bound(memory: ctypes.CDLL) -> None:
    blocks = [memory.lf_memory_take(1, 1710) for _ in range(18_000)]
    held = memory.lf_memory_count()
    assert held.pieces == -(-18_000 // (PIECE_BYTES // 1728))
    held_kib = anonymous_kib()
    for block in blocks:
        memory.lf_memory_give(block)
    left = memory.lf_memory_count()
    assert (left.blocks, left.pieces, left.warm) == (0, 0, WARM_MOST)
    assert held_kib - anonymous_kib() > 0.9 * (held.pieces - WARM_MOST) * PIECE_BYTES / 1024


def test_a_piece_is_for_any_size_once_it_is_free(memory: ctypes.CDLL) -> None:
    first = memory.lf_memory_take(1, 1710)
    memory.lf_memory_give(first)
    assert memory.lf_memory_count().warm == 1
    assert memory.lf_memory_take(1, 200) == first
    assert memory.lf_memory_count().warm == 0


def test_threads_do_not_disturb_each_other(memory: ctypes.CDLL) -> None:
    wrong = []

    def work(mark: int) -> None:
        for _ in range(3000):
            block = memory.lf_memory_take(1, 500)
            ctypes.memset(block, mark, 500)
            if ctypes.string_at(block, 500) != bytes([mark]) * 500:
                wrong.append(mark)
            memory.lf_memory_give(block)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert memory.lf_memory_count().blocks == 0
