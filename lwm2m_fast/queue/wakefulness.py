"""`awake` and `asleep` as events, for those who listen to events.

Hears of devices as a sink does, and asks for no event itself: while nobody listens there is
nothing to do. A device begins to be awake with whatever it sends; when its window is over it is
looked at, and what it has sent meanwhile has moved the end. So a device costs one entry while it is
awake and nothing while it sleeps. Decides nothing about what is sent to whom: that is
dispatch.py's, which asks reach.py at the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Final

from lwm2m_fast.core.events import Event
from lwm2m_fast.core.presence import Window
from lwm2m_fast.queue.calls import Clock
from lwm2m_fast.queue.reach import Reach

MAX_AWAKE: Final = 200_000
"""Devices that are followed at a time; of more no `asleep` is told, and that is counted."""

SLICE: Final = 2_000
"""Windows looked at in one tick; the rest a second later."""

BEGIN: Final = frozenset({"registered", "updated"})
UPLINK: Final = frozenset({"notification", "send", "observe_ended"})
"""What a device sends while it is registered; an operation counts when it was answered."""

END: Final = frozenset({"deregistered", "expired"})


class Wakefulness:
    """Who is awake, as far as it was told. Loop's thread only."""

    listens: Final = False

    def __init__(
        self, reach: Reach, clock: Clock, publish: Callable[[Sequence[Event]], None]
    ) -> None:
        self._reach, self._clock, self._publish = reach, clock, publish
        self._awake: dict[str, tuple[float, Window]] = {}
        """When to look at a device, and what its window was by its last Register or Update."""
        self._due: list[tuple[float, str]] = []
        self._missed = 0

    def hears(self, endpoint: str) -> bool:
        return False  # the end of a window is looked up when it is near

    def publish(self, events: Sequence[Event]) -> None:
        """What happened to devices; after those who listen have been told."""
        told = []
        for event in events:
            if event.kind in END:
                self._awake.pop(event.endpoint, None)
            elif (event.kind in BEGIN and self._begins(event)) or (
                _is_uplink(event) and self._is_up(event.endpoint)
            ):
                told.append(Event("awake", event.endpoint, event.at))
        if told:
            self._publish(told)

    def _begins(self, event: Event) -> bool:
        endpoint = event.endpoint
        window = self._reach.window_said(endpoint, event.data["attributes"])
        known = self._awake.get(endpoint)
        if window.awake_ms == 0:
            self._awake.pop(endpoint, None)
            return False
        if known is not None:
            self._awake[endpoint] = (known[0], window)
            return False
        if len(self._awake) >= MAX_AWAKE:
            self._missed += 1
            return False
        self._look_at(endpoint, window, self._clock.now() + window.awake_ms / 1000.0)
        return True

    def _is_up(self, endpoint: str) -> bool:
        """Whether a device that was thought asleep has a window that is open, and is followed."""
        if endpoint in self._awake:
            return False
        window = self._reach.window(endpoint)
        until = None if window is None else self._reach.awake_until(endpoint, window)
        now = self._clock.now()
        if window is None or until is None or until == inf or until < now:
            return False
        if len(self._awake) >= MAX_AWAKE:
            self._missed += 1
            return False
        self._look_at(endpoint, window, until)
        return True

    def _look_at(self, endpoint: str, window: Window, moment: float) -> None:
        self._awake[endpoint] = (moment, window)
        heappush(self._due, (moment, endpoint))
        if len(self._due) > 2 * len(self._awake) + SLICE:  # of devices that came and went
            self._due = sorted((at, name) for name, (at, _) in self._awake.items())

    def settings_changed(self, endpoint: str) -> None:
        """The window of the device may end at another moment."""
        known = self._awake.get(endpoint)
        if known is not None:
            self._look_at(endpoint, known[1], self._clock.now())

    def tick(self) -> None:
        """Tell of those whose window is over. Once a second."""
        now, wall = self._clock.now(), self._clock.wall()
        told = []
        for _ in range(SLICE):
            if not self._due or self._due[0][0] > now:
                break
            moment, endpoint = heappop(self._due)
            known = self._awake.get(endpoint)
            if known is None or known[0] != moment:  # it has left, or is looked at later
                continue
            until = self._reach.awake_until(endpoint, known[1])
            if until is None or until == inf:
                del self._awake[endpoint]
            elif until >= now:
                self._look_at(endpoint, known[1], until)
            else:
                del self._awake[endpoint]
                told.append(Event("asleep", endpoint, wall))
        if told:
            self._publish(told)

    def counters(self) -> dict[str, int]:
        return {
            "devices_awake_followed_current": len(self._awake),
            "devices_awake_not_followed": self._missed,
        }


def _is_uplink(event: Event) -> bool:
    """Whether the device has sent something, beside Registers and Updates."""
    if event.kind != "operation":
        return event.kind in UPLINK
    result = event.data.get("result")
    return bool(result and result.get("code"))
