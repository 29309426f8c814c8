"""The C programs of the bench: which sources make which program, compiled when they are stale.

Knows nothing of what the programs do. They land in bench/bin/, which is not committed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE_DIR = Path(__file__).parent / "c"
BINARY_DIR = Path(__file__).parent / "bin"

# The flags of every program, the reference servers included: the optimisation that Cython's modules
# get from the Python they are built for, and no instruction set of this very machine.
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")

_LOAD = ("load.c", "sources.c", "secure.c", "measure.c", "options.c")

PROGRAMS: dict[str, tuple[str, ...]] = {
    "echo": ("echo.c",),
    "ceiling": ("ceiling.c",),
    "dtls_ceiling": ("dtls_ceiling.c",),
    "dtls_ceiling_plain": ("dtls_ceiling.c", "plain_sha256.c"),
    "coap_load": ("coap_load.c", *_LOAD),
    "device_load": ("device_load.c", "reports.c", *_LOAD),
    "probe": ("probe.c", "measure.c", "options.c"),
    "marks.so": ("marks.c",),
}


def compiler() -> str | None:
    """The C compiler to use: $CC, else the system's `cc`. None when there is none."""
    return shutil.which(os.environ.get("CC", "cc"))


# Who of them calls mbedTLS: the one that the server is built with.
SECURE = {"secure.c", "dtls_ceiling.c"}


@cache
def mbedtls() -> tuple[list[str], list[str]]:
    """What compiles with mbedTLS, and what links with it; both from the root of the checkout."""
    done = subprocess.run(
        [sys.executable, ".ci/mbedtls"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    compiles, links = map(shlex.split, done.stdout.splitlines())
    return [*compiles, "-Icsrc"], links


def build(name: str, directory: Path = BINARY_DIR) -> Path:
    """Compile program `name` if its sources or any header are newer, and return its path.

    Raises RuntimeError with the compiler's words when it does not compile without a warning.
    """
    binary = directory / name
    sources = [SOURCE_DIR / source for source in PROGRAMS[name]]
    compiles, links = mbedtls() if SECURE & set(PROGRAMS[name]) else ([], [])
    library = [ROOT / link for link in links if link.endswith(".a")]
    newest = max(path.stat().st_mtime for path in (*sources, *SOURCE_DIR.glob("*.h"), *library))
    if binary.exists() and binary.stat().st_mtime >= newest:
        return binary
    cc = compiler()
    if cc is None:
        raise RuntimeError(f"{name} needs a C compiler: install cc or set CC")
    directory.mkdir(parents=True, exist_ok=True)
    kind = ("-shared", "-fPIC") if name.endswith(".so") else ()
    done = subprocess.run(
        [cc, *FLAGS, *kind, *compiles, "-o", str(binary.absolute()), *map(str, sources), *links],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{name} does not compile:\n{done.stderr}")
    return binary


def build_with_lmdb(name: str, source: str) -> Path | None:
    """A program over liblmdb from its text; None, and a line that says why, where it cannot be."""
    binary = BINARY_DIR / name
    binary.parent.mkdir(exist_ok=True)
    text = binary.with_suffix(".c")
    text.write_text(source)
    cc = compiler()
    if cc is None:
        print("no C compiler: nothing is compared with liblmdb")
        return None
    command = [cc, *FLAGS, "-D_GNU_SOURCE", str(text), "-llmdb", "-o", str(binary)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print("liblmdb-dev is missing or does not compile: nothing is compared with it")
        print(done.stderr.strip().splitlines()[0] if done.stderr else "")
        return None
    return binary
