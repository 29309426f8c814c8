"""What registered devices feel of a flood of handshakes, on one core with 1,000 sessions.

    python -m bench.bench_flood [--rounds N] [--seconds S] [--quick]

The devices send Updates over DTLS, four under way at any time: alone, and beside a second load that
does nothing but PSK handshakes, each with a Register, 256 under way. That is the flood which costs
most: all keys are right. Its program has what the other leaves of their core. Latency is what a
device sees; unanswered after two seconds is lost.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench import options, report, rig, secure_servers, servers
from bench.over_http import Operator
from bench.report import Finding, Goal
from bench.rig import Sample

DEVICES = 1000
FLOODERS = "flood"
AT_ONCE = 256
UNDER_WAY = 4
TIMEOUT_S = 2.0
BEGUN, BEGUN_WITHIN_S = 1000, 30.0
FLOOD_LIMIT_S = 120.0
LOSS_GOAL = Goal(0, is_limit=True)
LATENCY_GOAL = Goal(10, 5, is_limit=True)
HANDSHAKES = "dtls_handshakes_begun_total"


@contextmanager
def flood(server: servers.Server) -> Iterator[None]:
    """Handshakes from now on, until this is left."""
    secure_servers.add_keys(server, DEVICES, FLOODERS)
    wanted = {
        "port": server.port, "pid": server.pid, "mode": "shake", "prefix": FLOODERS,
        "suite": secure_servers.PSK_SUITE, "devices": DEVICES, "outstanding": AT_ONCE,
        "seconds": FLOOD_LIMIT_S,
    }  # fmt: skip
    words = ["nice", "-n", "19", *rig.command("device_load", wanted)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as running:
        try:
            until_begun(server)
            yield
            if running.poll() is not None:
                raise rig.LoadFailed("the flood ended too early")
        finally:
            running.kill()


def until_begun(server: servers.Server) -> None:
    deadline = time.monotonic() + BEGUN_WITHIN_S
    with Operator(server) as operator:
        before = operator.count(HANDSHAKES)
        while operator.count(HANDSHAKES) - before < BEGUN:
            if time.monotonic() > deadline:
                raise rig.LoadFailed(f"no {BEGUN} handshakes in {BEGUN_WITHIN_S} s")
            time.sleep(0.05)


def updates(server: servers.Server, seconds: float) -> Sample:
    """The registered devices; with the handshakes that others began meanwhile."""
    with Operator(server) as operator:
        before, started = operator.count(HANDSHAKES), time.monotonic()
        sample = rig.load(
            server,
            "device_load",
            {
                "seconds": seconds, "mode": "upd", "devices": DEVICES, "outstanding": UNDER_WAY,
                "prefix": secure_servers.PREFIX, "suite": secure_servers.PSK_SUITE,
                "timeout": TIMEOUT_S,
            },
        )  # fmt: skip
        begun = operator.count(HANDSHAKES) - before - DEVICES
    took_s = time.monotonic() - started
    return {**sample, "handshakes_per_s": begun / took_s}


def measure(chosen: options.Options, home: Path) -> rig.Samples:
    samples: rig.Samples = {"alone": [], "flood": []}
    for number in range(chosen.rounds):
        print(f"round {number + 1} of {chosen.rounds}")
        recipe = secure_servers.ours(home / str(number), DEVICES)
        with servers.running(recipe) as server:
            samples["alone"].append(updates(server, chosen.seconds))
            with flood(server):
                samples["flood"].append(updates(server, chosen.seconds))
    return samples


def found(samples: rig.Samples) -> list[Finding]:
    beside = samples["flood"]
    rates = [each["handshakes_per_s"] for each in beside]
    lost = [each["lost"] + each["refused"] for each in beside]
    sent = sum(each["sent"] for each in beside)
    p99 = [each["p99_us"] / 1e3 for each in beside]
    alone = median(each["p99_us"] / 1e3 for each in samples["alone"])
    p50 = median(each["p50_us"] / 1e3 for each in beside)
    why = f"beside {median(rates):,.0f} handshakes a second; {sent:,} sent"
    return [
        Finding("Updates unanswered in a flood of handshakes", sum(lost), LOSS_GOAL, why=why),
        Finding(
            "Update in a flood: p99", median(p99), LATENCY_GOAL, "ms", min(p99), max(p99),
            f"p50 {p50:.2f} ms; p99 alone {alone:.2f} ms",
        ),
    ]  # fmt: skip


def main(words: list[str] | None = None) -> list[Finding]:
    chosen = options.parse(__doc__ or "", words=words)
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as home:
        samples = measure(chosen, Path(home))
    findings = found(samples)
    report.publish("flood", findings, samples, missing, subject="ours", devices=DEVICES)
    return findings


if __name__ == "__main__":
    main()
