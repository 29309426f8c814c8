"""Options, paths and methods of requests, and what a stranger gets (RFC 7252, section 5)."""

import pytest
from scripted import (
    ACCEPT,
    BLOCK1,
    CON,
    CONTENT_FORMAT,
    DELETE,
    GET,
    LINKS,
    MAX_AGE,
    NON,
    POST,
    PUT,
    URI_PATH,
    URI_QUERY,
    World,
    block,
    register,
    request,
    write,
)

# Options


@pytest.mark.parametrize("option", [1, 5, 9, 13, 19, 25, 31, 2049, 65001])
def test_an_unknown_critical_option_is_refused(option):
    device = World().device()
    answer = device.ask(POST, "rd", query=["ep=dev-1", "lwm2m=1.1"], options=[(option, b"1")])
    assert answer.code == "4.02"
    assert device.world.engine.device_count() == 0


def test_an_unknown_critical_option_in_a_non_confirmable_request_is_met_with_silence():
    message = request(GET, ".well-known/core", mid=1, kind=NON, options=[(9, b"")])
    World().device().send(message).hear_nothing()


@pytest.mark.parametrize("option", [35, 39])
def test_we_are_no_proxy(option):
    assert World().device().ask(GET, "x", options=[(option, b"coap")]).code == "5.05"


@pytest.mark.parametrize("option", [2, 6, 16, 252, 258, 292, 2052, 65000])
def test_an_unknown_elective_option_is_skipped(option):
    answer = World().device().ask(GET, ".well-known/core", options=[(option, b"\x01")])
    assert answer.code == "2.05"


@pytest.mark.parametrize(
    "number, value",
    [
        (ACCEPT, b"\x28"),
        (BLOCK1, block(0, False, 64)),
        (23, block(0, False, 64)),
    ],
)
def test_a_repeated_critical_option_counts_as_unknown(number, value):
    options = [(number, value), (number, value)]
    assert World().device().ask(GET, ".well-known/core", options=options).code == "4.02"


def test_a_repeated_elective_option_is_skipped():
    options = [(CONTENT_FORMAT, b"\x28"), (CONTENT_FORMAT, b"")]
    answer = World().device().ask(POST, "rd", query=["ep=d", "lwm2m=1.1"], options=options)
    assert answer.code == "4.00"  # the first one holds: it is the payload that is missing


@pytest.mark.parametrize(
    "number, size, code",
    [
        (3, 1, "2.05"),
        (3, 0, "4.02"),  # Uri-Host: 1 to 255
        (3, 255, "2.05"),
        (3, 256, "4.02"),
        (7, 2, "2.05"),
        (7, 3, "4.02"),  # Uri-Port: 0 to 2
        (17, 3, "4.02"),  # Accept: 0 to 2
        (23, 4, "4.02"),  # Block2: 0 to 3
        (27, 4, "4.02"),
        (URI_QUERY, 258, "2.05"),
        (URI_QUERY, 259, "4.02"),
        (14, 5, "2.05"),  # Max-Age is elective: skipped
        (4, 9, "2.05"),
        (60, 5, "2.05"),
    ],
)
def test_an_option_of_a_wrong_length_counts_as_unknown(number, size, code):
    answer = World().device().ask(GET, ".well-known/core", options=[(number, bytes(size))])
    assert answer.code == code


def test_a_path_segment_of_256_bytes_counts_as_unknown():
    device = World().device()
    assert device.ask(GET, "", options=[(URI_PATH, bytes(255))]).code == "4.04"
    assert device.ask(GET, "", options=[(URI_PATH, bytes(256))]).code == "4.02"


# Where nothing is


@pytest.mark.parametrize("path", ["", "rdx", "r", "RD", "3/0/1", "bs", "dp", ".well-known"])
def test_an_unknown_path_is_not_found(path):
    assert World().device().ask(POST, path).code == "4.04"


@pytest.mark.parametrize(
    "code, path",
    [
        (GET, "rd"),
        (PUT, "rd"),
        (DELETE, "rd"),
        (5, "rd"),
        (31, "rd"),
        (GET, "rd/AAAAAAAAAAAAAA"),
        (PUT, "rd/AAAAAAAAAAAAAA"),
        (POST, ".well-known/core"),
        (DELETE, ".well-known/core"),
    ],
)
def test_another_method_is_not_allowed(code, path):
    device = World().device()
    assert device.ask(code, path).code == "4.05"
    assert device.world.count("coap_method_not_allowed") == 1


@pytest.mark.parametrize("wanted", [b"", b"\x2a", b"\x06\x16"])
def test_a_register_that_is_not_link_format_is_refused(wanted):
    device = World().device()
    query = ["ep=dev-1", "lwm2m=1.1"]
    answer = device.ask(POST, "rd", query=query, options=[(CONTENT_FORMAT, wanted)], payload=LINKS)
    assert answer.code == "4.15"
    location = device.register()
    update = device.ask(POST, location, options=[(CONTENT_FORMAT, wanted)], payload=LINKS)
    assert update.code == "4.15"


def test_a_register_without_a_content_format_is_taken_for_link_format():
    device = World().device()
    answer = device.ask(POST, "rd", query=["ep=dev-1", "lwm2m=1.1"], payload=LINKS)
    assert answer.code == "2.01"


# What is found here


def test_well_known_core_names_the_registration_resource():
    answer = World().device().ask(GET, ".well-known/core", options=[(17, b"\x28")])
    assert (answer.code, answer.number(CONTENT_FORMAT)) == ("2.05", 40)
    assert b'</rd>;rt="core.rd"' in answer.payload


def test_well_known_core_comes_as_link_format_only():
    assert World().device().ask(GET, ".well-known/core", options=[(17, b"")]).code == "4.06"


def test_nothing_is_below_well_known_core():
    assert World().device().ask(GET, ".well-known/core/x").code == "4.04"
    assert World().device().ask(GET, ".well-known/other").code == "4.04"


def test_a_non_confirmable_question_gets_a_non_confirmable_answer_of_its_own_id():
    device = World().device()
    heard = [device.ask(GET, ".well-known/core", kind=NON, mid=mid) for mid in (1, 2, 3)]
    assert {answer.code for answer in heard} == {"2.05"}
    assert len({answer.mid for answer in heard}) == 3


@pytest.mark.parametrize("size", range(9))
def test_a_token_of_any_length_comes_back(size):
    token = bytes(range(size))
    assert World().device().ask(GET, ".well-known/core", token=token).token == token


# No weapon against a forged address

ASKED = [
    request(GET, ".well-known/core", mid=1, token=b""),
    request(POST, "rd", mid=1, token=b""),
    request(POST, "rd", mid=1, token=b"", query=["lt=x"]),
    request(POST, "rd", mid=1, token=b"", query=["ep=" + "x" * 200]),
    request(POST, "rd/x/y", mid=1, token=b""),
    register(),
    write(CON, 0, 1),
    request(GET, ".well-known/core", mid=1, options=[(23, block(0, False, 1024))]),
]


@pytest.mark.parametrize("message", ASKED)
def test_a_stranger_gets_no_more_than_three_times_what_it_sent_or_48_bytes(message):
    world = World(policy="provisioned")
    answer = world.device().send(message).hear()
    world.device().hear_nothing()
    assert len(answer.data) <= max(3 * len(message), 48)


def test_a_stranger_gets_a_large_answer_block_by_block():
    device = World(coap={"amplification_limit": 1}).device()
    answer = device.ask(GET, ".well-known/core")
    whole, number = b"", 0
    first_etag, total = answer.option(4), answer.number(28)
    size = answer.block(23)[2]
    while True:
        assert answer.block(23)[0] == number
        assert (answer.option(4), answer.number(28)) == (first_etag, total)
        whole += answer.payload
        if not answer.block(23)[1]:
            break
        number += 1
        answer = device.ask(GET, ".well-known/core", options=[(23, block(number, False, size))])
    assert len(whole) == total
    assert whole.startswith(b"</rd>")


@pytest.mark.parametrize("size", [16, 32])
def test_well_known_core_comes_in_blocks_of_the_size_asked_for(size):
    device = World().device()
    device.register()
    number, whole, more = 0, b"", True
    while more:
        wanted = [(23, block(number, False, size))]
        answer = device.ask(GET, ".well-known/core", options=wanted)
        at, more, given = answer.block(23)
        assert (at, given) == (number, size)
        assert len(answer.payload) == size if more else len(answer.payload) <= size
        whole += answer.payload
        number += 1
    assert whole == device.ask(GET, ".well-known/core").payload


def test_a_block_behind_the_end_is_refused():
    answer = World().device().ask(GET, ".well-known/core", options=[(23, block(9, False, 1024))])
    assert answer.code == "4.00"


def test_a_refusal_that_will_pass_says_when_to_come_back():
    device = World(max_devices=1).device()
    device.register("dev-1")
    answer = device.send(register("dev-2", mid=500)).hear()
    assert (answer.code, answer.number(MAX_AGE)) == ("5.03", 30)


def test_a_batch_of_many_devices_is_answered_to_each():
    world = World()
    addresses = [f"192.0.2.{i}:5683" for i in range(64)]
    world.receive(*[(address, register(f"d{i}")) for i, address in enumerate(addresses)])
    answers = [world.device(address).hear() for address in addresses]
    assert {answer.code for answer in answers} == {"2.01"}
    assert len({answer.location for answer in answers}) == 64


def test_ipv6_devices_are_told_apart_by_address_port_and_interface():
    world = World()
    addresses = ["[2001:db8::1]:5683", "[2001:db8::1]:5684", "[fe80::1%2]:5683", "[fe80::1%3]:5683"]
    for number, address in enumerate(addresses):
        world.device(address).register(f"dev-{number}")
        assert world.shown(f"dev-{number}")["address"] == address
    assert world.count("peers_current") == 4


def test_who_has_shown_that_it_hears_us_gets_the_whole_answer():
    device = World(coap={"amplification_limit": 1}).device()
    location = device.register()
    assert device.ask(GET, ".well-known/core").block(23) is not None
    device.update(location)  # the id was in our answer only
    assert device.ask(GET, ".well-known/core").block(23) is None


def test_an_address_that_a_device_moved_to_has_not_shown_that_it_hears_us():
    world = World(coap={"amplification_limit": 1})
    location = world.device().register()
    moved = world.device("192.0.2.77:7")
    for _ in range(2):
        moved.update(location)  # anybody who knows the id can say so, with a forged source
        assert moved.ask(GET, ".well-known/core").block(23) is not None
    world.read("dev-1", 3, 0, 0)
    asked = moved.hear()
    moved.answer(asked, payload=b"x")  # only who hears us knows the token
    assert moved.ask(GET, ".well-known/core").block(23) is None
