"""Faults of our own, in what is done for one device or one listener: the others go on.

What many devices answered, and what a transaction has kept, is seen to one after the other. An
exception there that nobody has foreseen must end with the one it is about: whoever comes behind
would wait for ever. Each is handed to the turns, which log and count it; knows nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

FAULT = "fault"
"""The reason of an operation that ended so."""

MESSAGE = "a fault inside the server; its log says more"
"""What a caller is told: an exception's own words are for whoever runs the server."""


class Engine(Protocol):
    """The part of core/engine that keeps the last fault until the turn's end."""

    fault: BaseException | None


class Faults:
    """Loop's thread only. `act` makes a turn come soon, which reports the fault."""

    def __init__(self, engine: Engine, act: Callable[[], None]) -> None:
        self._engine, self._act = engine, act
        self.met = 0

    def meet(self, error: Exception) -> None:
        """To be called in an `except` that goes on."""
        self.met += 1
        self._engine.fault = error
        self._act()

    def contained(self, hear: Callable[[T], None]) -> Callable[[T], None]:
        """`hear`, whose faults are its own."""

        def heard(what: T) -> None:
            try:
                hear(what)
            except Exception as error:
                self.meet(error)

        return heard

    def counters(self) -> dict[str, int]:
        return {"operation_faults": self.met}
