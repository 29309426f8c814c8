"""Whose a name is, remembered: it is asked for every event, device and row that a tenant is shown,
and changes seldom.

A change forgets all of it, which needs no lock: what was read before a change is told from what was
read after. Knows no store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MAX_REMEMBERED: Final = 65_536
"""Names, some 10 MB; at the bound all are forgotten."""


class Owners:
    """`look` finds a name's owner in the store. find() is one thread's, changed() anybody's."""

    def __init__(self, look: Callable[[str], str]) -> None:
        self._look = look
        self._known: dict[str, tuple[int, str]] = {}
        self._version = 0

    def find(self, name: str) -> str:
        """The owner of a name; raises what `look` raises."""
        version = self._version
        found = self._known.get(name)
        if found is not None and found[0] == version:
            return found[1]
        owner = self._look(name)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[name] = (version, owner)
        return owner

    def changed(self) -> None:
        """Some name has another owner, and the store knows."""
        self._version += 1

    def __len__(self) -> int:
        return len(self._known)
