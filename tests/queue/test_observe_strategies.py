"""Several paths observed for one, for all, or for each object (requirement I4)."""

from __future__ import annotations

import pytest
from queue_kit import QueueWorld, path_of

from lwm2m_fast.codec import decode
from lwm2m_fast.core.orders import order_json
from lwm2m_fast.core.strategies import parse_orders

OBSERVE, CONTENT_FORMAT = 6, 12
GET, FETCH = "0.01", "0.05"
SENML_CBOR = 112
PATHS = ["/3/0/9", "/3303/0/5700", "/3/0/13"]


def apart(op: str, strategy: str, paths: list[str] = PATHS) -> list[dict]:
    return [order_json(o) for o in parse_orders({"op": op, "paths": paths, "strategy": strategy})]


def registered(version: str = "1.1") -> tuple[QueueWorld, object]:
    world = QueueWorld()
    device = world.device()
    links = b'</>;ct="60 110 112",</3/0>,</3303/0>'
    device.register(lifetime=86400, version=version, payload=links)
    return world, device


def agree_to_all(device) -> list[tuple[str, list[str]]]:
    """Answer each Observe; (method, paths) of each request."""
    asked = []
    while device.inbox:
        heard = device.hear()
        assert heard.option(OBSERVE) == b""
        if heard.code == GET:
            paths = [path_of(heard)]
            payload, format = b"7", b""
        else:
            paths = [str(node.path) for node in decode(SENML_CBOR, heard.payload)]
            payload, format = b"\x80", bytes([SENML_CBOR])
        asked.append((heard.code, paths))
        device.answer(
            heard, options=[(OBSERVE, b"\x01"), (CONTENT_FORMAT, format)], payload=payload
        )
    return asked


EXPECTED = {
    "SINGLE": [(GET, [path]) for path in PATHS],
    "COMPOSITE_ALL": [(FETCH, PATHS)],
    "COMPOSITE_BY_OBJECT": [(FETCH, ["/3/0/9", "/3/0/13"]), (FETCH, ["/3303/0/5700"])],
}


@pytest.mark.parametrize("strategy", EXPECTED)
def test_there_is_one_request_for_each_path_for_all_or_for_each_object(strategy):
    world, device = registered()
    world.submit("dev-1", *apart("observe_composite", strategy))
    assert agree_to_all(device) == EXPECTED[strategy]
    stands = world.engine.observations("dev-1")
    assert [each["state"] for each in stands] == ["active"] * len(EXPECTED[strategy])


@pytest.mark.parametrize("strategy", EXPECTED)
def test_the_same_paths_in_another_order_end_them_all(strategy):
    world, device = registered()
    world.submit("dev-1", *apart("observe_composite", strategy))
    agree_to_all(device)
    ids = world.submit("dev-1", *apart("cancel_composite", strategy, PATHS[::-1]))
    assert {world.state("dev-1", number) for number in ids} == {"SUCCESSFUL"}
    assert world.engine.observations("dev-1") == []


@pytest.mark.parametrize("strategy", ["COMPOSITE_ALL", "COMPOSITE_BY_OBJECT"])
def test_a_device_of_1_0_has_no_composite_one_and_is_asked_nothing(strategy):
    world, device = registered(version="1.0")
    ids = world.submit("dev-1", *apart("observe_composite", strategy))
    device.hear_nothing()
    for number in ids:
        shown = world.shown_operation("dev-1", number)
        assert (shown["state"], shown["reason"]) == ("FAILED", "refused")
        assert "needs LwM2M 1.1, 'dev-1' speaks 1.0" in shown["result"]["error"]


def test_a_device_of_1_0_is_observed_path_by_path():
    world, device = registered(version="1.0")
    world.submit("dev-1", *apart("observe_composite", "SINGLE"))
    assert agree_to_all(device) == EXPECTED["SINGLE"]
