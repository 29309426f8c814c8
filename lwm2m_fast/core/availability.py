"""Whether a device was heard within the interval in which it should be (requirement R8).

An interval and two moments in, a word out. Knows no device table, no settings and no clock, and
nothing of it is stored: a device is overdue, or not, at the moment somebody asks.
"""

from __future__ import annotations

from typing import Final

MARGIN_S: Final = 120
"""What a device may be late beyond its lifetime before it is missed."""

AVAILABLE, UNAVAILABLE = "available", "unavailable"


def required_interval_s(is_automatic: bool, minutes: int | None, lifetime_s: int) -> int | None:
    """Seconds within which a device must be heard; None: nothing is required of it.

    Automatic: its lifetime and MARGIN_S, so that an Update which changes the lifetime changes this;
    a lifetime of 0 never ends. Otherwise the configured minutes, whatever the lifetime becomes.
    """
    if is_automatic:
        return lifetime_s + MARGIN_S if lifetime_s else None
    return None if minutes is None else minutes * 60


def availability(interval_s: int | None, heard_at: float, now: float) -> str:
    """`available`, to the interval's last moment, or `unavailable`; moments in seconds."""
    is_overdue = interval_s is not None and now - heard_at > interval_s
    return UNAVAILABLE if is_overdue else AVAILABLE
