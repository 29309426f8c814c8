"""What came of the latest bootstrap of each device, for a person who asks why it is not there.

The latest ones are in memory, bounded; behind them is a row for each configured device, read when
somebody asks. Says which rows there are to write; who writes them, and when, is outcome_rows.py's.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, NamedTuple

import orjson

from lwm2m_fast.errors import StoreError

MAX_OUTCOMES = 100_000
"""In memory; and as many that wait to be written."""

MAX_REASON = 1_024
"""Characters of a reason that are kept."""

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

    def as_row(self) -> bytes:
        reason = None if self.reason is None else self.reason[:MAX_REASON]
        return orjson.dumps([self.state, self.at, reason, self.steps])

    @classmethod
    def from_row(cls, row: bytes) -> Outcome | None:
        """None: it is no row of ours."""
        try:
            state, at, reason, steps = orjson.loads(row)
            pairs = tuple((str(step), str(result)) for step, result in steps)
            return cls(str(state), float(at), None if reason is None else str(reason), pairs)
        except (ValueError, TypeError):
            return None


def _no_row(key: bytes) -> bytes | None:
    return None


class Outcomes:
    """The latest Outcome by endpoint name, and how many there were of each kind. `row` reads what
    was written for a name earlier."""

    def __init__(
        self, most: int = MAX_OUTCOMES, row: Callable[[bytes], bytes | None] = _no_row
    ) -> None:
        self._most, self._row = most, row
        self.counts: Counter[str] = Counter()
        self._by_endpoint: OrderedDict[str, Outcome] = OrderedDict()
        self._unwritten: dict[str, Outcome | None] = {}
        self._going: dict[str, Outcome | None] = {}
        """On their way to the store."""
        self.not_written = 0

    def __len__(self) -> int:
        return len(self._by_endpoint)

    @property
    def unwritten(self) -> int:
        """How many are not in the store yet."""
        return len(self._unwritten) + len(self._going)

    def note(self, endpoint: str, outcome: Outcome) -> None:
        """One that has ended is to be written as well; what has only begun says nothing later."""
        self._by_endpoint[endpoint] = outcome
        self._by_endpoint.move_to_end(endpoint)
        if len(self._by_endpoint) > self._most:
            self._by_endpoint.popitem(last=False)
        if outcome.state != "started":
            self._write(endpoint, outcome)

    def of(self, endpoint: str) -> Outcome | None:
        """StoreError: what was written cannot be read."""
        for newest in (self._by_endpoint, self._unwritten, self._going):
            if endpoint in newest:
                return newest[endpoint]
        row = self._row(_key(endpoint))
        return None if row is None else Outcome.from_row(row)

    def forget(self, endpoint: str) -> None:
        """The device is gone for good."""
        self._by_endpoint.pop(endpoint, None)
        waits = endpoint in self._unwritten or endpoint in self._going
        if waits or self._may_be_written(endpoint):
            self._write(endpoint, None)

    def _may_be_written(self, endpoint: str) -> bool:
        try:
            return self._row(_key(endpoint)) is not None
        except StoreError:  # whoever has the name next must not find it when the store works again
            return True

    def _write(self, endpoint: str, outcome: Outcome | None) -> None:
        self._unwritten.pop(endpoint, None)
        self._unwritten[endpoint] = outcome
        if len(self._unwritten) > self._most:
            # What is to be deleted stays, or the name's next owner would find it; of that there is
            # no more than there are rows.
            oldest = next((name for name, one in self._unwritten.items() if one is not None), None)
            if oldest is not None:
                del self._unwritten[oldest]
                self.not_written += 1

    def take(self, most: int) -> Mapping[str, Outcome | None]:
        """The oldest that wait to be written; None: no row. written() or give_back() comes next."""
        names = list(islice(self._unwritten, most))
        self._going = {name: self._unwritten.pop(name) for name in names}
        return self._going

    def written(self) -> None:
        """What was taken is in the store."""
        self._going = {}

    def give_back(self) -> None:
        """What was taken could not be written; what has come since counts."""
        both = self._going | self._unwritten
        self._going, self._unwritten = {}, {}
        for endpoint, outcome in both.items():
            self._write(endpoint, outcome)

    def counters(self) -> dict[str, int]:
        return {
            **{name: self.counts[name] for name in COUNTED},
            "bootstrap_outcomes_current": len(self),
            "bootstrap_outcomes_unwritten": self.unwritten,
            "bootstrap_outcomes_not_written": self.not_written,
        }


def _key(endpoint: str) -> bytes:
    # What no device can be called is asked for by people only, and has no row.
    return endpoint.encode("utf-8", "replace")
