"""Which events of a device are told, by the level that is set for it (`logLevel`, row R7).

Pure rules. What a device reports, and what becomes of its operations, is data and no log: it is
told at every level. Knows neither events nor who hears them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NONE: Final = "NONE"
LIFECYCLE: Final = "LIFECYCLE"
TRAFFIC: Final = "TRAFFIC"
FIRMWARE: Final = "FIRMWARE"
VERBOSE: Final = "VERBOSE"
LEVELS: Final = (NONE, LIFECYCLE, TRAFFIC, FIRMWARE, VERBOSE)

LIFECYCLE_KINDS: Final = frozenset(
    {
        "registered", "updated", "deregistered", "expired", "awake", "asleep",
        "bootstrap_started", "bootstrap_finished", "bootstrap_failed",
    }
)  # fmt: skip
TRAFFIC_KINDS: Final = frozenset({"request", "response"})

UNTOLD: Final[Mapping[str, frozenset[str]]] = {
    NONE: LIFECYCLE_KINDS | TRAFFIC_KINDS,
    LIFECYCLE: TRAFFIC_KINDS,
    FIRMWARE: TRAFFIC_KINDS,
}
"""Level to the kinds of events that are not told; what is in no list is always told."""

_NOTHING: Final[frozenset[str]] = frozenset()

TRAFFIC_LEVELS: Final = frozenset(
    level for level in LEVELS if not UNTOLD.get(level, _NOTHING) & TRAFFIC_KINDS
)
"""With these, requests to the device and its responses are events."""


def is_told(level: str, kind: str) -> bool:
    """Whether an event of this kind is told of a device with this level."""
    return kind not in UNTOLD.get(level, _NOTHING)
