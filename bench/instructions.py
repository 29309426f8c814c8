"""Instructions per datagram in the core, without kernel, loop and store.

    python -m bench.instructions [--quick] [--only NAME]

Runs the engine in memory under callgrind and counts only what lies between a filled Inbox and a
turn's output. The count repeats to the last digit on any load of the machine, so a change of the
hot path shows here before it shows in a rate. It says nothing of cache misses.

A Send and a Read are more than the core: what takes their values, and the way from the caller to
the request and back, are counted with it (whole.py); the flush of its values is an act of its own.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import programs, report

DEVICES = 1000
BATCH = 64
ROWS = 12  # functions printed for each act
POST, GET = 2, 1
URI_PATH, CONTENT_FORMAT, URI_QUERY, LOCATION_PATH = 11, 12, 15, 8
LINKS = (
    b'</>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</1/0>,</2/0>,</3/0>,</4/0>,</5/0>,</6/0>,'
    b"</7/0>,</3303/0>,</3303/1>"
)

Datagram = tuple[str, bytes]


def request(code: int, mid: int, options: list[tuple[int, bytes]], payload: bytes = b"") -> bytes:
    """A confirmable request with a token of two bytes; options in rising order, below 269 bytes."""
    out = bytearray([0x42, code]) + mid.to_bytes(2, "big") + mid.to_bytes(2, "big")
    last = 0
    for number, value in options:
        delta, size = number - last, len(value)
        last = number
        out.append(min(delta, 13) << 4 | min(size, 13))
        out += bytes([delta - 13] if delta > 12 else []) + bytes([size - 13] if size > 12 else [])
        out += value
    return bytes(out) + (b"\xff" + payload if payload else b"")


def register(device: int, mid: int) -> bytes:
    query = [b"ep=dev%07d" % device, b"lt=86400", b"lwm2m=1.1", b"b=U"]
    options = [(URI_PATH, b"rd"), (CONTENT_FORMAT, b"\x28"), *[(URI_QUERY, q) for q in query]]
    return request(POST, mid, options, LINKS)


def location(answer: bytes) -> list[bytes]:
    """The segments of a 2.01's Location-Path, each below 13 bytes."""
    segments, at, number = [], 4 + (answer[0] & 15), 0
    while at < len(answer) and answer[at] != 0xFF:
        number, size = number + (answer[at] >> 4), answer[at] & 15
        if number == LOCATION_PATH:
            segments.append(answer[at + 1 : at + 1 + size])
        at += 1 + size
    return segments


class Core:
    """An engine whose store never fails and whose datagrams go nowhere."""

    def __init__(self) -> None:
        from lwm2m_fast.config import Config, RegistrationConfig
        from lwm2m_fast.datagram import Inbox

        config = Config(registration=RegistrationConfig(policy="open"))
        engine = importlib.import_module("lwm2m_fast.core.engine")
        self.engine = engine.Engine(config, (1, 2), random.Random(7).randbytes, 1.0, 1.7e9)
        self.inbox = Inbox()
        self.now = 1.0

    def turn(self, batch: list[Datagram], mark: Callable[[], None]) -> list[Datagram]:
        """One batch through the core, marked before and after; returns the answers."""
        self.inbox.load(batch)
        self.now += 0.001
        mark()
        self.engine.receive(self.inbox, self.now)
        output = self.engine.take_output()
        if output is not None and output.changes:
            self.engine.committed(output.turn)
        mark()
        answers: list[Datagram] = self.engine.outbox.drain()
        if output is not None and output.changes:
            answers += output.held.drain()
        return answers


Fleet = tuple[Core, list[str]]
"""A core, and the addresses of those who have registered with it."""


def address(device: int) -> str:
    return f"127.1.{device >> 8}.{device & 255}:5000"


def batches(datagrams: list[Datagram]) -> Iterator[list[Datagram]]:
    for start in range(0, len(datagrams), BATCH):
        yield datagrams[start : start + BATCH]


def unmarked() -> None:
    """Nothing is counted while the fleet registers."""


# act -> bytes of one device's datagram, given its number, message id and location
ACTS: dict[str, Callable[[int, int, list[bytes]], bytes]] = {
    "register": lambda device, mid, path: register(DEVICES + device, mid),
    "register again": lambda device, mid, path: register(device, mid),
    "update": lambda device, mid, path: request(POST, mid, [(URI_PATH, part) for part in path]),
    "get": lambda device, mid, path: request(
        GET, mid, [(URI_PATH, b".well-known"), (URI_PATH, b"core")]
    ),
    "ping": lambda device, mid, path: b"\x40\x00" + mid.to_bytes(2, "big"),
    "duplicate": lambda device, mid, path: register(device, 1),
}


# act -> the same through what stands around the core; how many were answered
WHOLE: dict[str, Callable[[Fleet, Callable[[], None]], int]] = {
    "send": lambda fleet, mark: importlib.import_module("bench.whole").sends(fleet, mark),
    "flush": lambda fleet, mark: importlib.import_module("bench.whole").flushes(fleet, mark),
    "read": lambda fleet, mark: importlib.import_module("bench.whole").reads(fleet, mark, 1),
    "read in bulk": lambda fleet, mark: importlib.import_module("bench.whole").reads(
        fleet, mark, 256
    ),
}


def act(name: str, mark: Callable[[], None]) -> None:
    """Register a fleet, then let each device do `name` once; complain when one goes unanswered."""
    core = Core()
    paths: dict[str, list[bytes]] = {}
    fleet = [(address(device), register(device, 1)) for device in range(DEVICES)]
    for batch in batches(fleet):
        paths.update((source, location(answer)) for source, answer in core.turn(batch, unmarked))
    if name in WHOLE:
        answered = WHOLE[name]((core, [who for who, _ in fleet]), mark)
    else:
        build = ACTS[name]
        asked = [(who, build(n, 2, paths[who])) for n, (who, _) in enumerate(fleet)]
        answered = sum(len(core.turn(batch, mark)) for batch in batches(asked))
    if answered != DEVICES:
        sys.exit(f"{name}: {answered} of {DEVICES} were answered")


def count(name: str) -> dict[str, Any]:
    """Run one act under callgrind: instructions per datagram, and the functions they are in."""
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as directory:
        profile = Path(directory) / "profile"
        options = [
            "-q",
            "--tool=callgrind",
            "--collect-atstart=no",
            f"--callgrind-out-file={profile}",
        ]
        inner = [sys.executable, "-m", "bench.instructions", "--act", name]
        done = subprocess.run(["valgrind", *options, *inner], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1:]}")
        told = subprocess.run(
            ["callgrind_annotate", str(profile)], capture_output=True, text=True, check=True
        ).stdout
    total = re.search(r"([\d,]+)[^\n]*PROGRAM TOTALS", told)
    if total is None:
        raise RuntimeError(f"{name}: callgrind counted nothing")
    lines = re.findall(r"^\s*([\d,]+) \([^)]*\)\s+\S*?:(\S+)", told, re.MULTILINE)
    per_datagram = [(where, int(n.replace(",", "")) / DEVICES) for n, where in lines]
    return {"instructions": int(total[1].replace(",", "")) / DEVICES, "functions": per_datagram}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    acts = [*ACTS, *WHOLE]
    parser.add_argument("--act", choices=acts, help="run one act here (under valgrind: counted)")
    parser.add_argument("--only", choices=acts, help="count one act")
    parser.add_argument("--quick", action="store_true", help="only the Update")
    chosen = parser.parse_args()
    marks = ctypes.CDLL(str(programs.build("marks.so")))
    if chosen.act:
        act(chosen.act, marks.marks_toggle)
        return
    if not marks.marks_work() or not shutil.which("callgrind_annotate"):
        sys.exit("instructions: install valgrind (with its headers)")
    chosen_acts = [chosen.only] if chosen.only else ["update"] if chosen.quick else acts
    found = {name: count(name) for name in chosen_acts}
    report.publish_counts("instructions", found, ROWS)


if __name__ == "__main__":
    main()
