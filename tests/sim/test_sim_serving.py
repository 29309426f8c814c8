"""Requests of the server to a simulated device, message by message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sim_kit import ACK, CON, CONTENT, FETCH, GET, NON, PUT, RST, Server

from lwm2m_fast.sim.catalogue import Catalogue
from lwm2m_fast.sim.fleet import Fleet
from lwm2m_fast.sim.serving import Serving
from lwm2m_fast.wire.coap import build, parse

ACCEPT, BLOCK2, OBSERVE, SIZE2 = 17, 23, 6, 28
NOT_FOUND, NOT_ALLOWED, NOT_ACCEPTABLE, BAD_REQUEST, BAD_OPTION = 132, 133, 134, 128, 130


@pytest.fixture
def server():
    return Server(devices=2)


def test_a_read_is_answered_piggybacked_with_its_token(server):
    answer = server.get("/3/0/0", mid=77)
    assert (answer["type"], answer["code"], answer["mid"]) == (ACK, CONTENT, 77)
    assert (answer["token"], answer["content_format"]) == (b"tk", 0)
    assert answer["payload"] == b"lwm2m_fast"


def test_a_device_reads_before_it_is_registered_too(server):
    assert server.fleet.registered == 0
    assert server.get("/3/0/2")["payload"] == b"sim-000001"


@pytest.mark.parametrize(
    "path, accept",
    [("/3/0/0", 0), ("/3/0", 110), ("/3", 11542), ("/3", 40), ("/6/0/4", 42)],
)
def test_accept_chooses_the_format(server, path, accept):
    answer = server.get(path, (ACCEPT, accept))
    assert (answer["code"], answer["content_format"]) == (CONTENT, accept)


@pytest.mark.parametrize(
    "path, options, code, why",
    [
        ("/3/0", [(ACCEPT, 0)], NOT_ACCEPTABLE, "an instance is no text"),
        ("/3/0/0", [(ACCEPT, 11543)], NOT_ACCEPTABLE, "OMA JSON"),
        ("/3/0/0", [(ACCEPT, 65535)], NOT_ACCEPTABLE, "the highest number"),
        ("/3/0/4", [], NOT_ALLOWED, "executable"),
        ("/5/0/0", [], NOT_ALLOWED, "write-only"),
        ("/0", [], NOT_FOUND, "the security object is not to be read"),
        ("/0/0/0/0", [], NOT_FOUND, "nor is anything in it"),
        ("/3/0/99", [], NOT_FOUND, "no such resource"),
        ("/3/1", [], NOT_FOUND, "no such instance"),
        ("/9", [], NOT_FOUND, "no such object"),
        ("/3/0/11/1", [], NOT_FOUND, "no such resource instance"),
        ("/3/0/0/0", [], BAD_REQUEST, "a single resource has no instances"),
        ("/3/0/11/0/0", [], NOT_FOUND, "too deep"),
        ("/03", [], NOT_FOUND, "a leading zero"),
        ("/x", [], NOT_FOUND, "not a number"),
        ("/65535", [], NOT_FOUND, "the reserved id"),
        ("/99999", [], NOT_FOUND, "past 16 bits"),
        ("/", [], NOT_FOUND, "nothing is read at the root"),
        ("/3/0/0", [(9, b"x")], BAD_OPTION, "an unknown critical option"),
        ("/3/0/0", [(BLOCK2, 7)], BAD_REQUEST, "the reserved block size"),
        ("/3/0/0", [(BLOCK2, 1 << 4 | 6)], BAD_REQUEST, "a block behind the end"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_code(server, path, options, code, why):
    answer = server.get(path, *options)
    assert (answer["code"], answer["payload"], answer["token"]) == (code, b"", b"tk"), why


@pytest.mark.parametrize("code", [FETCH, 6, 7, 8, 31])
@pytest.mark.parametrize("path", ["/3/0/0", "/1/0/1", "/3", "/3/0/4"])
def test_a_method_that_is_not_there_is_not_allowed(server, code, path):
    assert server.get(path, code=code, payload=b"1")["code"] == NOT_ALLOWED


def test_a_method_on_an_unknown_path_is_not_found(server):
    assert server.get("/9/9/9", code=PUT, payload=b"1")["code"] == NOT_FOUND
    assert server.get("/", code=PUT, mid=2)["code"] == NOT_ALLOWED


def test_without_a_desk_an_observe_is_answered_as_a_plain_read():
    fleet = Fleet(1, Serving(Catalogue([((3, 0, 0), True, False, [(0, [b"x"])])])), bytes(8), 0, 0)
    path = [(11, b"3"), (11, b"0"), (11, b"0")]
    fleet.receive_datagram(0, build(CON, GET, 1, b"", [*path, (OBSERVE, 0)]), 0)
    answer = parse(fleet.take_output()[0][1])
    assert answer["code"] == CONTENT
    assert "observe" not in answer


def test_a_non_request_is_answered_non_with_a_message_id_of_the_device(server):
    first, second = (server.get("/3/0/0", type=NON, mid=mid) for mid in (500, 501))
    assert first["type"] == second["type"] == NON
    assert second["mid"] == (first["mid"] + 1) % 65536


def test_a_non_request_with_an_unknown_critical_option_meets_silence(server):
    assert server.ask("/3/0/0", (9, b"x"), type=NON) == []


def test_a_duplicate_gets_the_same_bytes_though_the_value_has_moved(server):
    server.now = 10**9
    first = server.get("/3303/0/5700", mid=9)
    server.now = 200 * 10**9
    assert server.get("/3303/0/5700", mid=9) == first
    assert server.get("/3303/0/5700", mid=10)["payload"] != first["payload"]
    assert server.fleet.counters()["duplicates"] == 1
    assert server.fleet.counters()["served"] == {CONTENT: 2}


def test_a_message_id_is_new_again_after_the_exchange_lifetime(server):
    first = server.get("/3/0/13", mid=9)
    server.now = 247 * 10**9
    assert server.get("/3/0/13", mid=9) == first
    server.now = 248 * 10**9
    assert server.get("/3/0/13", mid=9) != first


def test_a_duplicate_non_request_is_not_answered_again(server):
    assert len(server.ask("/3/0/0", type=NON, mid=9)) == 1
    assert server.ask("/3/0/0", type=NON, mid=9) == []


def test_devices_remember_message_ids_on_their_own(server):
    assert server.get("/3/0/2", mid=9)["payload"] == b"sim-000001"
    (other,) = server.send(1, build(CON, GET, 9, b"", [(11, b"3"), (11, b"0"), (11, b"2")]))
    assert other["payload"] == b"sim-000002"


def test_a_block_wise_read_puts_one_moment_together(server):
    whole = server.get("/3303", mid=1)["payload"]
    blocks, more, number = [], True, 0
    while more:
        answer = server.get("/3303", (BLOCK2, number << 4 | 2), mid=100 + number)
        got, more, size = answer["block2"]
        assert (got, size) == (number, 2)
        blocks.append(answer["payload"])
        server.now += 3 * 10**9
        number += 1
    assert b"".join(blocks) == whole
    assert {len(block) for block in blocks[:-1]} == {64}


def test_the_first_block_tells_the_whole_size_and_an_etag_that_stays(server):
    first = server.get("/3303", (BLOCK2, 2), mid=1)
    server.now = 5 * 10**9
    later = server.get("/3303", (BLOCK2, 1 << 4 | 2), mid=2)
    again = server.get("/3303", (BLOCK2, 2), mid=3)
    assert first["size2"] == len(server.get("/3303", mid=4)["payload"])
    assert first["etag"] == later["etag"] != again["etag"]


def test_an_answer_longer_than_1024_bytes_comes_in_blocks_unasked():
    texts = {1024: b"x" * 1024, 1025: b"y" * 1025}
    entries = [((3, 0, n), True, False, [(0, [text])]) for n, text in texts.items()]
    fleet = Fleet(1, Serving(Catalogue(entries)), bytes(8), 0, 0)
    for n, text in texts.items():
        request = build(CON, GET, n, b"", [(11, b"3"), (11, b"0"), (11, str(n).encode())])
        fleet.receive_datagram(0, request, 0)
        answer = parse(fleet.take_output()[0][1])
        assert answer["payload"] == text[:1024]
        assert answer.get("block2") == ((0, True, 6) if n > 1024 else None)


@pytest.mark.parametrize(
    "datagram, answers",
    [
        ("40000102", [(RST, 0x0102)]),  # a ping
        ("42010102aa", [(RST, 0x0102)]),  # a token cut off, confirmable: rejected
        ("52010102aa", []),  # the same, non-confirmable: ignored
        ("80010102", []),  # another version
        ("400101", []),  # half a header
        ("60000102", []),  # an ACK of nothing
        ("70000102", []),  # a reset of nothing
        ("60450102ff61", []),  # a response to nothing, in an ACK
        ("40450102ff61", [(RST, 0x0102)]),  # the same, confirmable: rejected
        ("50450102ff61", []),  # the same, non-confirmable
    ],
)
def test_what_fits_to_nothing_is_rejected_or_ignored_as_its_type_demands(server, datagram, answers):
    said = server.send(0, bytes.fromhex(datagram))
    assert [(message["type"], message["mid"]) for message in said] == answers
    assert all(message["code"] == 0 for message in said)


OPTIONS = st.lists(
    st.tuples(
        st.sampled_from([4, 6, 8, 9, 11, 11, 11, 12, 15, 17, 23, 23, 27, 28, 60]),
        st.one_of(
            st.sampled_from([b"3", b"0", b"3303", b"5700", b"n", b"\x2d\x16"]),
            st.binary(max_size=20),
        ),
    ),
    max_size=6,
)
MESSAGES = st.builds(
    build,
    st.integers(0, 3),
    st.one_of(st.integers(0, 7), st.integers(0, 255)),
    st.integers(0, 3),
    st.binary(max_size=8),
    OPTIONS,
    st.binary(max_size=40),
)


@given(st.lists(st.one_of(st.binary(max_size=64), MESSAGES), max_size=12))
def test_whatever_arrives_a_device_says_at_most_one_thing_and_still_answers(datagrams):
    server = Server(devices=1)
    server.fleet.load(1, [0], once=True)
    server.turn(0)
    for datagram in datagrams:
        said = server.send(0, datagram)
        assert len(said) <= 1
        server.now += 10**9
    assert server.get("/3/0/2", mid=60000)["payload"] == b"sim-000001"
    assert server.fleet.counters()["no_room"] == 0
