"""What hears events: the contract of a sink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lwm2m_fast.core.events import Event


class Sink(Protocol):
    """Somebody who wants to know what happens to devices.

    Called on the loop's thread after the devices have had their answers; must not block.
    """

    @property
    def listens(self) -> bool:
        """Whether publish() would do anything now; when nobody listens no event is made."""
        ...

    def hears(self, endpoint: str) -> bool:
        """Whether it wants what this device reports, notifications and Sends; asked only while it
        listens, so that for the others of a large fleet no event is made."""
        ...

    def publish(self, events: Sequence[Event]) -> None:
        """These happened, in this order."""
        ...
