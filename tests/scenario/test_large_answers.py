"""Answers of devices that come in blocks: Block2 (RFC 7959, section 2.4)."""

import pytest
from scripted import (
    ACCEPT,
    ACK,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    ETAG,
    NON,
    SIZE2,
    World,
    block,
    number_bytes,
    reachable,
)

BODY = bytes(range(256)) * 5


def give_blocks(device, body: bytes, size: int, asked=None, **parts):
    """Answer block by block until the device is asked no more; how many were asked for."""
    asked = asked or device.hear()
    count = 1
    while True:
        number = (asked.block(BLOCK2) or (0, False, size))[0]
        at = number * size
        more = at + size < len(body)
        options = [(BLOCK2, block(number, more, size)), *parts.get("options", ())]
        device.answer(
            asked, options=options, payload=body[at : at + size], kind=parts.get("kind", ACK)
        )
        if parts.get("kind", ACK) == CON:
            assert device.hear().type == ACK
        if not device.inbox:
            return count
        count += 1
        asked = device.hear()


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256, 512, 1024])
@pytest.mark.parametrize("kind", [ACK, NON, CON])
def test_an_answer_in_blocks_is_put_together(size, kind):
    world, device = reachable()
    call = world.read("dev-1", 3)
    options = [(CONTENT_FORMAT, number_bytes(42)), (ETAG, b"e")]
    assert give_blocks(device, BODY, size, kind=kind, options=options) == -(-len(BODY) // size)
    assert world.answers == [(call, "answered", 69, 42, BODY, b"e", None, 0)]
    assert world.count("requests_current") == 0


def test_the_next_block_is_asked_for_with_path_accept_and_a_new_message_id():
    world, device = reachable()
    world.read("dev-1", 3, 0, accept=42)
    first = device.hear()
    device.answer(first, options=[(BLOCK2, block(0, True, 64))], payload=bytes(64))
    second = device.hear()
    assert second.block(BLOCK2) == (1, False, 64)
    assert (second.path, second.number(ACCEPT)) == (first.path, 42)
    assert second.mid != first.mid


def test_a_lost_request_for_a_block_is_sent_again():
    world, device = reachable()
    call = world.read("dev-1", 3)
    device.answer(device.hear(), options=[(BLOCK2, block(0, True, 64))], payload=bytes(64))
    world.after(7)
    again = [message for _, message in device.hear_all()]
    assert len(again) >= 2
    assert len({message.data for message in again}) == 1
    device.answer(again[0], options=[(BLOCK2, block(1, False, 64))], payload=b"end")
    assert world.answers == [(call, "answered", 69, None, bytes(64) + b"end", None, None, 0)]


def test_a_repeated_block_is_harmless():
    world, device = reachable()
    call = world.read("dev-1", 3)
    first = device.hear()
    for kind, mid in ((ACK, first.mid), (ACK, first.mid)):
        device.answer(
            first, kind=kind, mid=mid, options=[(BLOCK2, block(0, True, 16))], payload=bytes(16)
        )
    second = device.hear()
    device.hear_nothing()
    device.answer(second, options=[(BLOCK2, block(1, False, 16))], payload=b"x")
    assert world.outcomes() == [(call, "answered")]


def test_a_last_block_that_is_full_ends_the_answer():
    world, device = reachable()
    world.read("dev-1", 3)
    give_blocks(device, BODY[:128], 64)
    assert world.answers[0][4] == BODY[:128]


def test_a_single_block_is_a_whole_answer():
    world, device = reachable()
    world.read("dev-1", 3)
    assert give_blocks(device, b"small", 64) == 1
    assert world.answers[0][4] == b"small"


@pytest.mark.parametrize(
    "why, options, payload",
    [
        ("a block was left out", [(BLOCK2, block(2, True, 64))], bytes(64)),
        ("a block comes twice", [(BLOCK2, block(0, True, 64))], bytes(64)),
        ("it is too short", [(BLOCK2, block(1, True, 64))], bytes(63)),
        ("it is too long", [(BLOCK2, block(1, True, 64))], bytes(65)),
        ("the size is reserved", [(BLOCK2, b"\x1f")], bytes(64)),
        ("the code changed", [(BLOCK2, block(1, False, 64))], b"x"),
    ],
)
def test_an_answer_in_blocks_is_malformed_when(why, options, payload):
    world, device = reachable()
    call = world.read("dev-1", 3)
    first = [(BLOCK2, block(0, True, 64)), (ETAG, b"e")]
    device.answer(device.hear(), options=first, payload=bytes(64))
    options = [*options, (ETAG, b"e")]
    code = "2.04" if "code" in why else "2.05"
    device.answer(device.hear(), code, options=options, payload=payload)
    assert world.outcomes() == [(call, "malformed")]
    device.hear_nothing()
    assert world.count("requests_current") == 0


@pytest.mark.parametrize("other", [[(ETAG, b"other")], []])
def test_an_answer_that_changes_while_it_is_fetched_is_fetched_once_more(other):
    world, device = reachable()
    call = world.read("dev-1", 3, 0, accept=42)
    first = device.hear()
    options = [(BLOCK2, block(0, True, 64)), (ETAG, b"e")]
    device.answer(first, options=options, payload=bytes(64))
    options = [(BLOCK2, block(1, False, 64)), *other]
    device.answer(device.hear(), options=options, payload=b"x")
    again = device.hear()
    assert (again.code, again.path) == ("0.01", [b"3", b"0"])
    assert (again.block(BLOCK2), again.number(ACCEPT)) == (None, 42)
    assert world.count("requests_restarted") == 1
    parts = [(ETAG, b"new"), (CONTENT_FORMAT, number_bytes(42))]
    give_blocks(device, BODY, 512, again, options=parts)
    assert world.answers == [(call, "answered", 69, 42, BODY, b"new", None, 0)]


def test_an_answer_that_changes_twice_is_malformed():
    world, device = reachable()
    call = world.read("dev-1", 3)
    for tag in (b"1", b"2"):
        options = [(BLOCK2, block(0, True, 64)), (ETAG, tag)]
        device.answer(device.hear(), options=options, payload=bytes(64))
        options = [(BLOCK2, block(1, True, 64)), (ETAG, b"other")]
        device.answer(device.hear(), options=options, payload=bytes(64))
    assert world.outcomes() == [(call, "malformed")]
    device.hear_nothing()


def test_an_answer_that_starts_in_the_middle_is_malformed():
    world, device = reachable()
    call = world.read("dev-1", 3)
    device.answer(device.hear(), options=[(BLOCK2, block(3, False, 64))], payload=b"end")
    assert world.outcomes() == [(call, "malformed")]


def test_an_error_in_the_middle_of_an_answer_is_the_answer_alone():
    world, device = reachable()
    call = world.read("dev-1", 3)
    device.answer(device.hear(), options=[(BLOCK2, block(0, True, 64))], payload=bytes(64))
    device.answer(device.hear(), "4.04", payload=b"gone")
    assert world.answers == [(call, "answered", 0x84, None, b"gone", None, None, 0)]


def test_a_body_at_its_bound_is_taken_and_one_byte_more_is_not():
    for more, outcome in ((0, "answered"), (1, "too_large")):
        world = World(coap={"max_body_bytes": 1024})
        _, device = reachable(world)
        call = world.read("dev-1", 3)
        give_blocks(device, bytes(1024 + more), 64)
        assert world.outcomes() == [(call, outcome)]
        assert world.count("requests_current") == 0


def test_an_announced_size_alone_ends_nothing():
    world, device = reachable()
    call = world.read("dev-1", 3)
    options = [(BLOCK2, block(0, False, 64)), (SIZE2, number_bytes(1 << 30))]
    device.answer(device.hear(), options=options, payload=b"x")
    assert world.outcomes() == [(call, "answered")]


def test_a_device_that_never_ends_runs_into_the_callers_time():
    world, device = reachable()
    call = world.read("dev-1", 3, timeout_s=10)
    for number in range(20):
        asked = device.hear_all()[-1][1]
        options = [(BLOCK2, block(number, True, 16))]
        device.answer(asked, options=options, payload=bytes(16))
        world.after(0.6)
        if world.answers:
            break
    assert world.outcomes() == [(call, "timeout")]
