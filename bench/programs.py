"""The C programs of the bench: which sources make which program, compiled when they are stale.

Knows nothing of what the programs do. They land in bench/bin/, which is not committed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SOURCE_DIR = Path(__file__).parent / "c"
BINARY_DIR = Path(__file__).parent / "bin"

# The flags of every program, the reference servers included: the optimisation that Cython's modules
# get from the Python they are built for, and no instruction set of this very machine.
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")

_LOAD = ("load.c", "sources.c", "measure.c", "options.c")

PROGRAMS: dict[str, tuple[str, ...]] = {
    "echo": ("echo.c",),
    "ceiling": ("ceiling.c",),
    "coap_load": ("coap_load.c", *_LOAD),
    "device_load": ("device_load.c", "reports.c", *_LOAD),
    "probe": ("probe.c", "measure.c", "options.c"),
    "marks.so": ("marks.c",),
}


def compiler() -> str | None:
    """The C compiler to use: $CC, else the system's `cc`. None when there is none."""
    return shutil.which(os.environ.get("CC", "cc"))


def build(name: str, directory: Path = BINARY_DIR) -> Path:
    """Compile program `name` if its sources or any header are newer, and return its path.

    Raises RuntimeError with the compiler's words when it does not compile without a warning.
    """
    binary = directory / name
    sources = [SOURCE_DIR / source for source in PROGRAMS[name]]
    newest = max(path.stat().st_mtime for path in (*sources, *SOURCE_DIR.glob("*.h")))
    if binary.exists() and binary.stat().st_mtime >= newest:
        return binary
    cc = compiler()
    if cc is None:
        raise RuntimeError(f"{name} needs a C compiler: install cc or set CC")
    directory.mkdir(parents=True, exist_ok=True)
    kind = ("-shared", "-fPIC") if name.endswith(".so") else ()
    done = subprocess.run(
        [cc, *FLAGS, *kind, "-o", str(binary), *map(str, sources)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{name} does not compile:\n{done.stderr}")
    return binary
