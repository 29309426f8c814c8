"""Scripted devices that talk to the core over a link in memory, with a clock that is a number.

A test reads like the exchange it describes: a device sends, the world decides, the device hears.
Knows CoAP's bytes by its own few lines, so that no message is judged by the code under test.
"""

from __future__ import annotations

import hashlib
import ipaddress
import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lwm2m_fast.config import Config
from lwm2m_fast.core.ask import Answered, CoapRequest, Contact, Report
from lwm2m_fast.core.engine import Engine, Output
from lwm2m_fast.core.events import Event
from lwm2m_fast.datagram import Inbox

CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH = range(1, 8)
ETAG, OBSERVE, LOCATION_PATH, URI_PATH, CONTENT_FORMAT = 4, 6, 8, 11, 12
MAX_AGE, URI_QUERY, ACCEPT, BLOCK2, BLOCK1, SIZE2, SIZE1 = 14, 15, 17, 23, 27, 28, 60
LINK_FORMAT = 40

LINKS = b'</>;rt="oma.lwm2m";ct="60 110",</1/0>,</3/0>;ver=1.1,</3303/0>'
START = 10_000.0
UNIX = 1_700_000_000.0
REGISTRATIONS, CONTACTS, OBSERVATIONS = 1, 2, 3


def number_bytes(value: int) -> bytes:
    """A CoAP uint: no leading zeros (RFC 7252, section 3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def block(number: int, more: bool, size: int) -> bytes:
    """The value of a Block option (RFC 7959, section 2.2)."""
    return number_bytes(number << 4 | (8 if more else 0) | (size.bit_length() - 5))


@dataclass(frozen=True)
class Heard:
    """A message as read from its bytes."""

    data: bytes
    type: int
    code: str
    mid: int
    token: bytes
    options: list[tuple[int, bytes]] = field(default_factory=list)
    payload: bytes = b""

    def option(self, number: int) -> bytes | None:
        return next((value for n, value in self.options if n == number), None)

    def number(self, number: int) -> int | None:
        value = self.option(number)
        return None if value is None else int.from_bytes(value, "big")

    def block(self, number: int) -> tuple[int, bool, int] | None:
        """(number, more, size) of a Block option."""
        value = self.number(number)
        return None if value is None else (value >> 4, bool(value & 8), 1 << (value & 7) + 4)

    @property
    def path(self) -> list[bytes]:
        return [value for n, value in self.options if n == URI_PATH]

    @property
    def location(self) -> str:
        return "/".join(value.decode() for n, value in self.options if n == LOCATION_PATH)


def read(data: bytes) -> Heard:
    """RFC 7252, section 3; an AssertionError when `data` is not well-formed."""
    assert len(data) >= 4 and data[0] >> 6 == 1, data
    token_size = data[0] & 15
    assert token_size <= 8 and len(data) >= 4 + token_size
    options: list[tuple[int, bytes]] = []
    at, number = 4 + token_size, 0
    while at < len(data) and data[at] != 0xFF:
        delta, size = data[at] >> 4, data[at] & 15
        at += 1
        assert delta < 15 and size < 15
        extended = []
        for nibble in (delta, size):
            wide = {13: 1, 14: 2}.get(nibble, 0)
            more = int.from_bytes(data[at : at + wide], "big")
            extended.append(nibble if nibble < 13 else more + (13 if nibble == 13 else 269))
            at += wide
        number += extended[0]
        options.append((number, data[at : at + extended[1]]))
        at += extended[1]
        assert at <= len(data)
    assert at != len(data) - 1, "a payload marker without a payload"
    return Heard(
        data,
        data[0] >> 4 & 3,
        f"{data[1] >> 5}.{data[1] & 31:02d}",
        data[2] << 8 | data[3],
        data[4 : 4 + token_size],
        options,
        data[at + 1 :],
    )


def _extended(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, (value - 269).to_bytes(2, "big")


def write(
    kind: int,
    code: int,
    mid: int,
    token: bytes = b"",
    options: Iterable[tuple[int, bytes]] = (),
    payload: bytes = b"",
) -> bytes:
    """A message; options in any order."""
    data = bytearray([1 << 6 | kind << 4 | len(token), code, mid >> 8, mid & 255]) + token
    last = 0
    for number, value in sorted(options, key=lambda pair: pair[0]):
        delta, delta_more = _extended(number - last)
        size, size_more = _extended(len(value))
        data += bytes([delta << 4 | size]) + delta_more + size_more + value
        last = number
    return bytes(data + (b"\xff" + payload if payload else b""))


def code_byte(text: str) -> int:
    whole, _, detail = text.partition(".")
    return int(whole) << 5 | int(detail)


def path_options(path: str) -> list[tuple[int, bytes]]:
    return [(URI_PATH, part.encode()) for part in path.split("/") if part]


def request(
    code: int,
    path: str,
    *,
    mid: int,
    kind: int = CON,
    token: bytes = b"tk",
    query: Sequence[str | bytes] = (),
    options: Iterable[tuple[int, bytes]] = (),
    payload: bytes = b"",
) -> bytes:
    """A request by path and query."""
    items = [item.encode() if isinstance(item, str) else item for item in query]
    every = [*path_options(path), *((URI_QUERY, item) for item in items), *options]
    return write(kind, code, mid, token, every, payload)


PSK, X509 = 1, 2


def principal_of(identity: str, kind: int = PSK) -> bytes:
    """The 16 bytes that stand for an identity."""
    return hashlib.sha256(bytes([kind]) + identity.encode()).digest()[:16]


class Chance:
    """Randomness that is the same every time; `always` makes every byte this one."""

    def __init__(self, always: int | None = None, seed: int = 1) -> None:
        self._always, self._rng = always, random.Random(seed)

    def __call__(self, count: int) -> bytes:
        if self._always is not None:
            return bytes([self._always]) * count
        return self._rng.randbytes(count)


class World:
    """The core with a store that keeps rows in a dict, and the link to every device.

    Turns are committed at once unless `commits_by_itself` is False: then commit() and refuse()
    decide. `now` moves only by at() and after().
    """

    def __init__(
        self,
        rows: dict[tuple[int, bytes], bytes] | None = None,
        *,
        now: float = START,
        wall: float = UNIX,
        chance: Chance | None = None,
        seed: tuple[int, int] = (1, 2),
        shard: int = 0,
        policy: str = "open",
        coap: dict[str, Any] | None = None,
        reporting: dict[str, Any] | None = None,
        dtls: dict[str, Any] | None = None,
        **registration: Any,
    ) -> None:
        self.config = Config(
            coap=coap or {},
            registration={"policy": policy, **registration},
            reporting=reporting or {},
            dtls=dtls or {},
            shard=shard,
        )
        self.now = now
        self.wall = wall - now
        self.engine = Engine(self.config, seed, chance or Chance(), now, wall)
        self.engine.tells = self.engine.wants_reports = True
        self.rows = {} if rows is None else dict(rows)
        self.passed_over = 0
        self.commits_by_itself = True
        self.waiting: deque[Output] = deque()
        self.events: list[Event] = []
        self.answers: list[Answered] = []
        self.reports: list[Report] = []
        self.contacts: list[Contact] = []
        self.devices: dict[str, Device] = {}
        self._inbox = Inbox()
        if rows is not None:
            self._load()

    def _load(self) -> None:
        self.engine.begin_load()
        for table in (REGISTRATIONS, CONTACTS, OBSERVATIONS):
            for (of, key), value in self.rows.items():
                if of == table and not self.engine.load(table, key, value, self.now):
                    self.passed_over += 1
        self.engine.finish_load()

    def restarted(self, after_s: float = 0.0, **settings: Any) -> World:
        """Another process over the same rows; its monotonic clock starts anew."""
        wall = self.now + self.wall + after_s
        return World(self.rows, now=500.0, wall=wall, seed=(3, 4), **settings)

    def device(self, address: str = "192.0.2.1:5683") -> Device:
        if address not in self.devices:
            self.devices[address] = Device(self, address)
        return self.devices[address]

    def secure(
        self, identity: str = "id-1", *names: str, kind: int = PSK, said: bool = True
    ) -> Device:
        """An authenticated peer that may speak for `names`, by default "dev-1".

        In core/ it is the address that it always has. `said` False: the listener has not said yet
        that it is there, or has said that it is gone.
        """
        principal = principal_of(identity, kind)
        if said:
            self.engine.secure_peer(principal, kind, names or ("dev-1",))
        return self.device(f"[{ipaddress.IPv6Address(principal)}]:0")

    # What comes in

    def receive(self, *datagrams: tuple[str, bytes]) -> None:
        """One batch."""
        self._inbox.load(list(datagrams))
        self.engine.receive(self._inbox, self.now)
        self.finish_turn()

    def at(self, moment: float) -> World:
        """Let time pass until `moment`, every timer in its order."""
        steps = 0
        while (due := self.engine.next_timer()) <= moment:
            steps += 1
            assert steps < 100_000, f"a timer that is due at {due} never goes away"
            self.now = max(self.now, due)
            self.engine.handle_timer(self.now)
            self.finish_turn()
        self.now = moment
        self.engine.handle_timer(moment)
        self.finish_turn()
        return self

    def after(self, seconds: float) -> World:
        return self.at(self.now + seconds)

    def read(
        self, endpoint: str, *path: int, accept: int | None = None, timeout_s: float = 300.0
    ) -> int:
        segments = tuple(b"%d" % number for number in path)
        return self.start(endpoint, CoapRequest(GET, segments, accept=accept), timeout_s)

    def start(self, endpoint: str, request: CoapRequest, timeout_s: float = 300.0) -> int:
        call = self.engine.start(endpoint, request, timeout_s, self.now)
        self.finish_turn()
        return call

    def cancel(self, call: int) -> None:
        self.engine.cancel(call, self.now)
        self.finish_turn()

    def observe(
        self,
        endpoint: str = "dev-1",
        path: str = "3303/0/5700",
        *,
        request: CoapRequest | None = None,
        context: bytes | None = None,
        timeout_s: float = 300.0,
    ) -> int:
        """Order an Observe; its context is the path unless one is given."""
        segments = tuple(part.encode() for part in path.split("/") if part)
        request = request or CoapRequest(GET, segments)
        context = path.encode() if context is None else context
        call = self.engine.observe(endpoint, request, context, timeout_s, self.now)
        self.finish_turn()
        return call

    def unobserve(self, number: int, active: bool = False, timeout_s: float = 300.0) -> int | None:
        call = self.engine.unobserve(number, active, timeout_s, self.now)
        self.finish_turn()
        return call

    def deregister(self, endpoint: str) -> None:
        self.engine.deregister(endpoint, self.now)
        self.finish_turn()

    # What a turn leaves to do

    def finish_turn(self) -> None:
        output = self.engine.take_output()
        self._deliver(self.engine.outbox.drain())
        assert self.engine.fault is None, self.engine.fault
        if output is None:
            return
        self.answers += map(Answered._make, output.answers)
        self.reports += map(Report._make, output.reports)
        if not output.turn:
            self.events += output.events
            self.contacts += output.contacts
            return
        self.waiting.append(output)
        if self.commits_by_itself:
            self.commit()

    def commit(self) -> None:
        """The store keeps all that waits."""
        while self.waiting:
            self.commit_one()

    def commit_one(self) -> None:
        """The store keeps the oldest turn that waits."""
        output = self.waiting.popleft()
        for op, table, key, value in changes_in(output.changes):
            if op == 1:
                self.rows[table, key] = value
            else:
                self.rows.pop((table, key), None)
        self.engine.committed(output.turn)
        self._deliver(output.held.drain())
        self.events += output.events
        self.contacts += output.contacts
        self._deliver(self.engine.outbox.drain())

    def refuse(self) -> None:
        """The store keeps nothing of what waits; as turn.py does it."""
        self.engine.failed(self.waiting[0].turn)
        for output in self.waiting:
            self._deliver(output.refusals().drain())
        self.waiting.clear()
        self.finish_turn()

    def _deliver(self, datagrams: list[tuple[str, bytes]]) -> None:
        for address, data in datagrams:
            self.device(address).inbox.append((self.now, data))

    # What can be seen

    def shown(self, endpoint: str) -> dict[str, Any]:
        found = self.engine.device(endpoint)
        assert found is not None, f"{endpoint} is not registered"
        return found

    def count(self, name: str) -> int:
        return self.engine.counters()[name]

    def kinds(self) -> list[tuple[str, str]]:
        """The events so far, taken."""
        kinds = [(event.kind, event.endpoint) for event in self.events]
        self.events.clear()
        return kinds

    def states(self, endpoint: str = "dev-1") -> dict[bytes, str]:
        """The state of each observation, by its context."""
        return {o["context"]: o["state"] for o in self.engine.observations(endpoint)}

    def told(self) -> list[bytes]:
        """The payloads that were reported so far, taken."""
        payloads = [report.payload for report in self.reports]
        self.reports.clear()
        return payloads

    def outcomes(self) -> list[tuple[int, str]]:
        """How our requests ended so far, taken."""
        ended = [(answer.call, answer.outcome) for answer in self.answers]
        self.answers.clear()
        return ended


def changes_in(blob: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """(op, table, key, value) of a turn's changes (store/base.py)."""
    at = 0
    while at < len(blob):
        op, table = blob[at], blob[at + 1]
        key_size = int.from_bytes(blob[at + 2 : at + 4], "big")
        value_size = int.from_bytes(blob[at + 4 : at + 8], "big")
        at += 8
        yield op, table, blob[at : at + key_size], blob[at + key_size : at + key_size + value_size]
        at += key_size + value_size
    assert at == len(blob)


class Device:
    """A script at one address. Its message ids count up from `mid`."""

    def __init__(self, world: World, address: str) -> None:
        self.world, self.address = world, address
        self.inbox: deque[tuple[float, bytes]] = deque()
        self.mid = 100

    # Sending

    def send(self, *messages: bytes) -> Device:
        """Each in a batch of its own."""
        for message in messages:
            self.world.receive((self.address, message))
        return self

    def next_mid(self) -> int:
        self.mid = (self.mid + 1) & 0xFFFF
        return self.mid

    def ask(self, code: int, path: str, **parts: Any) -> Heard:
        """Send a request and hear its answer, which must be its own."""
        parts.setdefault("mid", self.next_mid())
        message = request(code, path, **parts)
        answer = self.send(message).hear()
        assert answer.token == read(message).token
        if parts.get("kind", CON) == CON:
            assert (answer.type, answer.mid) == (ACK, parts["mid"])
        else:
            assert answer.type == NON
        return answer

    def register(self, endpoint: str = "dev-1", expected: str = "2.01", **parts: Any) -> str:
        """The location, "rd/..."; `query` comes behind ep, lt and lwm2m."""
        answer = self.ask(POST, "rd", **register_parts(endpoint, **parts))
        assert answer.code == expected, answer
        return answer.location

    def update(self, location: str, expected: str = "2.04", **parts: Any) -> Heard:
        answer = self.ask(POST, location, **parts)
        assert answer.code == expected, answer
        return answer

    def leave(self, location: str, expected: str = "2.02", **parts: Any) -> Heard:
        answer = self.ask(DELETE, location, **parts)
        assert answer.code == expected, answer
        return answer

    def answer(
        self,
        to: Heard,
        code: str = "2.05",
        *,
        kind: int = ACK,
        mid: int | None = None,
        token: bytes | None = None,
        options: Iterable[tuple[int, bytes]] = (),
        payload: bytes = b"",
    ) -> Device:
        """A response to a request of the server; an ACK carries the request's message id."""
        if mid is None:
            mid = to.mid if kind == ACK else self.next_mid()
        token = to.token if token is None else token
        return self.send(write(kind, code_byte(code), mid, token, options, payload))

    def acknowledge(self, to: Heard) -> Device:
        return self.send(write(ACK, 0, to.mid))

    def reset(self, to: Heard) -> Device:
        return self.send(write(RST, 0, to.mid))

    def agree(self, asked: Heard, sequence: int = 1, payload: bytes = b"20.0") -> Device:
        """The answer to an Observe: 2.05 with an Observe option."""
        options = [(OBSERVE, number_bytes(sequence)), (CONTENT_FORMAT, b"")]
        return self.answer(asked, options=options, payload=payload)

    def observed(self, path: str = "3303/0/5700", sequence: int = 1, **parts: Any) -> Heard:
        """Be asked to report `path`, and agree; the request."""
        call = self.world.observe(path=path, **parts)
        asked = self.hear()
        self.agree(asked, sequence)
        answered = self.world.answers.pop()
        assert answered.call == call and answered.observation > 0, answered
        return asked

    def notify(
        self,
        token: bytes,
        sequence: int | None,
        payload: bytes = b"21.0",
        *,
        code: str = "2.05",
        kind: int = NON,
        mid: int | None = None,
        options: Iterable[tuple[int, bytes]] = ((CONTENT_FORMAT, b""),),
    ) -> Device:
        """A notification; `sequence` None: without an Observe option."""
        options = list(options)
        if sequence is not None:
            options.append((OBSERVE, number_bytes(sequence)))
        mid = self.next_mid() if mid is None else mid
        return self.send(write(kind, code_byte(code), mid, token, options, payload))

    # Hearing

    def hear(self) -> Heard:
        """The next message from the server."""
        assert self.inbox, f"{self.address} hears nothing"
        return read(self.inbox.popleft()[1])

    def hear_all(self) -> list[tuple[float, Heard]]:
        heard = [(moment, read(data)) for moment, data in self.inbox]
        self.inbox.clear()
        return heard

    def hear_nothing(self) -> None:
        assert not self.inbox, [read(data) for _, data in self.inbox]


def register_parts(
    endpoint: str | bytes = "dev-1",
    *,
    lifetime: int | None = 300,
    version: str | None = "1.1",
    query: Sequence[str | bytes] = (),
    options: Iterable[tuple[int, bytes]] = (),
    payload: bytes = LINKS,
    **parts: Any,
) -> dict[str, Any]:
    """What makes a request to /rd a Register."""
    name = endpoint.encode() if isinstance(endpoint, str) else endpoint
    basic: list[str | bytes] = [b"ep=" + name]
    if lifetime is not None:
        basic.append(f"lt={lifetime}")
    if version is not None:
        basic.append(f"lwm2m={version}")
    options = list(options)
    if not any(number == CONTENT_FORMAT for number, _ in options):
        options.append((CONTENT_FORMAT, bytes([LINK_FORMAT])))
    return {"query": [*basic, *query], "options": options, "payload": payload, **parts}


def register(endpoint: str | bytes = "dev-1", *, mid: int = 1, **parts: Any) -> bytes:
    """The bytes of a Register."""
    return request(POST, "rd", mid=mid, **register_parts(endpoint, **parts))


def reachable(
    world: World | None = None, name: str = "dev-1", address: str = "192.0.2.1:5683"
) -> tuple[World, Device]:
    """A world and a device in it that has registered."""
    world = world or World()
    device = world.device(address)
    device.register(name, lifetime=86400)
    return world, device
