# Invariant: loading any rows raises nothing; what load() takes is listed, and can be described as
# JSON; what it was asked to report can be looked at, ended and asked for anew; and when every such
# registration is removed again, nothing is left: no link set, no device, no observation.
"""Any bytes as the rows that a store gives back at start-up.

The input is a sequence of rows: table 1, key size 1, value size 2, key, value.
"""

from __future__ import annotations

import json
from contextlib import suppress
from random import Random

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.datagram import Inbox
from lwm2m_fast.errors import QueueFull
from tests.fuzz import engine_kit, plain_coap
from tests.fuzz.mutate import mutate as mutate_bytes

REGISTRATIONS = 1  # its table; a name in any other table is none of a registration's business
FIXED = 1 + 4 + 4 + 8 + 8 + 16 + 2 + 2 + 4 + 6 + 1 + 1 + 2 + 4 + 4
WORDS = (
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x07", b"\0\0\0\x08", b"\0", b"\x80", b"</1/0>",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x80\0\0\0\0\0\0\0", b"\xff\xfe", b"\x10", b"\x12",
)  # fmt: skip


def pack(rows: list[tuple[int, bytes, bytes]]) -> bytes:
    return b"".join(
        bytes([table, len(key)]) + len(value).to_bytes(2, "big") + key + value
        for table, key, value in rows
    )


def unpack(data: bytes) -> list[tuple[int, bytes, bytes]]:
    rows, at = [], 0
    while at + 4 <= len(data):
        table, key_size, value_size = (
            data[at],
            data[at + 1],
            int.from_bytes(data[at + 2 : at + 4], "big"),
        )
        at += 4 + key_size + value_size
        rows.append(
            (table, data[at - key_size - value_size : at - value_size], data[at - value_size : at])
        )
    return rows


def keep(engine: Engine, stored: engine_kit.Rows) -> None:
    """A turn's end with a store that works."""
    output = engine.take_output()
    assert output is not None
    engine_kit.apply(stored, output.changes)
    engine.committed(output.turn)


def written(*names: bytes) -> list[tuple[int, bytes, bytes]]:
    """The rows of devices that have registered, and been heard since."""
    engine, inbox, stored = engine_kit.new_engine(), Inbox(), {}
    for mid, name in enumerate(names, 1):
        inbox.load([(f"192.0.2.{mid}:5683", plain_coap.register(name, mid))])
        engine.receive(inbox, engine_kit.START_S)
    keep(engine, stored)
    for mid, name in enumerate(names, 1):
        request = CoapRequest(5, (b"3", b"0"), (b"q",), 112, 110, b"paths")
        engine.outbox.drain()
        engine.observe(name.decode(), request, b"context", 9.0, engine_kit.START_S)
        keep(engine, stored)
        ((address, data),) = engine.outbox.drain()
        asked = plain_coap.read(data)
        answer = plain_coap.Plain(2, 69, asked.mid, asked.token, [(6, bytes([mid]))], b"v")
        inbox.load([(address, plain_coap.write(answer))])
        engine.receive(inbox, engine_kit.START_S)
        keep(engine, stored)
    rows = [(table, key, value) for (table, key), value in stored.items()]
    heard = int(engine_kit.WALL_S * 1000 + 5000).to_bytes(8, "big")
    return [*rows, (2, bytes(4), heard + heard + bytes(16 * 63))]


SEEDS = (pack(written(b"a", b"b")), pack(written("é".encode() * 100)))


def mutate(data: bytes, random: Random) -> bytes:
    """One row changed, repeated or taken away; its sizes are right again."""
    rows = unpack(data) or written(b"a")
    at = random.randrange(len(rows))
    table, key, value = rows[at]
    part = random.randrange(6)
    if part == 0:
        key = mutate_bytes(key, random, WORDS)[:255]
    elif part == 1:
        rows.append((table, key[:1] + b"2", value))
    elif part == 2:
        table = random.choice((1, 2, 3, 4))
    else:
        value = mutate_bytes(value, random, WORDS)
    rows[at] = (table, key, value)
    return pack(rows)


def look_at_observations(engine: Engine, endpoint: str) -> None:
    """List them, notify by each, end one, and ask for another anew."""
    now, inbox = engine_kit.START_S + 1, Inbox()
    shown = engine.observations(endpoint)
    assert len(shown) <= engine_kit.MAX_OBSERVATIONS_PER_DEVICE
    for one in shown:
        assert engine.observation(one["number"]) == (endpoint, one["context"])
    for one in shown[:1]:
        engine.unobserve(one["number"], True, 9.0, now)
    for one in shown[1:2]:
        with suppress(QueueFull):
            engine.observe(endpoint, CoapRequest(1, (b"3",)), one["context"], 9.0, now)
    token = bytes([0x80, 0, 0, 0]) + b"abcd"
    m = plain_coap.Plain(1, 69, 7, token, [(6, b"\1")], b"v")
    inbox.load([("192.0.2.1:5683", plain_coap.write(m))])
    engine.receive(inbox, now)


def check(data: bytes) -> None:
    stored = {(table, key): value for table, key, value in unpack(data)}
    engine = engine_kit.new_engine()
    taken = engine_kit.load(engine, stored, engine_kit.START_S)
    assert engine.fault is None
    found = engine_kit.devices(engine)
    assert len(found) == engine.device_count() <= taken
    assert len(found) <= engine_kit.MAX_DEVICES
    json.dumps(list(found.values()))
    engine.next_timer()
    engine.handle_timer(engine_kit.START_S + 1)
    for endpoint in found:
        if engine.device(endpoint) is not None:
            look_at_observations(engine, endpoint)
            engine.deregister(endpoint, engine_kit.START_S + 1)
    output = engine.take_output()
    if output is not None and output.turn:
        engine_kit.apply(stored, output.changes)
        engine.committed(output.turn)
    counted = engine.counters()
    assert counted["registrations_current"] == counted["link_sets_current"] == 0
    assert counted["observations_current"] == 0
    assert not any((REGISTRATIONS, name.encode()) in stored for name in found)
