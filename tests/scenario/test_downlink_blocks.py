"""Payloads of ours that leave in blocks: Block1 (RFC 7959, sections 2.3, 2.5 and 2.9)."""

import mmap
import random

import pytest
from downlink_kit import BODY, PATH, body_of, finish, take_blocks, write
from scripted import (
    ACCEPT,
    ACK,
    BLOCK1,
    CON,
    CONTENT_FORMAT,
    NON,
    POST,
    PUT,
    SIZE1,
    URI_QUERY,
    World,
    block,
    number_bytes,
    reachable,
)

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.errors import RequestError

# How it leaves


@pytest.mark.parametrize("size", [16, 64, 256, 1024])
@pytest.mark.parametrize("kind", [ACK, NON, CON])
def test_a_large_payload_leaves_in_blocks(size, kind):
    world = World(coap={"block_size": size})
    _, device = reachable(world)
    call = world.start("dev-1", write())
    last, taken = take_blocks(device, kind=kind)
    assert body_of(taken) == BODY
    assert {heard.block(BLOCK1)[2] for heard in taken} == {size}
    assert len(taken) == -(-len(BODY) // size)
    assert world.answers == []
    finish(device, last)
    assert world.outcomes() == [(call, "answered")]
    assert world.count("request_blocks_sent") == len(taken)
    assert world.count("requests_current") == 0


def test_every_block_has_the_options_and_the_first_the_size():
    world, device = reachable()
    world.start("dev-1", write(query=(b"a=1", b"b"), accept=60))
    _, taken = take_blocks(device)
    for heard in taken:
        assert (heard.type, heard.code, heard.path) == (CON, "0.03", list(PATH))
        assert [value for number, value in heard.options if number == URI_QUERY] == [b"a=1", b"b"]
        assert (heard.number(CONTENT_FORMAT), heard.number(ACCEPT)) == (42, 60)
    assert [heard.number(SIZE1) for heard in taken] == [len(BODY), *[None] * (len(taken) - 1)]
    assert len({heard.mid for heard in taken}) == len(taken)
    assert len({heard.token for heard in taken}) == 1


@pytest.mark.parametrize("size, is_whole", [(0, True), (1, True), (1024, True), (1025, False)])
def test_a_payload_up_to_a_block_leaves_whole(size, is_whole):
    world, device = reachable()
    world.start("dev-1", write(BODY[:size]))
    asked = device.hear()
    assert (asked.option(BLOCK1) is None) == is_whole
    assert asked.payload == BODY[: min(size, 1024)]
    assert asked.number(SIZE1) == (None if is_whole else size)


def test_blocks_become_smaller_when_the_path_needs_the_room():
    world, device = reachable()
    world.start("dev-1", CoapRequest(POST, (b"x" * 200,), payload=BODY))
    asked = device.hear()
    assert asked.block(BLOCK1) == (0, True, 512)
    assert len(asked.data) <= 1152


def test_a_lost_block_is_sent_again():
    world, device = reachable()
    call = world.start("dev-1", write())
    device.answer(device.hear(), "2.31", options=[(BLOCK1, block(0, True, 1024))])
    world.after(7)
    again = [heard for _, heard in device.hear_all()]
    assert len(again) >= 2
    assert len({heard.data for heard in again}) == 1
    assert again[0].block(BLOCK1) == (1, True, 1024)
    last, _ = take_blocks(device, again[0])
    finish(device, last)
    assert world.outcomes() == [(call, "answered")]


def test_a_buffer_is_read_where_it_is_and_held_until_the_answer():
    world, device = reachable()
    payload = bytearray(BODY)
    world.start("dev-1", write(payload))
    last, taken = take_blocks(device)
    with pytest.raises(BufferError):
        payload.append(0)
    finish(device, last)
    payload.append(0)
    assert body_of(taken) == BODY


def test_a_mapped_file_goes_block_by_block(tmp_path):
    body = random.Random(1).randbytes(3 << 20 | 7)
    (tmp_path / "image").write_bytes(body)
    world, device = reachable()
    with (tmp_path / "image").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    call = world.start("dev-1", write(mapped))
    last, taken = take_blocks(device)
    with pytest.raises(BufferError):
        mapped.close()
    finish(device, last)
    assert world.outcomes() == [(call, "answered")]
    assert body_of(taken) == body
    mapped.close()


@pytest.mark.parametrize("end", ["timeout", "cancel", "reset", "leave", "register", "refuse"])
def test_the_buffer_is_released_however_it_ends(end):
    world, device = reachable()
    location = device.register("dev-1")
    payload = bytearray(BODY)
    call = world.start("dev-1", write(payload))
    finish(device, device.hear(), "2.31")
    asked = device.hear()
    {
        "timeout": lambda: world.after(100),
        "cancel": lambda: world.cancel(call),
        "reset": lambda: device.reset(asked),
        "leave": lambda: device.leave(location),
        "register": lambda: device.register("dev-1"),
        "refuse": lambda: device.answer(asked, "4.05"),
    }[end]()
    assert len(world.outcomes()) == 1
    payload.append(0)
    assert world.count("requests_current") == 0


def test_a_payload_in_blocks_waits_for_its_turn_with_its_buffer():
    world, device = reachable()
    payload = bytearray(BODY)
    first = world.start("dev-1", CoapRequest(PUT, PATH, payload=b"x"))
    second = world.start("dev-1", write(payload))
    asked = device.hear()
    device.hear_nothing()
    with pytest.raises(BufferError):
        payload.append(0)
    device.answer(asked, "2.04")
    assert device.hear().block(BLOCK1) == (0, True, 1024)
    world.cancel(second)
    payload.append(0)
    assert world.outcomes() == [(first, "answered"), (second, "cancelled")]


# Sizes


@pytest.mark.parametrize("code", ["2.31", "2.04"])
def test_a_smaller_block_is_taken_over_from_any_answer(code):
    world, device = reachable()
    call = world.start("dev-1", write())
    first = device.hear()
    device.answer(first, code, options=[(BLOCK1, block(0, True, 64))])
    asked = device.hear()
    assert asked.block(BLOCK1) == (16, True, 64)
    assert asked.payload == BODY[1024:1088]
    last, taken = take_blocks(device, asked, code)
    assert first.payload + b"".join(heard.payload for heard in taken) == BODY
    finish(device, last)
    assert world.outcomes() == [(call, "answered")]


@pytest.mark.parametrize("named", [(2, 256), (8, 256)], ids=["our number", "counted anew"])
def test_a_smaller_block_in_the_middle_may_be_counted_either_way(named):
    world, device = reachable()
    world.start("dev-1", write())
    for _ in range(2):
        finish(device, device.hear(), "2.31")
    device.answer(device.hear(), "2.31", options=[(BLOCK1, block(named[0], True, named[1]))])
    asked = device.hear()
    assert asked.block(BLOCK1) == (12, True, 256)
    assert asked.payload == BODY[3072:3328]


def test_a_larger_block_is_not_taken_over():
    world = World(coap={"block_size": 64})
    _, device = reachable(world)
    world.start("dev-1", write())
    device.answer(device.hear(), "2.31", options=[(BLOCK1, block(0, True, 1024))])
    assert device.hear().block(BLOCK1) == (1, True, 64)


def test_continue_without_block1_is_taken_as_it_is_meant():
    world, device = reachable()
    world.start("dev-1", write())
    device.answer(device.hear(), "2.31")
    assert device.hear().block(BLOCK1) == (1, True, 1024)


def test_a_payload_that_needs_too_many_blocks_is_refused(tmp_path):
    with (tmp_path / "image").open("wb+") as file:
        file.truncate((16 << 20) + 1)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    world = World(coap={"block_size": 16})
    _, device = reachable(world)
    with pytest.raises(RequestError, match=r"16777217 bytes does not fit 1048576 blocks of 16"):
        world.start("dev-1", write(mapped))
    world.start("dev-1", write(memoryview(mapped)[1:]))
    assert device.hear().number(SIZE1) == 16 << 20
    assert world.count("requests_current") == 1


def test_blocks_that_a_device_makes_too_small_for_the_payload_end_it(tmp_path):
    with (tmp_path / "image").open("wb+") as file:
        file.truncate((16 << 20) + 1)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    world, device = reachable()
    call = world.start("dev-1", write(mapped))
    device.answer(device.hear(), "2.31", options=[(BLOCK1, block(0, True, 16))])
    assert world.outcomes() == [(call, "too_large")]
    mapped.close()


# 4.13 and 4.08


@pytest.mark.parametrize(
    "options, size",
    [
        ([(BLOCK1, block(0, True, 128))], 128),
        ([(SIZE1, number_bytes(300))], 256),
        ([(BLOCK1, block(0, True, 1024)), (SIZE1, number_bytes(64))], 64),
        ([(BLOCK1, block(0, True, 16)), (SIZE1, number_bytes(512))], 16),
    ],
)
@pytest.mark.parametrize("length", [1000, 5000])
def test_too_large_with_a_smaller_size_starts_again_with_it(options, size, length):
    world, device = reachable()
    call = world.start("dev-1", write(BODY[:length]))
    device.answer(device.hear(), "4.13", options=options)
    asked = device.hear()
    assert asked.block(BLOCK1) == (0, True, size)
    assert asked.number(SIZE1) == length
    last, taken = take_blocks(device, asked)
    assert body_of(taken) == BODY[:length]
    finish(device, last)
    assert world.outcomes() == [(call, "answered")]
    assert world.count("requests_restarted") == 1


@pytest.mark.parametrize(
    "options",
    [
        [],
        [(BLOCK1, block(0, True, 1024))],
        [(BLOCK1, b"\x0f")],
        [(SIZE1, number_bytes(4096))],
        [(SIZE1, number_bytes(15))],
        [(SIZE1, b"")],
    ],
)
def test_too_large_without_a_smaller_size_is_the_answer(options):
    world, device = reachable()
    call = world.start("dev-1", write())
    device.answer(device.hear(), "4.13", options=options, payload=b"why")
    assert world.answers == [(call, "answered", 0x8D, None, b"why", None, None, 0)]
    device.hear_nothing()


def test_too_large_is_the_answer_the_second_time():
    world, device = reachable()
    call = world.start("dev-1", write())
    for size in (512, 64):
        device.answer(device.hear(), "4.13", options=[(BLOCK1, block(0, True, size))])
    assert world.answers == [(call, "answered", 0x8D, None, b"", None, None, 0)]


def test_too_large_in_the_middle_starts_again_too():
    world, device = reachable()
    world.start("dev-1", write())
    finish(device, device.hear(), "2.31")
    device.answer(device.hear(), "4.13", options=[(BLOCK1, block(1, True, 256))])
    assert device.hear().block(BLOCK1) == (0, True, 256)


def test_a_small_payload_that_is_too_large_is_refused():
    world, device = reachable()
    call = world.start("dev-1", write(b"0123456789"))
    device.answer(device.hear(), "4.13", options=[(BLOCK1, block(0, False, 16))])
    assert world.answers == [(call, "answered", 0x8D, None, b"", None, None, 0)]


def test_incomplete_starts_again_from_the_first_block_once():
    world, device = reachable()
    call = world.start("dev-1", write())
    for _ in range(2):
        finish(device, device.hear(), "2.31")
    finish(device, device.hear(), "4.08")
    asked = device.hear()
    assert asked.block(BLOCK1) == (0, True, 1024)
    assert asked.number(SIZE1) == len(BODY)
    last, taken = take_blocks(device, asked)
    assert body_of(taken) == BODY
    finish(device, last, "4.08")
    assert world.answers == [(call, "answered", 0x88, None, b"", None, None, 0)]
    assert world.count("requests_restarted") == 1
    device.hear_nothing()


def test_incomplete_of_a_whole_payload_is_the_answer():
    world, device = reachable()
    call = world.start("dev-1", write(b"x"))
    device.answer(device.hear(), "4.08")
    assert world.answers == [(call, "answered", 0x88, None, b"", None, None, 0)]


@pytest.mark.parametrize("code", ["4.15", "4.04", "5.00"])
def test_an_error_in_the_middle_is_the_answer(code):
    world, device = reachable()
    call = world.start("dev-1", write())
    finish(device, device.hear(), "2.31")
    device.answer(device.hear(), code)
    assert world.outcomes() == [(call, "answered")]
    device.hear_nothing()


@pytest.mark.parametrize(
    "why, code, options",
    [
        ("it took one block for all", "2.04", []),
        ("another block", "2.31", [(BLOCK1, block(2, True, 1024))]),
        ("the block before", "2.31", [(BLOCK1, block(0, True, 1024))]),
        ("a reserved size", "2.31", [(BLOCK1, b"\x1f")]),
    ],
)
def test_a_piggybacked_answer_to_a_block_is_malformed_when(why, code, options):
    world, device = reachable()
    call = world.start("dev-1", write())
    finish(device, device.hear(), "2.31")
    device.answer(device.hear(), code, options=options)
    assert world.outcomes() == [(call, "malformed")]
    device.hear_nothing()


@pytest.mark.parametrize("payload", [b"", b"x", BODY[:1024], BODY])
def test_continue_after_the_last_block_is_malformed(payload):
    world, device = reachable()
    call = world.start("dev-1", write(payload))
    asked = device.hear()
    if asked.block(BLOCK1):
        asked, _ = take_blocks(device, asked)
    device.answer(asked, "2.31")
    assert world.outcomes() == [(call, "malformed")]
