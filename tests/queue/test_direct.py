"""Requests at once, for whoever waits: no queue, no store (queue/direct.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from queue_kit import QueueWorld, answer_next
from scripted import BLOCK1, block

from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.errors import (
    DeviceAsleep,
    DeviceError,
    DeviceTimeout,
    QueueFull,
    StoreError,
    UnknownDevice,
)
from lwm2m_fast.queue.direct import FAILURES, GRACE_S, failure

READ = {"op": "read", "path": "/3/0/9"}


def registered(**parts) -> tuple[QueueWorld, object]:
    world = QueueWorld(**parts)
    device = world.device()
    device.register(lifetime=86400)
    return world, device


def performed(world: QueueWorld, then: Callable[[], object], timeout_s: float = 5.0) -> Any:
    """What a Read gives; `then` happens when it has left."""

    async def performing():
        task = asyncio.ensure_future(world.direct.perform("dev-1", parse_order(READ), timeout_s))
        await asyncio.sleep(0)
        world.finish_turn()
        then()
        return await task

    return world.do(performing())


def test_a_direct_request_gets_the_device_s_answer():
    world, device = registered()

    async def performing():
        task = asyncio.ensure_future(world.direct.perform("dev-1", parse_order(READ), 10.0))
        await asyncio.sleep(0)
        world.finish_turn()
        answer_next(device, value=b"55")
        return await task

    result = world.do(performing())
    assert result.ok
    assert [node.value for node in result.pack] == [55]
    assert world.states("dev-1") == []


def test_a_direct_request_to_nobody_or_to_a_sleeper_is_refused():
    world, _device = registered(queue={"awake_time_ms": 1000})
    with pytest.raises(UnknownDevice):
        world.do(world.direct.perform("nobody", parse_order(READ), 5.0))
    world.after(1.001)
    with pytest.raises(DeviceAsleep) as refused:
        world.do(world.direct.perform("dev-1", parse_order(READ), 5.0))
    assert refused.value.http_status == 409


@pytest.mark.parametrize("outcome, error", [("reset", DeviceError), ("silence", DeviceTimeout)])
def test_a_direct_request_that_is_not_answered_is_an_error(outcome, error):
    world, device = registered()

    async def performing():
        task = asyncio.ensure_future(world.direct.perform("dev-1", parse_order(READ), 5.0))
        await asyncio.sleep(0)
        world.finish_turn()
        if outcome == "reset":
            device.reset(device.hear())
        else:
            world.after(6)
        return await task

    with pytest.raises(error):
        world.do(performing())


def test_many_direct_requests_give_an_outcome_each():
    world, device = registered()

    async def performing():
        asks = [("dev-1", parse_order(READ)), ("nobody", parse_order(READ))]
        task = asyncio.ensure_future(world.direct.perform_many(asks, 5.0))
        await asyncio.sleep(0)
        world.finish_turn()
        answer_next(device)
        return await task

    good, bad = world.do(performing())
    assert good.ok
    assert isinstance(bad, UnknownDevice)


def test_what_came_is_given_as_it_came_beside_what_it_means():
    world, device = registered()

    def answer():
        device.answer(device.hear(), options=[(12, b""), (4, b"e")], payload=b"55")

    answered = performed(world, answer).answered
    assert (answered.code, answered.content_format, answered.payload, answered.etag) == (
        69,
        0,
        b"55",
        b"e",
    )


def test_an_error_of_the_device_is_an_answer_too():
    world, device = registered()
    result = performed(world, lambda: answer_next(device, "4.04"))
    assert (result.ok, result.code) == (False, "4.04")


def test_a_device_that_registers_anew_cancels_what_was_asked():
    world, device = registered()

    def register():
        device.hear()
        device.register(lifetime=86400)

    with pytest.raises(DeviceError, match="registered anew"):
        performed(world, register)


def test_a_silent_device_s_request_is_withdrawn():
    world, _device = registered()
    with pytest.raises(DeviceTimeout, match="read /3/0/9: 'dev-1' did not answer"):
        performed(world, lambda: world.after(6))
    assert world.count("requests_current") == 0


def test_a_caller_that_goes_away_withdraws_its_request():
    world, _device = registered()

    async def leaving():
        task = asyncio.ensure_future(world.direct.perform("dev-1", parse_order(READ), 5.0))
        await asyncio.sleep(0)
        world.finish_turn()
        assert world.count("requests_current") == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    world.do(leaving())
    assert world.count("requests_current") == 0


BYTES = "00" * 4096


def taking_blocks(world, device, order):
    """Ask, take every block at once but the last; what came of it after the caller's time."""

    async def asking():
        task = asyncio.ensure_future(world.direct.perform("dev-1", parse_order(order), 0.1))
        await asyncio.sleep(0)
        world.finish_turn()
        for _ in range(3):
            heard = device.hear()
            number, more, size = heard.block(BLOCK1)
            assert more
            device.answer(heard, "2.31", options=[(BLOCK1, block(number, True, size))])
        await asyncio.wait([task], timeout=0.1 + GRACE_S + 0.3)
        if task.done():
            return task.exception()
        task.cancel()
        return "waits"

    return world.do(asking())


@pytest.mark.parametrize(
    "order",
    [
        {"op": "write", "path": "/19/0/0", "value": {"0": {"hex": BYTES}}},
        {"op": "create", "path": "/19", "values": {"5": {"0": {"0": {"hex": BYTES}}}}},
        {"op": "write_composite", "values": {"/19/0/0/0": {"hex": BYTES}}},
    ],
    ids=lambda order: order["op"],
)
def test_a_large_request_has_no_more_than_the_caller_s_time(order):
    world, device = registered()
    error = taking_blocks(world, device, order)
    assert isinstance(error, DeviceTimeout)
    assert world.count("requests_current") == 0


def test_an_upload_has_all_the_time_that_the_device_takes_blocks():
    world, device = registered()
    world.files["image.bin"] = bytes(8192)
    order = {"op": "write", "path": "/5/0/0", "value": {"file": "image.bin"}}
    assert taking_blocks(world, device, order) == "waits"
    assert world.count("requests_current") == 0  # its caller has gone now


def test_who_has_others_before_him_waits_no_longer_than_he_said():
    """The engine's time begins when a request leaves, and this one never does."""
    world, device = registered()
    world.read("dev-1", 3, 0, 0, timeout_s=300.0)
    device.hear()

    async def waiting():
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(DeviceTimeout, match="did not answer"):
            await world.direct.perform("dev-1", parse_order(READ), 0.1)
        assert loop.time() - begun >= 0.1 + GRACE_S

    world.do(waiting())
    device.hear_nothing()
    assert world.count("requests_current") == 1, "the one that was before it"


def test_too_many_at_once_for_one_device_are_refused():
    world, _device = registered(coap={"max_waiting_per_device": 2})

    async def three():
        asks = [("dev-1", parse_order(READ))] * 3
        task = asyncio.ensure_future(world.direct.perform_many(asks, 5.0))
        await asyncio.sleep(0)
        world.finish_turn()
        world.after(12)
        return await task

    outcomes = world.do(three())
    assert [type(each) for each in outcomes] == [DeviceTimeout, DeviceTimeout, QueueFull]


OUTCOMES = ["timeout", "no_response", "reset", "cancelled", "malformed", "too_large"]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_way_to_end_has_its_error(outcome):
    assert isinstance(failure("dev-1", parse_order(READ), outcome), FAILURES[outcome][0])
    assert len(FAILURES) == len(OUTCOMES)


def test_what_could_not_be_kept_first_is_the_store_s_error():
    assert isinstance(failure("dev-1", parse_order(READ), "store"), StoreError)
