"""What came of the latest bootstrap of each device, for a person who asks why it is not there.

In memory, bounded, the longest unchanged forgotten first: a help, not a record.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any, NamedTuple

MAX_OUTCOMES = 100_000

COUNTED = (
    "bootstraps_started",
    "bootstraps_finished",
    "bootstraps_failed",
    "bootstraps_refused",
    "bootstrap_packs",
)
"""What is counted as long as the process runs, however often the ports are closed and opened."""


class Outcome(NamedTuple):
    state: str
    """started · finished · failed"""
    at: float
    """Unix time of this state."""
    reason: str | None
    """Why it failed; None otherwise."""
    steps: tuple[tuple[str, str], ...]
    """Each request and its result; never a value."""

    def as_json(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "at": self.at,
            "reason": self.reason,
            "steps": [{"step": step, "result": result} for step, result in self.steps],
        }


class Outcomes:
    """The latest Outcome by endpoint name, and how many there were of each kind."""

    def __init__(self, most: int = MAX_OUTCOMES) -> None:
        self._most = most
        self.counts: Counter[str] = Counter()
        self._by_endpoint: OrderedDict[str, Outcome] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_endpoint)

    def note(self, endpoint: str, outcome: Outcome) -> None:
        self._by_endpoint[endpoint] = outcome
        self._by_endpoint.move_to_end(endpoint)
        if len(self._by_endpoint) > self._most:
            self._by_endpoint.popitem(last=False)

    def of(self, endpoint: str) -> Outcome | None:
        return self._by_endpoint.get(endpoint)

    def forget(self, endpoint: str) -> None:
        self._by_endpoint.pop(endpoint, None)

    def counters(self) -> dict[str, int]:
        return {
            **{name: self.counts[name] for name in COUNTED},
            "bootstrap_outcomes_current": len(self),
        }
