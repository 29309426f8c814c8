"""Notifications, Sends and Reads on one core with 1,000 devices, beside the C ceiling and an echo.

    python -m bench.bench_reports [--rounds N] [--seconds S] [--quick]

The server observes every device (`observe /3303/0/5700` after each Register), keeps the last value
of each, and tells nobody else. A burst is 15 non-confirmable notifications and a confirmable one;
its cost is divided by 16. A Read is a request of ours and its answer, as many datagrams as an echo.
What an operation in the queue costs is bench_queue's business.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import options, report, rig, servers
from bench.over_http import Operator
from bench.report import Finding, Goal
from bench.rig import Case

DEVICES = 1000
BURST = 16
READ_BYTES = (4 + 8 + 5 + 2 + 5 + 3, 4 + 8 + 2 + 1 + 5)
"""A Read of /3303/0/5700 (header, token, path, Accept) and its answer."""

GOALS: list[tuple[str, str, str, Goal]] = [
    ("notification, confirmable: share", "ceiling notify", "ours notify", Goal(0.60, 0.75)),
    ("notification, 15 + 1: share", "ceiling burst", "ours burst", Goal(0.45, 0.60)),
    ("Send: share of the ceiling", "ceiling send", "ours send", Goal(0.60, 0.75)),
    ("Read, one await each: share of the echo", "echo", "ours read", Goal(0.35, 0.45)),
    ("Read, in bulk: share of the echo", "echo", "ours read in bulk", Goal(0.60, 0.75)),
]


def observe_everybody(server: servers.Server) -> None:
    """Every Register from now on is followed by an Observe."""
    with Operator(server) as operator:
        answer = operator.put(
            "/api/v1/post-registration", json={"commands": ["observe /3303/0/5700"]}
        )
    if answer.status_code != 200:
        raise servers.Unavailable(f"the server does not observe: {answer.text[:200]}")


def observing(recipe: servers.Recipe) -> servers.Recipe:
    return servers.Recipe(recipe.name, recipe.command, after_start=observe_everybody)


def reading(mode: str, data_dir: Path) -> servers.Recipe:
    command = [sys.executable, "-m", "bench.read_server", mode, str(DEVICES), str(data_dir)]
    return servers.Recipe(f"read {mode}", lambda: command)


def cases(chosen: options.Options, data_root: Path) -> list[Case]:
    fleet = {"seconds": chosen.seconds, "devices": DEVICES, "timeout": 5}
    echo = {
        "seconds": chosen.seconds,
        "sources": DEVICES,
        "mode": "echo",
        "bytes": READ_BYTES[0],
    }

    def subject(name: str) -> servers.Recipe:
        return observing(chosen.recipe(data_root / name))

    def load(name: str, recipe: servers.Recipe, mode: str, **more: object) -> Case:
        return Case(name, recipe, "device_load", {**fleet, "mode": mode, **more})

    return [
        load("ceiling notify", servers.ceiling(), "notify", observed=0),
        load("ours notify", subject("notify"), "notify"),
        load("ceiling burst", servers.ceiling(), "burst", observed=0),
        load("ours burst", subject("burst"), "burst"),
        load("ceiling send", servers.ceiling(), "send"),
        load("ours send", chosen.recipe(data_root / "send"), "send"),
        Case("echo", servers.echo(READ_BYTES[1]), "coap_load", echo),
        load("ours read", reading("one", data_root / "read"), "serve"),
        load("ours read in bulk", reading("bulk", data_root / "bulk"), "serve"),
    ]


def main(words: list[str] | None = None) -> list[Finding]:
    chosen = options.parse(__doc__ or "", words=words)
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as data_root:
        samples, missing = rig.rounds(cases(chosen, Path(data_root)), chosen.rounds, say=print)
    for name, kept in samples.items():
        if name.endswith("burst"):  # one answer stands for the whole burst
            for sample in kept:
                sample["server_us"] /= BURST
                sample["rate"] *= BURST
    findings = report.ratio_findings(GOALS, samples, missing)
    report.publish("reports", findings, samples, missing, subject=chosen.subject)
    return findings


if __name__ == "__main__":
    main()
