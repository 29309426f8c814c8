"""DTLS on one core: records, handshakes, memory and waking, beside mbedTLS itself and the peers.

    python -m bench.bench_dtls [--rounds N] [--seconds S] [--devices N] [--quick]

A record is an Update; an operation with a handshake is that and a Register. The ceiling is a
server with mbedTLS and nothing else (c/dtls_ceiling.c), for handshakes with SHA-256 in plain C as
well, as the library comes. libcoap and python-mbedtls answer a GET of as few bytes, at 128
sessions, as libcoap walks over all of them. The ceilings have the server's own build of mbedTLS.

Memory is anonymous pages only, for a fleet of --devices, beside the same fleet on plain UDP: with
all sessions live, and with all of them packed. Waking is what an Update costs more after that.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from bench import certificates, options, report, rig, secure_servers, servers
from bench.report import Finding, Goal
from bench.rig import Case, Samples
from bench.secure_servers import PREFIX, PSK_SUITE, X509_SUITE

FEW, MANY, SESSIONS = 1000, 18_000, 128
FLEET, QUICK_FLEET = 20_000, 2000
CERTIFIED, CERTIFIED_AT_ONCE = 64, 4
SHARED_SOCKETS = 16
# Both longer than the fleet takes to register, and the second longer than the first.
IDLE_SAVE_S, REST_S = 5.0, 9.0

RECORD_GOAL = Goal(0.75, 0.90)
PLAIN_GOAL, INSTRUCTIONS_GOAL = Goal(0.85), Goal(1.5)
CERTIFIED_GOAL = Goal(1.05, is_limit=True)
GROWTH_GOAL = Goal(1.15, 1.0, is_limit=True)
LIVE_GOAL, IDLE_GOAL = Goal(6.0, is_limit=True), Goal(0.5, 0.35, is_limit=True)
WAKE_GOAL = Goal(20.0, is_limit=True)


def has_sha_instructions() -> bool:
    return " sha_ni" in Path("/proc/cpuinfo").read_text()


def goals() -> list[tuple[str, str, str, Goal]]:
    """(what, ratio of whom, over whom, goal)"""
    shake = INSTRUCTIONS_GOAL if has_sha_instructions() else PLAIN_GOAL
    return [
        ("Update: share of the ceiling", "ceiling update", "ours update", RECORD_GOAL),
        ("the same, with connection ids", "ceiling cid", "ours cid", RECORD_GOAL),
        ("Update: times a libcoap GET", "libcoap get", "ours update 128", Goal(1.7)),
        ("Update: times a python-mbedtls GET", "python get", "ours update 128", Goal(2.3)),
        ("PSK handshake: share of the plain C ceiling", "plain psk", "ours psk", shake),
        ("PSK handshake: share of the same library's", "ceiling psk", "ours psk", PLAIN_GOAL),
        ("X.509 handshake: over the ceiling", "ours x509", "ceiling x509", CERTIFIED_GOAL),
    ]


def cases(chosen: options.Options, home: Path, certified: Path) -> list[Case]:
    """All rows, in the order in which each round runs them."""
    time = {"seconds": chosen.seconds}
    psk = {**time, "suite": PSK_SUITE, "prefix": PREFIX}
    few = {**psk, "devices": FEW, "mode": "upd"}
    many = {**few, "devices": min(MANY, chosen.devices)}
    at_peers = {**few, "devices": SESSIONS}
    get = {**time, "suite": PSK_SUITE, "sources": SESSIONS, "path": "time"}
    shake = {**few, "mode": "shake"}
    x509 = {
        **shake,
        "suite": X509_SUITE,
        "devices": CERTIFIED,
        "outstanding": CERTIFIED_AT_ONCE,
        "timeout": 10,
        "pem": certified / PREFIX,
        "ca": certified / certificates.AUTHORITY,
    }
    load = "device_load"

    def subject(name: str, devices: int, by: Path | None = None) -> servers.Recipe:
        if chosen.subject == "ceiling":
            return secure_servers.ceiling(certified=by)
        return secure_servers.ours(home / name, devices, certified=by)

    ceiling, plain = secure_servers.ceiling(), secure_servers.ceiling(is_plain=True)
    return [
        Case("ceiling update", ceiling, load, few),
        Case("ours update", subject("few", FEW), load, few),
        Case("ceiling cid", ceiling, load, {**few, "cid": 1}),
        Case("ours cid", subject("few", FEW), load, {**few, "cid": 1}),
        Case("ceiling many", ceiling, load, many),
        Case("ours many", subject("many", MANY), load, many),
        Case("ours update 128", subject("few", FEW), load, at_peers),
        Case("libcoap get", secure_servers.libcoap(), "coap_load", get),
        Case("python get", secure_servers.python_mbedtls(), "coap_load", get),
        Case("plain psk", plain, load, shake),
        Case("ceiling psk", ceiling, load, shake),
        Case("ours psk", subject("few", FEW), load, shake),
        Case("ceiling x509", secure_servers.ceiling(certified=certified), load, x509),
        Case("ours x509", subject("certified", CERTIFIED, certified), load, x509),
    ]


def growth(samples: Samples, missing: dict[str, str]) -> Finding:
    """(ours many / ours few) / (ceiling many / ceiling few), round by round."""
    what = "Update: growth over the ceiling's growth"
    names = ("ours many", "ours update", "ceiling many", "ceiling update")
    columns = [samples.get(name, []) for name in names]
    if not all(columns):
        return Finding(what, None, GROWTH_GOAL, why="; ".join(missing.values()))
    found = rig.spread(
        (a["server_us"] / b["server_us"]) / (c["server_us"] / d["server_us"])
        for a, b, c, d in zip(*columns, strict=False)
    )
    return Finding(what, found.median, GROWTH_GOAL, low=found.low, high=found.high)


def fleets(chosen: options.Options, home: Path, samples: Samples) -> list[Finding]:
    """Memory of a session, live and packed, and what waking one costs."""
    devices = chosen.devices
    common = {"devices": devices, "shared": SHARED_SOCKETS, "prefix": PREFIX, "timeout": 5}
    once = {**common, "suite": PSK_SUITE, "mode": "upd", "once": 1}
    live = secure_servers.ours(home / "live", devices, {"idle_save_s": 3600.0})
    packed = secure_servers.ours(home / "packed", devices, {"idle_save_s": IDLE_SAVE_S})
    rows = [
        Case(
            "plain fleet", servers.ours(home / "plain"), "device_load", {**common, "mode": "idle"}
        ),
        Case("live fleet", live, "device_load", once),
        Case("packed fleet", packed, "device_load", {**once, "rest": REST_S}),
    ]
    found, missing = rig.rounds(rows, 1, say=print)
    samples.update(found)
    if missing:
        why = "; ".join(missing.values())
        each = [("live session", LIVE_GOAL), ("packed session", IDLE_GOAL), ("waking", WAKE_GOAL)]
        return [Finding(what, None, goal, why=why) for what, goal in each]
    plain, live_one, packed_one = (found[row.name][0] for row in rows)

    def kib(sample: rig.Sample, when: str) -> float:
        return (sample[f"{when}_anon_kib"] - sample["before_anon_kib"]) / devices

    base = kib(plain, "loaded")
    told = f"a plain device has {base:.2f} KiB"
    wake_us = packed_one["server_us"] - live_one["server_us"]
    why = f"an Update costs {packed_one['server_us']:.1f} us then, {live_one['server_us']:.1f} live"
    return [
        Finding(
            "live session: memory more", kib(live_one, "loaded") - base, LIVE_GOAL, "KiB", why=told
        ),
        Finding("packed session: memory more", kib(packed_one, "rested") - base, IDLE_GOAL, "KiB"),
        Finding("waking a packed session", wake_us, WAKE_GOAL, "us", why=why),
    ]


def main(words: list[str] | None = None) -> list[Finding]:
    chosen = options.parse(__doc__ or "", devices=FLEET, words=words)
    if chosen.quick:
        chosen = replace(chosen, devices=min(chosen.devices, QUICK_FLEET))
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as home:
        certified = Path(home) / "certificates"
        certificates.make(certified, PREFIX, CERTIFIED)
        samples, missing = rig.rounds(
            cases(chosen, Path(home), certified), chosen.rounds, say=print
        )
        findings = [
            report.ratio_finding(what, above, below, samples, missing, goal)
            for what, above, below, goal in goals()
        ]
        findings.append(growth(samples, missing))
        if chosen.subject == "ours":
            findings += fleets(chosen, Path(home), samples)
    report.publish(
        "dtls", findings, samples, missing, subject=chosen.subject, devices=chosen.devices
    )
    return findings


if __name__ == "__main__":
    main()
