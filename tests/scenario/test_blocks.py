"""Requests that come in blocks: Block1 (RFC 7959, section 2.5)."""

import pytest
from scripted import (
    BLOCK1,
    GET,
    LINKS,
    NON,
    POST,
    SIZE1,
    Device,
    Heard,
    World,
    block,
    number_bytes,
    register_parts,
    request,
)

LONG = b"</3/0>," + b",".join(b"</%d/0>" % (3300 + n) for n in range(120))


def block_parts(payload: bytes, number: int, size: int, **parts):
    """One block of a Register."""
    at = number * size
    more = at + size < len(payload)
    return register_parts(
        payload=payload[at : at + size],
        **{
            **parts,
            "options": [(BLOCK1, block(number, more, size)), *parts.get("options", ())],
        },
    )


def send_block(device: Device, payload: bytes, number: int, size: int, **parts) -> Heard:
    return device.ask(POST, "rd", **block_parts(payload, number, size, **parts))


def send_all(device: Device, payload: bytes, size: int, **parts) -> Heard:
    """Every block; each but the last is asked to be continued."""
    count = -(-len(payload) // size)
    for number in range(count - 1):
        answer = send_block(device, payload, number, size, **parts)
        assert (answer.code, answer.block(BLOCK1)) == ("2.31", (number, True, size))
    return send_block(device, payload, count - 1, size, **parts)


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256, 512, 1024])
def test_a_register_in_blocks_of_any_size_is_put_together(size):
    world = World()
    answer = send_all(world.device(), LONG, size)
    assert answer.code == "2.01"
    assert answer.block(BLOCK1) == (-(-len(LONG) // size) - 1, False, size)
    assert world.shown("dev-1")["links"] == LONG.decode()
    assert world.count("block_transfers_current") == 0
    world.device().update(answer.location)


def test_an_update_in_blocks_is_put_together():
    world = World()
    device = world.device()
    location = device.register()
    for number in (0, 1):
        part = LONG[number * 1024 :][:1024]
        answer = device.ask(
            POST, location, options=[(BLOCK1, block(number, number == 0, 1024))], payload=part
        )
    assert (answer.code, answer.block(BLOCK1)) == ("2.04", (1, False, 1024))
    assert world.shown("dev-1")["links"] == LONG[:2048].decode()


def test_a_single_block_is_a_whole_request():
    world = World()
    assert send_all(world.device(), LINKS, 1024).code == "2.01"
    assert world.count("block_transfers_current") == 0


def test_the_last_block_may_fill_its_size_exactly():
    payload = b"</3/0>,</3303/0>"
    assert len(payload) == 16
    assert send_all(World().device(), payload, 16).code == "2.01"
    assert send_all(World().device(), payload + b",</3304/0>,</5/0", 16).code == "4.00"


@pytest.mark.parametrize("number", [1, 2, 70])
def test_a_first_block_that_is_not_the_first_is_incomplete(number):
    world = World()
    payload = LONG * 10
    assert send_block(world.device(), payload, number, 16).code == "4.08"
    assert world.count("blocks_incomplete") == 1
    assert world.count("block_transfers_current") == 0


def test_a_block_that_was_left_out_makes_the_request_incomplete():
    device = World().device()
    send_block(device, LONG, 0, 64)
    assert send_block(device, LONG, 2, 64).code == "4.08"
    assert send_block(device, LONG, 1, 64).code == "2.31"  # what was kept is still there


def test_an_earlier_block_than_the_newest_is_incomplete():
    device = World().device()
    for number in range(3):
        send_block(device, LONG, number, 64)
    assert send_block(device, LONG, 1, 64).code == "4.08"


def test_the_newest_block_may_come_again():
    world = World()
    device = world.device()
    last = -(-len(LONG) // 256) - 1
    for number in sorted([*range(last)] * 2):
        answer = send_block(device, LONG, number, 256)
        assert (answer.code, answer.block(BLOCK1)) == ("2.31", (number, True, 256))
    assert send_block(device, LONG, last, 256).code == "2.01"
    assert world.shown("dev-1")["links"] == LONG.decode()


def test_the_first_block_starts_anew():
    world = World()
    device = world.device()
    for number in range(3):
        send_block(device, LONG.replace(b"33", b"44"), number, 64)
    assert send_all(device, LONG, 64).code == "2.01"
    assert world.shown("dev-1")["links"] == LONG.decode()
    assert world.count("block_transfers_current") == 0


@pytest.mark.parametrize("token", [b"", b"four", b"seven..", b"eight..."])
def test_the_last_block_repeated_gets_the_same_answer_again(token):
    world = World()
    device = world.device()
    payload = LONG[: LONG.rindex(b",", 0, 256)]
    send_block(device, payload, 0, 128, token=token)
    last = request(POST, "rd", mid=500, **block_parts(payload, 1, 128, token=token))
    first = device.send(last).hear()
    assert first.code == "2.01"
    assert device.send(last).hear().data == first.data
    assert world.count("registrations_replaced") == 0


@pytest.mark.parametrize("token", [b"four", b"seven..", b"eight..."])
def test_the_last_block_repeated_before_its_commit_is_met_with_silence(token):
    world = World()
    world.commits_by_itself = False
    device = world.device()
    payload = LONG[: LONG.rindex(b",", 0, 256)]
    send_block(device, payload, 0, 128, token=token)
    last = request(POST, "rd", mid=500, **block_parts(payload, 1, 128, token=token))
    device.send(last, last).hear_nothing()
    world.commit()
    assert device.hear().code == "2.01"
    device.hear_nothing()


def test_a_refused_register_in_blocks_says_why_with_its_block():
    world = World(policy="provisioned")
    answer = send_all(world.device(), LONG, 512)
    assert (answer.code, answer.block(BLOCK1)) == ("4.03", (len(LONG) // 512, False, 512))
    assert world.count("block_transfers_current") == 0


# Sizes


def test_a_client_that_starts_too_large_is_told_the_size_to_go_on_with():
    world = World(coap={"block_size": 64})
    device = world.device()
    answer = send_block(device, LONG, 0, 256)
    assert (answer.code, answer.block(BLOCK1)) == ("2.31", (0, True, 64))
    count = -(-len(LONG) // 64)
    for number in range(4, count):  # the 256 bytes count as four
        answer = send_block(device, LONG, number, 64)
    assert answer.code == "2.01"
    assert world.shown("dev-1")["links"] == LONG.decode()


def test_a_client_may_go_on_with_smaller_blocks():
    world = World()
    device = world.device()
    send_block(device, LONG, 0, 512)
    for number in range(16, -(-len(LONG) // 32)):
        answer = send_block(device, LONG, number, 32)
    assert answer.code == "2.01"
    assert world.shown("dev-1")["links"] == LONG.decode()


@pytest.mark.parametrize("payload_size", [15, 17, 0])
def test_a_block_of_another_size_than_it_says_is_refused(payload_size):
    parts = register_parts(options=[(BLOCK1, block(0, True, 16))], payload=bytes(payload_size))
    assert World().device().ask(POST, "rd", **parts).code == "4.00"


def test_the_reserved_size_is_refused():
    parts = register_parts(options=[(BLOCK1, b"\x07")])
    world = World()
    assert world.device().ask(POST, "rd", **parts).code == "4.00"
    assert world.count("block_transfers_current") == 0


# Bounds


def test_a_body_at_its_bound_is_taken_and_one_byte_more_is_not():
    world = World(coap={"max_body_bytes": 1024})
    device = world.device()
    fits = LONG[:1024]
    fits = fits[: fits.rindex(b",")].ljust(1024)
    assert send_all(device, fits, 512).code == "2.01"
    send_block(device, fits + b" ", 0, 512, mid=800)
    send_block(device, fits + b" ", 1, 512, mid=801)
    answer = send_block(device, fits + b" ", 2, 512, mid=802)
    assert (answer.code, answer.number(SIZE1)) == ("4.13", 1024)
    assert world.count("blocks_too_large") == 1
    assert world.count("block_transfers_current") == 0


@pytest.mark.parametrize("announced, code", [(1024, "2.31"), (1025, "4.13")])
def test_a_body_that_is_announced_too_large_is_refused_at_its_first_block(announced, code):
    world = World(coap={"max_body_bytes": 1024})
    options = [(SIZE1, number_bytes(announced))]
    answer = send_block(world.device(), LONG, 0, 64, options=options)
    assert answer.code == code
    assert world.count("block_transfers_current") == (code == "2.31")


def test_the_largest_block_number_is_too_large():
    parts = register_parts(options=[(BLOCK1, b"\xff\xff\xfe")], payload=bytes(1024))
    assert World().device().ask(POST, "rd", **parts).code == "4.13"


def test_transfers_at_their_bound_are_taken_and_one_more_is_not():
    world = World(coap={"max_block_transfers": 2})
    devices = [world.device(f"192.0.2.{n}:1") for n in range(3)]
    assert [send_block(device, LONG, 0, 512).code for device in devices] == ["2.31", "2.31", "5.03"]
    assert world.count("blocks_refused") == 1
    assert send_block(devices[0], LONG, 0, 512).code == "2.31"  # starting anew needs no room
    assert send_block(devices[0], LONG, 1, 512).code == "2.31"
    assert send_block(devices[0], LONG, 2, 512).code == "2.01"
    assert send_block(devices[2], LONG, 0, 512).code == "2.31"


def test_an_unfinished_transfer_is_forgotten_after_its_time():
    world = World(coap={"block_timeout_s": 10.0})
    device = world.device()
    send_block(device, LONG, 0, 64)
    world.after(9.5)
    send_block(device, LONG, 1, 64)  # and the time starts again
    world.after(9.5)
    assert world.count("block_transfers_current") == 1
    world.after(2)
    assert world.count("block_transfers_current") == 0
    assert world.count("blocks_timed_out") == 1
    assert send_block(device, LONG, 2, 64).code == "4.08"


def test_many_transfers_that_time_out_at_once_all_go():
    world = World(coap={"block_timeout_s": 10.0})
    for number in range(300):
        send_block(world.device(f"192.0.2.1:{1000 + number}"), LONG, 0, 64)
    world.after(12)
    assert world.count("block_transfers_current") == 0
    assert world.count("blocks_timed_out") == 300


# Whose block is it?


def test_blocks_of_two_devices_do_not_mix():
    world = World()
    one, two = world.device("192.0.2.1:1"), world.device("192.0.2.2:2")
    other = LONG.replace(b"33", b"44")
    count = -(-len(LONG) // 128)
    for number in range(count):
        send_block(one, LONG, number, 128)
        parts = block_parts(other, number, 128)
        parts["query"][0] = b"ep=dev-2"
        two.ask(POST, "rd", **parts)
    assert world.shown("dev-1")["links"] == LONG.decode()
    assert world.shown("dev-2")["links"] == other.decode()


def test_blocks_of_two_requests_of_one_device_do_not_mix():
    world = World()
    device = world.device()
    for number in range(-(-len(LONG) // 256)):
        for name in (b"ep=a", b"ep=b"):
            parts = block_parts(LONG, number, 256)
            parts["query"][0] = name
            device.ask(POST, "rd", **parts)
    assert world.engine.device_count() == 2


@pytest.mark.parametrize("path", ["nowhere", ""])
def test_a_block_for_an_unknown_path_is_not_kept(path):
    world = World()
    answer = world.device().ask(
        POST, path, options=[(BLOCK1, block(0, True, 64))], payload=bytes(64)
    )
    assert answer.code == "4.04"
    assert world.count("block_transfers_current") == 0


def test_a_block_of_a_non_confirmable_register_is_refused_in_the_end():
    device = World().device()
    send_block(device, LONG[:100], 0, 64, kind=NON)
    assert send_block(device, LONG[:100], 1, 64, kind=NON).code == "4.00"


def test_a_block_in_a_question_changes_nothing():
    answer = World().device().ask(GET, ".well-known/core", options=[(BLOCK1, block(0, False, 64))])
    assert answer.code == "2.05"
