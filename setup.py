# Builds every .pyx under lwm2m_fast/; no module is named here.
#
# A .pyx names its own C files in its first lines (`# distutils: sources = csrc/x.c`). Who names
# csrc/lf_dtls*.c is compiled and linked with mbedTLS, which .ci/mbedtls finds or makes.
# Switches, from the environment:
#   LWM2M_FAST_DEBUG=1      bounds checks, no optimisation, symbols
#   LWM2M_FAST_SANITIZE=1   AddressSanitizer, UndefinedBehaviorSanitizer, and a call per branch that
#                           tests/fuzz/coverage.c answers; .ci/variant preloads it
#   LWM2M_FAST_COVERAGE=1   line tracing for coverage
#   LWM2M_FAST_ONLY=GLOB    compile only the .pyx files that match (while working on one room)
#   LWM2M_FAST_ONLY=none    compile nothing: `make` compiles before it installs
#   LWM2M_FAST_MBEDTLS      which mbedTLS, see .ci/mbedtls: unset, `own`, or where it is installed
import copy
import os
import shlex
import subprocess
import sys
import zlib
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ONLY = os.environ.get("LWM2M_FAST_ONLY", "lwm2m_fast/**/*.pyx")
JOBS = len(os.sched_getaffinity(0))
DEBUG, SANITIZE, COVERAGE = (
    os.environ.get(f"LWM2M_FAST_{name}") == "1" for name in ("DEBUG", "SANITIZE", "COVERAGE")
)
CHECKED = DEBUG or SANITIZE
QUIET = ("unused-parameter", "unused-function", "sign-compare", "missing-field-initializers")

compile_args = ["-std=gnu11", "-Wall", "-Wextra"]
compile_args += [f"-Wno-{name}" for name in QUIET]
compile_args += ["-O0", "-g3"] if DEBUG else ["-O1" if SANITIZE else "-O2", "-g1"]
link_args = []
library_args = ["-O0", "-g3"] if DEBUG else []  # what else mbedTLS is compiled with
if SANITIZE:
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    library_args += [*sanitizers, "-fno-omit-frame-pointer", "-fsanitize-coverage=trace-pc"]
    compile_args += library_args
    link_args += sanitizers
    # It compares nothing with nothing by memcmp(NULL, NULL, 0) for a certificate it has skipped.
    library_args.append("-fno-sanitize=nonnull-attribute")
macros = [("CYTHON_TRACE_NOGIL", "1")] if COVERAGE else []
directives = {
    "language_level": "3str", "embedsignature": True, "binding": False,
    "boundscheck": CHECKED, "wraparound": False, "cdivision": True,
    "initializedcheck": CHECKED, "linetrace": COVERAGE,
}  # fmt: skip


def note(name, *switches):
    """A file below build/ that changes when the switches do."""
    noted = Path("build", name)
    noted.parent.mkdir(exist_ok=True)
    if not noted.exists() or noted.read_text() != repr(switches):
        noted.write_text(repr(switches))
    return str(noted)


def add_mbedtls(extensions):
    command = [sys.executable, ".ci/mbedtls", *library_args]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    if found.returncode:
        sys.exit(found.returncode)
    compiles, links = map(shlex.split, found.stdout.splitlines())
    changed = [note("mbedtls-flags", compiles, links), *glob("build/mbedtls/mark")]
    for extension in extensions:
        extension.extra_compile_args = [*extension.extra_compile_args, *compiles]
        extension.extra_link_args = [*extension.extra_link_args, *links]
        extension.depends = [*extension.depends, *changed]


# What was built with other switches is built again: the C of each set of directives has its own
# directory, and every object depends on the file that names the switches.
noted = note("switches", compile_args, link_args, macros, directives)
build_dir = f"build/cython-{zlib.crc32(repr(directives).encode()):08x}"

template = Extension(
    "*", [ONLY], ["csrc"], macros, extra_compile_args=compile_args, extra_link_args=link_args
)
extensions = [] if ONLY == "none" else cythonize(
    [template], nthreads=JOBS if sys.version_info < (3, 14) else 0,
    build_dir=build_dir, compiler_directives=directives,
)  # fmt: skip
for extension in extensions:
    extension.depends = [*extension.depends, *glob("csrc/*.h"), noted]
secure = [
    extension for extension in extensions
    if any(Path(source).match("csrc/lf_dtls*.c") for source in extension.sources)
]  # fmt: skip
if secure:
    add_mbedtls(secure)


class BuildApart(build_ext):
    """Extensions are built side by side and may name the same C file: each has its own objects."""

    def build_extension(self, extension):
        apart = copy.copy(self)
        apart.build_temp = os.path.join(self.build_temp, extension.name)
        build_ext.build_extension(apart, extension)


setup(
    ext_modules=extensions, cmdclass={"build_ext": BuildApart},
    options={"build_ext": {"parallel": JOBS}},
)  # fmt: skip
