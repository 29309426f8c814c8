"""Whether a device listens right now: its awake window (requirements Q1, Q2).

A window opens with each authenticated message of the device and lasts a number of milliseconds.
Knows no device table and no clock: what was heard when, and what time it is, are passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

ATTRIBUTE = "at"
"""Registration attribute with which a device names its window in milliseconds."""

MAX_AWAKE_MS = 86_400_000
"""A day; a device that names more is awake for a day."""


@dataclass(frozen=True, slots=True)
class Window:
    """How long a device listens after it was heard, and who says so."""

    awake_ms: int
    """0: always."""
    source: str
    """settings · registration · default."""

    def awake_until(self, heard_at: float) -> float:
        """The last moment, in seconds, at which a device heard at `heard_at` still listens."""
        return inf if self.awake_ms == 0 else heard_at + self.awake_ms / 1000.0

    def is_awake(self, heard_at: float | None, now: float) -> bool:
        """Inside the window, its last millisecond included. `heard_at` None: never heard."""
        if heard_at is None:
            return False
        return self.awake_ms == 0 or round((now - heard_at) * 1000) <= self.awake_ms


def window_of(
    setting_ms: int | None, attributes: Mapping[str, str | None], default_ms: int
) -> Window:
    """The window in force: the operator's setting for this device beats what the device says, and
    that beats the server's default."""
    if setting_ms is not None:
        return Window(setting_ms, "settings")
    said = _milliseconds(attributes.get(ATTRIBUTE))
    if said is not None:
        return Window(said, "registration")
    return Window(default_ms, "default")


def _milliseconds(text: str | None) -> int | None:
    """What the device says, if it is a number at all."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 20):
        return None
    return min(int(text), MAX_AWAKE_MS)
