"""An engine, its store, its clock and the far side of its socket; and what must be true of them.

Keeps its own book of who is registered, from nothing but requests and the answers to them, and
holds it against the engine's table and against the stored rows.
"""

from __future__ import annotations

from collections import defaultdict, deque
from functools import lru_cache
from random import Random

from lwm2m_fast.core.engine import Output
from lwm2m_fast.core.events import Event
from lwm2m_fast.datagram import Inbox
from lwm2m_fast.wire.coap import parse
from tests.fuzz import engine_kit, plain_coap
from tests.fuzz.plain_coap import ACK, CON, NON, Plain

CREATED, DELETED, CHANGED = 65, 66, 68
SMALL_BYTES = 84
"""What any request may be answered with, however short: header, token, every option, 16 bytes."""
LARGEST_REQUEST = 1152
"""What fits any path (RFC 7252, section 4.6)."""
AMPLIFICATION = engine_kit.CONFIG.coap.amplification_limit
SETTLED = ("registrations_current", "link_sets_current", "requests_current",
           "block_transfers_current", "peers_current", "observations_current")  # fmt: skip

Key = tuple[str, int | None, bytes]


@lru_cache(8192)
def read_once(data: bytes) -> Plain:
    """A datagram as parts that nobody changes; one script has much of what another one has."""
    return plain_coap.read(data)


@lru_cache(8192)
def read_sent(data: bytes) -> Plain:
    """The same of one that the engine made: its own parser has nothing against it either."""
    assert parse(data)["bad_option"] == 0, data
    return plain_coap.read(data)


PAYLOAD = Random(7).randbytes(3000)
INBOX = Inbox()
"""One for all scripts: whoever receives looks at nothing but the last batch."""


def key_of(address: str, message: Plain) -> Key:
    """What ties an answer to its request: message id and token, or the token alone."""
    piggybacked = message.type in (CON, ACK)
    return address, message.mid if piggybacked else None, message.token


class Conversation:
    def __init__(self) -> None:
        self.now, self.wall_ahead = engine_kit.START_S, engine_kit.WALL_S - engine_kit.START_S
        self.random = Random(7)
        self.engine, self.inbox = engine_kit.new_engine(self.random), INBOX
        self.stored: engine_kit.Rows = {}
        self.pending: deque[tuple[Output, list[Event]]] = deque()
        self.commits_at_once = True
        self.asked: dict[Key, Plain | None] = {}
        self.registered: dict[bytes, bytes] = {}
        self.ids: set[bytes] = set()
        self.is_exact = True  # False: two open requests look alike, the book cannot be kept
        self.requests: dict[str, deque[Plain]] = defaultdict(deque)
        self.calls: set[int] = set()
        self.ended: list[int] = []
        self.refused = 0
        self.tokens: deque[bytes] = deque([b"\x80\0\0\0abcd"], 16)  # of what was to be observed
        self.has_failed = False  # the store has refused something
        self.has_restarted = False
        self.payload = bytearray(PAYLOAD)
        self.strangers: dict[str, int] = defaultdict(int)  # bytes that may still be sent there
        self.known: set[str] = set()

    # The far side

    def receive(self, batch: list[tuple[str, bytes]]) -> None:
        for address, data in batch:
            self.strangers[address] += max(AMPLIFICATION * len(data), SMALL_BYTES)
            self.note_request(address, data)
        self.inbox.load(batch)
        self.engine.receive(self.inbox, self.now)
        self.finish()

    def note_request(self, address: str, data: bytes) -> None:
        try:
            message = read_once(data)
        except plain_coap.Malformed:
            return
        if message.code > 31:  # a response that fits shows that the address is no forgery
            self.known.add(address)
        elif message.code:
            key = key_of(address, message)
            alike = self.asked.get(key, message) == message
            self.asked[key] = message if alike else None

    def sent(self, datagrams: list[tuple[str, bytes]]) -> None:
        for address, data in datagrams:
            message = read_sent(data)
            if 0 < message.code < 32:
                self.note_own(message, len(data))
                self.requests[address].append(message)
                if message.texts(6) == [b""]:
                    self.tokens.append(message.token)
                continue
            self.strangers[address] -= len(data)
            if message.code:
                self.note_answer(address, message)
            assert address in self.known or self.strangers[address] >= 0, (address, data)

    def note_own(self, message: Plain, size: int) -> None:
        """A request of ours is small enough, and its payload is what was given, at its offset."""
        assert size <= LARGEST_REQUEST
        value = int.from_bytes(b"".join(message.texts(27)), "big")
        offset = (value >> 4) << ((value & 7) + 4)
        assert message.payload == self.payload[offset : offset + len(message.payload)]
        if value & 8:
            assert len(message.payload) == 16 << (value & 7)

    def note_answer(self, address: str, message: Plain) -> None:
        key = key_of(address, message)
        assert message.type in (ACK, NON) and key in self.asked, (address, message)
        request = self.asked[key]
        if message.code == CHANGED:
            self.known.add(address)
        if message.code not in (CREATED, DELETED):
            return
        if request is None:
            self.is_exact = False
        elif message.code == CREATED:
            self.note_created(request, message.texts(8)[1])
        else:
            gone = request.texts(11)[1]
            self.registered = {n: i for n, i in self.registered.items() if i != gone}

    def note_created(self, request: Plain, given: bytes) -> None:
        (name,) = [text[3:] for text in request.texts(15) if text.startswith(b"ep=")]
        if given not in self.ids:  # else an old answer that was repeated
            self.ids.add(given)
            self.registered[name] = given

    # The turn, as turn.py does it

    def finish(self) -> None:
        output = self.engine.take_output()
        self.sent(self.engine.outbox.drain())
        assert self.engine.fault is None, self.engine.fault
        if output is not None:
            self.finish_output(output)
        if self.commits_at_once:
            self.keep()
        counted = self.engine.counters()
        self.check_bounds(counted)
        if self.commits_at_once:
            self.check_table(counted)

    def finish_output(self, output: Output) -> None:
        for call, *_ in output.answers:
            self.calls.remove(call)
            self.ended.append(call)
        for slot, number, code, content_format, payload, _at, sequence in output.reports:
            observation = self.engine.observation(number)  # None too when its device left since
            assert observation is None or observation[0] == self.engine.endpoint_of(slot)
            assert code in (0, 68, 69) or code >= 128
            assert -1 <= content_format <= 65535
            assert -1 <= sequence < 1 << 24
            assert isinstance(payload, bytes)
        if output.turn:
            self.pending.append((output, list(output.events)))
        elif self.pending:
            self.pending[-1][1].extend(output.events)
        else:
            self.tell(output.events)

    def commit(self) -> None:
        """The store has kept every turn that waited."""
        self.keep()
        self.check_table(self.engine.counters())

    def keep(self) -> None:
        for output, _ in self.pending:
            engine_kit.apply(self.stored, output.changes)
        if self.pending:
            self.engine.committed(self.pending[-1][0].turn)
        while self.pending:
            output, events = self.pending.popleft()
            self.sent(output.held.drain())
            self.tell(events)
        self.sent(self.engine.outbox.drain())  # requests that waited for these turns
        self.asked.clear()
        self.strangers.clear()

    def fail(self) -> None:
        """The store has refused every turn that waited."""
        if not self.pending:
            return
        self.has_failed = True
        self.engine.failed(self.pending[0][0].turn)
        for output, _ in self.pending:
            for address, data in output.refusals().drain():
                assert data[1] == 163, data
                self.sent([(address, data)])
        self.pending.clear()
        self.engine.store_works = False
        self.commit()

    def tell(self, events: list[Event]) -> None:
        for event in events:
            name, given = event.endpoint.encode(), event.data["registration_id"].encode()
            if event.kind in ("expired", "deregistered") and self.registered.get(name) == given:
                del self.registered[name]

    # Time

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(60):
            self.engine.handle_timer(self.now)
            self.finish()
            if self.engine.next_timer() > self.now:
                return
        raise AssertionError("what is due is never worked off")

    # What must be true

    def check_bounds(self, counted: dict[str, int]) -> None:
        assert counted["registrations_current"] <= engine_kit.MAX_DEVICES
        assert counted["block_transfers_current"] <= engine_kit.MAX_BLOCK_TRANSFERS
        # Beside what was asked for there may be the rest of a notification under way.
        assert len(self.calls) <= counted["requests_current"] <= engine_kit.MAX_EXCHANGES
        assert counted["observations_current"] <= engine_kit.MAX_OBSERVATIONS
        assert counted["link_sets_bytes"] <= engine_kit.MAX_LINK_BYTES
        assert counted["outbox_waiting"] == 0

    def check_table(self, counted: dict[str, int]) -> None:
        """Book, table and stored rows name the same devices."""
        names = {key for table, key in self.stored if table == 1}
        assert self.engine.device_count() == counted["registrations_current"] == len(names)
        if not self.has_failed and not self.has_restarted:  # else some row is yet to be deleted
            observed = [key for table, key in self.stored if table == 3]
            assert all(key[:-4] in names for key in observed)
            assert counted["observations_current"] == len(observed)
        if self.is_exact:
            assert names == self.registered.keys()

    def check_devices(self) -> None:
        found = engine_kit.devices(self.engine)
        ids = {name.encode(): device["registration_id"].encode() for name, device in found.items()}
        assert {key for table, key in self.stored if table == 1} == ids.keys()
        if self.is_exact:
            assert ids == self.registered

    def observations(self) -> dict[int, tuple[str, bytes, str]]:
        """Every observation by its number: endpoint, context, state."""
        return {
            shown["number"]: (name, shown["context"], shown["state"])
            for name in engine_kit.devices(self.engine)
            for shown in self.engine.observations(name)
        }

    def check_observations(self, before: dict[int, tuple[str, bytes, str]]) -> None:
        """A new engine knows those that stood, and none that were not there: but for those that
        ended while the store refused, whose rows were yet to be deleted."""
        after = self.observations()
        assert self.has_failed or after.keys() <= before.keys()
        for number, (name, context, state) in after.items():
            assert number not in before or before[number][:2] == (name, context)
            assert self.engine.observation(number) == (name, context)
            assert state in ("active", "lapsed")
        if not self.has_failed:
            assert {n for n, (*_, state) in before.items() if state == "active"} <= after.keys()

    def restart(self) -> None:
        """A new engine from the stored rows knows the same devices."""
        self.commit()
        before, observed = engine_kit.devices(self.engine), self.observations()
        engine = engine_kit.new_engine(self.random, self.now, self.now + self.wall_ahead)
        registrations = sum(table == 1 for table, _ in self.stored)
        assert engine_kit.load(engine, self.stored, self.now) >= registrations
        after = engine_kit.devices(engine)
        for device in (*before.values(), *after.values()):
            del device["updated_at"], device["expires_at"]
        assert before == after
        self.engine = engine
        self.has_restarted = True
        self.check_observations(observed)
        self.requests.clear()
        self.calls.clear()
        self.known.clear()

    def end(self) -> None:
        """When all have left, and time has passed, nothing is left."""
        self.engine.store_works = self.commits_at_once = True
        self.commit()
        self.check_devices()
        for name in engine_kit.devices(self.engine):
            self.engine.deregister(name, self.now)
        self.finish()
        for _ in range(3):
            self.wait(400.0)
        counted = self.engine.counters()
        assert not any(counted[name] for name in SETTLED), counted
        assert not self.calls
        self.payload.append(0)  # BufferError: somebody still holds it
        assert not self.registered or not self.is_exact
        assert not any(table in (1, 3) for table, _ in self.stored)
