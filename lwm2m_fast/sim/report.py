"""What a simulation saw: numbers of each phase, ready for a table or for a machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

from lwm2m_fast.sim.dtls import Dtls
from lwm2m_fast.sim.fleet import Fleet

Name = TypeVar("Name", int, str)

REQUESTS: Final = {1: "register", 2: "update", 3: "deregister", 4: "ping", 5: "send"}
"""Names of device.pxd's requests."""

ENDINGS: Final = {1: "timeout", 2: "reset", 3: "no session"}
"""Names of the endings that are no response (exchanges.pxd); a ping is answered by a reset."""


def code_text(code: int) -> str:
    """69 as "2.05"."""
    return f"{code >> 5}.{code & 31:02}"


@dataclass(frozen=True)
class Row:
    """One kind of request in one phase; latencies from first transmission to response."""

    request: str
    started: int
    answered: int
    retransmitted: int
    timeouts: int
    rate: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    endings: dict[str, int]


@dataclass(frozen=True)
class PhaseReport:
    """One phase; datagrams are of all kinds, `served` the responses to the server's requests."""

    name: str
    seconds: float
    rows: list[Row]
    sent: int
    received: int
    missed: int
    served: dict[str, int]
    operations: dict[str, int]
    """What the server had done to the devices and what they reported, by name (sim/desk.py)."""


@dataclass(frozen=True)
class DtlsReport:
    """Sessions from beginning to end; latencies of handshakes that ended well, from the first
    flight to the last."""

    handshakes: int
    secured: int
    resumed: int
    failures: dict[str, int]
    """Handshakes that failed, by the alert or the reason."""
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, dtls: Dtls) -> DtlsReport:
        counts, took = dtls.counters(), dtls.handshake
        p50, p90, p99 = (took.quantile(q) / 1e6 for q in (0.5, 0.9, 0.99))
        return cls(
            counts["handshakes"], counts["secured"], counts["resumed"], dict(dtls.failures),
            p50, p90, p99, took.most / 1e6,
        )  # fmt: skip


@dataclass(frozen=True)
class BootstrapReport:
    """What came of the bootstraps, and how long all of them took together."""

    finished: int
    seconds: float
    failures: dict[str, int]
    """Devices by the code of the answer or the reason."""
    server: str
    """What they were given, as the URI of their LwM2M server."""


@dataclass
class Report:
    """One simulation, phase by phase."""

    devices: int
    seed: int
    phases: list[PhaseReport] = field(default_factory=list)
    registered: int = 0
    """The most devices that were registered at the end of a phase."""
    complete: bool = False
    """All devices were registered; for pings: all were answered."""
    notes: list[str] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    """As in PhaseReport, from beginning to end."""
    dtls: DtlsReport | None = None
    bootstrap: BootstrapReport | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return asdict(self)


class Measure:
    """Counts between two moments of a fleet."""

    def __init__(self, fleet: Fleet, operations: Callable[[], dict[str, int]], now_ns: int) -> None:
        """Latencies are those from here on; `operations` are the desk's counters."""
        self._fleet, self._began_ns, self._operations = fleet, now_ns, operations
        self._before, self._operations_before = fleet.counters(), operations()
        for request in REQUESTS:
            fleet.latency(request).clear()

    def finish(self, name: str, now_ns: int) -> PhaseReport:
        """What has happened since."""
        after, before = self._fleet.counters(), self._before
        seconds = max(1e-9, (now_ns - self._began_ns) / 1e9)
        rows = [
            self._row(request, after["requests"][request], before["requests"][request], seconds)
            for request in REQUESTS
        ]
        served = _difference(after["served"], before["served"])
        return PhaseReport(
            name,
            seconds,
            [row for row in rows if row.started or row.endings],
            after["sent"] - before["sent"],
            after["received"] - before["received"],
            after["missed"],
            {code_text(code): count for code, count in served.items()},
            _difference(self._operations(), self._operations_before),
        )

    def _row(
        self, request: int, after: dict[str, Any], before: dict[str, Any], seconds: float
    ) -> Row:
        endings = _difference(after["endings"], before["endings"])
        latency = self._fleet.latency(request)
        p50, p90, p99 = (latency.quantile(q) / 1e6 for q in (0.5, 0.9, 0.99))
        return Row(
            REQUESTS[request],
            after["started"] - before["started"],
            latency.count,
            after["retransmitted"] - before["retransmitted"],
            endings.get(1, 0),
            latency.count / seconds,
            p50,
            p90,
            p99,
            latency.most / 1e6,
            {ENDINGS.get(code) or code_text(code): count for code, count in endings.items()},
        )


def _difference(after: dict[Name, int], before: dict[Name, int]) -> dict[Name, int]:
    return {code: n - before.get(code, 0) for code, n in after.items() if n > before.get(code, 0)}
