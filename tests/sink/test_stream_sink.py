"""Events for readers inside the process: in order, bounded, and never in the publisher's way."""

import asyncio

import pytest

from lwm2m_fast.core.events import Event
from lwm2m_fast.sink.stream import StreamSink


def event(number: int, endpoint: str = "dev-1") -> Event:
    return Event("updated", endpoint, float(number), {"number": number})


async def taken(subscription, count: int) -> list[float]:
    """The moments of the next `count` events."""
    found = []
    async with asyncio.timeout(5):
        async for item in subscription:
            found.append(item.at)
            if len(found) == count:
                break
    return found


def test_a_subscriber_hears_everything_from_now_on_in_order():
    async def act():
        sink = StreamSink(10)
        sink.publish([event(0)])
        subscription = sink.subscribe()
        sink.publish([event(1), event(2)])
        sink.publish([event(3)])
        assert await taken(subscription, 3) == [1, 2, 3]

    asyncio.run(act())


def test_a_subscriber_that_waits_is_woken():
    async def act():
        sink = StreamSink(10)
        waiting = asyncio.ensure_future(taken(sink.subscribe(), 1))
        await asyncio.sleep(0)
        assert not waiting.done()
        sink.publish([event(7)])
        assert await waiting == [7]

    asyncio.run(act())


def test_a_subscriber_of_one_device_hears_no_other():
    async def act():
        sink = StreamSink(10)
        subscription = sink.subscribe("dev-2")
        sink.publish([event(1, "dev-1"), event(2, "dev-2"), event(3, "dev-22")])
        subscription.close()
        assert [item.at async for item in subscription] == [2]
        assert subscription.dropped == 0

    asyncio.run(act())


@pytest.mark.parametrize("offered, kept, dropped", [(3, 3, 0), (4, 3, 1), (10, 3, 7)])
def test_events_at_the_bound_are_kept_and_newer_ones_are_dropped_and_counted(
    offered, kept, dropped
):
    async def act():
        sink = StreamSink(3)
        subscription = sink.subscribe()
        sink.publish([event(number) for number in range(offered)])
        assert subscription.dropped == dropped
        subscription.close()
        assert [item.at async for item in subscription] == list(range(kept))

    asyncio.run(act())


def test_a_slow_subscriber_costs_the_others_nothing():
    async def act():
        sink = StreamSink(2)
        slow, quick = sink.subscribe(), sink.subscribe()
        for number in range(5):
            sink.publish([event(number)])
            assert await taken(quick, 1) == [number]
        assert (slow.dropped, quick.dropped) == (3, 0)

    asyncio.run(act())


def test_a_closed_subscription_ends_once_what_waits_is_taken_and_hears_no_more():
    async def act():
        sink = StreamSink(10)
        subscription = sink.subscribe()
        sink.publish([event(1)])
        subscription.close()
        sink.publish([event(2)])
        assert [item.at async for item in subscription] == [1]
        subscription.close()

    asyncio.run(act())


def test_a_waiting_subscriber_is_ended_by_close():
    async def act():
        sink = StreamSink(10)
        subscription = sink.subscribe()
        waiting = asyncio.ensure_future(taken(subscription, 1))
        await asyncio.sleep(0)
        subscription.close()
        assert await waiting == []

    asyncio.run(act())


def test_it_listens_while_somebody_does_and_says_when_that_changes():
    async def act():
        said = []
        sink = StreamSink(10)
        sink.changed = lambda: said.append(sink.listens)
        assert not sink.listens
        one, two = sink.subscribe(), sink.subscribe()
        one.close()
        two.close()
        assert said == [True, True, True, False]

    asyncio.run(act())


def test_what_is_not_wanted_takes_no_room():
    async def act():
        sink = StreamSink(2)
        subscription = sink.subscribe(only=lambda event: event.at > 5)
        sink.publish([event(number) for number in range(8)])
        subscription.close()
        assert [item.at async for item in subscription] == [6, 7]
        assert subscription.dropped == 0

    asyncio.run(act())
