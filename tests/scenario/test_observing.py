"""Observe and its end, as the device sees it and as our caller is told (RFC 7641, section 3)."""

import pytest
from scripted import (
    ACCEPT,
    CON,
    CONTENT_FORMAT,
    GET,
    OBSERVE,
    RST,
    UNIX,
    World,
    reachable,
    write,
)

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.errors import QueueFull, RequestError, StoreError, UnknownDevice

FETCH, POST = 5, 2
TABLE = 3


def rows(world):
    return {key: value for (table, key), value in world.rows.items() if table == TABLE}


def number_of(world, path="3303/0/5700"):
    (found,) = [
        o["number"] for o in world.engine.observations("dev-1") if o["context"] == path.encode()
    ]
    return found


# Asking


def test_an_observe_is_a_get_with_observe_0_below_the_root():
    world = World()
    device = world.device()
    device.register(payload=b'</a>;rt="oma.lwm2m",</a/3303/0>')
    world.observe(request=CoapRequest(GET, (b"3303", b"0", b"5700"), accept=110))
    asked = device.hear()
    assert (asked.code, asked.type) == ("0.01", CON)
    assert asked.path == [b"a", b"3303", b"0", b"5700"]
    assert asked.option(OBSERVE) == b""
    assert asked.number(ACCEPT) == 110
    device.hear_nothing()


def test_the_answer_says_that_the_relation_stands():
    world, device = reachable()
    call = world.observe()
    device.agree(device.hear(), sequence=7, payload=b"20.5")
    (answered,) = world.answers
    assert answered[:5] == (call, "answered", 69, 0, b"20.5")
    assert answered.observation > 0
    assert world.reports == [], "an answer is no report"
    (shown,) = world.engine.observations("dev-1")
    assert shown == {
        "number": answered.observation,
        "context": b"3303/0/5700",
        "state": "active",
        "since": UNIX,
        "notified": 0,
        "last_at": None,
    }
    assert world.engine.observation(answered.observation) == ("dev-1", b"3303/0/5700")


def test_an_old_client_may_agree_with_2_04():
    world, device = reachable()
    world.observe()
    device.answer(device.hear(), "2.04", options=[(OBSERVE, b"\1")], payload=b"v")
    assert world.answers[0].observation > 0
    assert world.states() == {b"3303/0/5700": "active"}


def test_an_answer_in_a_message_of_its_own_begins_it_too():
    world, device = reachable()
    world.observe()
    asked = device.hear()
    device.acknowledge(asked)
    device.answer(asked, kind=CON, options=[(OBSERVE, b"\5")], payload=b"v")
    assert device.hear().code == "0.00"
    assert world.answers[0].observation > 0
    device.notify(asked.token, 6, b"w")
    assert world.told() == [b"w"]


def test_without_an_observe_option_the_answer_is_just_an_answer():
    world, device = reachable()
    call = world.observe()
    asked = device.hear()
    device.answer(asked, payload=b"v")
    (answered,) = world.answers
    assert (answered.call, answered.payload, answered.observation) == (call, b"v", 0)
    assert world.engine.observations("dev-1") == []
    assert rows(world) == {}
    device.notify(asked.token, 2)
    assert device.hear().type == RST


@pytest.mark.parametrize("code", ["4.04", "4.05", "5.00", "2.03"])
def test_a_refusal_leaves_nothing(code):
    world, device = reachable()
    world.observe()
    device.answer(device.hear(), code, options=[(OBSERVE, b"\1")], payload=b"why")
    assert world.answers[0].outcome == "answered"
    assert world.answers[0].observation == 0
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})
    assert world.count("observations_current") == 0


@pytest.mark.parametrize("how", ["timeout", "no_response", "reset", "cancelled"])
def test_an_observe_without_an_answer_leaves_nothing(how):
    world, device = reachable()
    call = world.observe(timeout_s=10)
    asked = device.hear()
    if how == "no_response":
        device.acknowledge(asked)
    if how == "reset":
        device.reset(asked)
    if how == "cancelled":
        world.cancel(call)
    world.after(20)
    assert world.outcomes() == [(call, how)]
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})
    device.inbox.clear()
    device.notify(asked.token, 2)
    assert device.hear().type == RST


def test_it_is_pending_until_it_is_answered():
    world, device = reachable()
    world.observe()
    assert world.states() == {b"3303/0/5700": "pending"}
    device.agree(device.hear())
    assert world.states() == {b"3303/0/5700": "active"}


def test_the_row_is_stored_before_the_request_leaves():
    world, device = reachable()
    world.commits_by_itself = False
    world.observe()
    device.hear_nothing()
    assert rows(world) == {}
    world.commit()
    assert len(rows(world)) == 1
    assert device.hear().option(OBSERVE) == b""


def test_requests_behind_a_waiting_observe_keep_their_order():
    world, device = reachable()
    world.commits_by_itself = False
    world.observe()
    world.read("dev-1", 3)
    device.hear_nothing()
    world.commit()
    asked = device.hear()
    assert asked.option(OBSERVE) == b""
    device.agree(asked)
    assert device.hear().path == [b"3"]


def test_tokens_of_observations_are_told_apart_and_carry_the_shard():
    world, device = reachable(World(shard=5))
    asked = device.observed()
    assert (asked.token[0], len(asked.token)) == (0x80 | 5, 8)
    world.read("dev-1", 3)
    assert device.hear().token[0] == 5


def test_one_observation_for_each_path_and_each_its_own_token():
    world, device = reachable()
    tokens = {device.observed(f"3303/{n}").token for n in range(5)}
    assert len(tokens) == 5
    assert [o["context"] for o in world.engine.observations("dev-1")] == [
        b"3303/%d" % n for n in range(5)
    ]


def test_a_composite_is_observed_with_fetch_and_its_payload():
    world, device = reachable()
    request = CoapRequest(FETCH, (), content_format=112, accept=112, payload=b"\x81paths")
    asked = device.observed(request=request)
    assert (asked.code, asked.payload, asked.option(OBSERVE)) == ("0.05", b"\x81paths", b"")
    assert asked.number(CONTENT_FORMAT) == 112
    device.notify(asked.token, 2, b"pack", options=[(CONTENT_FORMAT, b"\x70")])
    assert world.reports[0][3:5] == (112, b"pack")


# Asking twice


def test_observing_the_same_again_replaces_the_relation_and_its_token_dies():
    world, device = reachable()
    first = device.observed()
    number = number_of(world)
    second = device.observed(sequence=1)
    assert first.token != second.token
    assert number_of(world) == number, "it is the same observation"
    assert len(rows(world)) == 1
    device.notify(first.token, 9, b"old")
    assert device.hear().type == RST
    device.notify(second.token, 2, b"new")
    device.hear_nothing()
    assert world.told() == [b"new"]


def test_the_old_token_lives_until_the_store_has_the_new_one():
    world, device = reachable()
    first = device.observed()
    world.commits_by_itself = False
    world.observe()
    device.notify(first.token, 9, b"old")
    device.hear_nothing()
    world.refuse()
    device.notify(first.token, 10, b"still")
    assert world.told() == [b"still"]


def test_observing_again_while_the_first_is_under_way_ends_the_first():
    world, device = reachable()
    first = world.observe()
    asked = device.hear()
    second = world.observe()
    assert world.outcomes() == [(first, "cancelled")]
    device.agree(asked)
    assert world.outcomes() == []
    device.agree(device.hear())
    assert world.outcomes() == [(second, "answered")]
    assert len(rows(world)) == 1


@pytest.mark.parametrize("how", ["timeout", "reset"])
def test_one_that_stood_has_lapsed_when_it_cannot_be_asked_for_anew(how):
    world, device = reachable()
    device.observed()
    world.observe(timeout_s=5)
    asked = device.hear()
    if how == "reset":
        device.reset(asked)
    world.after(10)
    assert world.outcomes()[0][1] == how
    assert world.states() == {b"3303/0/5700": "lapsed"}
    device.inbox.clear()
    device.notify(asked.token, 5, b"v")
    assert world.told() == [b"v"], "the device had heard it after all"
    assert world.states() == {b"3303/0/5700": "active"}


def test_one_that_stood_is_gone_when_the_device_refuses_it_now():
    world, device = reachable()
    device.observed()
    world.observe()
    device.answer(device.hear(), "4.04")
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})


# What cannot be asked


def test_bounds_per_device_and_in_all():
    world = World(reporting={"max_observations_per_device": 2, "max_observations": 3})
    for name, address in (("dev-1", "192.0.2.1:1"), ("dev-2", "192.0.2.2:2")):
        world.device(address).register(name)
    world.observe("dev-1", "1")
    world.observe("dev-1", "2")
    with pytest.raises(QueueFull, match="2 observations"):
        world.observe("dev-1", "3")
    world.observe("dev-1", "2")
    world.observe("dev-2", "1")
    with pytest.raises(QueueFull, match="3 observations"):
        world.observe("dev-2", "2")
    assert world.count("observations_refused") == 2
    assert world.count("observations_current") == 3
    assert len(rows(world)) == 3


def test_a_forgotten_one_makes_room():
    world, device = reachable(World(reporting={"max_observations": 1}))
    token = device.observed("1").token
    world.unobserve(number_of(world, "1"))
    asked = device.observed("2")
    assert asked.token[1:4] == token[1:4], "the place is taken again"
    device.notify(token, 5)
    assert device.hear().type == RST


@pytest.mark.parametrize(
    "request_, context, says",
    [
        (CoapRequest(POST, (b"3",)), b"", "method 2"),
        (CoapRequest(GET, (b"3",)), bytes(1025), "1025 bytes, allowed are 0 to 1024"),
        (CoapRequest(GET, (b"3",), payload=bytes(16385)), b"", "16385 bytes"),
        (CoapRequest(GET, (b"3",) * 9), b"", "8 path segments"),
        (CoapRequest(GET, (b"3",), query=(b"a",) * 33), b"", "32 query items"),
        (CoapRequest(GET, (bytes(256),)), b"", "256 bytes"),
    ],
)
def test_what_cannot_be_observed_is_refused_and_changes_nothing(request_, context, says):
    world, device = reachable()
    with pytest.raises(RequestError, match=says):
        world.observe(request=request_, context=context)
    world.finish_turn()
    device.hear_nothing()
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})
    assert world.count("requests_current") == 0


def test_the_largest_context_is_kept():
    world, device = reachable()
    context = bytes(range(256)) * 4
    device.observed(context=context)
    assert world.restarted().engine.observations("dev-1")[0]["context"] == context


def test_unknown_devices_and_numbers_are_named():
    world, _ = reachable()
    with pytest.raises(UnknownDevice, match="nobody"):
        world.observe("nobody")
    with pytest.raises(UnknownDevice):
        world.engine.observations("nobody")
    with pytest.raises(RequestError, match="no observation 77"):
        world.unobserve(77)
    assert world.engine.observation(77) is None
    assert world.engine.observation(2**64 - 1) is None


def test_without_a_store_nothing_is_observed_or_forgotten():
    world, device = reachable()
    device.observed()
    world.engine.store_works = False
    with pytest.raises(StoreError):
        world.observe(path="1")
    with pytest.raises(StoreError):
        world.unobserve(number_of(world))
    world.engine.store_works = True
    assert world.states() == {b"3303/0/5700": "active"}
    device.hear_nothing()


def test_a_full_queue_of_requests_refuses_an_observe_too():
    world, device = reachable(World(coap={"max_waiting_per_device": 1}))
    world.read("dev-1", 3)
    with pytest.raises(QueueFull):
        world.observe()
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})
    device.answer(device.hear())
    device.observed()


# Ending


def test_passively_it_is_forgotten_and_the_next_notification_gets_a_reset():
    world, device = reachable()
    asked = device.observed()
    number = number_of(world)
    assert world.unobserve(number) is None
    device.hear_nothing()
    assert (world.engine.observation(number), rows(world)) == (None, {})
    device.notify(asked.token, 2)
    assert device.hear().type == RST
    assert world.reports == []
    with pytest.raises(RequestError):
        world.unobserve(number)


def test_actively_the_device_is_asked_with_the_same_token_and_observe_1():
    world, device = reachable()
    request = CoapRequest(
        FETCH, (b"a b", b""), query=(b"q=1",), content_format=112, accept=110, payload=b"p"
    )
    asked = device.observed(request=request)
    number = number_of(world)
    call = world.unobserve(number, active=True)
    cancel = device.hear()
    assert cancel.option(OBSERVE) == b"\1"
    assert cancel.token == asked.token
    without = [option for option in asked.options if option[0] != OBSERVE]
    assert [option for option in cancel.options if option[0] != OBSERVE] == without
    assert (cancel.code, cancel.payload) == ("0.05", b"p")
    assert world.states() == {b"3303/0/5700": "active"}, "until it is answered"
    device.answer(cancel, payload=b"last")
    (answered,) = world.answers
    assert (answered.call, answered.payload, answered.observation) == (call, b"last", 0)
    assert (world.engine.observation(number), rows(world)) == (None, {})


def test_a_notification_while_the_cancel_is_under_way_is_a_notification():
    world, device = reachable()
    asked = device.observed()
    call = world.unobserve(number_of(world), active=True)
    cancel = device.hear()
    device.notify(asked.token, 2, b"one more", kind=CON)
    assert device.hear().code == "0.00"
    assert world.told() == [b"one more"]
    device.answer(cancel, payload=b"end")
    assert world.outcomes() == [(call, "answered")]
    device.notify(asked.token, 3)
    assert device.hear().type == RST


def test_a_cancel_that_is_answered_by_an_error_ends_it_too():
    world, device = reachable()
    device.observed()
    world.unobserve(number_of(world), active=True)
    device.answer(device.hear(), "4.04")
    assert world.engine.observations("dev-1") == []


def test_a_cancel_without_an_answer_leaves_it_as_it_was():
    world, device = reachable()
    asked = device.observed()
    call = world.unobserve(number_of(world), active=True, timeout_s=5)
    world.after(6)
    assert world.outcomes() == [(call, "timeout")]
    assert world.states() == {b"3303/0/5700": "active"}
    device.inbox.clear()
    device.notify(asked.token, 2, b"v")
    assert world.told() == [b"v"]


def test_to_cancel_one_that_is_not_answered_yet_forgets_it():
    world, device = reachable()
    call = world.observe()
    assert world.unobserve(number_of(world), active=True) is None
    assert world.outcomes() == [(call, "cancelled")]
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})
    device.agree(device.hear())
    device.hear_nothing()


# Where answers come from


def test_an_answer_from_another_address_begins_nothing():
    world, device = reachable()
    call = world.observe()
    asked = device.hear()
    world.device("192.0.2.7:7").agree(asked)
    assert world.outcomes() == []
    device.agree(asked)
    assert world.outcomes() == [(call, "answered")]


def test_a_late_answer_does_no_harm():
    world, device = reachable()
    world.observe(timeout_s=5)
    asked = device.hear()
    world.after(10)
    device.inbox.clear()
    device.agree(asked)
    device.hear_nothing()
    assert world.engine.observations("dev-1") == []


def test_a_large_answer_is_fetched_and_the_relation_stands():
    world, device = reachable()
    call = world.observe()
    asked = device.hear()
    first = [(OBSERVE, b"\5"), (23, b"\x08"), (4, b"e")]
    device.answer(asked, options=first, payload=b"a" * 16)
    more = device.hear()
    assert more.option(OBSERVE) is None
    assert more.token != asked.token
    device.notify(asked.token, 6, b"meanwhile")
    device.hear_nothing()
    assert world.told() == [b"meanwhile"]
    device.answer(more, options=[(23, b"\x10"), (4, b"e")], payload=b"b")
    (answered,) = world.answers
    assert (answered.call, answered.payload) == (call, b"a" * 16 + b"b")
    assert answered.observation == number_of(world)
    assert world.states() == {b"3303/0/5700": "active"}


def test_what_arrives_for_an_observation_needs_the_whole_token():
    world, device = reachable()
    token = device.observed().token
    for at in range(8):
        wrong = bytearray(token)
        wrong[at] ^= 0x01
        device.send(write(CON, 69, device.next_mid(), bytes(wrong), [(OBSERVE, b"\5")], b"v"))
        assert device.hear().type == RST
    for short in (token[:7], b""):
        device.notify(short, 5)
        assert device.hear().type == RST
    assert world.reports == []
