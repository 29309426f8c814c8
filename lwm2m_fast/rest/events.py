"""/api/v1/events: what happens to devices, as server-sent events.

One stream is one subscription. The reader's speed is its own affair: events it is too slow for
are dropped by the subscription, and the stream says how many. Nothing is replayed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Annotated, Any

import orjson
from fastapi import Query
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lwm2m_fast.errors import QueueFull
from lwm2m_fast.fleet.tenants import CONNECTOR
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.base import MAX_ENDPOINT_BYTES, Event, Service, Subscription
from lwm2m_fast.rest.problem import documented
from lwm2m_fast.rest.routes import Context, Ctx, Route, Tenant, checked_endpoint
from lwm2m_fast.rest.tenancy import check_own, own_events

HEARTBEAT_S = 15.0
STUCK_S = 60.0  # a client that takes nothing for so long is given up
EVENTS_PER_STEP = 32  # written before the loop gets its turn


class TooManySubscribers(QueueFull):
    """As many event streams as allowed are open."""

    def __init__(self, limit: int) -> None:
        super().__init__("the event stream", limit)
        self.args = (f"{limit} event streams are open already",)


class EventStream(Response):
    """The stream of one subscriber. Ends when the client leaves or `closing` is set.

    The subscription is taken here, in the task that also gives it back, so that a client that
    leaves early cannot leak one.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        service: Service,
        endpoint: str | None,
        counters: Counter[str],
        closing: asyncio.Event,
        heartbeat_s: float = HEARTBEAT_S,
        stuck_s: float = STUCK_S,
        frames: Callable[[Event, int], Iterable[bytes]] | None = None,
        only: Callable[[Event], bool] | None = None,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._service = service
        self._endpoint = endpoint
        self._counters = counters
        self._closing = closing
        self._heartbeat_s = heartbeat_s
        self._stuck_s = stuck_s
        self._frames = frames or own_frames
        self._only = only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._counters["http_subscribers_current"] += 1
        # Before the client hears of its stream: what happens from then on is in it.
        subscription = self._service.subscribe(self._endpoint, self._only)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _first_of(
                self._events(subscription, send),
                self._beat(send),
                _gone(receive),
                self._closing.wait(),
            )
            await _write(send, b"", more=False)
        except TimeoutError:
            self._counters["http_subscribers_stuck"] += 1
        except OSError:  # the client left while we wrote (ASGI, "send")
            pass
        finally:
            self._counters["http_subscribers_current"] -= 1
            self._counters["http_events_dropped"] += subscription.dropped
            subscription.close()

    async def _events(self, subscription: Subscription, send: Send) -> None:
        number = told = 0
        async for event in subscription:
            number += 1
            if subscription.dropped > told:
                told = subscription.dropped
                await _write(send, frame("dropped", {"dropped": told}))
            for data in self._frames(event, number):
                await _write(send, data)
            if number % EVENTS_PER_STEP == 0:
                await asyncio.sleep(0)

    async def _beat(self, send: Send) -> None:
        """Comments, for ever; TimeoutError once the client has stopped reading."""
        text = b": connected\n\n"
        while True:
            async with asyncio.timeout(self._stuck_s):
                await _write(send, text)
            text = b": alive\n\n"
            await asyncio.sleep(self._heartbeat_s)


async def _first_of(*parts: Coroutine[Any, Any, Any]) -> None:
    """Run all until one ends, then end the others; what went wrong in one is raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, data: bytes, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


def frame(kind: str, data: dict[str, Any], number: int | None = None) -> bytes:
    """One server-sent event. JSON has no line breaks, so one data line is enough."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: ".encode() + orjson.dumps(data, default=str) + b"\n\n"


def event_frame(event: Event, number: int) -> bytes:
    data = {"endpoint": event.endpoint, "at": event.at, "data": event.data}
    return frame(event.kind, data, number)


def own_frames(event: Event, number: int) -> tuple[bytes, ...]:
    """An event as this interface tells it; another face may tell none, or several."""
    return (event_frame(event, number),)


def check_room(ctx: Context) -> None:
    """TooManySubscribers when as many streams as allowed are open."""
    limit = ctx.config.http.max_subscribers
    if ctx.counters["http_subscribers_current"] >= limit:
        ctx.counters["http_refused_subscribers"] += 1
        raise TooManySubscribers(limit)


async def events(
    ctx: Ctx,
    tenant: Tenant,
    endpoint: Annotated[
        str | None, Query(max_length=MAX_ENDPOINT_BYTES, description="Only this device")
    ] = None,
) -> Response:
    """Events from now on.

    Of the registration: `registered`, `updated`, `deregistered`, `expired`. Of its presence:
    `awake`, `asleep`. Of what is asked of it: `operation`, at each change of state. Of what it
    tells by itself: `notification`, `send`, `observe_ended`; their data has the decoded `values`.
    Of bootstraps: `bootstrap_started`, `bootstrap_finished`, `bootstrap_failed`. Of devices whose
    `logLevel` is TRAFFIC or VERBOSE: `request`, `response`; with NONE none of its life.

    `data` is JSON: endpoint, at (unix seconds), data. `id` counts the events of this stream. An
    event `dropped` tells how many this stream has lost so far because its reader was too slow.
    A comment comes every 15 s.
    """
    check_room(ctx)
    wanted = checked_endpoint(endpoint) if endpoint is not None else None
    if wanted is not None and wanted != CONNECTOR:
        check_own(ctx.service, tenant, [wanted])
    only = own_events(ctx, tenant)
    return EventStream(ctx.service, wanted, ctx.counters, ctx.closing, only=only)


_STREAM = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}

ROUTES = (
    Route(
        method="GET", path="/api/v1/events", role=Role.READ, handler=events,
        tag="events",
        responses={200: _STREAM, **documented({429: "as many streams as allowed are open"})},
    ),
)  # fmt: skip
