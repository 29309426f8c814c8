"""The files of this checkout and what they import, read as text: nothing is run."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "lwm2m_fast"
NOT_OURS = {
    ".git", ".venv", "venv", "build", "dist", "data", "__pycache__", ".hypothesis", ".benchmarks",
    ".pytest_cache", ".mypy_cache", ".ruff_cache", "results", "bin", "work", "corpus", "findings",
}  # fmt: skip
TEXT = {".py", ".pyx", ".pxd", ".pyi", ".c", ".h", ".md", ".toml", ".yaml", ".yml", ".sh", ""}
CODE = (".py", ".pyx", ".pxd", ".pyi", ".c", ".h")
LONG_LINES = 500

IMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+c?import\s+\(?(.*)|c?import\s+(.+))$")


@cache
def files() -> tuple[Path, ...]:
    """Every text file that a person wrote."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [n for n in folders if n not in NOT_OURS and not n.endswith(".egg-info")]
        found += [Path(folder, name) for name in names if Path(name).suffix in TEXT]
    return tuple(sorted(found))


def sources(*suffixes: str, under: str | tuple[str, ...] = "") -> list[Path]:
    """The files with one of these endings, in a folder of the checkout."""
    return [p for p in files() if p.suffix in suffixes and name(p).startswith(under)]


def name(path: Path) -> str:
    """As people write it: lwm2m_fast/core/engine.pyx."""
    return path.relative_to(ROOT).as_posix()


def long_files() -> dict[str, int]:
    """Files of code above LONG_LINES, and how many lines they have."""
    sizes = {name(path): path.read_text().count("\n") for path in sources(*CODE)}
    return {file: size for file, size in sizes.items() if size > LONG_LINES}


def _of_python(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _of_cython(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if match := IMPORT.match(line.split("#")[0]):
            module, taken, plain = match.groups()
            for word in (taken or plain or "").strip(" )\\").split(","):
                first = word.split(" as ")[0].strip()
                if first:
                    yield f"{module}.{first}" if module else first
            if module:
                yield module


@cache
def imports(path: Path) -> frozenset[str]:
    """Everything a file imports or cimports, `from a import b` as both a and a.b."""
    text = path.read_text()
    return frozenset(_of_python(text) if path.suffix in (".py", ".pyi") else _of_cython(text))
