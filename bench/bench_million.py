"""A million registrations: memory for each, stalls of the loop, restart and what survived it.

    python -m bench.bench_million [--devices N] [--quick]

Each device has an address of its own. Memory is anonymous pages only, so the page cache that LMDB
maps does not count. What a Register costs includes what the store does with it until the server is
idle. A restart ends when an Update of a registration from before is answered 2.04; after each one
the whole fleet sends an Update and every answer is counted. Stalls are measured from outside, by a
ping each millisecond, and read from the server's own gauge.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import lookup, options, recovery, report, rig, servers
from bench.over_http import Operator
from bench.report import Finding, Goal
from bench.rig import Sample
from bench.run import Run

MILLION = 1_000_000
QUICK_DEVICES = 20_000
SHARED_SOCKETS = 16
FIRST_PORT = 21_000  # below the ports that the kernel gives to anyone
MIDS_PER_LOAD = 1000
MODELS = 64  # distinct sets of links in the fleet
# More than one contact_flush_s: what an Update did to the expiry is written meanwhile.
IDLE_S = 65.0

MEMORY_GOAL = Goal(1.0, 0.5, is_limit=True)
SHARE_GOAL = Goal(0.30, 0.40)
STALL_GOAL = Goal(10.0, 2.0, is_limit=True)
RESTART_GOAL = Goal(1.5, 0.6, is_limit=True)
LOST_GOAL = Goal(0, is_limit=True)


@dataclass
class MillionRun(Run):
    loads: int = 0

    @property
    def recipe(self) -> servers.Recipe:
        return self.chosen.recipe(self.data)

    def fleet(self, **more: object) -> dict[str, object]:
        """Options of a load: the same addresses in all loads of this run."""
        addresses = {"shared": SHARED_SOCKETS, "first-port": FIRST_PORT}
        common = {"devices": self.chosen.devices, "models": MODELS, "timeout": 5}
        return {**common, **addresses, "first-mid": self.first_mid(), **more}

    def first_mid(self) -> int:
        """Message ids that no earlier load of this run has used: from the same addresses an old
        one would be answered as a duplicate."""
        self.loads += 1
        return self.loads * MIDS_PER_LOAD

    @property
    def locations(self) -> Path:
        return self.data_root / "locations"


@contextmanager
def probed(server: servers.Server, result: dict[str, Any]) -> Iterator[None]:
    """Ping the server each millisecond meanwhile; the probe's result lands in `result`."""
    gauges = stall_gauges(server)
    words = rig.command("probe", {"port": server.port, "seconds": rig.LOAD_LIMIT_S})
    waited_s = servers.waited_s(server)
    probe = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        probe.send_signal(signal.SIGTERM)
        output, _ = probe.communicate(timeout=10)
    waited_ms = (servers.waited_s(server) - waited_s) * 1e3
    told = f"gauge {gauges} before, {stall_gauges(server)} after"
    result.update(rig.parse_result(output), waited_ms=waited_ms, gauges=told)


def stall_gauges(server: servers.Server) -> str:
    """The server's own gauge of its longest stall since its start, as it prints it."""
    if server.http is None:
        return "none"
    with Operator(server) as operator:
        return f"{operator.longest_stall_ms():.0f} ms"


def judge_stall(run: Run, when: str, probe: dict[str, Any]) -> None:
    lost = probe["sent"] - probe["answers"]
    run.samples[f"probe {when}"] = probe
    why = (
        f"at {probe['max_at_s']:.2f} s of {probe['sent'] / 1e3:.2f} s, "
        f"p99.99 {probe['p99_99_us'] / 1e3:.2f} ms, {lost} pings lost, "
        f"waited {probe['waited_ms']:.0f} ms in all for its core; {probe['gauges']}"
    )
    run.judge(f"stall {when}", probe["max_us"] / 1e3, STALL_GOAL, "ms", why)


def new_device_us(server: servers.Server, used_s: float, devices: int) -> float:
    """CPU per Register since `used_s`, with everything the store puts off until later."""
    return (servers.settle(server) - used_s) / devices * 1e6


def ceiling_us(run: MillionRun) -> float:
    """The same load on the ceiling."""
    with servers.running(servers.ceiling()) as server:
        used_s = servers.used_s(server)
        rig.load(server, "device_load", run.fleet(mode="idle", seconds=0))
        return new_device_us(server, used_s, run.chosen.devices)


def load_fleet(run: MillionRun, server: servers.Server) -> Sample:
    """Register everyone, judge memory, cost and stall, and return the load's result."""
    probe: dict[str, Any] = {}
    fleet = run.fleet(mode="idle", seconds=0, save=run.locations)
    used_s = servers.used_s(server)
    with probed(server, probe):
        loaded = rig.load(server, "device_load", fleet)
    ours_us, least_us = new_device_us(server, used_s, run.chosen.devices), ceiling_us(run)
    why = f"{ours_us:.2f} us, the ceiling {least_us:.2f} us"
    run.judge(
        "Register of a new device: share of the ceiling", least_us / ours_us, SHARE_GOAL, "", why
    )
    run.samples["load"] = loaded
    grown = loaded["loaded_anon_kib"] - loaded["before_anon_kib"]
    rate = f"{loaded['setup']['rate']:,.0f} Registers/s"
    run.judge("memory per device", grown / run.chosen.devices, MEMORY_GOAL, "KiB", rate)
    judge_stall(run, "while loading", probe)
    return loaded


def stay_idle(run: Run, server: servers.Server) -> None:
    probe: dict[str, Any] = {}
    with probed(server, probe):
        time.sleep(1.0 if run.chosen.quick else IDLE_S)
    judge_stall(run, "when idle", probe)


def update_all(run: MillionRun, server: servers.Server, when: str) -> None:
    """Let every device send one Update and count those that were not answered 2.04."""
    probe: dict[str, Any] = {}
    fleet = run.fleet(mode="upd", once=1, locations=run.locations)
    with probed(server, probe):
        sample = rig.count(server, "device_load", fleet)
    run.samples[f"updates {when}"] = sample
    grown = sample["loaded_anon_kib"] - run.samples["load"]["before_anon_kib"]
    if when != "before":
        run.judge(f"memory per device {when}", grown / run.chosen.devices, MEMORY_GOAL, "KiB")
    forgotten = run.chosen.devices - sample["codes"].get("2.04", 0)
    run.judge(f"forgotten {when}", forgotten, LOST_GOAL, f"of {run.chosen.devices:,}")
    judge_stall(run, f"while updating {when}", probe)


def restart(
    run: MillionRun, server: servers.Server, how: signal.Signals, path_options: bytes
) -> servers.Server:
    """End the server, start it again, and judge the time to the first answered Update."""
    again, took = recovery.restart(server, run.recipe, how, path_options)
    why = (
        f"ready after {took.ready_s:.2f} s (with no devices {run.empty_start_s:.2f} s), "
        f"the end took {took.ended_s:.2f} s"
    )
    run.judge(f"restart after {how.name}", took.updated_s, RESTART_GOAL, "s", why)
    return again


def live(run: MillionRun) -> None:
    started = time.monotonic()
    server = servers.start(run.recipe)
    run.empty_start_s = time.monotonic() - started
    try:
        loaded = load_fleet(run, server)
        update_all(run, server, "before")
        stay_idle(run, server)
        known = bytes.fromhex(next(iter(loaded["locations"].values())))
        for how in (signal.SIGTERM, signal.SIGKILL):
            server = restart(run, server, how, known)
            update_all(run, server, f"after {how.name}")
    finally:
        server.stop()


def main(words: list[str] | None = None) -> list[Finding]:
    chosen = options.parse(__doc__ or "", MILLION, words, quick_devices=QUICK_DEVICES)
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as data_root:
        run = MillionRun(chosen, Path(data_root))
        try:
            live(run)
        except (servers.Unavailable, rig.LoadFailed) as error:
            missing["ours"] = str(error)
    run.findings.append(lookup.finding(chosen.devices))
    report.publish(
        "million",
        run.findings,
        missing=missing,
        subject=chosen.subject,
        devices=chosen.devices,
        runs=run.samples,
    )
    return run.findings


if __name__ == "__main__":
    main()
