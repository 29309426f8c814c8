"""Events for readers inside the process: the HTTP event stream, and whoever embeds the server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from lwm2m_fast.core.events import Event
from lwm2m_fast.faults import Faults


class Subscription:
    """Events from now on, in order, until close().

    Never holds up the publisher: beyond `limit` waiting events the newest are dropped and counted.
    """

    def __init__(
        self,
        sink: StreamSink,
        endpoint: str | None,
        limit: int,
        only: Callable[[Event], bool] | None = None,
    ) -> None:
        self.dropped = 0
        self._sink = sink
        self.endpoint = endpoint
        self._limit = limit
        self._only = only
        self._waiting: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def offer(self, event: Event) -> None:
        """Queue `event` if it is wanted and there is room."""
        if self.endpoint is not None and event.endpoint != self.endpoint:
            return
        if self._only is not None and not self._only(event):
            return
        if len(self._waiting) >= self._limit:
            self.dropped += 1
            return
        self._waiting.append(event)
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._closed:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def close(self) -> None:
        """End the iteration once what is waiting has been taken."""
        self._closed = True
        self._arrived.set()
        self._sink.forget(self)


class StreamSink:
    """All subscriptions; `limit` is the queue of each.

    `changed` is called whenever `listens` may have changed.
    """

    def __init__(
        self,
        limit: int,
        changed: Callable[[], None] = lambda: None,
        faults: Faults | None = None,
    ) -> None:
        self._limit, self._faults = limit, faults or Faults()
        self.changed = changed
        self._open: set[Subscription] = set()
        self._wanted: frozenset[str | None] = frozenset()

    @property
    def listens(self) -> bool:
        return bool(self._open)

    def hears(self, endpoint: str) -> bool:
        return None in self._wanted or endpoint in self._wanted

    def subscribe(
        self, endpoint: str | None = None, only: Callable[[Event], bool] | None = None
    ) -> Subscription:
        """`only`: whether an event is wanted; one of which that cannot be said is not told."""
        subscription = Subscription(self, endpoint, self._limit, only)
        self._open.add(subscription)
        self._count()
        return subscription

    def forget(self, subscription: Subscription) -> None:
        self._open.discard(subscription)
        self._count()

    def _count(self) -> None:
        self._wanted = frozenset(each.endpoint for each in self._open)
        self.changed()

    def publish(self, events: Sequence[Event]) -> None:
        for subscription in tuple(self._open):
            for event in events:
                self._faults.tell("a subscription", subscription.offer, event)
