"""Any request of ours: methods, paths, options, what comes back (RFC 7252, section 5; RFC 8132)."""

import pytest
from scripted import (
    ACCEPT,
    ACK,
    CON,
    CONTENT_FORMAT,
    DELETE,
    ETAG,
    FETCH,
    GET,
    IPATCH,
    LOCATION_PATH,
    NON,
    PATCH,
    POST,
    PUT,
    URI_QUERY,
    World,
    number_bytes,
    reachable,
)

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.errors import QueueFull, RequestError, UnknownDevice

ROOTED = b'</a/b>;rt="oma.lwm2m",</a/b/3/0>'

# What is asked


@pytest.mark.parametrize("method", [GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH])
def test_every_method_leaves_with_what_it_carries(method):
    world, device = reachable()
    world.start(
        "dev-1",
        CoapRequest(
            method, (b"3303", b"0"), (b"pmin=10", b"con"), 112, 110, bytearray(b"\x9f\xff")
        ),
    )
    asked = device.hear()
    assert (asked.type, asked.code, asked.path) == (CON, f"0.0{method}", [b"3303", b"0"])
    assert [v for n, v in asked.options if n == URI_QUERY] == [b"pmin=10", b"con"]
    assert (asked.number(CONTENT_FORMAT), asked.number(ACCEPT)) == (112, 110)
    assert asked.payload == b"\x9f\xff"


def test_a_bare_request_has_no_option_and_no_payload():
    world, device = reachable()
    world.start("dev-1", CoapRequest(GET))
    asked = device.hear()
    assert (asked.options, asked.payload) == ([], b"")


def test_format_0_is_an_option_without_bytes():
    world, device = reachable()
    world.start("dev-1", CoapRequest(PUT, (b"3",), content_format=0, accept=0, payload=b"x"))
    asked = device.hear()
    assert (asked.option(CONTENT_FORMAT), asked.option(ACCEPT)) == (b"", b"")


@pytest.mark.parametrize(
    "is_absolute, path", [(False, [b"a", b"b", b"3"]), (True, [b"3"])], ids=["below", "absolute"]
)
def test_a_path_is_below_the_root_unless_it_is_absolute(is_absolute, path):
    world = World()
    world.device().register(payload=ROOTED)
    world.start("dev-1", CoapRequest(GET, (b"3",), is_absolute=is_absolute))
    assert world.device().hear().path == path


def test_the_root_alone_is_a_path():
    world = World()
    world.device().register(payload=ROOTED)
    world.start("dev-1", CoapRequest(FETCH, payload=b"x"))
    assert world.device().hear().path == [b"a", b"b"]


def test_segments_are_bytes_of_any_kind():
    world, device = reachable()
    path = (b"", b"a/b", b"\xff\x00", b"y" * 255)
    world.start("dev-1", CoapRequest(GET, path, (b"", b"z" * 255)))
    asked = device.hear()
    assert asked.path == list(path)
    assert [v for n, v in asked.options if n == URI_QUERY] == [b"", b"z" * 255]


@pytest.mark.parametrize(
    "request_, why",
    [
        (CoapRequest(0), r"method 0 is not one of GET \(1\) to iPATCH \(7\)"),
        (CoapRequest(8), "method 8 is not one of"),
        (CoapRequest(-1), "method -1 is not one of"),
        (CoapRequest(GET, accept=65536), "accept 65536 is not a number from 0 to 65535"),
        (CoapRequest(GET, accept=-1), "accept -1 is not a number from 0 to 65535"),
        (CoapRequest(PUT, content_format=65536), "content_format 65536 is not a number"),
        (CoapRequest(GET, (b"3", b"x" * 256)), "path segment .* has 256 bytes, .* 0 to 255"),
        (CoapRequest(GET, query=(b"x" * 256,)), "query .* has 256 bytes, allowed are 0 to 255"),
        (CoapRequest(GET, (b"x" * 255,) * 5), "path and query do not fit .* 1152 bytes"),
        (CoapRequest(GET, query=(b"x" * 255,) * 5), "path and query do not fit"),
        (CoapRequest(GET, observe=0), "observe"),
        (CoapRequest(GET, observe=1), "observe"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(request_, why):
    world, device = reachable()
    with pytest.raises(RequestError, match=why):
        world.start("dev-1", request_)
    device.hear_nothing()
    assert world.count("requests_current") == 0
    world.start("dev-1", CoapRequest(GET))
    assert device.hear().code == "0.01"


@pytest.mark.parametrize(
    "request_", [CoapRequest(PUT, payload=7), CoapRequest(PUT, payload="x"), CoapRequest(PUT, (1,))]
)
def test_what_is_no_bytes_is_refused_and_leaves_nothing(request_):
    world, device = reachable()
    with pytest.raises((TypeError, BufferError)):
        world.start("dev-1", request_)
    device.hear_nothing()
    assert world.count("requests_current") == 0


def test_the_longest_head_leaves_with_a_payload_in_a_datagram_of_1152_bytes():
    world, device = reachable()
    path = tuple(b"x" * 255 for _ in range(4))
    for size in range(120, 0, -1):
        try:
            world.start("dev-1", CoapRequest(PUT, (*path, b"y" * size), payload=b"z" * 4096))
            break
        except RequestError:
            assert world.count("requests_current") == 0
    asked = device.hear()
    assert len(asked.data) <= 1152
    assert asked.payload == b"z" * 16


def test_an_unknown_device_and_a_full_queue_hold_no_payload():
    world = World(coap={"max_waiting_per_device": 1})
    payload = bytearray(4096)
    with pytest.raises(UnknownDevice):
        world.start("nobody", CoapRequest(PUT, payload=payload))
    reachable(world)
    world.read("dev-1", 3)
    with pytest.raises(QueueFull):
        world.start("dev-1", CoapRequest(PUT, payload=payload))
    payload.append(0)


def test_requests_of_all_kinds_leave_in_the_order_they_came():
    world, device = reachable()
    large = bytes(2000)
    calls = [
        world.start("dev-1", CoapRequest(PUT, (b"1",), payload=large)),
        world.start("dev-1", CoapRequest(POST, (b"2",))),
        world.read("dev-1", 3),
    ]
    for _ in range(2):
        asked = device.hear()
        assert asked.path == [b"1"]
        device.hear_nothing()
        device.answer(asked, "2.31" if asked.block(27)[1] else "2.04", options=[asked.options[-1]])
    for number in (2, 3):
        asked = device.hear()
        assert asked.path == [b"%d" % number]
        device.answer(asked)
    assert world.outcomes() == [(call, "answered") for call in calls]


def test_a_time_without_end_is_held_to_49_days():
    world, device = reachable()
    call = world.start("dev-1", CoapRequest(GET), timeout_s=1e12)
    device.acknowledge(device.hear())
    world.after(119)
    assert world.outcomes() == []
    world.after(2)
    assert world.outcomes() == [(call, "no_response")]


# What comes back


@pytest.mark.parametrize("kind", [ACK, NON, CON])
def test_an_answer_carries_code_format_payload_etag_and_location(kind):
    world, device = reachable()
    call = world.start("dev-1", CoapRequest(POST, (b"3303",), payload=b"x"))
    options = [
        (LOCATION_PATH, b"3303"),
        (LOCATION_PATH, b"5"),
        (CONTENT_FORMAT, number_bytes(110)),
        (ETAG, b"12345678"),
    ]
    device.answer(device.hear(), "2.01", kind=kind, options=options, payload=b"[]")
    assert world.answers == [(call, "answered", 0x41, 110, b"[]", b"12345678", "3303/5", 0)]
    assert world.answers[0].location == "3303/5"


@pytest.mark.parametrize(
    "segments, location",
    [
        ([], None),
        ([b"3303"], "3303"),
        ([b"", b"5"], "/5"),
        ([b"\xff"], "\ufffd"),
        ([b"%d" % n for n in range(9)], "0/1/2/3/4/5/6/7"),
    ],
)
def test_a_location_is_text_whatever_the_device_sends(segments, location):
    world, device = reachable()
    world.start("dev-1", CoapRequest(POST, (b"3303",)))
    options = [(LOCATION_PATH, segment) for segment in segments]
    device.answer(device.hear(), "2.01", options=options)
    assert world.answers[0].location == location


@pytest.mark.parametrize(
    "outcome, do",
    [
        ("timeout", lambda world, device, asked, call: world.after(100)),
        (
            "no_response",
            lambda world, device, asked, call: device.acknowledge(asked).world.after(121),
        ),
        ("reset", lambda world, device, asked, call: device.reset(asked)),
        ("cancelled", lambda world, device, asked, call: world.cancel(call)),
        (
            "malformed",
            lambda world, device, asked, call: device.answer(asked, options=[(9, b"oscore")]),
        ),
    ],
)
def test_an_end_without_an_answer_says_how_and_nothing_else(outcome, do):
    world, device = reachable()
    call = world.start("dev-1", CoapRequest(PUT, (b"3",), payload=b"x"))
    do(world, device, device.hear(), call)
    (answer,) = world.answers
    assert (answer.call, answer.outcome) == (call, outcome)
    assert answer.code in (0, 0x45)
    assert answer[3:] == (None, b"", None, None, 0)


@pytest.mark.parametrize(
    "outcome, counter",
    [("reset", "answered"), ("timeout", "timed_out"), ("cancelled", "cancelled")],
)
def test_every_end_has_its_counter(outcome, counter):
    world, device = reachable()
    call = world.start("dev-1", CoapRequest(DELETE, (b"3", b"0")))
    asked = device.hear()
    if outcome == "reset":
        device.reset(asked)
    elif outcome == "timeout":
        world.after(100)
    else:
        world.cancel(call)
    assert world.outcomes() == [(call, outcome)]
    assert world.count(f"requests_{counter}") == 1
