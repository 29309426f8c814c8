"""The attribute hqmax: what a simulated device keeps while its server does not acknowledge."""

from __future__ import annotations

import pytest
from sim_kit import ACCEPT, ACK, CHANGED, CON, CONTENT, GET, OBSERVE, PUT, Server

from lwm2m_fast.codec import Node as Value
from lwm2m_fast.codec import decode, encode
from lwm2m_fast.sim import observing as observing_module
from lwm2m_fast.sim.history import MOST_KEPT, History
from lwm2m_fast.sim.operations import Reply
from lwm2m_fast.wire.coap import build

TEXT, SENML_JSON = 0, 110
PATH = "/3442/0/120"


def observing(*attributes: bytes, accept: int = SENML_JSON) -> Server:
    """A device whose notifications are confirmable, and which is observed."""
    server = Server(devices=1, lifetime_s=86_400, version="1.2", confirm_every=1)
    server.registered()
    queries = [(15, each) for each in (b"pmin=0", *attributes)]
    assert server.do(PUT, PATH, b"", None, *queries)["code"] == CHANGED
    answer = server.do(GET, PATH, b"", None, (OBSERVE, 0), (ACCEPT, accept))
    assert answer["code"] == CONTENT
    return server


def change(server: Server, first: int, last: int) -> list:
    """A new value at each of these seconds; what the device says, without what it says again."""
    said = []
    for second in range(first, last + 1):
        server.now = second * 10**9
        server.do(PUT, PATH, b"%d" % second, TEXT)
        said += [message for _, message in server.turn(second + 0.5)]
    return fresh(said)


def fresh(said: list) -> list:
    """Each message once, although it is sent again until it is acknowledged."""
    return list({message["mid"]: message for message in said}.values())


def told(message) -> tuple[int, int | None]:
    """Value and moment (seconds) of a notification."""
    (node,) = decode(SENML_JSON, message["payload"], PATH, now_ns=0)
    return int(node.value), None if node.time_ns is None else node.time_ns // 10**9


def acknowledged(server: Server, waiting, at: float) -> list:
    """Acknowledge what waits, and then what follows; all that followed."""
    followed = []
    while waiting is not None:
        said = server.send(0, build(ACK, 0, waiting["mid"]))
        at += 0.01
        said += [message for _, message in server.turn(at)]
        assert all(message["type"] == CON for message in said)
        followed += said
        waiting = said[-1] if said else None
    return followed


def test_what_could_not_be_told_is_told_in_order_with_its_moment():
    server = observing(b"hqmax=10")
    (first,) = change(server, 1, 5)
    followed = acknowledged(server, first, 5.5)
    values = [told(message) for message in followed]
    assert [value for value, _ in values] == [2, 3, 4, 5]
    moments = [moment for _, moment in values]
    assert [later - moments[0] for later in moments] == [0, 1, 2, 3]
    numbers = [message["observe"] for message in [first, *followed]]
    assert numbers == sorted(set(numbers))


def test_the_newest_are_kept_and_the_others_counted():
    server = observing(b"hqmax=3")
    (first,) = change(server, 1, 8)
    assert [told(each)[0] for each in acknowledged(server, first, 8.5)] == [6, 7, 8]
    counted = server.desk.counters()
    assert (counted["history_kept"], counted["history_lost"]) == (7, 4)


@pytest.mark.parametrize("attributes", [(), (b"hqmax=0",)])
def test_without_it_only_the_newest_value_is_told(attributes):
    server = observing(*attributes)
    (first,) = change(server, 1, 8)
    followed = acknowledged(server, first, 9.6)
    assert [told(each) for each in followed] == [(8, None)]


def test_nothing_is_kept_where_the_server_has_forbidden_it():
    server = observing(b"hqmax=10")
    forbidden = encode(SENML_JSON, [Value("/1/0/6", False)])
    assert server.do(PUT, "/1/0/6", forbidden, SENML_JSON)["code"] == CHANGED
    (first,) = change(server, 1, 5)
    assert [told(each)[0] for each in acknowledged(server, first, 6.6)] == [5]


def test_what_all_devices_keep_has_a_bound(monkeypatch):
    monkeypatch.setattr(observing_module, "MOST_WAITING", 2)
    server = observing(b"hqmax=10")
    (first,) = change(server, 1, 8)
    seen = server.desk._observing
    assert (seen.waiting, seen.kept, seen.lost) == (2, 7, 5)
    assert [told(each)[0] for each in acknowledged(server, first, 8.5)] == [7, 8]
    assert seen.waiting == 0


def test_without_room_for_any_value_none_is_kept(monkeypatch):
    monkeypatch.setattr(observing_module, "MOST_WAITING", 0)
    server = observing(b"hqmax=10")
    change(server, 1, 5)
    seen = server.desk._observing
    assert (seen.waiting, seen.kept, seen.lost) == (0, 4, 4)


def test_nothing_kept_is_told_once_it_is_no_longer_observed():
    server = observing(b"hqmax=10")
    (first,) = change(server, 1, 5)
    accept = (ACCEPT, SENML_JSON)
    assert server.do(GET, PATH, b"", None, (OBSERVE, 1), accept)["code"] == CONTENT
    assert server.desk.counters()["observations"] == 0
    assert server.desk._observing.waiting == 0
    assert acknowledged(server, first, 5.5) == []


def test_a_format_without_moments_tells_the_values_in_order():
    server = observing(b"hqmax=10", accept=TEXT)
    (first,) = change(server, 1, 4)
    followed = acknowledged(server, first, 4.5)
    assert [message["payload"] for message in followed] == [b"2", b"3", b"4"]


def test_a_history_has_a_bound_of_its_own():
    history = History()
    lost = [
        history.keep(n, Reply(CONTENT, TEXT, b"%d" % n), 2**32 - 1) for n in range(MOST_KEPT + 1)
    ]
    assert (sum(lost), len(history)) == (1, MOST_KEPT)
    assert history.oldest().payload == b"1"
