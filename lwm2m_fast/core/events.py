"""What the outside may learn of a device, said after the device has had its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one device."""

    kind: str
    """registered, updated, deregistered or expired."""
    endpoint: str
    """The device's endpoint client name."""
    at: float
    """Unix time in seconds."""
    data: dict[str, Any] = field(default_factory=dict)
    """The registration as the API shows it; `replaces` is the former id at a re-registration."""
