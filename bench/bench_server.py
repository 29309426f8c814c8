"""Register, Update and GET on one core with 1,000 devices, beside the C ceilings and the peers.

    python -m bench.bench_server [--rounds N] [--seconds S] [--quick]

Ours answers a Register after its commit (durability "commit"); the ceiling keeps nothing. For the
GET, the echo moves as many bytes each way as our answer to GET /.well-known/core does, and
libcoap and aiocoap are given a payload of the same size.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench import options, report, rig, servers
from bench.report import Finding, Goal
from bench.rig import Case

DEVICES = 1000
CORE_PATH = ".well-known/core"
# Header, a token of two bytes, Content-Format 40 and the payload marker.
ANSWER_HEAD_BYTES = 4 + 2 + 2 + 1
# Taken when our server cannot be asked how long its answer is.
USUAL_ANSWER_BYTES = 64

# (what, ratio of whom, over whom, goal)
GOALS: list[tuple[str, str, str, Goal]] = [
    ("Register: share of the ceiling", "ceiling register", "ours register", Goal(0.30, 0.40)),
    ("Register: times an aiocoap GET", "aiocoap get", "ours register", Goal(25)),
    ("Update: share of the ceiling", "ceiling update", "ours update", Goal(0.75, 0.85)),
    ("GET: share of the echo", "echo", "ours get", Goal(0.85)),
    ("GET: times libcoap", "libcoap get", "ours get", Goal(1)),
    ("GET: times aiocoap", "aiocoap get", "ours get", Goal(25)),
]


def answer_size(recipe: servers.Recipe) -> tuple[int, int]:
    """Bytes of a GET /.well-known/core and of its answer."""
    probe = {"path": CORE_PATH, "sources": 1, "outstanding": 1, "seconds": 0.05, "warm": 0}
    try:
        with servers.running(recipe) as server:
            sample = rig.load(server, "coap_load", probe)
    except (servers.Unavailable, rig.LoadFailed):
        return 6 + len(CORE_PATH) + 1, USUAL_ANSWER_BYTES
    return round(sample["request_bytes"]), round(sample["answer_bytes"])


def cases(chosen: options.Options, data_root: Path) -> list[Case]:
    """All rows, in the order in which each round runs them."""
    request_bytes, answer_bytes = answer_size(chosen.recipe(data_root / "size"))
    payload = max(1, answer_bytes - ANSWER_HEAD_BYTES)
    time = {"seconds": chosen.seconds}
    fleet = {**time, "devices": DEVICES}
    get = {**time, "sources": DEVICES, "path": CORE_PATH}
    echo = {**time, "sources": DEVICES, "mode": "echo", "bytes": request_bytes}
    put_path = {**get, "path": servers.LIBCOAP_PATH}

    def subject(name: str) -> servers.Recipe:
        return chosen.recipe(data_root / name)

    return [
        Case("ceiling register", servers.ceiling(), "device_load", {**fleet, "mode": "reg"}),
        Case("ours register", subject("register"), "device_load", {**fleet, "mode": "reg"}),
        Case("ceiling update", servers.ceiling(), "device_load", {**fleet, "mode": "upd"}),
        Case("ours update", subject("update"), "device_load", {**fleet, "mode": "upd"}),
        Case("echo", servers.echo(answer_bytes), "coap_load", echo),
        Case("ours get", subject("get"), "coap_load", get),
        Case("libcoap get", servers.libcoap(payload), "coap_load", put_path),
        Case("aiocoap get", servers.aiocoap(payload), "coap_load", get),
    ]


def main(words: list[str] | None = None) -> list[Finding]:
    chosen = options.parse(__doc__ or "", words=words)
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as data_root:
        rows = cases(chosen, Path(data_root))
        samples, missing = rig.rounds(rows, chosen.rounds, say=print)
    findings = report.ratio_findings(GOALS, samples, missing)
    report.publish("server", findings, samples, missing, subject=chosen.subject)
    return findings


if __name__ == "__main__":
    main()
