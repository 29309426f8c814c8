"""From a CSV file to a registered fleet: what each step costs, and what it makes others wait.

    python -m bench.bench_provisioning [--rounds N] [--devices N] [--quick]

The server takes a file of 100,000 rows (the most that its 10 MB hold) over HTTP; then, with as many
more as --devices asks for, simulated devices bootstrap over plain CoAP and over DTLS, and register
over DTLS with the keys that they were given. At the end the store is opened without the server, and
looks at single devices are timed beside liblmdb in C. "Stall" is the server's own gauge of its
loop, whose work goes on while files are imported.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import lmdb

from bench import fleet_lookup, options, report, rig, servers
from bench.over_http import Operator
from bench.report import Finding, Goal
from bench.run import Run
from lwm2m_fast.config import StoreConfig
from lwm2m_fast.fleet.credentials import Credentials
from lwm2m_fast.provisioning.registry import Registry
from lwm2m_fast.store.lmdb import LmdbStore
from lwm2m_fast.vault_file import open_vault

DEVICES = 1_000_000
QUICK_DEVICES = 10_000
ROWS = 100_000
"""Of one file."""
TRIAL = 1_000
"""Devices that bootstrap and register, of each kind."""
ROWS_AT_ONCE = 10_240
"""What the floor under an import puts in one transaction, as some 2,000 devices have."""
AGENT = "/service/lwm2m-agent/deviceRegistration"
OWN_KEY = "0f" * 16
LIMIT_S = 1_800.0

IMPORT_GOAL = Goal(5_000, 10_000)
STALL_GOAL = Goal(10.0, 2.0, is_limit=True)
SHARE_GOAL = Goal(0.02, 0.05)
PLAIN_GOAL, SECURE_GOAL = Goal(1_000, 2_000), Goal(500, 1_000)
FAILURES_GOAL = Goal(0, is_limit=True)
LOOKUP_GOAL = Goal(50.0, 20.0, is_limit=True)


@dataclass
class BootstrapRun(Run):
    ports: tuple[int, int] = field(
        default_factory=lambda: (servers.free_port(), servers.free_port())
    )

    @property
    def recipe(self) -> servers.Recipe:
        plain, secure = self.ports
        where = ["--bootstrap-port", str(plain), "--bootstrap-dtls-port", str(secure)]
        served = servers.ours(self.data, "--bootstrap", *where, "--policy", "provisioned")
        return servers.Recipe(served.name, served.command)


def import_file(operator: Operator, text: str, rows: int) -> dict[str, float]:
    """Have a file worked off; rows per second, and CPU microseconds of the server per row."""
    used_s, started = servers.used_s(operator.server), time.monotonic()
    given = {"file": ("devices.csv", text.encode(), "text/csv")}
    answer = operator.post(f"{AGENT}/bulk", files=given)
    if answer.status_code not in (200, 201, 202):
        raise rig.LoadFailed(f"a file was answered {answer.status_code}: {answer.text[:200]}")
    job = answer.json()
    while job["status"] in ("PENDING", "EXECUTING"):
        if time.monotonic() - started > LIMIT_S:
            raise rig.LoadFailed(f"a file was not worked off within {LIMIT_S:.0f} s: {job}")
        time.sleep(0.1)
        job = operator.get(f"/api/v1/imports/{job['id']}").json()
    took_s, used_s = time.monotonic() - started, servers.used_s(operator.server) - used_s
    if job["succeeded"] != rows:
        raise rig.LoadFailed(f"{job['succeeded']} of {rows} rows were taken: {job['errors'][:3]}")
    return {"rows": rows, "rate": rows / took_s, "us": used_s / rows * 1e6}


def csv(server: servers.Server, prefix: str, first: int, rows: int, own: str = "NO_SEC") -> str:
    header = "endpoint id;securityMode;bootstrapSecurityMode;lwm2m server uri"
    uri = f"coaps://127.0.0.1:{server.secure_port}"
    keys = own == "PSK"
    lines = [header + (";bootstrap psk_id;bootstrap psk_key" if keys else "")]
    for number in range(first, first + rows):
        name = f"{prefix}{number:07}"
        line = f"{name};PSK_GENERATED;{own};{uri}"
        lines.append(line + (f";bs-{name};{OWN_KEY}" if keys else ""))
    return "\n".join(lines) + "\n"


def imports(run: Run, server: servers.Server, operator: Operator) -> None:
    """The whole fleet, file by file; the first one into an empty store."""
    idle_ms = operator.longest_stall_ms()
    samples = []
    for first in range(0, run.chosen.devices, ROWS):
        rows = min(ROWS, run.chosen.devices - first)
        samples.append(import_file(operator, csv(server, "dev-", first, rows), rows))
    run.samples["imports"] = samples
    rates = [each["rate"] for each in samples]
    why = f"{median(each['us'] for each in samples):.0f} us CPU each"
    found = Finding(
        "CSV rows imported", median(rates), IMPORT_GOAL, "/s", min(rates), max(rates), why
    )
    run.findings.append(found)
    stall_ms = operator.longest_stall_ms()
    run.judge("longest stall of the loop", stall_ms, STALL_GOAL, "ms", f"{idle_ms:.1f} ms before")


def floor_us(run: Run) -> float:
    """CPU of putting the same rows, in order, through LMDB and nothing else; per device."""
    source = lmdb.open(str(run.data / "fleet.lmdb"), readonly=True, max_dbs=2, lock=False)
    with source.begin(db=source.open_db(b"items", create=False)) as txn:
        rows = [(bytes(key), bytes(value)) for key, value in txn.cursor()]
    source.close()
    target = lmdb.open(str(run.data_root / "floor"), map_size=8 << 30, max_dbs=2)
    table = target.open_db(b"items")
    used = time.process_time()
    for first in range(0, len(rows), ROWS_AT_ONCE):
        with target.begin(write=True, db=table) as txn:
            txn.cursor().putmulti(rows[first : first + ROWS_AT_ONCE])
    used = time.process_time() - used
    target.close()
    return used / run.chosen.devices * 1e6


def simulated(run: BootstrapRun, prefix: str, devices: int, *words: str) -> dict[str, Any]:
    """A fleet that knows its bootstrap server only; the report of `lwm2m-fast simulate`."""
    where = ["--prefix", prefix, "--first", "1000000", "--devices", str(devices), *words]
    command = [sys.executable, "-m", "lwm2m_fast", "simulate", "--json", "--duration", "0.1"]
    pinned = ["taskset", "-c", str(rig.LOAD_CPU), *command, *where]
    done = subprocess.run(pinned, capture_output=True, text=True, timeout=LIMIT_S)
    if not done.stdout.strip():
        raise rig.LoadFailed(done.stderr.strip()[-300:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def bootstraps(run: BootstrapRun, server: servers.Server, operator: Operator) -> None:
    """Bootstrap of both kinds, and registration with what was written."""
    plain, secure = run.ports
    trial = min(TRIAL, run.chosen.devices)
    kinds = {
        "NO_SEC": (PLAIN_GOAL, ["--bootstrap", f"coap://127.0.0.1:{plain}"]),
        "PSK": (
            SECURE_GOAL,
            ["--bootstrap", f"coaps://127.0.0.1:{secure}", "--psk-identity", "bs-{endpoint}",
             "--psk-key", OWN_KEY],
        ),
    }  # fmt: skip
    failed = 0
    for kind, (goal, words) in kinds.items():
        samples = []
        for number in range(run.chosen.rounds):
            prefix = f"{kind.lower()}-{number}-"
            import_file(operator, csv(server, prefix, 1_000_000, trial, kind), trial)
            servers.settle(server)
            before = servers.used_s(server), operator.count("loop_stall_max_seconds")
            found = simulated(run, prefix, trial, *words)
            bootstrap = found["bootstrap"]
            failed += 2 * trial - bootstrap["finished"] - found["registered"]
            used_us = (servers.used_s(server) - before[0]) / trial * 1e6
            samples.append({
                "rate": bootstrap["finished"] / bootstrap["seconds"], "us": used_us,
                "registered_s": found["phases"][0]["seconds"] if found["phases"] else None,
                "failures": bootstrap["failures"],
            })  # fmt: skip
        run.samples[f"bootstrap {kind}"] = samples
        us = median(each["us"] for each in samples)
        rate = median(each["rate"] for each in samples)
        why = (
            f"{us:.0f} us CPU each with its DTLS registration and the end of it; the simulator saw "
            f"{rate:,.0f} sessions/s"
        )
        run.judge(f"bootstraps per core, {kind}", 1e6 / us, goal, "/s", why)
    run.judge("failed on the way", failed, FAILURES_GOAL, "", f"{trial} devices of each kind")


def lookups(run: Run) -> None:
    """Single looks in the store of a server that has stopped."""
    share = floor_us(run) / median(each["us"] for each in run.samples["imports"])
    run.judge("import: LMDB's own share of the CPU", share, SHARE_GOAL, "")
    gc.collect()
    gc.freeze()  # as the server does once it has started
    store = LmdbStore(str(run.data), StoreConfig(), start=False)
    try:
        vault = open_vault(run.data / "vault.key", store.fleet)
        credentials = Credentials(store.fleet, vault)
        registry = Registry(store.fleet, vault, credentials, bytes, time.time)
        looks: dict[str, fleet_lookup.Look] = {
            "is it ours: route": registry.route,
            "handshake: key of an identity, opened": lambda name: credentials.psk(name.encode()),
            "bootstrap: configuration, opened and read": registry.get,
        }
        names = [f"dev-{number:07}" for number in range(run.chosen.devices)]
        found = fleet_lookup.compare(
            run.data / "fleet.lmdb", looks, "route", names, run.chosen.rounds
        )
    finally:
        store.close()
    run.samples["lookups"] = found
    c = found.pop("C", None)
    for name, took in found.items():
        beside = f"; C get {c['p50_us']:.1f} and {c['p99_us']:.1f}" if c else ""
        times = f", {took['p50_us'] / c['p50_us']:.1f} times C" if c else ""
        why = f"p50 {took['p50_us']:.1f} us{times}{beside}"
        goal = LOOKUP_GOAL if "read" not in name else Goal(200.0, is_limit=True)
        run.judge(f"p99 of a look, {name}", took["p99_us"], goal, "us", why)


def main(words: list[str] | None = None) -> list[Finding]:
    chosen = options.parse(__doc__ or "", DEVICES, words, quick_devices=QUICK_DEVICES)
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as root:
        run = BootstrapRun(chosen, Path(root))
        try:
            with servers.running(run.recipe) as server:
                operator = Operator(server)
                imports(run, server, operator)
                bootstraps(run, server, operator)
            lookups(run)
        except (servers.Unavailable, rig.LoadFailed) as error:
            missing["ours"] = str(error)
    report.publish(
        "provisioning", run.findings, missing=missing, devices=chosen.devices, runs=run.samples
    )
    return run.findings


if __name__ == "__main__":
    main()
