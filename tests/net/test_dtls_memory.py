"""What sessions hold of the C library's heap: bounds, and nothing after they ended."""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.net.dtls_kit import IDENTITY, IS_OWN_BUILD, Pair, psk_client, psk_server

of_our_own = pytest.mark.skipif(not IS_OWN_BUILD, reason="not our own mbedTLS")


class Mallinfo2(ctypes.Structure):
    """glibc's figures of its heap (mallinfo2(3)); the order is its own."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost",
        )
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def glibc() -> Iterator[None]:
    """What earlier tests have left is gone before anything is measured, and not in between."""
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("no mallinfo2 in this C library")
    if allocated() == 0:
        pytest.skip("another allocator is in the place of the C library's")
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def allocated() -> int:
    """Bytes in use of the C library's heap; Python's own objects are elsewhere."""
    process = ctypes.CDLL(None)
    process.mallinfo2.restype = Mallinfo2
    return int(process.mallinfo2().uordblks)


@of_our_own
def test_what_is_kept_of_fragments_is_bounded() -> None:
    """Each of 30 sessions hears of 10 messages of 16 KB each, and of epochs to come."""
    server = psk_server()
    sessions = []
    before = 0
    for number in range(31):
        pair = Pair(psk_client(), server)
        sessions.append(pair.begun())
        for count in range(60):
            seq, offset = (count % 10 + 2).to_bytes(2), (count * 100).to_bytes(3)
            message = b"\x10\0\x3f\xff" + seq + offset + b"\0\4\0" + bytes(1024)
            head = b"\x16\xfe\xfd\0\0" + (count + 10).to_bytes(6)
            pair.server.receive(head + len(message).to_bytes(2) + message, pair.now)
            later = b"\x17\xfe\xfd\0\1" + (count + 10).to_bytes(6) + b"\4\0" + bytes(1024)
            pair.server.receive(later, pair.now)
        if number == 0:
            before = allocated()
    assert 0 < allocated() - before < 30 * 24 * 1024


def test_nothing_leaks() -> None:
    client, server = psk_client(), psk_server(resumptions=3)
    stranger = psk_client(own_psk=(IDENTITY, b"wrong"))
    begun: list[int] = []
    for _ in range(3):
        for _ in range(150):
            pair = Pair(client, server).shake()
            assert pair.up(b"up") == [b"up"] and pair.server is not None
            blob = pair.server.save()
            assert blob is not None
            pair.server = server.load(blob, 0, 0)
            assert pair.up(b"up") == [b"up"]
            again = Pair(client, server)
            again.client.recall(pair.client.remember())
            assert again.shake().is_ready
            assert not Pair(stranger, server).shake().is_ready
        begun.append(allocated())
    assert begun[-1] - begun[0] < 64 * 1024


def resident_bytes() -> int:
    """Pages of our own in memory (proc_pid_status(5)): csrc/lf_memory gives its pages back."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.M)
    if found is None:
        pytest.skip("the system does not say how much memory is resident")
    return int(found[1]) * 1024


@of_our_own
def test_an_idle_session_is_small_and_a_saved_one_is_nothing() -> None:
    client, server = psk_client(), psk_server()
    pairs = [Pair(client, server).shake() for _ in range(500)]
    for pair in pairs:
        assert pair.up(b"up") == [b"up"] and pair.down(b"down") == [b"down"]
    sessions = [end for pair in pairs for end in (pair.client, pair.server) if end is not None]
    before = resident_bytes()
    blobs = [session.save() for session in sessions]
    freed = before - resident_bytes()
    assert None not in blobs and len(blobs) == 1000
    assert 1000 * 2 * 1024 < freed < 1000 * 6 * 1024
