"""What 18,000 devices cost more than 1,000, and whether anything is lost at 80 % of the maximum.

    python -m bench.bench_growth [--rounds N] [--seconds S] [--devices N] [--quick]

Growth is judged against the ceiling's own growth in the same run: the kernel and the load
generator also get slower with more sockets, and that is not the server's doing. Loss is counted in
an open loop that offers 0.8 of the rate just measured; unanswered after two seconds is lost.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from bench import options, report, rig, servers
from bench.report import Finding, Goal
from bench.rig import Case, Samples

FEW = 1000
MANY = 18_000
OFFERED = 0.8
TIMEOUT_S = 2.0
# An open loop that did not send what it was to send proves nothing.
OFFERED_SLACK = 0.02
GROWTH_GOAL = Goal(1.15, 1.0, is_limit=True)
LOSS_GOAL = Goal(0, is_limit=True)


def cases(chosen: options.Options, data_root: Path) -> list[Case]:
    few = {"seconds": chosen.seconds, "mode": "upd", "devices": FEW}
    many = {**few, "devices": chosen.devices}
    ours = [chosen.recipe(data_root / name) for name in ("few", "many")]
    return [
        Case("ceiling few", servers.ceiling(), "device_load", few),
        Case("ours few", ours[0], "device_load", few),
        Case("ceiling many", servers.ceiling(), "device_load", many),
        Case("ours many", ours[1], "device_load", many),
    ]


def growth(samples: Samples, missing: dict[str, str]) -> Finding:
    """(ours many / ours few) / (ceiling many / ceiling few), round by round."""
    what = "Update: growth over the ceiling's growth"
    columns = [
        samples.get(name, []) for name in ("ours many", "ours few", "ceiling many", "ceiling few")
    ]
    if not all(columns):
        return Finding(what, None, GROWTH_GOAL, why="; ".join(missing.values()))
    found = rig.spread(
        (a["server_us"] / b["server_us"]) / (c["server_us"] / d["server_us"])
        for a, b, c, d in zip(*columns, strict=True)
    )
    return Finding(what, found.median, GROWTH_GOAL, low=found.low, high=found.high)


def loss(name: str, rows: list[Case], samples: Samples, chosen: options.Options) -> Finding:
    """Requests unanswered at OFFERED of the maximum that `name` just reached."""
    what = f"{name}: unanswered at {OFFERED:.0%} of its maximum"
    if name not in samples:
        return Finding(what, None, LOSS_GOAL, why="no maximum rate")
    case = next(row for row in rows if row.name == name)
    rate = OFFERED * median(sample["rate"] for sample in samples[name])
    paced = {
        **case.options,
        "rate": round(rate),
        "timeout": TIMEOUT_S,
        "seconds": 2 * chosen.seconds,
    }
    with servers.running(case.recipe) as server:
        sample = rig.load(server, case.program, paced)
    paced_sample = {**sample, "is_open_loop": True}
    samples[f"{name} at {OFFERED:.0%}"] = [paced_sample]
    if sample["sent"] < (1 - OFFERED_SLACK) * rate * sample["seconds"]:
        why = f"the load offered {sample['sent'] / sample['seconds']:,.0f}/s of {rate:,.0f}/s"
        return Finding(what, None, LOSS_GOAL, why=why)
    unanswered = sample["lost"] + sample["refused"]
    unit = f"of {sample['sent']:,}"
    return Finding(what, unanswered, LOSS_GOAL, unit, why="; ".join(rig.notes(paced_sample)))


def main(words: list[str] | None = None) -> list[Finding]:
    chosen = options.parse(__doc__ or "", devices=MANY, words=words)
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as data_root:
        rows = cases(chosen, Path(data_root))
        samples, missing = rig.rounds(rows, chosen.rounds, say=print)
        findings = [growth(samples, missing)]
        for name in ("ceiling few", "ours few", "ours many"):
            findings.append(loss(name, rows, samples, chosen))
    report.publish(
        "growth", findings, samples, missing, subject=chosen.subject, devices=chosen.devices
    )
    return findings


if __name__ == "__main__":
    main()
