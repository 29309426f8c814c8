"""Notifications: whose they are, which are new, which are acknowledged (RFC 7641, section 3)."""

import pytest
from scripted import (
    ACK,
    CON,
    CONTENT_FORMAT,
    NON,
    OBSERVE,
    RST,
    START,
    UNIX,
    World,
    reachable,
    register,
    write,
)

TABLE = 3
SENML = [(CONTENT_FORMAT, b"\x70")]


def rows(world):
    return {key: value for (table, key), value in world.rows.items() if table == TABLE}


def observed(world=None, sequence=1):
    """A world, a device that reports, and the token of it."""
    world, device = reachable(world)
    return world, device, device.observed(sequence=sequence).token


# What is told


def test_a_notification_is_told_once_with_all_that_it_says():
    world, device, token = observed()
    (shown,) = world.engine.observations("dev-1")
    world.at(START + 5)
    device.notify(token, 2, b"\x81v", options=SENML)
    (report,) = world.reports
    assert report == (0, shown["number"], 69, 112, b"\x81v", UNIX + 5, 2)
    assert world.engine.endpoint_of(report.slot) == "dev-1"
    (after,) = world.engine.observations("dev-1")
    assert (after["notified"], after["last_at"]) == (1, UNIX + 5)
    assert after["since"] == UNIX
    assert world.count("notifications_received") == 1


def test_without_a_content_format_it_says_so():
    world, device, token = observed()
    device.notify(token, 2, b"v", options=[])
    assert world.reports[0].content_format == -1


def test_an_empty_one_in_2_04_is_told_too():
    world, device, token = observed()
    device.notify(token, 2, b"", code="2.04", options=[])
    assert world.reports[0][2:5] == (68, -1, b"")


def test_without_anybody_who_wants_them_they_are_counted_only():
    world, device, token = observed()
    world.engine.wants_reports = False
    device.notify(token, 2, kind=CON)
    assert device.hear().type == ACK
    assert world.reports == []
    assert world.count("notifications_received") == 1
    assert world.engine.observations("dev-1")[0]["notified"] == 1


def test_a_batch_of_many_is_told_in_order():
    world, device, token = observed()
    world.receive(
        *[
            (device.address, write(NON, 69, 500 + n, token, [(OBSERVE, bytes([n]))], b"%d" % n))
            for n in range(2, 18)
        ]
    )
    assert world.told() == [b"%d" % n for n in range(2, 18)]


def test_a_million_of_them_cost_no_row():
    world, device, token = observed()
    before = dict(world.rows)
    for n in range(2, 50):
        device.notify(token, n)
    assert world.rows == before


# Acknowledged, and told once


def test_a_confirmable_one_is_acknowledged_in_the_turn_that_tells_it():
    world, device, token = observed()
    device.notify(token, 2, b"v", kind=CON, mid=77)
    answer = device.hear()
    assert (answer.type, answer.code, answer.mid, answer.token) == (ACK, "0.00", 77, b"")
    device.hear_nothing()
    assert world.told() == [b"v"]


def test_a_non_confirmable_one_is_not_acknowledged():
    world, device, token = observed()
    device.notify(token, 2, kind=NON)
    device.hear_nothing()
    assert len(world.told()) == 1


def test_a_repeated_confirmable_one_is_acknowledged_again_and_not_told():
    world, device, token = observed()
    for _ in range(4):
        device.notify(token, 2, b"v", kind=CON, mid=77)
        assert (heard := device.hear()).type == ACK and heard.mid == 77
    assert world.told() == [b"v"]
    assert world.count("coap_duplicates") == 3


def test_a_repeated_non_confirmable_one_is_not_told():
    world, device, token = observed()
    for _ in range(3):
        device.notify(token, None, b"v", kind=NON, mid=77)
    device.hear_nothing()
    assert world.told() == [b"v"]


def test_one_repeated_after_many_others_is_still_acknowledged_and_not_told():
    world, device, token = observed()
    device.notify(token, 2, b"v", kind=CON, mid=77)
    for n in range(3, 20):
        device.notify(token, n, kind=CON)
    device.inbox.clear()
    world.told()
    device.notify(token, 2, b"v", kind=CON, mid=77)
    assert device.hear().type == ACK
    assert world.told() == [], "its number is old, even when its message id is forgotten"


def test_a_held_answer_stays_in_memory_beside_notifications():
    world, device = reachable()
    token = device.observed().token
    world.commits_by_itself = False
    device.send(register(mid=900, lifetime=86400))
    for n in range(2, 5):
        device.notify(token, n, kind=CON)
    device.send(register(mid=900, lifetime=86400))
    world.commit()
    assert [m.code for _, m in device.hear_all()].count("2.01") == 1


# Whose they are


@pytest.mark.parametrize("kind", [CON, NON])
def test_an_unknown_token_gets_a_reset(kind):
    world, device, _ = observed()
    device.notify(b"\x01\x02\x03", 2, kind=kind, mid=9)
    answer = device.hear()
    assert (answer.type, answer.mid) == (RST, 9)
    assert world.reports == []
    assert world.count("notifications_unknown") == 1


@pytest.mark.parametrize("kind", [CON, NON])
def test_a_stranger_gets_a_reset_too(kind):
    world = World()
    world.device().notify(b"\x80\0\0\0abcd", None, code="4.04", kind=kind)
    assert world.device().hear().type == RST


def test_a_late_answer_to_a_request_is_no_notification():
    world, device = reachable()
    world.read("dev-1", 3)
    asked = device.hear()
    device.answer(asked)
    device.answer(asked, kind=NON, payload=b"late")
    device.hear_nothing()
    assert world.count("notifications_unknown") == 0


@pytest.mark.parametrize("kind, hears", [(CON, [RST]), (NON, [])])
def test_from_another_address_it_is_ignored(kind, hears):
    world, device, token = observed()
    elsewhere = world.device("192.0.2.1:6000")
    elsewhere.notify(token, 2, kind=kind)
    assert [m.type for _, m in elsewhere.hear_all()] == hears
    assert world.reports == []
    assert world.count("notifications_astray") == 1
    device.notify(token, 3, b"v")
    assert world.told() == [b"v"]


def test_another_device_cannot_report_for_it():
    world, _device, token = observed()
    other = world.device("192.0.2.9:9")
    other.register("dev-9")
    other.notify(token, 2, kind=CON)
    assert other.hear().type == RST
    assert world.reports == []


def test_devices_behind_one_address_report_each_for_itself():
    world, device = reachable()
    token = device.observed().token
    device.register("dev-2")
    world.observe("dev-2")
    other = device.hear()
    device.agree(other)
    device.notify(token, 2, b"one")
    device.notify(other.token, 2, b"two")
    assert [world.engine.endpoint_of(r.slot) for r in world.reports] == ["dev-1", "dev-2"]


# Which are new


def test_the_order_is_that_of_the_numbers():
    world, device, token = observed(sequence=10)
    for n in (12, 11, 12, 10, 13):
        device.notify(token, n, b"%d" % n)
    assert world.told() == [b"12", b"13"]
    assert world.count("notifications_stale") == 3


def test_an_old_one_that_is_confirmable_is_acknowledged():
    world, device, token = observed(sequence=10)
    device.notify(token, 9, kind=CON)
    assert device.hear().type == ACK
    assert world.told() == []


@pytest.mark.parametrize(
    "before, after, is_new",
    [
        (0xFFFFFF, 0, True),
        (0xFFFFFE, 5, True),
        (0, 0x7FFFFF, True),
        (0, 0x800000, False),
        (0x800000, 0, False),
        (0x800001, 0, True),
        (5, 0xFFFFFF, False),
        (7, 7, False),
    ],
)
def test_numbers_wrap_at_24_bits(before, after, is_new):
    world, device, token = observed(sequence=before)
    device.notify(token, after, b"v")
    assert world.told() == ([b"v"] if is_new else [])


@pytest.mark.parametrize("pause, is_new", [(127.9, False), (128.0, False), (128.1, True)])
def test_after_128_seconds_any_number_is_new(pause, is_new):
    world, device, token = observed(sequence=100)
    world.after(pause)
    device.notify(token, 50, b"v")
    assert world.told() == ([b"v"] if is_new else [])


def test_the_128_seconds_are_counted_from_the_newest_notification():
    world, device, token = observed(sequence=100)
    world.after(100)
    device.notify(token, 101)
    world.after(100)
    device.notify(token, 99, b"old")
    assert b"old" not in world.told()
    world.after(29)
    device.notify(token, 99, b"new")
    assert world.told() == [b"new"]


def test_one_without_a_number_is_new_and_moves_no_number():
    world, device, token = observed(sequence=10)
    device.notify(token, None, b"a")
    device.notify(token, 11, b"b")
    device.notify(token, None, b"c")
    assert world.told() == [b"a", b"b", b"c"]


def test_each_observation_counts_for_itself():
    world, device = reachable()
    one = device.observed("1", sequence=100).token
    two = device.observed("2", sequence=5).token
    device.notify(two, 6, b"two")
    device.notify(one, 99, b"stale")
    assert world.told() == [b"two"]


# Ends


@pytest.mark.parametrize("kind", [CON, NON])
@pytest.mark.parametrize("code", ["4.04", "4.06", "5.00"])
def test_an_error_ends_the_relation_and_is_told_once(code, kind):
    world, device, token = observed()
    (shown,) = world.engine.observations("dev-1")
    device.notify(token, None, b"gone", code=code, kind=kind, options=[])
    assert [m.type for _, m in device.hear_all()] == ([ACK] if kind == CON else [])
    (report,) = world.reports
    assert report.observation == shown["number"]
    assert (report.code >> 5, report.payload) == (int(code[0]), b"gone")
    assert (world.engine.observations("dev-1"), rows(world)) == ([], {})
    assert world.engine.observation(shown["number"]) is None
    device.notify(token, 3)
    assert device.hear().type == RST
    assert len(world.reports) == 1


def test_a_success_that_is_no_content_is_acknowledged_and_not_told():
    world, device, token = observed()
    device.notify(token, 2, code="2.03", kind=CON)
    assert device.hear().type == ACK
    assert world.reports == []
    assert world.count("notifications_malformed") == 1
    assert world.states() == {b"3303/0/5700": "active"}


def test_one_with_a_critical_option_that_nobody_knows_is_reset_and_has_lapsed():
    world, device, token = observed()
    device.notify(token, 2, kind=CON, options=[(2049, b"x")])
    assert device.hear().type == RST
    assert world.reports == []
    assert world.states() == {b"3303/0/5700": "lapsed"}, "a reset ends it on the device"
    device.notify(token, 3)
    assert device.hear().type == RST
    assert world.restarted().states() == {b"3303/0/5700": "lapsed"}


def test_a_non_confirmable_one_with_such_an_option_is_ignored():
    world, device, token = observed()
    device.notify(token, 2, kind=NON, options=[(2049, b"x")])
    device.hear_nothing()
    assert world.reports == []
    device.notify(token, 3, b"v")
    assert world.told() == [b"v"]


# Moving (NAT): a new address, the same registration


def test_an_update_from_a_new_address_moves_what_it_reports():
    world = World()
    location = world.device("192.0.2.1:1").register(lifetime=86400)
    token = world.device("192.0.2.1:1").observed().token
    moved = world.device("192.0.2.1:2")
    moved.notify(token, 2, b"too early", kind=CON)
    assert moved.hear().type == RST
    moved.update(location)
    moved.notify(token, 3, b"v", kind=CON)
    assert moved.hear().type == ACK
    assert world.told() == [b"v"]
    world.device("192.0.2.1:1").notify(token, 4, kind=CON)
    assert world.device("192.0.2.1:1").hear().type == RST
    assert world.states() == {b"3303/0/5700": "active"}
