"""The registration life of simulated devices, message by message, on a clock of numbers."""

from __future__ import annotations

import itertools

import pytest
from sim_kit import (
    ACK,
    CHANGED,
    CON,
    CREATED,
    DELETE,
    DELETED,
    POST,
    RST,
    S,
    Server,
    location,
)

from lwm2m_fast.sim.simulation import (
    ALL_GONE,
    DEREGISTER,
    NEW,
    OUT,
    PING,
    QUIET,
    REGISTER,
    REGISTERED,
    SETTLED,
    UPDATE,
)
from lwm2m_fast.wire.coap import build

NOT_FOUND, BAD_REQUEST, FORBIDDEN, UNAVAILABLE = 132, 128, 131, 163


def one(messages):
    ((_, message),) = messages
    return message


def registering(**options):
    server = Server(devices=1, **options)
    server.fleet.load(REGISTER, [NEW], once=True)
    return server, one(server.turn(0))


def next_request(server, start_s, end_s, step_s=0.05):
    """The next request of the only device, and when it left."""
    now = start_s
    while now <= end_s:
        said = server.turn(now)
        if said:
            return one(said), now
        now += step_s
    return None, end_s


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_a_register_says_who_and_what_the_device_is(version):
    _, request = registering(version=version, lifetime_s=60, prefix="dev/ü-", first=42)
    assert (request["type"], request["code"], request["path"]) == (CON, POST, [b"rd"])
    assert request["content_format"] == 40
    assert request["query"] == [
        "ep=dev/ü-000042".encode(), b"lt=60", f"lwm2m={version}".encode(), b"b=U",
    ]  # fmt: skip
    links = request["payload"].decode()
    assert links.startswith('</>;rt="oma.lwm2m";ct="')
    assert links.endswith(",</3303/0>,</3303/1>,</3303/2>,</3442/0>")
    assert "</0" not in links


@pytest.mark.parametrize("first, name", [(999_999, b"sim-0999999"), (1, b"sim-000001")])
def test_all_names_of_a_fleet_are_equally_long(first, name):
    server = Server(devices=2, first=first)
    server.fleet.load(REGISTER, [NEW], once=True)
    names = [message["query"][0] for _, message in server.turn(0)]
    assert names[0] == b"ep=" + name
    assert len(names[0]) == len(names[1])


def test_requests_of_a_fleet_differ_in_token_and_message_id():
    server = Server(devices=50)
    server.fleet.load(REGISTER, [NEW], once=True)
    said = [message for _, message in server.turn(0)]
    assert len({message["token"] for message in said}) == 50
    assert len({message["mid"] for message in said}) > 45


def test_the_same_seed_says_the_same():
    said = []
    for seed in (5, 5, 6):
        server = Server(devices=3, seed=seed)
        server.fleet.load(REGISTER, [NEW], once=True)
        said.append(server.turn(0))
    assert said[0] == said[1] != said[2]


def test_a_device_updates_its_registration_before_its_lifetime_is_over():
    server = Server(devices=1, lifetime_s=100, update_at=0.8)
    server.registered()
    times, now = [0.0], 0.0
    for _ in range(5):
        update, now = next_request(server, now, now + 81)
        assert (update["code"], update["path"], update["query"]) == (POST, [b"rd", b"id0"], [])
        server.answer(0, update, CHANGED)
        times.append(now)
    pauses = [late - early for early, late in itertools.pairwise(times)]
    assert 8 <= pauses[0] <= 80.1
    assert all(71.9 <= pause <= 80.1 for pause in pauses[1:])


@pytest.mark.parametrize("code", [NOT_FOUND, BAD_REQUEST, FORBIDDEN])
def test_a_device_whose_update_is_refused_registers_again(code):
    server = Server(devices=1, lifetime_s=100)
    server.registered()
    update, now = next_request(server, 0, 81)
    server.answer(0, update, code)
    assert server.fleet.registered == 0
    again, _ = next_request(server, now, now + 0.1)
    assert again["path"] == [b"rd"]
    server.answer(0, again, CREATED, location(7))
    assert server.fleet.registered == 1
    assert next_request(server, now + 0.1, now + 81)[0]["path"] == [b"rd", b"id7"]


def test_a_server_in_trouble_is_asked_again_later_with_the_same_registration():
    server = Server(devices=1, lifetime_s=100)
    server.registered()
    update, now = next_request(server, 0, 81)
    server.answer(0, update, UNAVAILABLE)
    assert server.fleet.registered == 1
    again, later = next_request(server, now, now + 7)
    assert again["path"] == [b"rd", b"id0"]
    assert 4.9 <= later - now <= 6.1


def test_a_refused_device_waits_twice_as_long_each_time_up_to_a_bound():
    server, request = registering()
    server.answer(0, request, FORBIDDEN)
    now, pauses = 0.0, []
    for _ in range(9):
        request, later = next_request(server, now, now + 400, 0.5)
        pauses.append(later - now)
        server.answer(0, request, FORBIDDEN)
        now = later
    for pause, expected in zip(pauses, [5, 10, 20, 40, 80, 160, 320, 320, 320], strict=True):
        assert expected - 0.1 <= pause <= expected + 1.6
    assert (server.fleet.settled, server.fleet.registered) == (1, 0)


def test_a_request_is_sent_again_unchanged_with_doubled_pauses_and_then_given_up():
    server, first = registering()
    times, now = [0.0], 0.0
    for _ in range(4):
        again, now = next_request(server, now, now + 60)
        assert again == first
        times.append(now)
    pauses = [late - early for early, late in itertools.pairwise(times)]
    assert 1.9 <= pauses[0] <= 3.1
    for short, long in itertools.pairwise(pauses):
        assert long == pytest.approx(2 * short, abs=0.2)
    register, later = next_request(server, now, now + 120)
    assert register["mid"] != first["mid"]
    assert later - now > 16 * pauses[0]
    counted = server.fleet.counters()["requests"][REGISTER]
    assert (counted["started"], counted["retransmitted"], counted["endings"]) == (2, 4, {1: 1})


def test_an_answered_request_is_not_sent_again():
    server, request = registering(mode="register")
    server.answer(0, request, CREATED, location(0))
    assert next_request(server, 0, 100)[0] is None


def test_a_separate_response_is_waited_for_and_acknowledged():
    server, request = registering(mode="register")
    assert server.send(0, build(ACK, 0, request["mid"])) == []
    assert next_request(server, 0, 90)[0] is None
    response = build(CON, CREATED, 4711, request["token"], location(3))
    (ack,) = server.send(0, response)
    assert (ack["type"], ack["code"], ack["mid"]) == (ACK, 0, 4711)
    assert server.fleet.registered == 1
    # Our ACK got lost: it is given again, and the response counts once.
    assert server.send(0, response) == [ack]
    assert server.fleet.counters()["requests"][REGISTER]["endings"] == {CREATED: 1}
    assert server.fleet.counters()["repeated"] == 1


def test_a_separate_response_that_never_comes_is_a_timeout():
    server, request = registering()
    server.send(0, build(ACK, 0, request["mid"]))
    again, now = next_request(server, 0, 110)
    assert again["mid"] != request["mid"]
    assert 93 <= now <= 100
    assert server.fleet.counters()["requests"][REGISTER]["retransmitted"] == 0


@pytest.mark.parametrize(
    "token, mid",
    [(b"", 0), (b"\0\0\0\0", 0), (None, 1)],
    ids=["no token", "another token", "another message id"],
)
def test_a_response_that_does_not_fit_ends_nothing(token, mid):
    server, request = registering()
    token = request["token"] if token is None else token
    datagram = build(ACK, CREATED, (request["mid"] + mid) % 65536, token, location(0))
    assert server.send(0, datagram) == []
    assert (server.fleet.settled, server.fleet.counters()["unexpected"]) == (0, 1)


def test_a_reset_ends_the_request():
    server, request = registering()
    server.send(0, build(RST, 0, request["mid"]))
    assert (server.fleet.settled, server.fleet.registered) == (1, 0)
    assert server.fleet.counters()["requests"][REGISTER]["endings"] == {2: 1}


@pytest.mark.parametrize("size, registered", [(43, 1), (44, 0)])
def test_a_location_is_kept_up_to_its_bound(size, registered):
    # 48 bytes of Uri-Path options: one head and "rd", two head bytes and the name.
    server, request = registering()
    server.answer(0, request, CREATED, [(8, b"rd"), (8, b"x" * size)])
    assert server.fleet.registered == registered


def test_a_created_without_a_location_registers_nothing():
    server, request = registering()
    server.answer(0, request, CREATED)
    assert (server.fleet.settled, server.fleet.registered) == (1, 0)


def test_a_device_that_leaves_says_so_and_stays_silent():
    server = Server(devices=1, lifetime_s=10)
    server.registered()
    server.fleet.goal = ALL_GONE
    assert not server.fleet.reached()
    server.fleet.load(DEREGISTER, [REGISTERED], once=True)
    request = one(server.turn(1))
    assert (request["code"], request["path"]) == (DELETE, [b"rd", b"id0"])
    server.answer(0, request, DELETED)
    assert server.fleet.reached()
    assert next_request(server, 1, 400, 1)[0] is None


def test_timers_that_rest_start_no_update():
    server = Server(devices=1, lifetime_s=10)
    server.registered()
    server.fleet.quiet = True
    assert next_request(server, 0, 60)[0] is None


def test_a_closed_loop_keeps_so_many_requests_under_way():
    server = Server(devices=10, mode="update")
    server.registered()
    server.fleet.load(UPDATE, [REGISTERED], outstanding=4)
    said = server.turn(1)
    assert [device for device, _ in said] == [0, 1, 2, 3]
    assert server.turn(1) == []
    for device, request in said[:2]:
        server.answer(device, request, CHANGED)
    assert [device for device, _ in server.turn(1)] == [4, 5]
    assert server.fleet.outstanding == 4


def test_a_closed_loop_larger_than_the_fleet_asks_every_device_once_at_a_time():
    server = Server(devices=3, mode="ping")
    server.fleet.load(PING, [NEW, OUT, REGISTERED], outstanding=64)
    said = server.turn(0)
    assert [device for device, _ in said] == [0, 1, 2]
    for device, ping in said:
        assert (ping["type"], ping["code"], ping["token"]) == (CON, 0, b"")
        server.send(device, build(RST, 0, ping["mid"]))
    assert [device for device, _ in server.turn(0.001)] == [0, 1, 2]
    assert server.fleet.latency(PING).count == 3


def test_an_open_loop_starts_as_many_as_the_rate_allows_and_counts_what_it_missed():
    server = Server(devices=1000, mode="update")
    server.registered()
    server.fleet.load(UPDATE, [REGISTERED], outstanding=1000, rate=100.0, now_ns=0)
    assert server.turn(0) == []
    started = sum(len(server.turn(ms / 1000)) for ms in range(1, 501))
    assert started == pytest.approx(50, abs=1)
    server.fleet.load(UPDATE, [REGISTERED], outstanding=1, rate=1000.0, now_ns=server.now)
    server.turn(server.now / S + 1)
    assert server.fleet.missed == pytest.approx(1000 - 114, abs=1)


@pytest.mark.parametrize("goal, answered", [(SETTLED, False), (QUIET, False), (SETTLED, True)])
def test_a_goal_is_reached_with_the_last_device(goal, answered):
    server = Server(devices=2)
    server.fleet.goal = goal
    server.fleet.load(REGISTER, [NEW], once=True)
    (first, one_request), (second, other) = server.turn(0)
    server.answer(first, one_request, CREATED, location(0))
    assert not server.fleet.reached()
    server.answer(second, other, CREATED if answered else FORBIDDEN, location(1))
    assert server.fleet.reached()


def test_a_thousand_timers_of_one_moment_need_more_than_one_turn_and_lose_nothing():
    server = Server(devices=1000)
    server.fleet.load(REGISTER, [NEW], once=True, outstanding=1000)
    assert len(server.turn(0)) == 512
    assert len(server.turn(0)) == 488
    again = [len(server.turn(3.2)) for _ in range(9)]
    assert max(again) <= 128
    assert sum(again) == 1000


def test_a_device_that_is_not_there_is_refused():
    server = Server(devices=2)
    with pytest.raises(IndexError):
        server.fleet.receive_datagram(2, b"", 0)
