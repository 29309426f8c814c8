"""Blocks both ways, late answers, time, and what ends a transfer (RFC 7959, sections 2.4, 3.3)."""

import random

import pytest
from downlink_kit import BODY, PATH, body_of, finish, take_blocks, write
from scripted import (
    ACCEPT,
    ACK,
    BLOCK1,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    ETAG,
    FETCH,
    NON,
    POST,
    RST,
    SIZE1,
    URI_QUERY,
    World,
    block,
    number_bytes,
    reachable,
)

# Answers in blocks to payloads in blocks


@pytest.mark.parametrize("length", [20, 3000])
def test_a_fetch_is_large_both_ways(length):
    world, device = reachable()
    call = world.start("dev-1", write(BODY[:length], FETCH, accept=112, query=(b"q",)))
    asked = device.hear()
    options = []
    if asked.block(BLOCK1):
        asked, taken = take_blocks(device, asked)
        assert body_of(taken) == BODY[:length]
        options = [(BLOCK1, asked.option(BLOCK1))]
    options += [(CONTENT_FORMAT, number_bytes(112)), (ETAG, b"e")]
    for number in range(5):
        more = number < 4
        here = [(BLOCK2, block(number, more, 256)), *options]
        part = BODY[number * 256 :][:256]
        device.answer(asked, options=here, payload=part)
        if more:
            asked = device.hear()
            assert (asked.code, asked.path) == ("0.05", list(PATH))
            assert asked.block(BLOCK2) == (number + 1, False, 256)
            assert (asked.number(CONTENT_FORMAT), asked.number(ACCEPT)) == (42, 112)
            assert asked.option(URI_QUERY) == b"q"
            assert (asked.payload, asked.option(BLOCK1), asked.option(SIZE1)) == (b"", None, None)
        options = options[-2:]
    assert world.answers == [(call, "answered", 69, 112, BODY[:1280], b"e", None, 0)]


@pytest.mark.parametrize("length", [20, 3000])
def test_a_fetch_whose_answer_changes_is_sent_once_more_with_its_payload(length):
    world, device = reachable()
    call = world.start("dev-1", write(BODY[:length], FETCH))
    for _ in range(2):
        asked = device.hear()
        sent = asked.payload
        if asked.block(BLOCK1):
            asked, taken = take_blocks(device, asked)
            sent = body_of(taken)
        assert sent == BODY[:length]
        for number, tag in ((0, b"1"), (1, b"2")):
            options = [(BLOCK2, block(number, True, 64)), (ETAG, tag)]
            device.answer(asked, options=options, payload=bytes(64))
            asked = device.hear() if number == 0 else None
    assert world.outcomes() == [(call, "malformed")]


def test_what_changes_the_device_is_not_sent_twice_for_its_answer():
    world, device = reachable()
    call = world.start("dev-1", write(b"x", POST))
    options = [(BLOCK2, block(0, True, 64)), (ETAG, b"1")]
    device.answer(device.hear(), "2.04", options=options, payload=bytes(64))
    options = [(BLOCK2, block(1, True, 64)), (ETAG, b"2")]
    device.answer(device.hear(), "2.04", options=options, payload=bytes(64))
    assert world.outcomes() == [(call, "malformed")]
    device.hear_nothing()


# Late and repeated answers


@pytest.mark.parametrize("kind", [ACK, NON, CON])
def test_a_late_answer_to_an_earlier_block_is_harmless(kind):
    world, device = reachable()
    call = world.start("dev-1", write())
    first, second = device.hear(), None
    finish(device, first, "2.31")
    second = device.hear()
    finish(device, second, "2.31")
    third = device.hear()
    for late in (first, second):
        finish(device, late, "2.31", kind=kind, mid=late.mid if kind == ACK else None)
        if kind == CON:
            assert device.hear().type == ACK
    device.hear_nothing()
    assert world.count("requests_late") == (0 if kind == ACK else 2)
    last, _ = take_blocks(device, third)
    finish(device, last)
    assert world.outcomes() == [(call, "answered")]


@pytest.mark.parametrize("code", ["2.31", "4.08"])
def test_an_answer_from_before_the_restart_is_harmless(code):
    world, device = reachable()
    call = world.start("dev-1", write())
    finish(device, device.hear(), "2.31")
    second = device.hear()
    finish(device, second, "4.08")
    asked = device.hear()
    finish(device, second, code, kind=NON)
    device.hear_nothing()
    last, taken = take_blocks(device, asked)
    finish(device, last)
    assert body_of(taken) == BODY
    assert world.outcomes() == [(call, "answered")]


@pytest.mark.parametrize("kind", [NON, CON])
def test_a_late_block_of_the_answer_is_harmless(kind):
    world, device = reachable()
    call = world.start("dev-1", write(BODY, FETCH))
    last, _ = take_blocks(device)
    parts = [(BLOCK2, block(0, True, 64))]
    finish(device, last, "2.05", options=parts, payload=bytes(64))
    asked = device.hear()
    finish(device, last, "2.05", options=parts, payload=bytes(64), kind=kind)
    finish(device, last, "2.31", kind=kind)
    for _ in range(2 if kind == CON else 0):
        assert device.hear().type == ACK
    device.hear_nothing()
    assert world.count("requests_late") == 2
    device.answer(asked, options=[(BLOCK2, block(1, False, 64))], payload=b"end")
    assert world.answers == [(call, "answered", 69, None, bytes(64) + b"end", None, None, 0)]


def test_answers_after_the_end_are_reset():
    world, device = reachable()
    world.start("dev-1", write())
    first = device.hear()
    finish(device, first, "4.00")
    finish(device, first, "2.31", kind=CON)
    assert device.hear().type == RST
    finish(device, first, "2.31", kind=NON)
    device.hear_nothing()
    assert len(world.answers) == 1


# Time, and what comes between


def test_each_block_that_is_taken_gives_the_whole_time_again():
    world, device = reachable()
    call = world.start("dev-1", write(), timeout_s=10)
    for _ in range(4):
        world.after(8)
        finish(device, device.hear_all()[-1][1], "2.31")
    assert world.answers == []
    world.after(10.1)
    assert world.outcomes() == [(call, "timeout")]


def test_a_block_that_is_acknowledged_and_not_answered_ends_the_transfer():
    world = World(coap={"response_timeout_s": 20})
    _, device = reachable(world)
    call = world.start("dev-1", write())
    finish(device, device.hear(), "2.31")
    asked = device.hear()
    device.acknowledge(asked)
    world.after(19)
    finish(device, asked, "2.31", kind=CON)
    assert device.hear().type == ACK
    device.acknowledge(device.hear())
    world.after(20.1)
    assert world.outcomes() == [(call, "no_response")]


def test_an_update_in_the_middle_changes_nothing():
    world, device = reachable()
    location = device.register("dev-1")
    call = world.start("dev-1", write())
    asked = device.hear()
    device.update(location, query=["lt=600"])
    finish(device, asked, "2.31")
    last, _ = take_blocks(device)
    finish(device, last)
    assert world.outcomes() == [(call, "answered")]


@pytest.mark.parametrize("how", ["register", "move", "leave", "cancel"])
def test_what_ends_the_registration_ends_the_transfer(how):
    world, device = reachable()
    location = device.register("dev-1")
    call = world.start("dev-1", write())
    finish(device, device.hear(), "2.31")
    asked = device.hear()
    {
        "register": lambda: device.register("dev-1"),
        "move": lambda: world.device("192.0.2.9:9").update(location),
        "leave": lambda: device.leave(location),
        "cancel": lambda: world.cancel(call),
    }[how]()
    assert world.outcomes() == [(call, "cancelled")]
    finish(device, asked, "2.31", kind=CON)
    assert device.hear().type == RST
    world.after(100)
    device.hear_nothing()
    assert world.answers == []


# A link that loses and repeats


@pytest.mark.parametrize("size, length", [(16, 2000), (256, 65536), (1024, 300_001)])
def test_a_payload_arrives_whole_although_a_tenth_is_lost_each_way(size, length):
    chance = random.Random(3)
    body = chance.randbytes(length)
    world = World(coap={"block_size": size})
    _, device = reachable(world)
    call = world.start("dev-1", write(body))
    kept: dict[int, bytes] = {}
    while not world.answers:
        if not device.inbox:
            world.after(0.5)
            continue
        asked = device.hear()
        if asked.code != "0.03" or chance.random() < 0.1:
            continue
        number, more, _ = asked.block(BLOCK1)
        assert kept.setdefault(number, asked.payload) == asked.payload
        for _ in range(chance.choice((1, 1, 1, 2))):
            if chance.random() < 0.9:
                finish(device, asked, "2.31" if more else "2.04", kind=chance.choice((ACK, CON)))
    assert world.outcomes() == [(call, "answered")]
    assert b"".join(kept[number] for number in sorted(kept)) == body
    assert world.count("requests_retransmitted") > 0
    assert world.count("requests_current") == 0
