"""Our own block of SHA-256, by instructions and in plain C, against hashlib's."""

from __future__ import annotations

import ast
import ctypes
import hashlib
import os
import random
import shlex
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ["csrc/lf_sha256.c", "csrc/lf_sha256_mbedtls.c"]
BEGIN = (  # FIPS 180-4, section 5.3.3
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
)  # fmt: skip
LENGTHS = [*range(130), 55 + 64 * 9, 56 + 64 * 9, 10_000]
Block = Callable[[ctypes.Array[ctypes.c_uint32], bytes], None]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiles, _ = ast.literal_eval((ROOT / "build" / "mbedtls-flags").read_text())
    built = tmp_path_factory.mktemp("sha256") / "sha256.so"
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    compiler += ["-O2", "-fPIC", "-shared", *compiles]
    subprocess.run([*compiler, *SOURCES, "-o", str(built)], cwd=ROOT, check=True)
    library = ctypes.CDLL(str(built))
    if not hasattr(library, "mbedtls_internal_sha256_process"):
        pytest.skip("mbedTLS's own is used: another processor than x86-64, or the system's library")
    return library


def digest(block: Block, message: bytes) -> bytes:
    """FIPS 180-4: padding and length here, what is tested for each block."""
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64)
    padded += struct.pack(">Q", 8 * len(message))
    state = (ctypes.c_uint32 * 8)(*BEGIN)
    for at in range(0, len(padded), 64):
        block(state, padded[at : at + 64])
    return struct.pack(">8I", *state)


@pytest.mark.parametrize("name", ["lf_sha256_plain", "lf_sha256_instructions"])
def test_a_block_is_that_of_sha256(library: ctypes.CDLL, name: str) -> None:
    if name.endswith("instructions") and not library.lf_sha256_has_instructions():
        pytest.skip("this processor has no SHA instructions")
    chance = random.Random(180)
    for length in LENGTHS:
        message = chance.randbytes(length)
        assert digest(getattr(library, name), message) == hashlib.sha256(message).digest(), length


def test_what_mbedtls_calls_takes_either(library: ctypes.CDLL) -> None:
    # mbedtls_sha256_context: a block, two words of length, the state.
    context = (ctypes.c_uint32 * (16 + 2 + 8 + 2))()
    context[18:26] = BEGIN
    plain = (ctypes.c_uint32 * 8)(*BEGIN)
    block = bytes(range(64))
    library.lf_sha256_plain(plain, block)
    assert library.mbedtls_internal_sha256_process(context, block) == 0
    assert list(context[18:26]) == list(plain)


KEPT_BYTES = 4 * (64 + 32)
MEMORY_BYTES = KEPT_BYTES + 8 + 8  # how many, and the one outside


def mbedtls_digest(library: ctypes.CDLL, message: bytes) -> bytes:
    """By the block that mbedTLS calls."""
    context = (ctypes.c_uint32 * (16 + 2 + 8 + 2))()

    def block(state: ctypes.Array[ctypes.c_uint32], data: bytes) -> None:
        context[18:26] = list(state)
        library.mbedtls_internal_sha256_process(context, data)
        state[:] = context[18:26]

    return digest(block, message)


def test_a_first_block_that_comes_again_is_the_same(library: ctypes.CDLL) -> None:
    chance = random.Random(2104)
    firsts = [chance.randbytes(64) for _ in range(7)]
    # One byte from another, anywhere: who compares less than all of it is found out.
    firsts += [firsts[0][:at] + b"x" + firsts[0][at + 1 :] for at in (0, 7, 31, 32, 63)]
    memory = ctypes.create_string_buffer(MEMORY_BYTES)
    library.lf_sha256_remember(memory)
    for _ in range(500):
        message = chance.choice(firsts[: chance.choice((2, 4, 12))]) + chance.randbytes(40)
        assert mbedtls_digest(library, message) == hashlib.sha256(message).digest()
        # The same bytes further on are no first block.
        message = chance.randbytes(64) + message
        assert mbedtls_digest(library, message) == hashlib.sha256(message).digest()
    library.lf_sha256_forget(memory)


def test_what_was_remembered_is_wiped(library: ctypes.CDLL) -> None:
    outer, inner = (ctypes.create_string_buffer(MEMORY_BYTES) for _ in range(2))
    library.lf_sha256_remember(outer)
    mbedtls_digest(library, b"o" * 64)
    library.lf_sha256_remember(inner)
    for letter in (b"a", b"b", b"c", b"d", b"e"):
        mbedtls_digest(library, letter * 64)
    assert b"e" * 64 in inner.raw and b"a" * 64 not in inner.raw, "the oldest goes"
    assert b"o" * 64 in outer.raw and b"e" * 64 not in outer.raw
    library.lf_sha256_forget(inner)
    assert inner.raw == bytes(MEMORY_BYTES)
    mbedtls_digest(library, b"p" * 64)
    assert b"p" * 64 in outer.raw
    library.lf_sha256_forget(outer)
    assert outer.raw == bytes(MEMORY_BYTES)
    mbedtls_digest(library, b"q" * 64)
    assert outer.raw == bytes(MEMORY_BYTES), "nothing is remembered by nobody"
