"""Kill -9 while a fleet registers: is every registration that was answered still there?

    python -m bench.bench_crash [--rounds N] [--devices N] [--quick]

Each round starts a server with an empty data directory, kills it a different time after the load
began, starts it on the same data, and lets every device that had its 2.01 send an Update.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from pathlib import Path

from bench import options, recovery, report, rig, servers
from bench.report import Finding, Goal
from bench.rig import Sample

DEVICES = 1_000_000
ADDRESSES = {"shared": 16, "first-port": 21_000, "models": 64}
FIRST_KILL_S = 0.3
NEXT_KILL_S = 0.37  # later in each round, so that a kill meets another moment of every period
LOAD_TIMEOUT_S = 0.3

FORGOTTEN_GOAL = Goal(0, is_limit=True)
RESTART_GOAL = Goal(1.5, is_limit=True)


def interrupted_load(
    server: servers.Server, devices: int, kill_s: float, locations: Path
) -> Sample:
    """Let the fleet register, kill the server after `kill_s`, and return what was answered."""
    fleet = {
        "mode": "reg",
        "once": 1,
        "devices": devices,
        "outstanding": 256,
        "first-mid": 1000,
        "timeout": LOAD_TIMEOUT_S,
        "save": locations,
        "port": server.port,
        "pid": server.pid,
        **ADDRESSES,
    }
    load = subprocess.Popen(
        rig.command("device_load", fleet), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(kill_s)
    server.stop(signal.SIGKILL)
    output, said = load.communicate(timeout=rig.LOAD_LIMIT_S)
    if not output:
        raise rig.LoadFailed(said)
    return rig.check(rig.parse_result(output))


def crash(recipe: servers.Recipe, devices: int, kill_s: float, locations: Path) -> Sample:
    """One round: answered before the kill, known after it, and how long the restart took."""
    server = servers.start(recipe)
    try:
        before = interrupted_load(server, devices, kill_s, locations)
        known = bytes.fromhex(next(iter(before["locations"].values())))
        server, took = recovery.restart(server, recipe, signal.SIGKILL, known)
        update = {"mode": "upd", "once": 1, "devices": devices, "locations": locations}
        after = rig.count(server, "device_load", {**update, **ADDRESSES, "first-mid": 2000})
    finally:
        server.stop()
    return {
        "killed_after_s": kill_s,
        "answered": before["codes"].get("2.01", 0),
        "known": after["codes"].get("2.04", 0),
        "updated_s": took.updated_s,
        "ready_s": took.ready_s,
    }


def judge(rounds: list[Sample], missing: dict[str, str]) -> list[Finding]:
    if not rounds:
        why = "; ".join(missing.values())
        return [Finding("answered and forgotten", None, FORGOTTEN_GOAL, why=why)]
    answered = sum(each["answered"] for each in rounds)
    forgotten = answered - sum(each["known"] for each in rounds)
    slowest = max(rounds, key=lambda each: each["updated_s"] or recovery.LIMIT_S)
    why = f"{slowest['answered']:,} registrations, ready after {slowest['ready_s']:.2f} s"
    return [
        Finding("answered and forgotten", forgotten, FORGOTTEN_GOAL, f"of {answered:,}"),
        Finding("slowest restart", slowest["updated_s"], RESTART_GOAL, "s", why=why),
    ]


def main(words: list[str] | None = None) -> list[Finding]:
    chosen = options.parse(__doc__ or "", devices=DEVICES, words=words)
    rounds: list[Sample] = []
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as name:
        root = Path(name)
        for number in range(chosen.rounds):
            kill_s = FIRST_KILL_S + number * NEXT_KILL_S
            print(f"round {number + 1} of {chosen.rounds}: kill after {kill_s:.2f} s")
            recipe = chosen.recipe(root / f"data{number}")
            try:
                rounds.append(crash(recipe, chosen.devices, kill_s, root / "locations"))
            except (servers.Unavailable, rig.LoadFailed) as error:
                missing[f"round {number + 1}"] = str(error)
                break
    findings = judge(rounds, missing)
    report.publish("crash", findings, missing=missing, subject=chosen.subject, rounds=rounds)
    return findings


if __name__ == "__main__":
    main()
