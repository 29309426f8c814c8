"""Notifications of which one block comes by itself, and the rest is asked for (RFC 7959, 2.6)."""

import pytest
from scripted import (
    ACCEPT,
    ACK,
    BLOCK1,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    ETAG,
    FETCH,
    GET,
    OBSERVE,
    POST,
    START,
    UNIX,
    World,
    block,
    reachable,
    request,
)

from lwm2m_fast.core.ask import CoapRequest

SENML = [(CONTENT_FORMAT, b"\x70")]


def observed(world=None):
    """A world, a device that reports, and the token of it."""
    world, device = reachable(world)
    return world, device, device.observed().token


def first_block(device, token, sequence=2, more=True, number=0, etag=b"e", payload=b"a" * 16):
    options = [*SENML, (BLOCK2, block(number, more, 16)), (ETAG, etag)]
    device.notify(token, sequence, payload, options=options, kind=CON)
    assert device.hear().type == ACK


def answer_block(device, asked, number, more, etag=b"e", payload=b"b" * 16, **parts):
    options = [*SENML, (BLOCK2, block(number, more, 16)), (ETAG, etag)]
    device.answer(asked, options=options, payload=payload, **parts)


def test_the_rest_of_a_large_one_is_fetched_and_told_as_one():
    world, device = reachable()
    request = CoapRequest(GET, (b"3303", b"0"), query=(b"q",), accept=112)
    token = device.observed(request=request).token
    world.at(START + 3)
    first_block(device, token)
    assert world.reports == []
    asked = device.hear()
    assert (asked.code, asked.path) == ("0.01", [b"3303", b"0"])
    assert asked.option(OBSERVE) is None
    assert asked.token != token
    assert asked.block(BLOCK2) == (1, False, 16)
    assert asked.number(17) == 112
    answer_block(device, asked, 1, True)
    asked = device.hear()
    assert asked.block(BLOCK2) == (2, False, 16)
    answer_block(device, asked, 2, False, payload=b"c")
    (report,) = world.reports
    assert report[1:] == (
        world.engine.observations("dev-1")[0]["number"],
        69,
        112,
        b"a" * 16 + b"b" * 16 + b"c",
        UNIX + 3,
        2,
    )
    assert world.answers == [], "nobody has asked"
    assert world.count("notifications_fetched") == 1
    assert world.count("requests_current") == 0


def composite(payload=b"\x81paths", **coap):
    """A device that reports what stands in the payload of a FETCH, and the token of that."""
    world, device = reachable(World(coap=coap))
    asked = CoapRequest(FETCH, (), content_format=112, accept=112, payload=payload)
    return world, device, device.observed(request=asked).token


def test_the_rest_of_a_composite_one_is_fetched_with_the_paths_in_every_request():
    world, device, token = composite()
    first_block(device, token)
    for number, more in ((1, True), (2, False)):
        asked = device.hear()
        assert (asked.code, asked.path, asked.payload) == ("0.05", [], b"\x81paths")
        assert (asked.number(CONTENT_FORMAT), asked.number(ACCEPT)) == (112, 112)
        assert asked.option(OBSERVE) is None
        assert asked.block(BLOCK1) is None
        assert asked.block(BLOCK2) == (number, False, 16)
        answer_block(device, asked, number, more, payload=b"b" * 16 if more else b"c")
    assert world.told() == [b"a" * 16 + b"b" * 16 + b"c"]


def test_a_composite_one_that_has_changed_is_fetched_whole_with_its_paths():
    world, device, token = composite()
    first_block(device, token)
    answer_block(device, device.hear(), 1, False, etag=b"f")
    asked = device.hear()
    assert (asked.code, asked.payload) == ("0.05", b"\x81paths")
    assert asked.block(BLOCK2) in (None, (0, False, 16))
    answer_block(device, asked, 0, True, etag=b"f", payload=b"x" * 16)
    asked = device.hear()
    assert (asked.block(BLOCK2), asked.payload) == ((1, False, 16), b"\x81paths")
    answer_block(device, asked, 1, False, etag=b"f", payload=b"y")
    assert world.told() == [b"x" * 16 + b"y"]


@pytest.mark.parametrize("size, is_sent", [(64, True), (65, False)])
def test_paths_that_fill_more_than_a_block_are_not_sent_with_each(size, is_sent):
    world, device = reachable(World(coap={"block_size": 64}))
    paths = b"p" * size
    asked = CoapRequest(FETCH, (), content_format=112, accept=112, payload=paths)
    token = b""
    world.observe(request=asked)
    for _ in range(1 if is_sent else 2):
        heard = device.hear()
        token = token or heard.token
        number, more, _ = heard.block(BLOCK1) or (0, False, 64)
        options = [(BLOCK1, block(number, more, 64))] if not is_sent else []
        code = "2.31" if more else "2.05"
        if not more:
            options += [(OBSERVE, b"\x01"), *SENML]
        device.answer(heard, code, options=options, payload=b"" if more else b"v")
    first_block(device, token)
    asked = device.hear()
    assert (asked.code, asked.payload) == ("0.05", paths if is_sent else b"")
    answer_block(device, asked, 1, False, payload=b"c")
    assert world.told()[-1:] == [b"a" * 16 + b"c"]


def test_a_large_one_of_a_single_block_is_told_at_once():
    world, device, token = observed()
    first_block(device, token, more=False, payload=b"short")
    device.hear_nothing()
    assert world.told() == [b"short"]


def test_another_etag_starts_the_fetch_again_once():
    world, device, token = observed()
    first_block(device, token)
    answer_block(device, device.hear(), 1, False, etag=b"f")
    asked = device.hear()
    assert asked.block(BLOCK2) in (None, (0, False, 16))
    answer_block(device, asked, 0, True, etag=b"f", payload=b"x" * 16)
    answer_block(device, device.hear(), 1, False, etag=b"f", payload=b"y")
    assert world.told() == [b"x" * 16 + b"y"]


def test_a_new_one_takes_the_place_of_one_that_is_being_fetched():
    world, device, token = observed()
    first_block(device, token, sequence=2, etag=b"1")
    old = device.hear()
    first_block(device, token, sequence=3, etag=b"2", payload=b"n" * 16)
    new = device.hear()
    answer_block(device, old, 1, False, etag=b"1")
    answer_block(device, new, 1, False, etag=b"2", payload=b"!")
    assert world.told() == [b"n" * 16 + b"!"]
    assert world.count("notifications_incomplete") == 1
    assert world.count("requests_current") == 0


def test_a_small_new_one_ends_the_fetch_of_an_old_one():
    world, device, token = observed()
    first_block(device, token, sequence=2)
    device.hear()
    device.notify(token, 3, b"small")
    assert world.told() == [b"small"]
    assert world.count("requests_current") == 0


def test_a_fetch_that_fails_tells_nothing_and_the_relation_stands():
    world, device, token = observed()
    first_block(device, token, sequence=2)
    device.answer(device.hear(), "4.04")
    first_block(device, token, sequence=3)
    device.reset(device.hear())
    first_block(device, token, sequence=4)
    world.after(200)
    assert world.reports == []
    assert world.count("notifications_incomplete") == 3
    assert world.states() == {b"3303/0/5700": "active"}
    assert world.answers == []


def test_a_block_from_the_middle_or_of_a_wrong_size_is_not_told():
    world, device, token = observed()
    first_block(device, token, sequence=2, number=1)
    first_block(device, token, sequence=3, payload=b"too short")
    device.hear_nothing()
    assert world.reports == []
    assert world.count("requests_current") == 0


def test_a_large_one_waits_for_requests_before_it():
    world, device, token = observed()
    world.read("dev-1", 3)
    read = device.hear()
    first_block(device, token)
    device.hear_nothing()
    device.answer(read)
    answer_block(device, device.hear(), 1, False, payload=b"z")
    assert world.told() == [b"a" * 16 + b"z"]


def test_without_room_for_another_request_a_large_one_is_counted_and_dropped():
    world, device, token = observed(World(coap={"max_waiting_per_device": 1}))
    world.read("dev-1", 3)
    device.hear()
    first_block(device, token)
    device.hear_nothing()
    assert world.count("notifications_incomplete") == 1
    device.notify(token, 3, b"v")
    assert world.told() == [b"v"]


def test_a_fetch_under_way_ends_with_an_error_notification():
    world, device, token = observed()
    first_block(device, token)
    asked = device.hear()
    device.notify(token, None, code="4.04", options=[])
    answer_block(device, asked, 1, False)
    assert [r.code for r in world.reports] == [132]
    assert world.count("requests_current") == 0
    assert world.engine.observations("dev-1") == []


def test_a_body_beyond_the_bound_is_not_told():
    world, device, token = observed(World(coap={"max_body_bytes": 1024}))
    first_block(device, token)
    for number in range(1, 64):
        answer_block(device, device.hear(), number, True)
    answer_block(device, device.hear(), 64, False)
    assert world.reports == []
    assert world.count("notifications_incomplete") == 1


def test_a_move_ends_the_fetch_and_not_the_relation():
    world = World()
    location = world.device("192.0.2.1:1").register(lifetime=86400)
    token = world.device("192.0.2.1:1").observed().token
    first_block(world.device("192.0.2.1:1"), token)
    moved = world.device("192.0.2.1:2")
    moved.send(request(POST, location, mid=7))
    assert moved.hear().code == "2.04"
    assert world.count("requests_current") == 0
    moved.notify(token, 3, b"v")
    assert world.told() == [b"v"]
