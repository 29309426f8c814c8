"""Events as log lines, one each, for those who ask for it (log.device_events)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from lwm2m_fast.core.events import Event

_log = logging.getLogger("lwm2m_fast.devices")

# Of the registration, what a reader of the log needs to find the device; not its object list.
# Of requests and responses (log level TRAFFIC), what was asked and how it ended; no value.
FACTS = (
    "registration_id", "address", "lwm2m_version", "lifetime_s", "replaces",
    "op", "path", "outcome", "code",
)  # fmt: skip


class LogSink:
    """Writes every event but the Updates that only say "still here"."""

    def __init__(self, listens: bool) -> None:
        self.listens = listens

    def hears(self, endpoint: str) -> bool:
        return False  # what devices report is data, and a fleet's would fill the disk

    def publish(self, events: Sequence[Event]) -> None:
        if not self.listens:
            return
        for event in events:
            if event.kind == "updated":
                continue
            facts = {name: event.data[name] for name in FACTS if name in event.data}
            _log.info(event.kind, extra={"endpoint": event.endpoint, **facts})
