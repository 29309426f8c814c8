"""What is told outside, by the log level of each device: the one place that leaves events out.

Stands in front of the sinks that tell people. Whoever works with events inside the server is a sink
beside it, and hears all of them. What a level means is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lwm2m_fast.core.events import Event
from lwm2m_fast.faults import Faults
from lwm2m_fast.sink.base import Sink


class Leveled:
    """`sinks` get those events for which `is_told(level, kind)`. `levels` has levels by endpoint
    name, as they are at each moment; of who is not in it all is told that is made."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        levels: Mapping[str, str],
        is_told: Callable[[str, str], bool],
        faults: Faults | None = None,
    ) -> None:
        self._sinks, self._levels, self._is_told = sinks, levels, is_told
        self._faults = faults or Faults()
        self._untold = 0

    @property
    def listens(self) -> bool:
        return any(sink.listens for sink in self._sinks)

    def hears(self, endpoint: str) -> bool:
        return any(
            self._faults.ask("a sink", sink.hears, endpoint) for sink in self._sinks if sink.listens
        )

    def publish(self, events: Sequence[Event]) -> None:
        if self._levels:  # in most fleets nobody has one of his own
            wanted = [event for event in events if self._wants(event)]
            self._untold += len(events) - len(wanted)
            events = wanted
        if events:
            for sink in self._sinks:
                self._faults.tell("a sink", sink.publish, events)

    def _wants(self, event: Event) -> bool:
        level = self._levels.get(event.endpoint)
        return level is None or self._is_told(level, event.kind)

    def counters(self) -> dict[str, int]:
        return {"events_left_out": self._untold}
