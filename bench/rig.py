"""Interleaved rounds: A B C, A B C, ... with the server on one core and the load on the other.

Knows how to run a load against a server and how to take medians; which cases there are and what
ratios are wanted is each bench's own business.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench import programs, servers

LOAD_CPU = 1
LOAD_LIMIT_S = 300.0
CLIENT_BUSY_LIMIT = 0.95
OTHERS_LIMIT = 0.05
BAD_LIMIT = 0.01

Sample = dict[str, Any]
Samples = dict[str, list[Sample]]


class LoadFailed(Exception):
    """The load program ended without a result; the text is what it said."""


@dataclass(frozen=True)
class Case:
    """One row of a comparison: a server that is started afresh for each round, and a load."""

    name: str
    recipe: servers.Recipe
    program: str
    options: Mapping[str, object]


def parse_result(output: str) -> Sample:
    """The last line of a load program's output as a sample.

    Raises LoadFailed when there is no line of JSON or when the line carries an "error".
    """
    lines = output.strip().splitlines()
    try:
        sample = json.loads(lines[-1])
    except (IndexError, ValueError):
        raise LoadFailed(f"no result in {output[-200:]!r}") from None
    if not isinstance(sample, dict):
        raise LoadFailed(f"no result in {output[-200:]!r}")
    if "error" in sample:
        raise LoadFailed(str(sample["error"]))
    return sample


def check(sample: Sample) -> Sample:
    """The same sample. Raises LoadFailed when errors would pass for speed: nothing answered, or
    more than BAD_LIMIT of the answers not the hoped ones."""
    total = sample["answers"] + sample["bad"]
    if sample["sent"] and (not sample["answers"] or sample["bad"] > BAD_LIMIT * total):
        said = ", ".join(f"{number} x {code}" for code, number in sample["codes"].items())
        raise LoadFailed(f"{sample['bad']} of {sample['sent']} answers were bad ({said or 'none'})")
    return sample


def command(program: str, options: Mapping[str, object]) -> list[str]:
    """The command line of a load program, tied to the load's core."""
    pairs = {"cpu": LOAD_CPU, **options}
    words = [word for name, value in pairs.items() for word in (f"--{name}", str(value))]
    return [str(programs.build(program)), *words]


def load(server: servers.Server, program: str, options: Mapping[str, object]) -> Sample:
    """Run one load against a running server and return its result, if it is a fair one."""
    return check(count(server, program, options))


def count(server: servers.Server, program: str, options: Mapping[str, object]) -> Sample:
    """Run one load whose wrong answers are what is asked about."""
    drops = servers.kernel_drops(server.port)
    where = {"port": server.port, "pid": server.pid, "server-cpu": servers.SERVER_CPU}
    done = subprocess.run(
        command(program, {**where, **options}),
        capture_output=True,
        text=True,
        timeout=LOAD_LIMIT_S,
    )
    if done.returncode and not done.stdout.strip():
        raise LoadFailed(done.stderr.strip() or f"{program} ended with {done.returncode}")
    sample = parse_result(done.stdout)
    sample["kernel_drops"] = servers.kernel_drops(server.port) - drops
    return sample


def rounds(
    cases: Iterable[Case], count: int, say: Callable[[str], None] = lambda text: None
) -> tuple[Samples, dict[str, str]]:
    """Run all cases in turn, `count` times. Returns their samples, and why others are missing."""
    waiting = list(cases)
    samples: Samples = {}
    missing: dict[str, str] = {}
    for number in range(1, count + 1):
        for case in [case for case in waiting if case.name not in missing]:
            say(f"round {number} of {count}: {case.name}")
            try:
                with servers.running(case.recipe) as server:
                    sample = load(server, case.program, case.options)
            except (servers.Unavailable, LoadFailed) as error:
                missing[case.name] = str(error)
                samples.pop(case.name, None)
                continue
            samples.setdefault(case.name, []).append(sample)
    return samples, missing


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some rounds."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    kept = list(values)
    return Spread(median(kept), min(kept), max(kept))


def ratio(samples: Samples, above: str, below: str, key: str = "server_us") -> Spread | None:
    """Median of the rounds' own ratios, so that what disturbs a whole round cancels out.

    None when either case has no samples or a sample is zero.
    """
    pairs = list(zip(samples.get(above, ()), samples.get(below, ()), strict=False))
    if not pairs or not all(bottom[key] for _, bottom in pairs):
        return None
    return spread(top[key] / bottom[key] for top, bottom in pairs)


def notes(sample: Sample) -> list[str]:
    """What a reader must know before believing a sample's rate, cost or loss.

    In an open loop the load's core is always busy, and a tenth of the usual disturbance counts: a
    core taken away for 40 ms is a full receive buffer.
    """
    said = []
    is_open_loop = sample.get("is_open_loop", False)
    limit = OTHERS_LIMIT / 10 if is_open_loop else OTHERS_LIMIT
    if not is_open_loop and sample["client_busy"] > CLIENT_BUSY_LIMIT:
        said.append(f"client {sample['client_busy']:.0%} busy: compare cost, not rate")
    if sample["server_waited"] > limit:
        said.append(f"the server waited {sample['server_waited']:.1%} of the time for its core")
    if sample["core_steal"] > limit:
        said.append(f"the host took {sample['core_steal']:.1%} of the server's core")
    counted = {"lost": "lost", "bad": "bad", "kernel_drops": "dropped at the server's full buffer"}
    said += [f"{sample[name]} {words}" for name, words in counted.items() if sample[name]]
    return said
