"""Observations of simulated devices: when a notification leaves, how, and what ends it."""

from __future__ import annotations

import pytest
from sim_kit import (
    ACCEPT,
    ACK,
    CHANGED,
    CON,
    CONTENT,
    DELETE,
    FETCH,
    GET,
    INTERNAL,
    IPATCH,
    NON,
    NOT_FOUND,
    OBSERVE,
    POST,
    PUT,
    RST,
    Server,
    location,
)

from lwm2m_fast.codec import Node, Types, decode, encode
from lwm2m_fast.sim.observing import MOST_PER_DEVICE
from lwm2m_fast.wire.coap import build

TEXT, SENML_CBOR = 0, 112


def registered(**options):
    server = Server(devices=2, lifetime_s=86_400, **options)
    server.registered()
    return server


def observe(server, path, *options):
    answer = server.do(GET, path, b"", None, (OBSERVE, 0), *options)
    assert answer["code"] == CONTENT and "observe" in answer, answer
    return answer


def notified(server, until_s, step_s=0.25):
    """[(moment, message)] until this moment; confirmable ones are acknowledged."""
    said, now = [], server.now / 1e9
    while now < until_s:
        now = min(now + step_s, until_s)
        for device, message in server.turn(now):
            said.append((now, message))
            if message["type"] == CON:
                server.send(device, build(ACK, 0, message["mid"]))
    return said


def test_a_changing_value_is_notified_no_sooner_than_pmin():
    server = registered()
    server.do(PUT, "/3303/0/5700", b"", None, (15, b"pmin=10"))
    first = observe(server, "/3303/0/5700")
    said = notified(server, 60)
    moments = [at for at, _ in said]
    assert len(moments) == 5 or len(moments) == 6
    assert all(b - a >= 10 for a, b in zip([0, *moments], moments, strict=False))
    assert {message["token"] for _, message in said} == {b"tk"}
    numbers = [first["observe"], *(message["observe"] for _, message in said)]
    assert numbers == sorted(set(numbers))
    assert len({message["mid"] for _, message in said}) == len(said)


def test_a_value_that_does_not_change_is_notified_at_pmax_only():
    server = registered()
    server.do(PUT, "/3/0/0", b"", None, (15, b"pmax=20"))
    observe(server, "/3/0/0")
    said = notified(server, 65)
    assert [round(at) for at, _ in said] == [20, 40, 60]
    assert {message["payload"] for _, message in said} == {b"lwm2m_fast"}


def test_the_default_periods_are_those_of_the_server_object():
    server = registered()
    server.do(PUT, "/1/0/2", b"30", TEXT)
    observe(server, "/3303/0/5700")
    assert len(notified(server, 100)) == 3
    server = registered()
    observe(server, "/3/0/0")
    assert [round(at) for at, _ in notified(server, 310, 1)] == [300]


def test_a_pace_for_the_whole_fleet_overrules_the_values():
    server = registered(notify_every_s=5.0)
    observe(server, "/3/0/0")
    assert [round(at) for at, _ in notified(server, 21)] == [5, 10, 15, 20]


def test_a_write_is_notified_at_once_when_pmin_is_over():
    server = registered()
    observe(server, "/3442/0/120")
    server.now = 5 * 10**9
    assert server.turn() == []
    server.do(PUT, "/3442/0/120", b"7", TEXT)
    ((_, message),) = server.turn()
    assert (message["payload"], message["token"]) == (b"7", b"tk")
    assert server.turn(6) == []


@pytest.mark.parametrize(
    "query, writes, told",
    [
        ([b"gt=10"], [5, 9, 11, 12, 10, 9], [11, 10]),
        ([b"lt=10"], [20, 12, 9, 8, 10, 11], [9, 10]),
        ([b"st=5"], [1, 4, 5, 9, 10, 2], [5, 10, 2]),
        ([b"gt=10", b"lt=0"], [5, 11, 5, -1, 5], [11, 5, -1, 5]),
    ],
)
def test_only_a_value_that_meets_the_conditions_is_notified(query, writes, told):
    server = registered()
    server.do(PUT, "/3442/0/120", b"20" if query == [b"lt=10"] else b"0", TEXT)
    attributes = [b"pmax=80000", *query]
    server.do(PUT, "/3442/0/120", b"", None, *((15, each) for each in attributes))
    observe(server, "/3442/0/120")
    said = []
    for n, value in enumerate(writes):
        server.now = (10 + 10 * n) * 10**9
        server.do(PUT, "/3442/0/120", b"%d" % value, TEXT)
        said += [message for _, message in notified(server, 14 + 10 * n)]
    assert [int(message["payload"]) for message in said] == told


@pytest.mark.parametrize(
    "edge, told", [(b"edge=1", [b"1", b"1"]), (b"edge=0", [b"0", b"0"])], ids=["rising", "falling"]
)
def test_an_edge_is_notified_in_its_direction_only(edge, told):
    server = registered(version="1.2")
    server.do(PUT, "/3442/0/140", b"", None, (15, b"pmax=80000"), (15, edge))
    server.do(PUT, "/3442/0/140", b"0", TEXT)
    observe(server, "/3442/0/140")
    said = []
    for n, value in enumerate([b"0", b"1", b"1", b"0", b"1", b"0"]):
        server.now = (10 + 10 * n) * 10**9
        server.do(PUT, "/3442/0/140", value, TEXT)
        said += [message["payload"] for _, message in notified(server, 14 + 10 * n)]
    assert said == told


@pytest.mark.parametrize(
    "path, kinds", [("/3/0/0", [CON] * 3), ("/3442/0/120", [NON] * 3)], ids=["with", "without"]
)
def test_con_makes_every_notification_confirmable(path, kinds):
    server = registered(version="1.2", notify_every_s=1.0, confirm_every=0)
    server.do(PUT, "/3/0", b"", None, (15, b"con=1"))
    observe(server, path)
    assert [message["type"] for _, message in notified(server, 3.5)] == kinds


def test_conditions_are_evaluated_no_sooner_than_epmin_after_the_last_time():
    server = registered()
    server.do(PUT, "/3442/0/120", b"", None, (15, b"pmin=0"), (15, b"epmin=20"))
    observe(server, "/3442/0/120")
    said = []
    for second in range(1, 61, 3):
        server.now = second * 10**9
        server.do(PUT, "/3442/0/120", b"%d" % second, TEXT)
        said += notified(server, second + 2.9)
    assert [round(at) for at, _ in said] == [1, 21, 41]
    assert [message["payload"] for _, message in said] == [b"1", b"19", b"40"]


def test_contradicting_inherited_attributes_end_in_5_00():
    server = registered()
    assert server.do(PUT, "/3303", b"", None, (15, b"pmin=60"))["code"] == CHANGED
    assert server.do(PUT, "/3303/0", b"", None, (15, b"pmax=10"))["code"] == CHANGED
    answer = server.do(GET, "/3303/0/5700", b"", None, (OBSERVE, 0))
    assert answer["code"] == INTERNAL
    assert "observe" not in answer


def test_every_nth_notification_is_confirmable_and_sent_again_until_it_is_acknowledged():
    server = registered(notify_every_s=1.0, confirm_every=4)
    observe(server, "/3/0/0")
    kinds = [message["type"] for _, message in notified(server, 12.5)]
    assert kinds == [NON, NON, CON, NON, NON, NON, CON, NON, NON, NON, CON, NON]
    server = registered(notify_every_s=1.0, confirm_every=1)
    observe(server, "/3/0/0")
    (first,) = [message for _, message in server.turn(1)]
    again, now = [], 1.0
    while now < 150:
        now += 0.5
        again += [message for _, message in server.turn(now)]
    assert again == [first] * 4
    assert server.desk.counters()["cancelled_unanswered"] == 1
    assert server.desk.counters()["observations"] == 0


@pytest.mark.parametrize("confirm_every", [0, 1])
def test_a_reset_of_a_notification_ends_the_observation(confirm_every):
    server = registered(notify_every_s=1.0, confirm_every=confirm_every)
    observe(server, "/3/0/0")
    ((_, message),) = server.turn(1)
    assert server.send(0, build(RST, 0, message["mid"])) == []
    assert notified(server, 10) == []
    assert server.desk.counters()["cancelled_by_reset"] == 1
    assert server.fleet.counters()["unexpected"] == 0


def test_a_reset_of_another_message_ends_nothing():
    server = registered(notify_every_s=1.0, confirm_every=0)
    observe(server, "/3/0/0")
    ((_, message),) = server.turn(1)
    server.send(0, build(RST, 0, (message["mid"] + 1) & 0xFFFF))
    assert len(notified(server, 3)) == 2
    assert server.fleet.counters()["unexpected"] == 1


def test_an_active_cancel_is_answered_with_the_value():
    server = registered(notify_every_s=1.0)
    observe(server, "/3/0/0")
    answer = server.do(GET, "/3/0/0", b"", None, (OBSERVE, 1))
    assert (answer["code"], answer["payload"]) == (CONTENT, b"lwm2m_fast")
    assert "observe" not in answer
    assert notified(server, 5) == []
    assert server.desk.counters()["cancelled"] == 1


def test_observing_again_with_the_same_token_replaces_the_relation():
    server = registered(notify_every_s=1.0)
    observe(server, "/3/0/0")
    observe(server, "/3/0/1")
    assert {message["payload"] for _, message in notified(server, 3)} == {b"simulated device"}


def test_a_device_holds_only_so_many_observations():
    server = registered()
    path = [(11, b"3"), (11, b"0"), (11, b"0")]
    for n in range(MOST_PER_DEVICE + 1):
        datagram = build(CON, GET, n, b"%d" % n, [(OBSERVE, 0), *path])
        (answer,) = server.send(0, datagram)
        assert ("observe" in answer) == (n < MOST_PER_DEVICE)
        assert answer["payload"] == b"lwm2m_fast"
    assert server.desk.counters()["observations"] == MOST_PER_DEVICE


def test_a_target_that_is_deleted_ends_with_an_error_notification():
    server = registered()
    observe(server, "/3303/1/5700")
    server.now = 5 * 10**9
    server.do(DELETE, "/3303/1")
    ((_, message), *_) = server.turn()
    assert (message["code"], message["type"], message["token"]) == (NOT_FOUND, CON, b"tk")
    assert "observe" not in message
    assert server.desk.counters()["observations"] == 0


def test_a_device_that_registers_anew_has_forgotten_what_was_observed():
    server = registered(notify_every_s=1.0)
    observe(server, "/3/0/0")
    server.do(POST, "/3/0/4")
    ((_, register),) = server.turn(0.5)
    assert (register["code"], register["path"]) == (POST, [b"rd"])
    server.answer(0, register, 65, location(0))
    assert notified(server, 5) == []
    assert server.fleet.counters()["rebooted"] == 1


def test_an_instance_is_notified_in_the_format_it_was_observed_in():
    server = registered(notify_every_s=1.0)
    observe(server, "/3303/0", (ACCEPT, SENML_CBOR))
    ((_, message),) = server.turn(1)
    assert message["content_format"] == SENML_CBOR
    assert len(decode(SENML_CBOR, message["payload"], "/3303/0", Types({}))) == 8


def test_a_notification_longer_than_a_block_is_fetched_by_block2():
    server = registered(notify_every_s=30.0, sensors=12)
    first = server.do(GET, "/3303", b"", None, (OBSERVE, 0))
    assert first["block2"][1]
    ((_, message),) = server.turn(30)
    assert message["block2"] == (0, True, 6)
    body, number = message["payload"], 1
    while number:
        server.now += 2 * 10**9
        part = server.do(GET, "/3303", b"", None, (23, number << 4 | 6))
        assert part["etag"] == message["etag"]
        assert "observe" not in part
        body += part["payload"]
        number = number + 1 if part["block2"][1] else 0
    assert len(body) == message["size2"]
    assert body.count(b'"bn"') >= 1 and body.endswith(b"]")


def test_a_composite_observation_tells_of_its_own_paths_only():
    server = registered()
    paths = encode(SENML_CBOR, [Node("/3/0/15"), Node("/3442/0/120")], "/")
    answer = server.do(FETCH, "/", paths, SENML_CBOR, (OBSERVE, 0))
    assert answer["code"] == CONTENT and "observe" in answer
    server.now = 5 * 10**9
    server.do(PUT, "/3442/0/110", b"other", TEXT)
    assert server.turn() == []
    patch = [Node("/3/0/15", "UTC"), Node("/3442/0/120", 1)]
    server.do(IPATCH, "/", encode(SENML_CBOR, patch, "/"), SENML_CBOR)
    ((_, message),) = server.turn()
    found = {str(n.path): n.value for n in decode(SENML_CBOR, message["payload"], "/")}
    assert found == {"/3/0/15": "UTC", "/3442/0/120": 1}
    answer = server.do(FETCH, "/", paths, SENML_CBOR, (OBSERVE, 1))
    assert answer["code"] == CONTENT
    assert server.desk.counters()["observations"] == 0
