"""Goals and tables: what a bench prints and what it leaves in bench/results/NAME.json.

Knows no server and runs nothing. A goal that is missed says by how much.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import rig

PAPER_COLUMNS = 130  # of a table that goes to a file or a pipe
RESULT_DIR = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Goal:
    """A bound on one figure: at least `floor`, or at most when `is_limit`."""

    floor: float
    stretch: float | None = None
    is_limit: bool = False

    def judge(self, value: float) -> str:
        """ "stretch", "met", or "missed by N %" of the floor."""
        if self.stretch is not None and self._holds(value, self.stretch):
            return "stretch"
        if self._holds(value, self.floor):
            return "met"
        return f"missed by {abs(value / self.floor - 1):.0%}" if self.floor else "missed"

    def _holds(self, value: float, bound: float) -> bool:
        return value <= bound if self.is_limit else value >= bound

    def __str__(self) -> str:
        sign = "<=" if self.is_limit else ">="
        return f"{sign} {self.floor:g}" + (f" ({self.stretch:g})" if self.stretch else "")


@dataclass(frozen=True)
class Finding:
    """One judged figure; `value` is None when it could not be measured, and `why` says so."""

    what: str
    value: float | None
    goal: Goal
    unit: str = ""
    low: float | None = None
    high: float | None = None
    why: str = ""

    @property
    def verdict(self) -> str:
        return "not measured" if self.value is None else self.goal.judge(self.value)


def ratio_finding(
    what: str, above: str, below: str, samples: rig.Samples, missing: dict[str, str], goal: Goal
) -> Finding:
    """The CPU per operation of `above` over that of `below`, judged."""
    found = rig.ratio(samples, above, below)
    if found is None:
        why = "; ".join(missing[name] for name in (above, below) if name in missing)
        return Finding(what, None, goal, why=why or "no samples")
    return Finding(what, found.median, goal, low=found.low, high=found.high)


def ratio_findings(
    goals: list[tuple[str, str, str, Goal]], samples: rig.Samples, missing: dict[str, str]
) -> list[Finding]:
    """One for each (what, above, below, goal)."""
    return [
        ratio_finding(what, above, below, samples, missing, goal)
        for what, above, below, goal in goals
    ]


def machine() -> dict[str, Any]:
    """What the figures were taken on: enough to see that two files cannot be compared."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "taken_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "processor": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
    }


def sample_table(samples: rig.Samples, missing: dict[str, str]) -> Table:
    """One row per case: medians over the rounds, with the cost's smallest and largest round."""
    table = Table(title="CPU per operation on one server core", title_justify="left")
    for heading in ("case", "us/op", "min-max", "rate/s", "p50 us", "p99 us", "answer B", "notes"):
        table.add_column(heading, justify="left" if heading in ("case", "notes") else "right")
    for name, kept in samples.items():
        cost = rig.spread(sample["server_us"] for sample in kept)
        middle = {key: median(s[key] for s in kept) for key in ("rate", "p50_us", "p99_us")}
        said = list(dict.fromkeys(note for sample in kept for note in rig.notes(sample)))
        table.add_row(
            name,
            f"{cost.median:.2f}",
            f"{cost.low:.2f}-{cost.high:.2f}",
            f"{middle['rate']:,.0f}",
            f"{middle['p50_us']:.0f}",
            f"{middle['p99_us']:.0f}",
            f"{kept[0]['answer_bytes']:.0f}",
            "\n".join(said[:3]),
        )
    for name, why in missing.items():
        table.add_row(name, *[""] * 6, f"missing: {why}")
    return table


def finding_table(findings: list[Finding]) -> Table:
    table = Table(title="Goals (in brackets: stretch)", title_justify="left")
    for heading in ("figure", "value", "min-max", "goal", "verdict"):
        table.add_column(heading, justify="left" if heading in ("figure", "verdict") else "right")
    for each in findings:
        value = "" if each.value is None else f"{each.value:.3g} {each.unit}".strip()
        ends = "" if each.low is None else f"{each.low:.3g}-{each.high:.3g}"
        said = each.verdict + (f": {each.why}" if each.why else "")
        table.add_row(each.what, value, ends, str(each.goal), said)
    return table


def open_console() -> Console:
    """The terminal, or paper of a fixed width when the output goes to a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=PAPER_COLUMNS)


def write(name: str, result: dict[str, Any], console: Console) -> Path:
    """Leave a result in bench/results/NAME.json, with the machine it was taken on."""
    RESULT_DIR.mkdir(exist_ok=True)
    path = RESULT_DIR / f"{name}.json"
    path.write_text(json.dumps({"bench": name, "machine": machine(), **result}, indent=1))
    console.print(f"written: bench/results/{path.name}")
    return path


def publish(
    name: str,
    findings: list[Finding],
    samples: rig.Samples | None = None,
    missing: dict[str, str] | None = None,
    **more: Any,
) -> Path:
    """Print the tables and write everything to bench/results/NAME.json; returns that path."""
    console = open_console()
    if samples or missing:
        console.print(sample_table(samples or {}, missing or {}))
    console.print(finding_table(findings))
    result = {
        "findings": [{**asdict(each), "verdict": each.verdict} for each in findings],
        "missing": missing or {},
        "samples": samples or {},
        **more,
    }
    return write(name, result, console)


def publish_counts(name: str, found: dict[str, dict[str, Any]], rows: int) -> Path:
    """Print instructions per datagram, with the `rows` functions most of them are in."""
    console = open_console()
    for act, counted in found.items():
        table = Table(title=f"{act}: {counted['instructions']:,.0f} instructions per datagram")
        table.title_justify = "left"
        table.add_column("instructions", justify="right")
        table.add_column("function")
        for where, number in counted["functions"][:rows]:
            table.add_row(f"{number:,.1f}", where)
        console.print(table)
    return write(name, {"acts": found}, console)
