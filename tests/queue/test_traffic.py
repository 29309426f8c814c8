"""Requests and responses as events: of devices with the log level TRAFFIC or VERBOSE, and only
while somebody listens (queue/traffic.py)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from queue_kit import QueueWorld, answer_next

from lwm2m_fast.core.ask import Answered
from lwm2m_fast.core.orders import Order, parse_order
from lwm2m_fast.errors import StoreError
from lwm2m_fast.queue.calls import Clock
from lwm2m_fast.queue.traffic import MAX_SHOWN_BYTES, Traffic


def scene(level: str | None, *, listens: bool = True) -> tuple[QueueWorld, Any]:
    world = QueueWorld()
    world.engine.tells = listens
    device = world.device()
    device.register(lifetime=86400)
    if level is not None:
        world.settings_changed("dev-1", logLevel=level)
    world.told.clear()
    return world, device


def traffic(world: QueueWorld) -> list[tuple[str, dict[str, Any]]]:
    return [(e.kind, e.data) for e in world.told if e.kind in ("request", "response")]


@pytest.mark.parametrize("level", [None, "NONE", "LIFECYCLE", "FIRMWARE"])
def test_most_levels_tell_no_traffic(level: str | None) -> None:
    world, device = scene(level)
    world.submit("dev-1", "/3/0/9")
    answer_next(device, value=b"55")
    assert traffic(world) == []
    assert [e.kind for e in world.told if e.kind == "operation"]


def test_traffic_tells_a_request_and_its_response_without_their_bytes() -> None:
    world, device = scene("TRAFFIC")
    world.submit("dev-1", "/3/0/9")
    world.at(world.now + 0.25)
    answer_next(device, value=b"55")
    (first, request), (second, response) = traffic(world)
    assert (first, second) == ("request", "response")
    assert request == {"request": request["request"], "op": "read", "path": "/3/0/9"}
    assert response == request | {"outcome": "answered", "code": "2.05", "seconds": 0.25}
    # In the order in which it happened: the operation has ended behind its response.
    assert [e.kind for e in world.told][-2:] == ["response", "operation"]


def test_verbose_tells_the_bytes_too() -> None:
    world, device = scene("VERBOSE")
    world.submit("dev-1", {"op": "write", "path": "/1/0/1", "value": 60})
    answer_next(device, code="2.04")
    world.submit("dev-1", "/3/0/9")
    answer_next(device, value=b"55")
    (_, write), (_, changed), (_, _), (_, content) = traffic(world)
    assert write["payload_bytes"] == len(bytes.fromhex(write["payload_hex"])) > 0
    assert "payload_hex" not in changed
    assert (content["content_format"], content["payload_hex"]) == (0, b"55".hex())


def test_a_direct_request_is_told_as_well() -> None:
    world, device = scene("TRAFFIC")

    async def performing() -> None:
        order = parse_order({"op": "read", "path": "/3/0/9"})
        task = asyncio.ensure_future(world.direct.perform("dev-1", order, 10.0))
        await asyncio.sleep(0)
        world.finish_turn()
        answer_next(device, value=b"55")
        await task

    world.do(performing())
    assert [kind for kind, _ in traffic(world)] == ["request", "response"]


def test_an_unanswered_request_ends_with_its_outcome() -> None:
    world, device = scene("TRAFFIC")
    (operation,) = world.submit("dev-1", "/3/0/9")
    device.hear()
    world.do(world.desk.cancel("dev-1", operation))
    _, (kind, response) = traffic(world)
    assert (kind, response["outcome"], response["code"]) == ("response", "cancelled", None)


def test_nothing_is_told_while_nobody_listens() -> None:
    world, device = scene("TRAFFIC", listens=False)
    world.submit("dev-1", "/3/0/9")
    answer_next(device, value=b"55")
    assert world.told == []


def test_another_level_counts_at_once() -> None:
    world, device = scene("TRAFFIC")
    world.submit("dev-1", "/3/0/9")
    world.settings_changed("dev-1", logLevel="LIFECYCLE")
    answer_next(device, value=b"55")
    world.submit("dev-1", "/3/0/9")
    answer_next(device, value=b"55")
    assert [kind for kind, _ in traffic(world)] == ["request"]


class Fleet:
    """As many devices as are asked for, all with one level; and somebody who listens."""

    def __init__(self, level: str) -> None:
        self.tells = True
        self.levels = dict.fromkeys((f"dev-{n}" for n in range(9)), level)


def test_open_requests_are_bounded_and_so_are_the_bytes_of_one() -> None:
    fleet, told = Fleet("VERBOSE"), []
    traffic = Traffic(fleet, fleet, Clock(lambda: 1.0, lambda: 2.0), told.extend, most=2)
    for number in range(3):
        traffic.began(number + 1, f"dev-{number}", Order("read", "/3/0/9"), None)
    assert traffic.counters() == {"traffic_told_current": 2, "traffic_not_told": 1}
    for number in (1, 2, 3):
        body = bytes(MAX_SHOWN_BYTES + 1)
        traffic.ended(Answered(number, "answered", 69, 42, body, None, None, 0))
    assert [event.kind for event in told] == ["request", "request", "response", "response"]
    assert told[-1].data["payload_bytes"] == MAX_SHOWN_BYTES + 1
    assert len(told[-1].data["payload_hex"]) == 2 * MAX_SHOWN_BYTES
    assert traffic.counters()["traffic_told_current"] == 0


@pytest.mark.parametrize("is_known", [True, False])
def test_the_end_of_a_request_is_not_told_to_another_owner(is_known: bool) -> None:
    world, device = scene("VERBOSE")
    world.owners["dev-1"] = "acme"
    world.submit("dev-1", "/3/0/9")
    assert [kind for kind, _ in traffic(world)] == ["request"]
    world.told.clear()
    world.owners["dev-1"] = "beta"
    if not is_known:

        def broken(endpoint: str) -> str:
            raise StoreError("the disk is gone")

        world.owner_of = broken
    assert world.operating is not None
    answer_next(device, value=b"55")
    assert traffic(world) == []
    assert world.operating.counters()["traffic_told_current"] == 0
