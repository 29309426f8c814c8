"""Drives one fuzz target: a corpus, mutations of it, and what is kept.

A target is a file `fuzz_<name>.py` here. It says its invariant in its first lines and has

    check(data: bytes) -> None       raises when the invariant is broken
    SEEDS: tuple[bytes, ...]         optional: inputs to begin with, beside corpus/<name>/
    WORDS: tuple[bytes, ...]         optional: bytes that mean something in this format
    mutate(data, random) -> bytes    optional: a change that keeps the structure

In a sanitizer build (`make fuzz`) an input that takes a new branch joins the corpus in memory, and
is written to work/<name>/. Other builds report no branches: there only the corpus is mutated.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib
import mmap
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz import mutate as plain

HOME = Path(__file__).parent
MOST_INPUTS = 20_000
REPORT_S = 20.0
RING_BYTES = 1 << 20
"""Room for the input under way, in a file that outlives a killed process."""


@dataclass(frozen=True)
class Target:
    """One fuzz_*.py."""

    name: str
    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    mutate: Callable[[bytes, Random], bytes] | None

    def change(self, data: bytes, random: Random) -> bytes:
        """A mutation: half of them by the target's own hand, if it has one."""
        if self.mutate is not None and random.getrandbits(1):
            return self.mutate(data, random)[: plain.MOST_BYTES]
        return plain.mutate(data, random, self.words)


def names() -> list[str]:
    """Every target there is."""
    return sorted(path.stem.removeprefix("fuzz_") for path in HOME.glob("fuzz_*.py"))


def load(name: str) -> Target:
    """The target `name`."""
    module = importlib.import_module(f"tests.fuzz.fuzz_{name}")
    return Target(
        name,
        module.check,
        tuple(getattr(module, "SEEDS", ())),
        tuple(getattr(module, "WORDS", ())),
        getattr(module, "mutate", None),
    )


def stored(kind: str, name: str, home: Path = HOME) -> list[Path]:
    """The files of corpus/, findings/ or work/ of one target, in a steady order."""
    return sorted(path for path in (home / kind / name).glob("*") if path.is_file())


def keep(data: bytes, kind: str, name: str, home: Path = HOME) -> Path:
    """Write an input under the hash of its bytes."""
    path = home / kind / name / hashlib.sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


class Coverage:
    """The branches of a build for fuzzing; in any other build, none."""

    def __init__(self) -> None:
        process = ctypes.CDLL(None)
        self.works = hasattr(process, "lf_coverage_end")
        self.begin = process.lf_coverage_begin if self.works else lambda: None
        self.end = process.lf_coverage_end if self.works else lambda: 0


class Under:
    """The input under way, for whoever finds the process dead."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(RING_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), RING_BYTES)

    def begin(self, data: bytes) -> None:
        self._map[: 4 + len(data)] = len(data).to_bytes(4, "big") + data

    @staticmethod
    def read(path: Path) -> bytes:
        raw = path.read_bytes()
        return raw[4 : 4 + int.from_bytes(raw[:4], "big")]


def shrink(target: Target, data: bytes, kind: type[BaseException], seconds: float) -> bytes:
    """A shorter input that fails in the same way, as far as the time allows."""
    until, size = time.monotonic() + seconds, len(data) // 2
    while size:
        at = 0
        while at < len(data) and time.monotonic() < until:
            shorter = data[:at] + data[at + size :]
            if failure(target, shorter) is kind:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def failure(target: Target, data: bytes) -> type[BaseException] | None:
    try:
        target.check(data)
    except Exception as error:
        return type(error)
    return None


class Run:
    """One target for some seconds in this process."""

    def __init__(self, target: Target, seed: int, home: Path) -> None:
        self.target, self.random, self.home = target, Random(seed), home
        self.coverage = Coverage()
        self.under = Under(home / "work" / f"{target.name}.now")
        self.inputs: list[bytes] = []
        self.executed = self.branches = 0

    def try_input(self, data: bytes) -> bool:
        """Whether it took a new branch. What the target raises goes on to the caller."""
        self.under.begin(data)
        self.coverage.begin()
        self.target.check(data)
        fresh = self.coverage.end()
        self.executed += 1
        self.branches += fresh
        return fresh > 0

    def begin(self) -> None:
        """The corpus: all of it is tried, and all of it is mutated."""
        gc.freeze()  # what is imported stays; looking through it again and again costs a tenth
        gc.set_threshold(20_000)
        paths = [
            path
            for kind in ("corpus", "work")
            for path in stored(kind, self.target.name, self.home)
        ]
        for data in [*self.target.seeds, *(path.read_bytes() for path in paths), b""]:
            self.inputs.append(data)
            self.try_input(data)

    def next_input(self) -> bytes:
        # What came last is often the way to more.
        last = self.random.random() < 0.3
        data = self.random.choice(self.inputs[-16:] if last else self.inputs)
        if self.random.random() < 0.1:
            data = plain.splice(data, self.random.choice(self.inputs), self.random)
        return self.target.change(data, self.random)

    def go_on(self, until: float) -> None:
        report_at = time.monotonic() + REPORT_S
        while (now := time.monotonic()) < until:
            data = self.next_input()
            if self.try_input(data) and len(self.inputs) < MOST_INPUTS:
                self.inputs.append(data)
                keep(data, "work", self.target.name, self.home)
            if now >= report_at:
                report_at = now + REPORT_S
                print(self.line(), flush=True)

    def line(self) -> str:
        found = f"{self.branches} branches" if self.coverage.works else "branches not counted"
        return f"{self.target.name}: {self.executed} inputs, {found}, corpus {len(self.inputs)}"


def distil(name: str, most: int, home: Path = HOME) -> int:
    """Keep the `most` telling of all inputs in corpus/: the shortest that take new branches."""
    target, coverage = load(name), Coverage()
    told = []
    paths = [path for kind in ("corpus", "work") for path in stored(kind, name, home)]
    for data in [*target.seeds, *sorted((path.read_bytes() for path in paths), key=len)]:
        coverage.begin()
        target.check(data)
        told.append((coverage.end(), data))
    told = [pair for pair in told if pair[0] and pair[1] not in target.seeds]
    for path in stored("corpus", name, home):
        path.unlink()
    for _, data in sorted(told, key=lambda pair: -pair[0])[:most]:
        keep(data, "corpus", name, home)
    print(f"{name}: {min(most, len(told))} of {len(paths)} inputs kept")
    return 0 if coverage.works else 2


def run(name: str, seconds: float, seed: int, home: Path = HOME) -> int:
    """Fuzz one target; 1 with a file in findings/ when the invariant was broken."""
    runs = Run(load(name), seed, home)
    data = b""
    try:
        runs.begin()
        runs.go_on(time.monotonic() + seconds)
    except Exception as error:
        data = Under.read(home / "work" / f"{name}.now")
        traceback.print_exc()
        short = shrink(runs.target, data, type(error), 20.0)
        print(
            f"{name}: found {keep(short, 'findings', name, home)} after {runs.line()}", flush=True
        )
        return 1
    print(runs.line(), flush=True)
    return 0
