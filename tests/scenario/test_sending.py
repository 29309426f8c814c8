"""Send: POST /dp (LwM2M TS 1.2 Core, section 6.4.6): who may, in which form, and what it gets."""

import pytest
from scripted import (
    BLOCK1,
    CON,
    CONTENT_FORMAT,
    DELETE,
    GET,
    NON,
    POST,
    PUT,
    START,
    UNIX,
    World,
    block,
    number_bytes,
    reachable,
    register_parts,
    request,
)
from test_two_ports import Ports


def parts(content_format=112, payload=b"\x80", options=(), **more):
    content = [(CONTENT_FORMAT, number_bytes(content_format))]
    return {"options": [*content, *options], "payload": payload, **more}


@pytest.mark.parametrize("content_format", [110, 112, 11544])
@pytest.mark.parametrize("kind", [CON, NON])
def test_a_send_is_answered_2_04_and_told(content_format, kind):
    world, device = reachable()
    world.at(START + 2)
    answer = device.ask(POST, "dp", **parts(content_format, b"pack", kind=kind))
    assert answer.code == "2.04"
    assert answer.payload == b""
    assert world.reports == [(0, 0, 0, content_format, b"pack", UNIX + 2, -1)]
    assert world.count("sends_received") == 1


def test_without_anybody_who_wants_it_a_send_is_answered_and_counted():
    world, device = reachable()
    world.engine.wants_reports = False
    assert device.ask(POST, "dp", **parts()).code == "2.04"
    assert (world.reports, world.count("sends_received")) == ([], 1)


@pytest.mark.parametrize("kind", [CON, NON])
def test_a_repeated_send_is_told_once(kind):
    world, device = reachable()
    message = request(POST, "dp", mid=7, **parts(kind=kind))
    device.send(message, message, message)
    heard = device.hear_all()
    assert len({m.data for _, m in heard}) == 1
    assert len(heard) == (3 if kind == CON else 1)
    assert len(world.reports) == 1


@pytest.mark.parametrize(
    "code, path, parts_, expected",
    [
        (GET, "dp", {}, "4.05"),
        (PUT, "dp", parts(), "4.05"),
        (DELETE, "dp", {}, "4.05"),
        (POST, "dp/1", parts(), "4.04"),
        (POST, "dp", parts(0), "4.15"),
        (POST, "dp", parts(60), "4.15"),
        (POST, "dp", parts(11542), "4.15"),
        (POST, "dp", {"payload": b"x"}, "4.15"),
        (POST, "dp", parts(payload=b""), "4.00"),
    ],
)
def test_what_is_no_send_is_refused(code, path, parts_, expected):
    world, device = reachable()
    assert device.ask(code, path, **parts_).code == expected
    assert world.reports == []
    assert device.ask(POST, "dp", **parts()).code == "2.04"


# Who may


def test_a_stranger_gets_4_04():
    world, _ = reachable()
    stranger = world.device("192.0.2.1:5684")
    assert stranger.ask(POST, "dp", **parts()).code == "4.04"
    assert world.reports == []
    assert world.count("sends_unknown") == 1
    assert world.count("peers_current") == 1, "and leaves no trace"


def test_who_left_gets_4_04():
    world = World()
    device = world.device()
    device.leave(device.register())
    assert device.ask(POST, "dp", **parts()).code == "4.04"


def test_after_a_move_only_the_present_address_may():
    world = World()
    location = world.device("192.0.2.1:1").register()
    moved = world.device("192.0.2.1:2")
    assert moved.ask(POST, "dp", **parts()).code == "4.04"
    moved.update(location)
    assert moved.ask(POST, "dp", **parts()).code == "2.04"
    assert world.device("192.0.2.1:1").ask(POST, "dp", **parts()).code == "4.04"


def test_by_another_port_of_the_server_it_is_4_00_and_nothing_changes():
    ports = Ports()
    try:
        ports.ask(0, register_request())
        before = ports.world.shown("dev-1")
        assert ports.ask(1, request(POST, "dp", mid=2, **parts())).code == "4.00"
        assert ports.world.reports == []
        assert ports.world.shown("dev-1") == before
        assert ports.ask(0, request(POST, "dp", mid=3, **parts())).code == "2.04"
    finally:
        ports.close()


def register_request():
    return request(POST, "rd", mid=1, **register_parts("dev-1"))


def test_of_two_devices_at_one_address_the_newest_sends():
    world = World()
    device = world.device()
    device.register("old")
    device.register("new")
    device.ask(POST, "dp", **parts())
    assert world.engine.endpoint_of(world.reports[0].slot) == "new"


# The judge


def test_the_judge_is_asked_before_the_answer_and_may_refuse():
    world, device = reachable()
    seen = []

    def judge(slot, content_format, payload):
        seen.append((world.engine.endpoint_of(slot), content_format, payload))
        return 0x84 if payload == b"bad" else 0

    world.engine.judge_send = judge
    assert device.ask(POST, "dp", **parts(110, b"good")).code == "2.04"
    assert device.ask(POST, "dp", **parts(112, b"bad")).code == "4.04"
    assert seen == [("dev-1", 110, b"good"), ("dev-1", 112, b"bad")]
    assert world.told() == [b"good"]
    assert (world.count("sends_received"), world.count("sends_refused")) == (1, 1)
    world.engine.judge_send = None
    assert device.ask(POST, "dp", **parts(112, b"bad")).code == "2.04"


def test_the_number_that_a_judge_gives_is_the_report_s():
    world, device = reachable()
    world.engine.judge_send = lambda *_: -(2**62)
    assert device.ask(POST, "dp", **parts()).code == "2.04"
    assert [report.observation for report in world.reports] == [-(2**62)]


def test_the_judge_is_not_asked_about_what_is_refused_anyway():
    world, device = reachable()
    world.engine.judge_send = lambda *_: pytest.fail("asked")
    assert device.ask(POST, "dp", **parts(0)).code == "4.15"
    assert world.device("192.0.2.2:2").ask(POST, "dp", **parts()).code == "4.04"


@pytest.mark.parametrize("says", [68, 200, -1, 1 - 2**62, 2**64, "no", None])
def test_a_judge_that_fails_is_our_fault_and_not_the_devices(says):
    world, device = reachable()
    world.engine.judge_send = lambda *_: says
    with pytest.raises(AssertionError):  # of World: there was a fault
        device.send(request(POST, "dp", mid=7, **parts()))
    assert device.hear().code == "5.00"
    assert isinstance(world.engine.fault, (ValueError, TypeError, OverflowError))
    assert world.reports == []


# In blocks


def test_a_send_in_blocks_is_one_send():
    world, device = reachable()
    first = parts(payload=b"a" * 16, options=[(BLOCK1, block(0, True, 16))])
    last = parts(payload=b"b", options=[(BLOCK1, block(1, False, 16))])
    assert device.ask(POST, "dp", **first).code == "2.31"
    assert world.reports == []
    answer = device.ask(POST, "dp", **last)
    assert (answer.code, answer.block(BLOCK1)) == ("2.04", (1, False, 16))
    assert world.told() == [b"a" * 16 + b"b"]
    assert world.count("block_transfers_current") == 0


def test_a_send_larger_than_the_bound_is_refused():
    world, device = reachable(World(coap={"max_body_bytes": 1024}))
    options = [(BLOCK1, block(64, False, 16))]
    assert device.ask(POST, "dp", **parts(payload=b"x", options=options)).code == "4.13"
    assert world.reports == []


# What it does not do


def test_a_send_is_heard_and_prolongs_no_lifetime():
    world = World()
    device = world.device()
    device.register(lifetime=100)
    expires = world.shown("dev-1")["expires_at"]
    world.at(START + 90)
    device.ask(POST, "dp", **parts())
    assert world.engine.heard_at("dev-1") == START + 90
    assert world.shown("dev-1")["expires_at"] == expires
    assert world.shown("dev-1")["updated_at"] == UNIX
    world.at(START + 194)
    assert world.engine.device("dev-1") is None
    assert world.engine.heard_at("dev-1") is None


def test_a_send_needs_no_store():
    world, device = reachable()
    world.engine.store_works = False
    assert device.ask(POST, "dp", **parts()).code == "2.04"
    assert len(world.reports) == 1
