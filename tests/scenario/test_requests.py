"""What the server asks of devices: retransmission, matching, queueing, Block2 (RFC 7252, 7959)."""

import pytest
from scripted import (
    ACCEPT,
    ACK,
    CON,
    CONTENT_FORMAT,
    ETAG,
    NON,
    RST,
    START,
    Chance,
    World,
    reachable,
    write,
)

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.errors import QueueFull, UnknownDevice

TICK = 0.064  # the timer wheel turns every 32 ms


# The request


def test_a_read_is_a_confirmable_get_of_the_path():
    world, device = reachable()
    world.read("dev-1", 3303, 1, 5700, 0, accept=11542)
    asked = device.hear()
    assert (asked.type, asked.code) == (CON, "0.01")
    assert asked.path == [b"3303", b"1", b"5700", b"0"]
    assert asked.number(ACCEPT) == 11542
    assert 1 <= len(asked.token) <= 8


def test_a_read_without_a_wish_names_no_format():
    world, device = reachable()
    world.read("dev-1", 3)
    assert device.hear().option(ACCEPT) is None


def test_a_read_for_plain_text_says_so():
    world, device = reachable()
    world.read("dev-1", 3, accept=0)
    assert device.hear().option(ACCEPT) == b""


def test_an_alternate_root_stands_before_every_path():
    world = World()
    world.device().register(payload=b'</a/b>;rt="oma.lwm2m",</a/b/3/0>')
    world.read("dev-1", 3, 0)
    assert world.device().hear().path == [b"a", b"b", b"3", b"0"]


def test_a_request_of_any_size_leaves_as_it_was_ordered_and_again():
    """Short ones are kept elsewhere than long ones; the bound is among these."""
    world, device = reachable()
    for size in (*range(20, 60), 200, 255):
        path = (b"a" * (size - 16), b"b" * 14)
        call = world.start("dev-1", CoapRequest(1, path, accept=11542))
        asked = device.hear()
        assert (asked.path, asked.number(ACCEPT)) == (list(path), 11542)
        world.after(4)
        again = device.hear()
        assert (again.mid, again.token, again.options) == (asked.mid, asked.token, asked.options)
        device.answer(asked, "2.05", payload=b"x" * size)
        assert world.answers[-1][:2] == (call, "answered")


def test_tokens_and_message_ids_are_not_used_twice():
    world, device = reachable()
    asked = []
    for _ in range(100):
        world.read("dev-1", 3)
        asked.append(device.hear())
        device.answer(asked[-1])
    assert len({heard.token for heard in asked}) == 100
    assert len({heard.mid for heard in asked}) == 100


def test_an_unknown_device_cannot_be_read():
    with pytest.raises(UnknownDevice, match="nobody"):
        World().read("nobody", 3)


# The answer


def test_a_piggybacked_response_ends_the_request():
    world, device = reachable()
    call = world.read("dev-1", 3, 0, 0)
    options = [(CONTENT_FORMAT, b""), (ETAG, b"e1")]
    device.answer(device.hear(), options=options, payload=b"hello")
    assert world.answers == [(call, "answered", 69, 0, b"hello", b"e1", None, 0)]
    world.after(100)
    device.hear_nothing()
    assert world.count("requests_current") == 0


def test_a_response_without_anything_is_an_answer():
    world, device = reachable()
    call = world.read("dev-1", 3)
    device.answer(device.hear(), "4.04")
    assert world.answers == [(call, "answered", 0x84, None, b"", None, None, 0)]


def test_a_separate_response_is_acknowledged():
    world, device = reachable()
    call = world.read("dev-1", 3)
    asked = device.hear()
    device.acknowledge(asked)
    world.after(50)
    device.hear_nothing()  # what is acknowledged is not sent again
    device.answer(asked, kind=CON, mid=77, payload=b"late")
    said = device.hear()
    assert (said.type, said.code, said.mid) == (ACK, "0.00", 77)
    assert world.answers[0][:2] == (call, "answered")


def test_a_repeated_separate_response_is_acknowledged_again():
    world, device = reachable()
    world.read("dev-1", 3)
    asked = device.hear()
    device.acknowledge(asked)
    for _ in range(3):
        device.answer(asked, kind=CON, mid=77, payload=b"late")
        assert (said := device.hear()).type == ACK
        assert said.mid == 77
    assert len(world.answers) == 1


def test_a_response_before_the_acknowledgement_is_an_answer():
    world, device = reachable()
    call = world.read("dev-1", 3)
    asked = device.hear()
    device.answer(asked, kind=CON, mid=77, payload=b"x")
    assert device.hear().type == ACK
    device.acknowledge(asked)  # late, and harmless
    device.hear_nothing()
    assert world.outcomes() == [(call, "answered")]
    world.after(100)
    device.hear_nothing()


def test_a_non_confirmable_response_is_an_answer_and_not_acknowledged():
    world, device = reachable()
    call = world.read("dev-1", 3)
    device.answer(device.hear(), kind=NON, payload=b"x")
    device.hear_nothing()
    assert world.outcomes() == [(call, "answered")]


def test_a_reset_ends_the_request():
    world, device = reachable()
    call = world.read("dev-1", 3)
    device.reset(device.hear())
    assert world.outcomes() == [(call, "reset")]
    world.after(100)
    device.hear_nothing()


def test_a_reset_after_the_acknowledgement_ends_the_request():
    world, device = reachable()
    call = world.read("dev-1", 3)
    asked = device.hear()
    device.acknowledge(asked)
    device.reset(asked)
    assert world.outcomes() == [(call, "reset")]


@pytest.mark.parametrize("token", [b"", b"wrong", b"\0\0\0\0\0\0\0\0", b"\xff" * 8])
def test_a_confirmable_response_with_a_wrong_token_is_reset(token):
    world, device = reachable()
    world.read("dev-1", 3)
    asked = device.hear()
    device.answer(asked, kind=CON, mid=77, token=token, payload=b"x")
    said = device.hear()
    assert (said.type, said.mid) == (RST, 77)
    assert world.answers == []
    assert world.count("requests_current") == 1


def test_one_wrong_byte_of_the_token_is_a_wrong_token():
    world, device = reachable()
    world.read("dev-1", 3)
    asked = device.hear()
    for at in range(8):
        token = bytes(b ^ (i == at) for i, b in enumerate(asked.token))
        device.answer(asked, token=token)
    assert world.answers == []


def test_an_acknowledgement_with_another_message_id_is_not_ours():
    world, device = reachable()
    world.read("dev-1", 3)
    asked = device.hear()
    device.answer(asked, mid=asked.mid ^ 1)
    device.send(write(ACK, 0, asked.mid ^ 1), write(RST, 0, asked.mid ^ 1))
    assert world.answers == []
    device.answer(asked)
    assert len(world.answers) == 1


def test_a_response_from_another_address_is_not_ours():
    world, device = reachable()
    world.read("dev-1", 3)
    asked = device.hear()
    elsewhere = world.device("203.0.113.1:1")
    elsewhere.answer(asked).acknowledge(asked).reset(asked)
    elsewhere.answer(asked, kind=CON, mid=5)
    assert elsewhere.hear().type == RST
    reachable(world, "dev-2", "203.0.113.1:1")
    elsewhere.answer(asked).acknowledge(asked).reset(asked)
    assert world.answers == []


@pytest.mark.parametrize("kind", [ACK, NON])
def test_late_and_repeated_responses_are_harmless(kind):
    world, device = reachable()
    first = world.read("dev-1", 3)
    asked = device.hear()
    device.answer(asked, kind=kind, mid=asked.mid)
    second = world.read("dev-1", 4)
    device.answer(asked, kind=kind, mid=asked.mid)
    device.acknowledge(asked)
    device.reset(asked)
    assert world.outcomes() == [(first, "answered")]
    device.answer(device.hear())
    assert world.outcomes() == [(second, "answered")]
    device.hear_nothing()


def test_a_response_with_an_unknown_critical_option_is_rejected():
    world, device = reachable()
    call = world.read("dev-1", 3)
    device.answer(device.hear(), kind=CON, mid=5, options=[(9, b"")])
    assert device.hear().type == RST
    assert world.outcomes() == [(call, "malformed")]


def test_a_late_separate_response_is_reset():
    world, device = reachable()
    call = world.read("dev-1", 3, timeout_s=10)
    asked = device.hear()
    device.acknowledge(asked)
    world.after(10.1)
    assert world.outcomes() == [(call, "no_response")]
    device.answer(asked, kind=CON, mid=5)
    assert device.hear().type == RST


@pytest.mark.parametrize("end", ["register", "move", "leave", "cancel"])
def test_an_answer_to_a_cancelled_request_is_harmless(end):
    world = World()
    device = world.device()
    location = device.register("dev-1")
    call = world.read("dev-1", 3)
    asked = device.hear()
    {
        "register": lambda: device.register("dev-1"),
        "move": lambda: world.device("192.0.2.9:9").update(location),
        "leave": lambda: device.leave(location),
        "cancel": lambda: world.cancel(call),
    }[end]()
    assert world.outcomes() == [(call, "cancelled")]
    device.answer(asked).acknowledge(asked).reset(asked)
    device.answer(asked, kind=CON, mid=9)
    assert device.hear().type == RST
    device.hear_nothing()
    world.after(100)
    device.hear_nothing()
    assert world.answers == []


# Time


@pytest.mark.parametrize("chance, factor", [(0, 1.0), (255, 1.5)])
def test_a_request_is_sent_again_after_2_4_8_and_16_times_the_factor(chance, factor):
    world = World(chance=Chance(chance))
    _, device = reachable(world)
    call = world.read("dev-1", 3)
    world.after(100)
    heard = device.hear_all()
    assert len({message.data for _, message in heard}) == 1
    times = [moment - START for moment, _ in heard]
    wanted = [0, *(factor * seconds for seconds in (2, 6, 14, 30))]
    assert len(times) == len(wanted)
    for time, want in zip(times, wanted, strict=True):
        assert want - 0.002 <= time <= want + 4 * TICK
    assert world.outcomes() == [(call, "timeout")]


@pytest.mark.parametrize("chance, factor", [(0, 1.0), (255, 1.5)])
def test_a_request_without_acknowledgement_is_given_up_after_62_to_93_seconds(chance, factor):
    world = World(chance=Chance(chance))
    reachable(world)
    call = world.read("dev-1", 3)
    world.at(START + 62 * factor - 0.1)
    assert world.outcomes() == []
    world.at(START + 62 * factor + 5 * TICK)
    assert world.outcomes() == [(call, "timeout")]
    assert world.count("requests_retransmitted") == 4
    assert world.count("requests_timed_out") == 1


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_request_is_retransmitted_as_often_as_configured(most):
    world = World(coap={"max_retransmit": most})
    _, device = reachable(world)
    world.read("dev-1", 3)
    world.after(100)
    assert len(device.hear_all()) == 1 + most


def test_the_caller_waits_no_longer_than_it_said():
    world, device = reachable()
    call = world.read("dev-1", 3, timeout_s=5)
    world.after(4.9)
    assert world.outcomes() == []
    world.after(0.1 + TICK)
    assert world.outcomes() == [(call, "timeout")]
    device.hear_all()
    world.after(100)
    device.hear_nothing()


def test_an_acknowledged_request_waits_for_its_answer_as_long_as_the_caller_said():
    world = World(coap={"response_timeout_s": 300})
    _, device = reachable(world)
    call = world.read("dev-1", 3, timeout_s=200)
    device.acknowledge(device.hear())
    world.after(199.9)
    assert world.outcomes() == []
    world.after(0.1 + TICK)
    assert world.outcomes() == [(call, "no_response")]
    assert world.count("requests_unanswered") == 1


def test_an_acknowledged_request_waits_no_longer_than_configured():
    world, device = reachable()
    call = world.read("dev-1", 3, timeout_s=200)
    asked = device.hear()
    world.after(1)
    device.acknowledge(asked)
    world.after(119.9)
    assert world.outcomes() == []
    world.after(0.1 + TICK)
    assert world.outcomes() == [(call, "no_response")]
    device.hear_nothing()


@pytest.mark.parametrize("outcome", ["answered", "reset", "timeout", "no_response", "cancelled"])
def test_however_a_request_ends_it_is_told_exactly_once(outcome):
    world, device = reachable()
    call = world.read("dev-1", 3, timeout_s=10)
    asked = device.hear()
    if outcome == "no_response":
        device.acknowledge(asked)
    if outcome == "cancelled":
        world.cancel(call)
    if outcome in ("timeout", "no_response"):
        world.after(10 + TICK)
    if outcome == "answered":
        device.answer(asked)
    if outcome == "reset":
        device.reset(asked)
    device.acknowledge(asked).reset(asked).answer(asked).answer(asked, kind=NON)
    world.cancel(call)
    world.after(300)
    device.answer(asked)
    assert world.outcomes() == [(call, outcome)]


def test_an_answer_to_any_transmission_counts():
    world, device = reachable()
    call = world.read("dev-1", 3)
    world.after(20)
    first = device.hear()
    device.inbox.clear()
    device.answer(first)
    assert world.outcomes() == [(call, "answered")]
    world.after(100)
    device.hear_nothing()


# One after the other


def test_requests_to_one_device_leave_one_after_the_other():
    world, device = reachable()
    calls = [world.read("dev-1", 3, 0, number) for number in range(5)]
    for number in range(5):
        asked = device.hear()
        device.hear_nothing()
        assert asked.path[-1] == b"%d" % number
        device.answer(asked)
    assert world.outcomes() == [(call, "answered") for call in calls]


@pytest.mark.parametrize("nstart", [2, 16])
def test_nstart_requests_leave_at_once(nstart):
    world = World(coap={"nstart": nstart, "max_waiting_per_device": 20})
    _, device = reachable(world)
    calls = [world.read("dev-1", 3, 0, number) for number in range(nstart + 2)]
    asked = [device.hear() for _ in range(nstart)]
    device.hear_nothing()
    device.answer(asked[1])
    assert device.hear().path[-1] == b"%d" % nstart
    device.hear_nothing()
    assert world.outcomes() == [(calls[1], "answered")]


def test_the_next_request_leaves_when_the_one_before_fails():
    world, device = reachable()
    calls = [world.read("dev-1", 3, 0, number, timeout_s=5) for number in range(3)]
    world.after(5.1)
    assert world.outcomes() == [(calls[0], "timeout")]
    device.reset(device.hear_all()[-1][1])
    assert world.outcomes() == [(calls[1], "reset")]
    device.answer(device.hear())
    assert world.outcomes() == [(calls[2], "answered")]


def test_the_time_for_an_answer_begins_when_the_request_leaves():
    world, device = reachable()
    calls = [world.read("dev-1", 3, timeout_s=5) for _ in range(2)]
    world.after(4)
    device.answer(device.hear_all()[-1][1])
    world.after(4)
    assert world.outcomes() == [(calls[0], "answered")]
    device.answer(device.hear_all()[-1][1])
    assert world.outcomes() == [(calls[1], "answered")]


def test_a_cancelled_request_is_not_sent_again_and_lets_the_next_one_go():
    world, device = reachable()
    first, second = world.read("dev-1", 3), world.read("dev-1", 4)
    device.hear()
    world.cancel(first)
    assert device.hear().path == [b"4"]
    assert world.outcomes() == [(first, "cancelled")]
    world.cancel(first)  # once more changes nothing
    assert world.outcomes() == []
    world.cancel(second)
    world.after(100)
    device.hear_nothing()


def test_a_waiting_request_may_be_cancelled():
    world, device = reachable()
    calls = [world.read("dev-1", number) for number in range(3)]
    asked = device.hear()
    world.cancel(calls[1])
    device.hear_nothing()
    device.answer(asked)
    assert device.hear().path == [b"2"]


def test_devices_do_not_wait_for_each_other():
    world, one = reachable()
    _, two = reachable(world, "dev-2", "192.0.2.2:1")
    world.read("dev-1", 3)
    world.read("dev-2", 3)
    assert one.hear().code == two.hear().code == "0.01"


# Bounds


def test_max_waiting_requests_are_taken_and_one_more_is_not():
    world = World(coap={"max_waiting_per_device": 3})
    _, device = reachable(world)
    for _ in range(3):
        world.read("dev-1", 3)
    with pytest.raises(QueueFull, match="'dev-1' already has 3 requests waiting"):
        world.read("dev-1", 3)
    assert world.count("requests_refused") == 1
    device.answer(device.hear())
    world.read("dev-1", 3)


def test_max_exchanges_are_taken_and_one_more_is_not():
    world = World(coap={"max_exchanges": 2})
    _, device = reachable(world)
    reachable(world, "dev-2", "192.0.2.2:1")
    world.read("dev-1", 3)
    world.read("dev-2", 3)
    with pytest.raises(QueueFull, match="2 requests"):
        world.read("dev-2", 3)
    device.answer(device.hear())
    world.read("dev-2", 3)
    assert world.count("requests_current") == 2
