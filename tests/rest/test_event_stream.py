"""The event stream of one subscriber, fed and read in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fake_service import Api, FakeEvent, FakeService

from lwm2m_fast.rest.events import EventStream, event_frame, frame


class Reader:
    """The far side of a stream: keeps what was sent, leaves when told."""

    def __init__(self, service: FakeService, heartbeat_s: float = 3600.0) -> None:
        self.counters: Counter[str] = Counter()
        self.closing = asyncio.Event()
        self.leave = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self.news = asyncio.Condition()
        self.stream = EventStream(service, "dev-1", self.counters, self.closing, heartbeat_s)

    async def receive(self) -> dict[str, Any]:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        async with self.news:
            self.sent.append(message)
            self.news.notify_all()

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    async def until(self, part: str) -> None:
        async with self.news:
            await self.news.wait_for(lambda: part in self.text)

    def start(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.stream({"type": "http"}, self.receive, self.send))


def streamed(
    scene: Callable[[FakeService, Reader, asyncio.Task[None]], Awaitable[None]],
    heartbeat_s: float = 3600.0,
) -> tuple[FakeService, Reader]:
    """Play `scene` against a started stream; the stream must end with it, within 5 s."""

    async def played() -> tuple[FakeService, Reader]:
        service = FakeService("dev-1")
        reader = Reader(service, heartbeat_s)
        async with asyncio.timeout(5):
            task = reader.start()
            await reader.until(": connected")
            await scene(service, reader, task)
            await task
        return service, reader

    return asyncio.run(played())


def test_an_event_is_one_frame_with_kind_number_and_json() -> None:
    event = FakeEvent("registered", "a\nb", 12.5, {"lifetime_s": 300})
    assert event_frame(event, 3) == (
        b"id: 3\nevent: registered\n"
        b'data: {"endpoint":"a\\nb","at":12.5,"data":{"lifetime_s":300}}\n\n'
    )


def test_events_arrive_in_order_until_the_client_leaves() -> None:
    async def scene(service: FakeService, reader: Reader, task: asyncio.Task[None]) -> None:
        for kind in ("registered", "updated"):
            service.subscriptions[0].queue.put_nowait(FakeEvent(kind, "dev-1"))
        await reader.until("event: updated")
        assert reader.counters["http_subscribers_current"] == 1
        reader.leave.set()

    service, reader = streamed(scene)
    assert reader.text.index("event: registered") < reader.text.index("event: updated")
    assert service.subscribed == ["dev-1"]
    assert service.subscriptions[0].is_closed
    assert reader.counters["http_subscribers_current"] == 0


def test_a_closing_server_ends_the_stream_cleanly() -> None:
    async def scene(service: FakeService, reader: Reader, task: asyncio.Task[None]) -> None:
        reader.closing.set()

    service, reader = streamed(scene)
    assert reader.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert service.subscriptions[0].is_closed


def test_lost_events_are_told_once_with_their_number() -> None:
    async def scene(service: FakeService, reader: Reader, task: asyncio.Task[None]) -> None:
        subscription = service.subscriptions[0]
        subscription.dropped = 5
        subscription.queue.put_nowait(FakeEvent("updated", "dev-1"))
        subscription.queue.put_nowait(FakeEvent("expired", "dev-1"))
        await reader.until("event: expired")
        reader.leave.set()

    _, reader = streamed(scene)
    assert reader.text.count("event: dropped") == 1
    assert frame("dropped", {"dropped": 5}).decode() in reader.text
    assert reader.counters["http_events_dropped"] == 5


def test_a_silent_stream_is_kept_alive_by_comments() -> None:
    async def scene(service: FakeService, reader: Reader, task: asyncio.Task[None]) -> None:
        await reader.until(": alive\n\n: alive")
        reader.leave.set()

    _, reader = streamed(scene, heartbeat_s=0.0)
    assert "event:" not in reader.text


def test_a_client_that_stops_reading_is_given_up() -> None:
    async def played() -> FakeService:
        service = FakeService("dev-1")
        reader = Reader(service)
        stream = EventStream(
            service, None, reader.counters, reader.closing, heartbeat_s=0.0, stuck_s=0.0
        )

        async def stuck(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async with asyncio.timeout(5):
            await stream({"type": "http"}, reader.receive, stuck)
        assert reader.counters["http_subscribers_stuck"] == 1
        assert reader.counters["http_subscribers_current"] == 0
        return service

    (subscription,) = asyncio.run(played()).subscriptions
    assert subscription.is_closed


def test_a_client_that_leaves_while_it_is_written_to_is_no_error() -> None:
    async def played() -> None:
        reader = Reader(FakeService("dev-1"))

        async def gone(message: dict[str, Any]) -> None:
            raise OSError("connection lost")

        await reader.stream({"type": "http"}, reader.receive, gone)
        assert reader.counters["http_subscribers_current"] == 0

    asyncio.run(played())


def test_a_stream_whose_subscription_ends_is_ended() -> None:
    async def scene(service: FakeService, reader: Reader, task: asyncio.Task[None]) -> None:
        service.subscriptions[0].queue.put_nowait(None)

    _, reader = streamed(scene)
    assert reader.sent[-1]["more_body"] is False


def test_a_cancelled_stream_gives_its_subscription_back() -> None:
    async def scene(service: FakeService, reader: Reader, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait({task})
        assert service.subscriptions[0].is_closed
        assert reader.counters["http_subscribers_current"] == 0

    with pytest.raises(asyncio.CancelledError):
        streamed(scene)


def test_a_failing_subscription_is_not_hidden() -> None:
    async def scene(service: FakeService, reader: Reader, task: asyncio.Task[None]) -> None:
        service.subscriptions[0].queue.put_nowait("no event")  # type: ignore[arg-type]

    with pytest.raises(AttributeError):
        streamed(scene)


def test_subscribers_beyond_the_limit_are_refused() -> None:
    api = Api(FakeService(), max_subscribers=2)
    api.counters["http_subscribers_current"] = 2
    answer = api.get("/api/v1/events")
    assert answer.status_code == 429
    assert answer.json()["detail"] == "2 event streams are open already"
    assert answer.headers["retry-after"] == "1"
    assert api.counters["http_refused_subscribers"] == 1
