# Invariant: whatever devices send to a bootstrap server, nothing raises and each datagram of ours
# is well-formed; accounts go only to an address that has asked for a bootstrap; every bootstrap
# that began has ended, once, when its time is over, and nothing of it is left in the engine.
"""Devices before a bootstrap server: datagrams of any kind, answers that fit, and time.

The input is steps: a byte that says which (two bits) and from which address (two bits), a byte of
size or value, and for datagrams and answers so many bytes.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from random import Random

from lwm2m_fast.bootstrap.sessions import Bootstraps, Limits
from lwm2m_fast.core.accounts import Account, Configuration, SecurityMode, ServerTerms
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.events import Event
from lwm2m_fast.datagram import Inbox
from lwm2m_fast.errors import RequestError
from lwm2m_fast.wire.coap import build
from tests.fuzz import engine_kit, plain_coap
from tests.fuzz.plain_coap import ACK, CON, Plain
from tests.raising_faults import RaisingFaults

_log = logging.getLogger("lwm2m_fast.bootstrap")

RAW, ANSWER, BOOTSTRAP, WAIT = range(4)
MOST_STEPS = 64
SESSION_S, REQUEST_S = 60.0, 20.0
NAMES = ("dev-1", "dev-2", "unknown", "broken")
KEY = bytes(range(200, 216))
LINKS = b"</>;lwm2m=1.1,</0/0>,</0/1>;ssid=1,</0/4>;ssid=7,</1/4>;ssid=7"


class Offers:
    """Two that may, one of whom gets more than fits one datagram; one that lacks something."""

    def knows(self, endpoint: str) -> bool:
        return endpoint != "unknown"

    def mode(self, endpoint: str) -> str | None:
        return None if endpoint == "unknown" else "NO_SEC"

    def configuration(self, endpoint: str) -> Configuration:
        if endpoint == "broken":
            raise RequestError("lwm2mServerUri is missing")
        size = 1 if endpoint == "dev-1" else 700
        return Configuration((
            Account("coaps://s", SecurityMode.PSK, 1, ServerTerms(300), b"i" * size, b"", KEY),
        ))  # fmt: skip

    def version(self, endpoint: str) -> str | None:
        return "1.2" if endpoint == "dev-2" else None


def _raw(at: int, data: bytes) -> bytes:
    return bytes([RAW | at << 2, len(data)]) + data


def _answer(at: int, code: int, payload: bytes = b"") -> bytes:
    return bytes([ANSWER | at << 2, 1 + len(payload), code]) + payload


def _asks(at: int, name: int) -> bytes:
    return bytes([BOOTSTRAP | at << 2, name])


WILLING = _answer(0, 69, LINKS) + _answer(0, 66) + _answer(0, 68) * 4
SEEDS = (
    _asks(0, 0) + WILLING,
    _asks(0, 1) + _answer(0, 69, b"</0/0>") + _answer(0, 95) * 3 + _answer(0, 68) * 5,
    _asks(0, 0) + _asks(1, 0) + _answer(1, 132) + _answer(0, 69) + _answer(1, 66) * 2,
    _asks(0, 2) + _asks(1, 3) + _asks(2, 1) + bytes([WAIT, 255]) + _answer(2, 160),
    _asks(0, 0) + _answer(0, 69, LINKS) + bytes([WAIT, 40]) + _answer(0, 143) + _answer(0, 66),
    _asks(0, 0) + _raw(0, bytes.fromhex("70000001")) + _raw(0, bytes.fromhex("4002abcdb26273"))
    + _raw(1, b"\x40\x01\x00\x07\xb6bspack\x44ep=dev-1"),
)  # fmt: skip
WORDS = (
    b"\xb2bs",
    b"\xb6bspack",
    b"ep=dev-1",
    b"pct=112",
    b"pct=",
    b";ssid=",
    b"</0/",
    b"</1/65534>",
)


class Conversation:
    def __init__(self) -> None:
        self.now = engine_kit.START_S
        random = Random(7).randbytes
        self.engine = Engine(
            engine_kit.CONFIG, (11, 13), random, self.now, engine_kit.WALL_S, "bootstrap"
        )
        self.told: list[Event] = []
        self.driver = Bootstraps(
            self.engine, Offers(), Limits(SESSION_S, REQUEST_S), self.told.extend,
            lambda: self.now, lambda: self.now, lambda: None,
            faults=RaisingFaults(),
        )  # fmt: skip
        self.inbox = Inbox()
        self.requests: dict[str, deque[Plain]] = defaultdict(deque)
        self.asked: set[str] = set()
        self.mid = 0

    def receive(self, address: str, data: bytes) -> None:
        try:
            message = plain_coap.read(data)
        except plain_coap.Malformed:
            message = None
        if message is not None and message.code == 2 and message.texts(11) == [b"bs"]:
            self.asked.add(address)
        if message is not None and message.texts(11) == [b"bspack"]:
            self.asked.add(address)
        self.inbox.load([(address, data)])
        self.engine.receive(self.inbox, self.now)
        self.finish()

    def bootstrap(self, address: str, name: str) -> None:
        self.mid += 1
        options = [(11, b"bs"), (15, f"ep={name}".encode())]
        self.receive(address, build(CON, 2, self.mid, b"b", options))

    def answer(self, address: str, code: int, payload: bytes) -> None:
        if self.requests[address]:
            asked = self.requests[address].popleft()
            form = [(12, 40)] if payload else []
            block = asked.texts(27)
            form += [(27, int.from_bytes(block[0], "big"))] if block else []
            self.receive(address, build(ACK, code, asked.mid, asked.token, form, payload))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.engine.handle_timer(self.now)
        self.finish()
        self.driver.tick()
        self.finish()

    def sent(self, datagrams: list[tuple[str, bytes]]) -> None:
        for address, data in datagrams:
            message = plain_coap.read(data)
            if KEY in data or message.code in (1, 3, 4):
                assert address in self.asked, (address, data)
            if 0 < message.code < 32 and message not in self.requests[address]:
                self.requests[address].append(message)

    def finish(self) -> None:
        for _ in range(100):
            output = self.engine.take_output()
            self.sent(self.engine.outbox.drain())
            assert self.engine.fault is None, self.engine.fault
            if output is None:
                break
            if output.turn:
                self.engine.committed(output.turn)
                self.sent(output.held.drain())
            self.driver.resolve(output.answers)
            self.driver.contacts(output.contacts)
        else:
            raise AssertionError("it never comes to rest")
        counted = self.driver.counters()
        current = counted["bootstraps_current"]
        assert current <= engine_kit.MAX_DEVICES
        began = sum(event.kind == "bootstrap_started" for event in self.told)
        assert began == counted["bootstraps_started"]
        assert all(event.data["reason"] for event in self.told if event.kind.endswith("failed"))

    def end(self) -> None:
        for _ in range(4):
            self.wait(SESSION_S)
        counted = self.driver.counters()
        assert counted["bootstraps_current"] == 0, counted
        over = sum("steps" in event.data for event in self.told)
        packs = counted["bootstrap_packs"]
        started = counted["bootstraps_started"]
        assert over - packs <= started
        assert started <= counted["bootstraps_finished"] + counted["bootstraps_failed"]
        self.wait(2 * 86400.0)
        left = self.engine.counters()
        assert left["registrations_current"] == left["requests_current"] == 0, left


def check(data: bytes) -> None:
    _log.disabled = True  # thousands a second
    try:
        played(data)
    finally:
        _log.disabled = False


def played(data: bytes) -> Conversation:
    """What became of these steps; the invariant has been checked."""
    talk = Conversation()
    at = steps = 0
    while at + 2 <= len(data) and steps < MOST_STEPS:
        which, value = data[at], data[at + 1]
        address, kind = f"192.0.2.{which >> 2 & 3}:5683", which & 3
        at, steps = at + 2, steps + 1
        if kind == WAIT:
            talk.wait(value / 4)
            continue
        if kind == BOOTSTRAP:
            talk.bootstrap(address, NAMES[value % len(NAMES)])
            continue
        body, at = data[at : at + value], at + value
        if kind == RAW:
            talk.receive(address, body)
        elif body:
            talk.answer(address, body[0], body[1:])
    talk.end()
    return talk
