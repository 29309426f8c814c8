"""The message layer of devices that differ: duplicates, blocks, slow answers, news, misbehaviour,
sleep and Send."""

from __future__ import annotations

import hashlib

import pytest
from sim_kit import (
    ACCEPT,
    ACK,
    BAD_REQUEST,
    BLOCK1,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTINUE,
    CREATED,
    DELETE,
    GET,
    INCOMPLETE,
    NON,
    NOT_ALLOWED,
    NOT_FOUND,
    OBSERVE,
    POST,
    PUT,
    RST,
    TOO_LARGE,
    Server,
    location,
)

from lwm2m_fast.codec import Node, Types, decode, encode
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim import bodies, desk
from lwm2m_fast.sim.answers import MOST_SAMPLES
from lwm2m_fast.sim.misbehaviour import KINDS, OVERSIZED_BYTES, Misbehaviour, parse_misbehaviour
from lwm2m_fast.sim.simulation import REGISTERED, SEND
from lwm2m_fast.wire.coap import build

TEXT, LINKS, OCTETS, SENML_CBOR, TLV = 0, 40, 42, 112, 11542


def registered(**options):
    server = Server(devices=2, **{"lifetime_s": 86_400, **options})
    server.registered()
    return server


# Duplicates.


def test_a_duplicate_write_is_answered_again_and_done_once():
    server = Server(devices=1)
    for mid, value in ((1, b"1"), (2, b"2"), (1, b"1")):
        answer = server.get("/3442/0/120", (12, b""), code=PUT, mid=mid, payload=value)
        assert (answer["code"], answer["mid"]) == (CHANGED, mid)
    assert server.read("/3442/0/120")["payload"] == b"2"
    assert server.fleet.counters()["duplicates"] == 1
    assert server.desk.counters()["writes"] == 2


def test_a_duplicate_non_request_is_carried_out_once_and_met_with_silence():
    server = Server(devices=1)
    write = {"code": PUT, "mid": 5, "payload": b"1", "type": NON}
    (answer,) = server.ask("/3442/0/120", (12, b""), **write)
    assert (answer["type"], answer["code"]) == (NON, CHANGED)
    assert server.ask("/3442/0/120", (12, b""), **write) == []
    assert server.desk.counters()["writes"] == 1


def test_a_message_id_is_new_again_after_the_exchange_lifetime():
    server = Server(devices=1)
    for now_s, writes in ((0, 1), (247, 1), (248, 2)):
        server.now = now_s * 10**9
        server.get("/3442/0/120", (12, b""), code=PUT, mid=1, payload=b"1")
        assert server.desk.counters()["writes"] == writes


@pytest.mark.parametrize("more, duplicates", [(0, 1), (1, 0)])
def test_only_so_many_answers_are_kept_for_duplicates(monkeypatch, more, duplicates):
    monkeypatch.setattr(desk, "MOST_HEARD", 3)
    server = Server(devices=1)
    for mid in (*(1, 2, 3, 4)[: 3 + more], 1):
        server.get("/3/0/0", (OBSERVE, 1), mid=mid)
    assert server.fleet.counters()["duplicates"] == duplicates


# Blocks.


def write_in_blocks(server, path, payload, content_format, szx=6, limit=10_000):
    """The answers, one per block; follows a smaller size that the device asks for."""
    answers, at = [], 0
    while at < len(payload) and len(answers) < limit:
        size = 16 << szx
        more = at + size < len(payload)
        block = (at // size) << 4 | (8 if more else 0) | szx
        answers.append(
            server.do(PUT, path, payload[at : at + size], content_format, (BLOCK1, block))
        )
        at += size
        if answers[-1]["code"] != CONTINUE:
            break
        szx = min(szx, answers[-1]["block1"][2])
    return answers


@pytest.mark.parametrize("block_bytes, blocks", [(1024, 3), (512, 4), (16, 66)])
def test_a_long_write_comes_in_blocks_of_the_size_the_device_wants(block_bytes, blocks):
    server = Server(devices=1, block_bytes=block_bytes)
    payload = bytes(range(256)) * 8 + b"end"
    answers = write_in_blocks(server, "/3442/0/150", payload, OCTETS)
    assert [answer["code"] for answer in answers] == [CONTINUE] * (blocks - 1) + [CHANGED]
    assert server.desk.counters()["writes"] == 1
    body, number = b"", 0
    while True:
        # The first request names no size, as most do.
        asked = [(BLOCK2, number << 4 | block_bytes.bit_length() - 5)] if number else []
        part = server.do(GET, "/3442/0/150", b"", None, *asked)
        assert part["block2"][0] == number
        assert len(part["payload"]) <= block_bytes
        body, number = body + part["payload"], number + 1
        if not part["block2"][1]:
            break
    assert body == payload


def test_a_larger_block_than_the_device_makes_is_cut_where_it_begins():
    server = Server(devices=1, block_bytes=64, sensors=12)
    whole = Server(devices=1, sensors=12)
    second = server.do(GET, "/3303", b"", None, (BLOCK2, 1 << 4 | 6))
    assert second["block2"] == (16, True, 2)
    expected = whole.do(GET, "/3303", b"", None, (BLOCK2, 16 << 4 | 2))
    assert second["payload"] == expected["payload"]


def test_a_block_that_does_not_follow_is_refused_and_the_body_begins_anew():
    server = Server(devices=1)
    first = server.do(PUT, "/3442/0/150", bytes(64), OCTETS, (BLOCK1, 0 << 4 | 8 | 2))
    assert (first["code"], first["block1"]) == (CONTINUE, (0, True, 2))
    gap = server.do(PUT, "/3442/0/150", bytes(64), OCTETS, (BLOCK1, 2 << 4 | 8 | 2))
    assert gap["code"] == INCOMPLETE
    late = server.do(PUT, "/3442/0/150", bytes(64), OCTETS, (BLOCK1, 1 << 4 | 2))
    assert late["code"] == INCOMPLETE
    assert server.do(PUT, "/3442/0/150", b"", OCTETS, (BLOCK1, 7))["code"] == BAD_REQUEST
    answers = write_in_blocks(server, "/3442/0/150", bytes(100), OCTETS, szx=2)
    assert [answer["code"] for answer in answers] == [CONTINUE, CHANGED]


@pytest.mark.parametrize("more, code", [(0, CHANGED), (1, TOO_LARGE)])
def test_a_body_is_bounded(monkeypatch, more, code):
    monkeypatch.setattr(bodies, "MOST_BODY_BYTES", 100)
    server = Server(devices=1)
    answers = write_in_blocks(server, "/3442/0/150", bytes(100 + more), OCTETS, szx=2)
    assert answers[-1]["code"] == code


@pytest.mark.parametrize("others, code", [(1, CHANGED), (2, INCOMPLETE)])
def test_bodies_under_way_are_bounded(monkeypatch, others, code):
    monkeypatch.setattr(bodies, "MOST_BODIES", 2)
    server = Server(devices=1)
    paths = ["/3442/0/150", "/3442/0/110", "/3442/0/180"]
    for path in paths[: 1 + others]:
        begun = server.do(PUT, path, bytes(64), OCTETS, (BLOCK1, 0 << 4 | 8 | 2))
        assert begun["code"] == CONTINUE
    last = server.do(PUT, paths[0], bytes(64), OCTETS, (BLOCK1, 1 << 4 | 2))
    assert last["code"] == code


def test_a_firmware_image_of_any_length_is_taken_installed_and_starts_the_device_anew(monkeypatch):
    monkeypatch.setattr(bodies, "MOST_BODY_BYTES", 100)
    server = registered()
    image = b"image" * 1000
    assert server.do(POST, "/5/0/2")["code"] == NOT_ALLOWED
    assert write_in_blocks(server, "/5/0/0", image, OCTETS)[-1]["code"] == CHANGED
    assert server.read("/5/0/3")["payload"] == b"2"
    assert server.do(POST, "/5/0/2")["code"] == CHANGED
    ((_, register),) = server.turn(1)
    assert (register["code"], register["path"]) == (POST, [b"rd"])
    server.answer(0, register, CREATED, location(0))
    version = hashlib.sha256(image).hexdigest()[:16].encode()
    assert server.read("/3/0/3")["payload"] == version
    assert (server.read("/5/0/3")["payload"], server.read("/5/0/5")["payload"]) == (b"0", b"1")


# What a device tells of its own accord.


def test_a_new_lifetime_is_told_by_an_update_and_kept():
    server = registered()
    server.now = 10**9
    assert server.do(PUT, "/1/0/1", b"100", TEXT)["code"] == CHANGED
    ((_, update),) = server.turn(1.1)
    assert (update["path"], update["query"]) == ([b"rd", b"id0"], [b"lt=100"])
    assert update["payload"] == b""
    server.answer(0, update, CHANGED)
    said, now = [], 1.0
    while not said and now < 100:
        now += 0.5
        said = server.turn(now)
    assert 70 < now < 82
    assert said[0][1]["query"] == []


def test_what_is_created_or_deleted_is_told_by_an_update_with_the_links():
    server = registered()
    payload = encode(TLV, [Node("/3303/40/5750", "x")], "/3303")
    assert server.do(POST, "/3303", payload, TLV)["code"] == CREATED
    assert server.do(DELETE, "/3303/1")["code"] == 66
    ((_, update),) = server.turn(1)
    assert update["content_format"] == LINKS
    links = update["payload"].decode().split(",")
    assert "</3303/40>" in links and "</3303/1>" not in links
    # Unanswered, it says the same again; refused, the device registers with the same list.
    ((_, again),) = server.turn(4.5)
    assert again == update
    server.answer(0, update, NOT_FOUND)
    ((_, register),) = server.turn(5)
    assert register["payload"] == update["payload"]


def test_an_update_trigger_sends_an_update():
    server = registered()
    assert server.do(POST, "/1/0/8")["code"] == CHANGED
    ((_, update),) = server.turn(1)
    assert (update["code"], update["path"], update["payload"]) == (POST, [b"rd", b"id0"], b"")


def test_a_factory_reset_forgets_what_was_written():
    server = registered()
    server.do(PUT, "/3/0/15", b"UTC", TEXT)
    assert server.do(POST, "/3/0/5")["code"] == CHANGED
    assert server.read("/3/0/15")["payload"] == b"Europe/Berlin"
    assert server.turn(1)[0][1]["path"] == [b"rd"]


# Slow, asleep, and worse.


def test_a_slow_device_acknowledges_and_answers_later_until_it_is_acknowledged():
    server = Server(devices=1, slow_s=3.0)
    (ack,) = server.ask("/3/0/0", mid=7)
    assert (ack["type"], ack["code"], ack["mid"]) == (ACK, 0, 7)
    assert server.ask("/3/0/0", mid=7) == [ack]
    assert server.turn(2.9) == []
    ((_, answer),) = server.turn(3)
    assert (answer["type"], answer["code"], answer["token"]) == (CON, CONTENT, b"tk")
    assert answer["payload"] == b"lwm2m_fast"
    ((_, again),) = server.turn(6.5)
    assert again == answer
    assert server.send(0, build(ACK, 0, answer["mid"])) == []
    assert [server.turn(now) for now in range(7, 60)] == [[]] * 53


def test_a_slow_device_answers_a_non_request_with_one_message():
    server = Server(devices=1, slow_s=3.0)
    assert server.ask("/3/0/0", type=NON) == []
    ((_, answer),) = server.turn(3)
    assert (answer["type"], answer["payload"]) == (NON, b"lwm2m_fast")


def test_a_sleeping_device_is_deaf_until_it_speaks():
    server = registered(sleep_s=10.0, lifetime_s=100)
    server.now = 9 * 10**9
    assert server.read("/3/0/0")["code"] == CONTENT
    server.now = 19 * 10**9
    assert server.read("/3/0/0")["code"] == CONTENT
    server.now = 29 * 10**9 + 1
    assert server.ask("/3/0/0", mid=9) == []
    assert server.fleet.counters()["slept_through"] == 1
    now = 29.5
    while not any(device == 0 for device, _ in server.turn(now)):
        now += 0.5
    assert server.read("/3/0/0")["code"] == CONTENT


@pytest.mark.parametrize("version, query", [("1.0", [b"b=UQ"]), ("1.1", [b"b=U", b"Q"])])
def test_a_sleeping_device_registers_for_queue_mode(version, query):
    server = Server(devices=1, sleep_s=1.0, version=version)
    server.fleet.load(1, [0], once=True)
    ((_, register),) = server.turn(0)
    assert register["query"][3:] == query


@pytest.mark.parametrize(
    "kind, type, code", [("reset", RST, 0), ("empty-ack", ACK, 0), ("reboot", None, None)]
)
def test_a_device_that_does_not_answer(kind, type, code):
    server = registered(misbehave=(kind,))
    said = server.ask("/3442/0/120", (12, b""), code=PUT, payload=b"1", mid=9)
    assert [(m["type"], m["code"], m["mid"]) for m in said] == (
        [(type, code, 9)] if code == 0 else []
    )
    assert server.desk.counters()[f"misbehaved_{kind}"] == 1
    registers = [m for _, m in server.turn(1)]
    assert [m["path"] for m in registers] == ([[b"rd"]] if kind == "reboot" else [])
    assert "writes" not in server.desk.counters()


def test_a_device_with_the_wrong_token():
    answer = Server(devices=1, misbehave=("wrong-token",)).get("/3/0/0")
    assert (answer["code"], answer["payload"]) == (CONTENT, b"lwm2m_fast")
    assert answer["token"] not in (b"tk", b"")


def test_a_device_with_the_wrong_format():
    answer = Server(devices=1, misbehave=("wrong-format",)).get("/3/0/0", (ACCEPT, 0))
    assert answer["content_format"] == TLV
    with pytest.raises(Exception, match="TLV"):
        decode(TLV, answer["payload"], "/3/0/0", Types({}))


def test_a_device_that_answers_more_than_a_datagram_should_hold():
    answer = Server(devices=1, misbehave=("oversized",)).get("/3/0/0")
    assert len(answer["payload"]) == OVERSIZED_BYTES
    assert "block2" not in answer


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_of_the_answers_is_spoilt(kind):
    server = registered(misbehave=(f"{kind}:0.25",), seed=3)
    for mid in range(400):
        server.ask("/3/0/0", mid=mid)
    assert 60 < server.desk.counters()[f"misbehaved_{kind}"] < 140


def test_kinds_share_the_answers_between_them():
    drawn = Misbehaviour(parse_misbehaviour(["reset:0.5", "reboot:0.5"]), 1)
    assert {drawn.draw() for _ in range(200)} == {"reset", "reboot"}
    assert drawn.counts.total() == 200


@pytest.mark.parametrize(
    "text", ["rude", "reset:", "reset:1.1", "reset:-0.1", "reset:x", "reset:nan"]
)
def test_a_misbehaviour_that_is_not_known_is_refused(text):
    if text == "reset:":
        assert parse_misbehaviour([text]) == {"reset": 1.0}
        return
    with pytest.raises(ConfigError, match="misbehave"):
        parse_misbehaviour([text])


# Send.


def test_a_device_sends_its_sensors_by_time_beside_its_updates():
    server = registered(send_every_s=10.0, lifetime_s=100)
    sends, updates, now = [], [], 0.0
    while now < 200:
        now += 0.25
        for device, message in server.turn(now):
            if device:
                server.answer(device, message, CHANGED)
                continue
            (sends if message["path"] == [b"dp"] else updates).append((now, message))
            server.answer(device, message, CHANGED)
    assert 18 <= len(sends) <= 21
    assert 2 <= len(updates) <= 3
    _, message = sends[0]
    assert (message["code"], message["content_format"]) == (POST, SENML_CBOR)
    found = {str(n.path) for n in decode(SENML_CBOR, message["payload"], "/", Types({}))}
    assert "/3303/0/5700" in found
    assert server.fleet.count_started(SEND) >= len(sends)


def test_a_send_is_repeated_word_for_word_and_4_04_makes_the_device_register():
    server = registered()
    server.fleet.load(SEND, [REGISTERED], once=True, outstanding=1)
    ((device, first),) = server.turn(1)
    ((_, again),) = server.turn(4.5)
    assert again == first
    server.answer(device, first, NOT_FOUND)
    assert [m["path"] for d, m in server.turn(5) if d == device] == [[b"rd"]]


@pytest.mark.parametrize("samples", [2, 4, MOST_SAMPLES])
def test_a_send_of_several_moments_tells_what_reads_would_have_told(samples):
    server = registered(send_samples=samples)
    told, now = {}, 0
    while now <= 1000:
        server.now = now * 10**9
        told[now] = float(server.read("/3303/0/5700")["payload"])
        now += 10
    server.fleet.load(SEND, [REGISTERED], once=True, outstanding=1)
    ((_, message),) = server.turn(1000)
    now_ns = 2_000_000_000 * 10**9
    pack = decode(SENML_CBOR, message["payload"], "/", Types({}), now_ns=now_ns)
    found = {((node.time_ns or now_ns) - now_ns) // 10**9: node.value for node in pack}
    assert found == {-10 * n: told[1000 - 10 * n] for n in range(samples)}
    assert {str(node.path) for node in pack} == {"/3303/0/5700"}


def test_a_device_of_1_0_does_not_send():
    with pytest.raises(ConfigError, match="Send"):
        Server(version="1.0", send_every_s=1.0)
    with pytest.raises(ValueError, match="what to send"):
        Server(version="1.0").fleet.load(SEND, [REGISTERED])


def test_a_fault_of_the_desk_is_raised_where_python_called():
    server = Server(devices=1)

    class Broken:
        def receive(self, device, datagram, now_ns):
            raise RuntimeError("broken desk")

    server.fleet.attend(Broken())
    with pytest.raises(RuntimeError, match="broken desk"):
        server.ask("/3/0/0", code=PUT)
    assert server.get("/3/0/0", mid=2)["code"] == CONTENT
