"""One server over one data directory, and what was found of it so far.

For the benches that live with one server from its start to its end; those that compare cases round
by round have rig.rounds().
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import options
from bench.report import Finding, Goal


@dataclass
class Run:
    """Findings in the order of their judgement; `samples` is what they were made of, by name."""

    chosen: options.Options
    data_root: Path
    findings: list[Finding] = field(default_factory=list)
    samples: dict[str, Any] = field(default_factory=dict)
    empty_start_s: float = 0.0
    """What a start without any device took."""

    @property
    def data(self) -> Path:
        """The server's data directory."""
        return self.data_root / "data"

    def judge(self, what: str, value: float | None, goal: Goal, unit: str, why: str = "") -> None:
        self.findings.append(Finding(what, value, goal, unit, why=why))
