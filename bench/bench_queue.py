"""Operations for sleeping devices: what one costs to queue, to remember, and to take up again.

    python -m bench.bench_queue [--rounds N] [--devices N] [--quick]

The devices register and fall asleep at once. Then each gets one operation, in batches of 10,000
devices over POST /api/v1/batches, whose answer means that all of them are in the store: the cost
has everything in it, from the JSON of the names to the transaction. Rounds of batches of 10 orders
for names that nobody has registered follow. Memory is anonymous pages only, so the page cache that
LMDB maps does not count, and what one batch of 10,000 works with, some 10 MB, is taken by one
before. A restart, after SIGKILL, ends when an Update is answered 2.04, with all
operations still there.
"""

from __future__ import annotations

import re
import signal
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench import options, recovery, report, rig, servers
from bench.over_http import Operator
from bench.report import Finding, Goal
from bench.run import Run

DEVICES = 200_000
QUICK_DEVICES = 10_000
BATCH = 10_000
"""Devices of one call (rest/base.py: MAX_BULK)."""

ORDERS = 10
ADDRESSES = {"shared": 16, "first-port": 21_000, "models": 64}
ORDER = {"op": "write", "path": "/3/0/14", "value": "+01:00"}
SETTINGS = ["LWM2M_FAST_QUEUE__AWAKE_TIME_MS=1"]

RATE_GOAL = Goal(20_000)
MEMORY_GOAL = Goal(0.5, 0.25, is_limit=True)
STALL_GOAL = Goal(10.0, 2.0, is_limit=True)
RESTART_GOAL = Goal(1.5, 0.6, is_limit=True)
FORGOTTEN_GOAL = Goal(0, is_limit=True)


class SleepyRun(Run):
    @property
    def recipe(self) -> servers.Recipe:
        """The server, whose devices are asleep a millisecond after they were heard."""
        served = servers.ours(self.data)
        return servers.Recipe(served.name, lambda: ["env", *SETTINGS, *served.command()])


def batch(operator: Operator, names: list[str], orders: int) -> dict[str, float]:
    """Queue so many orders for each; what that took, per operation and in all."""
    used_s, started = servers.used_s(operator.server), time.monotonic()
    made = operator.post("/api/v1/batches", json={"endpoints": names, "orders": [ORDER] * orders})
    took_s, used_s = time.monotonic() - started, servers.used_s(operator.server) - used_s
    if made.status_code != 202 or made.json()["failed"]:
        raise rig.LoadFailed(f"a batch was answered {made.status_code}: {made.text[:200]}")
    count = len(names) * orders
    return {"operations": count, "rate": count / took_s, "us": used_s / count * 1e6}


def anonymous_kib(server: servers.Server) -> int:
    """Anonymous memory of the process."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(re.findall(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)[0])


def registered(run: Run, server: servers.Server) -> dict[str, Any]:
    """The fleet, registered and asleep; the load's own result."""
    fleet = {"mode": "idle", "seconds": 0, "devices": run.chosen.devices, "timeout": 5}
    loaded = rig.load(server, "device_load", {**fleet, **ADDRESSES, "first-mid": 1000})
    servers.settle(server)
    grown = anonymous_kib(server) - loaded["before_anon_kib"]
    run.samples["registration_kib"] = grown / run.chosen.devices
    return loaded


def judge_rate(run: Run, what: str, samples: list[dict[str, float]]) -> None:
    rates = [each["rate"] for each in samples]
    us = median(each["us"] for each in samples)
    run.samples[what] = samples
    found = Finding(
        what, median(rates), RATE_GOAL, "/s", min(rates), max(rates), f"{us:.1f} us CPU each"
    )
    run.findings.append(found)


def one_for_each(run: Run, server: servers.Server, operator: Operator) -> None:
    """One operation for every device of the fleet, and what it costs to remember them."""
    batch(operator, [f"nobody-{each}" for each in range(BATCH)], 1)  # takes what a batch works with
    servers.settle(server)
    before_kib = anonymous_kib(server)
    names = [f"dev{number:07}" for number in range(run.chosen.devices)]
    batches = [names[at : at + BATCH] for at in range(0, len(names), BATCH)]
    samples = [batch(operator, each, 1) for each in batches]
    judge_rate(run, "enqueue, one for each device", samples)
    servers.settle(server)
    grown = (anonymous_kib(server) - before_kib) / run.chosen.devices
    both = grown + run.samples["registration_kib"]
    why = f"{both:.2f} KiB with the registration"
    run.judge("memory of a device's pending operation", grown, MEMORY_GOAL, "KiB", why)
    stall_ms = operator.longest_stall_ms()
    why = "the server's own gauge, since it was ready"
    run.judge("longest stall of the loop", stall_ms, STALL_GOAL, "ms", why)


def many_for_each(run: Run, operator: Operator) -> int:
    """Batches of several orders; how many operations that were."""
    samples = []
    for number in range(run.chosen.rounds):
        names = [f"nobody-{number}-{each}" for each in range(BATCH // ORDERS)]
        samples.append(batch(operator, names, ORDERS))
    judge_rate(run, f"enqueue, {ORDERS} for each device", samples)
    return len(samples) * BATCH


def live(run: SleepyRun) -> None:
    started = time.monotonic()
    server = servers.start(run.recipe)
    run.empty_start_s = time.monotonic() - started
    try:
        loaded = registered(run, server)
        server.stop()
        server = servers.start(run.recipe)  # the gauge of stalls begins anew
        operator = Operator(server)
        one_for_each(run, server, operator)
        total = BATCH + run.chosen.devices + many_for_each(run, operator)
        known = bytes.fromhex(next(iter(loaded["locations"].values())))
        server, took = recovery.restart(server, run.recipe, signal.SIGKILL, known)
        why = f"{total:,} operations pending; an empty start took {run.empty_start_s:.2f} s"
        run.judge("restart after SIGKILL", took.updated_s, RESTART_GOAL, "s", why)
        forgotten = total - Operator(server).count("operations_waiting")
        run.judge("kept and forgotten", forgotten, FORGOTTEN_GOAL, f"of {total:,}")
    finally:
        server.stop()


def main(words: list[str] | None = None) -> list[Finding]:
    chosen = options.parse(__doc__ or "", DEVICES, words, quick_devices=QUICK_DEVICES)
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as data_root:
        run = SleepyRun(chosen, Path(data_root))
        try:
            live(run)
        except (servers.Unavailable, rig.LoadFailed) as error:
            missing["ours"] = str(error)
    report.publish("queue", run.findings, missing=missing, devices=chosen.devices, runs=run.samples)
    return run.findings


if __name__ == "__main__":
    main()
