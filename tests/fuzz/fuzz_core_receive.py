# Invariant: whatever arrives, in whatever order and time, the engine raises nothing and has no
# fault; every answer parses and answers a request that was made; a stranger gets no more than the
# amplification limit allows; who is registered is what the answers said, in the table as in the
# stored rows, also after a refused commit and after a restart; every request of ours is answered
# once, and its payload leaves as it is, block by block; bounds hold; what devices were asked to
# report is in the table as in the stored rows, and a restart knows it again; and when all have left
# and time has passed, nothing is left, and no payload is held.
"""The whole receive path: a script of datagrams, time, requests and a store that may refuse.

The input is a sequence of steps: step 1, size 1, arguments. Missing arguments are 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import TypeVar

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.errors import QueueFull, RequestError, StoreError, UnknownDevice
from tests.fuzz import mutate as plain_mutate
from tests.fuzz import plain_coap
from tests.fuzz.conversation import Conversation
from tests.fuzz.plain_coap import ACK, CON, LINKS, NON, RST, Plain

MOST_STEPS = 120
ADDRESSES = [f"192.0.2.{n}:5683" for n in range(1, 6)] + ["[2001:db8::1]:5683", "192.0.2.1:5684"]
NAMES = [b"a", b"b", "\u00e9".encode(), b"x" * 255, *(b"d%d" % n for n in range(6))]
LISTS = [
    LINKS,
    b"</1/0>,</3/0>",
    b"</lwm2m>;rt=oma.lwm2m,</lwm2m/3/0>",
    b",".join(b"</3303/%d>" % n for n in range(30)),
]
EXTRAS = [
    [], [(15, b"lt=1")], [(15, b"lt=0")], [(15, b"lt=300"), (15, b"b=U")], [(15, b"Q")],
    [(15, b"sms=123"), (15, b"k=v")], [(12, b"\x28")], [(15, b"lt=x")], [(2049, b"")],
    [(60, b"\xff\xff")],
]  # fmt: skip
CONTEXTS = (b"", b"one", b"two", b"three", b"x" * 1024, b"x" * 1025)
PAYLOADS = (0, 5, 64, 65, 1000, 3000)
QUERIES: tuple[tuple[bytes, ...], ...] = ((), (b"pmin=1", b""), (b"q" * 255, b"r" * 255))
TAKEN = (95, 95, 95, 95, 68, 69, 0x88, 0x8D, 0x84)
DURATIONS = (0.0, 0.05, 2.1, 3.0, 31.0, 94.0, 146.0, 248.0, 394.0, 4000.0)

Choice = TypeVar("Choice")
Step = Callable[["Script", "Arguments"], None]


class Arguments:
    """The bytes of a step, as numbers and choices."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self) -> int:
        at = self._at
        self._at += 1
        return self._data[at] if at < len(self._data) else 0

    def choice(self, among: Sequence[Choice]) -> Choice:
        return among[self.number() % len(among)]

    def rest(self) -> bytes:
        return self._data[self._at :]


class Script:
    def __init__(self) -> None:
        self.world = Conversation()
        self.mid = 0
        self.batch: list[tuple[str, bytes]] = []
        self.sent: list[tuple[str, bytes]] = [(ADDRESSES[0], b"")]
        self.batches = False

    def send(self, address: str, data: bytes) -> None:
        self.batch.append((address, data[:2048]))
        self.sent = [*self.sent[-15:], (address, data[:2048])]
        if not self.batches or len(self.batch) == 8:
            self.flush()

    def flush(self) -> None:
        batch, self.batch = self.batch, []
        self.world.receive(batch)

    def message(self, a: Arguments, code: int, path: list[bytes]) -> Plain:
        self.mid = (self.mid + 1) % 65536
        options = [(11, part) for part in path]
        return Plain(
            NON if a.number() % 16 == 15 else CON, code, self.mid, b"%d" % self.mid, options
        )

    def location(self, a: Arguments) -> bytes:
        """A registration id: mostly one that lives, else any that was ever given out."""
        n = a.number()
        living = list(self.world.registered.values())
        ids = living if living and n < 224 else [*sorted(self.world.ids), b"A" * 14]
        return ids[n % len(ids)]


def _send_raw(s: Script, a: Arguments) -> None:
    s.send(a.choice(ADDRESSES), a.rest())


def _register(s: Script, a: Arguments) -> None:
    address, name = a.choice(ADDRESSES), a.choice(NAMES)
    m = s.message(a, 2, [b"rd"])
    m.payload = a.choice(LISTS)
    m.options += [(15, b"ep=" + name), (15, b"lwm2m=1.1"), *a.choice(EXTRAS)]
    s.send(address, plain_coap.write(m))


def _register_block(s: Script, a: Arguments) -> None:
    address, name, links = a.choice(ADDRESSES), a.choice(NAMES), a.choice(LISTS)
    szx, number = a.number() % 3, a.number() % 20
    size = 16 << szx
    rest = links[number * size :]
    m = s.message(a, 2, [b"rd"])
    m.options += [(15, b"ep=" + name), (15, b"lwm2m=1.1"), *a.choice(EXTRAS)]
    m.options.append((27, bytes([number >> 4, number << 4 & 255 | (len(rest) > size) << 3 | szx])))
    m.payload = rest[:size]
    s.send(address, plain_coap.write(m))


def _update(s: Script, a: Arguments) -> None:
    address = a.choice(ADDRESSES)
    m = s.message(a, 2, [b"rd", s.location(a)])
    m.options += a.choice(EXTRAS)
    m.payload = a.choice([b"", b"", b"", *LISTS])
    s.send(address, plain_coap.write(m))


def _deregister(s: Script, a: Arguments) -> None:
    address = a.choice(ADDRESSES)
    s.send(address, plain_coap.write(s.message(a, 4, [b"rd", s.location(a)])))


def _get(s: Script, a: Arguments) -> None:
    address = a.choice(ADDRESSES)
    m = s.message(a, 1, a.choice(([b".well-known", b"core"], [b"rd"], [])))
    m.options += a.choice(
        ([], [(23, b"\x06")], [(23, b"\0")], [(23, b"\x10")], [(23, b"\x07")], [(17, b"\x28")])
    )
    s.send(address, plain_coap.write(m))


def _repeat(s: Script, a: Arguments) -> None:
    address, data = a.choice(s.sent)
    s.send(a.choice([address, address, address, *ADDRESSES]), data)


def _repeat_changed(s: Script, a: Arguments) -> None:
    address, data = a.choice(s.sent)
    random = Random(a.rest())
    s.send(
        address,
        plain_coap.mutate(data, random) if a.number() % 2 else plain_mutate.mutate(data, random),
    )


def _wait(s: Script, a: Arguments) -> None:
    s.flush()
    s.world.wait(a.choice(DURATIONS))


def _read(s: Script, a: Arguments) -> None:
    s.flush()
    name = a.choice(NAMES).decode()
    path, accept = a.choice(([3, 0, 1], [3], [65535] * 4, [])), a.choice((None, 0, 110))
    with suppress(UnknownDevice, QueueFull):
        s.world.calls.add(
            s.world.engine.start(
                name,
                CoapRequest(1, tuple(b"%d" % n for n in path), accept=accept),
                a.choice((1.0, 90.0)),
                s.world.now,
            )
        )
    s.world.finish()


def _cancel(s: Script, a: Arguments) -> None:
    s.flush()
    s.world.engine.cancel(a.choice([0, 1, *s.world.ended, *sorted(s.world.calls)]), s.world.now)
    s.world.finish()


def _remove(s: Script, a: Arguments) -> None:
    s.flush()
    with suppress(UnknownDevice, StoreError):
        s.world.engine.deregister(a.choice(NAMES).decode(), s.world.now)
    s.world.finish()


def _respond(s: Script, a: Arguments) -> None:
    """A device's part of a read: (type, code, whether mid and token are right, Block2)."""
    address = a.choice(ADDRESSES)
    asked = s.world.requests[address]
    request = asked[a.number() % len(asked)] if asked else Plain(CON, 1, 7, b"12345678")
    how = a.choice((ACK, ACK, ACK, CON, NON, RST))
    m = Plain(how, a.choice((69, 69, 69, 132, 160, 95, 0)), request.mid, request.token)
    if how in (CON, NON):
        s.mid = (s.mid + 1) % 65536
        m.mid = s.mid
    wrong = a.number() % 16
    m.mid = (m.mid + (wrong == 1)) % 65536
    m.token = m.token[::-1] if wrong == 2 else m.token
    m.payload = b"v" * a.choice((0, 5, 16, 32, 64, 1024))
    if blocks := a.number() % 4:
        option = request.texts(23)
        number = int.from_bytes(option[0], "big") >> 4 if option else a.number() % 2
        szx = max(0, len(m.payload).bit_length() - 5) & 7
        m.options = [
            (4, a.choice((b"", b"e"))),
            (23, (number << 4 | (blocks == 1) << 3 | szx).to_bytes(3, "big")),
        ]
    if m.code == 0 or how == RST:
        m = Plain(ACK if how in (CON, NON) else how, 0, request.mid)
    s.send(a.choice([address] * 7 + [ADDRESSES[0]]), plain_coap.write(m))


def _start(s: Script, a: Arguments) -> None:
    """Any request with any payload: (name, method, size of the payload, time, options)."""
    s.flush()
    name, method, size = a.choice(NAMES).decode(), a.number() % 9, a.choice(PAYLOADS)
    seconds, query = a.choice((90.0, 1.0)), a.choice(QUERIES)
    path = (b"x" * (a.number() * 4), b"0")
    payload = memoryview(s.world.payload)[:size]
    request = CoapRequest(method, path, query, 42, None, payload, is_absolute=bool(size & 1))  # type: ignore[arg-type]
    try:
        s.world.calls.add(s.world.engine.start(name, request, seconds, s.world.now))
    except RequestError:  # which UnknownDevice and QueueFull are, too
        s.world.refused += 1
    s.world.finish()


def _observe(s: Script, a: Arguments) -> None:
    """Ask a device to report: (name, context, payload, time)."""
    s.flush()
    name, context = a.choice(NAMES).decode(), a.choice(CONTEXTS)
    size, seconds = a.choice((0, 0, 5, 65)), a.choice((90.0, 1.0))
    payload = bytes(s.world.payload[:size])
    request = CoapRequest(5 if size else 1, (b"3", b"0"), (), 112, 112, payload)
    try:
        s.world.calls.add(s.world.engine.observe(name, request, context, seconds, s.world.now))
    except (RequestError, StoreError):
        s.world.refused += 1
    s.world.finish()


def _unobserve(s: Script, a: Arguments) -> None:
    s.flush()
    number = a.choice([0, *s.world.observations()])
    try:
        call = s.world.engine.unobserve(number, a.number() % 2 == 1, 90.0, s.world.now)
    except (RequestError, StoreError):
        return
    if call is not None:
        s.world.calls.add(call)
    s.world.finish()


def _agree(s: Script, a: Arguments) -> None:
    """A device's answer to the newest request: yes, with an Observe option."""
    s.flush()
    address = a.choice(ADDRESSES)
    if not s.world.requests[address]:
        return
    request = s.world.requests[address][-1]
    options = [(6, bytes([a.number()])), (12, b"")]
    m = Plain(ACK, a.choice((69, 69, 68, 132)), request.mid, request.token, options, b"v")
    s.send(address, plain_coap.write(m))


def _notify(s: Script, a: Arguments) -> None:
    """A notification: (address, token, type, code, sequence, Block2, options)."""
    address, token = a.choice(ADDRESSES), a.choice(list(s.world.tokens)[::-1])
    s.mid = (s.mid + 1) % 65536
    m = Plain(a.choice((CON, NON)), a.choice((69, 69, 69, 69, 68, 67, 132)), s.mid, token)
    sequence, blocks = a.number(), a.number() % 8
    if m.code < 128 and sequence != 255:
        m.options.append((6, bytes([sequence, 0, 0]) if sequence & 1 else bytes([sequence])))
    m.options += a.choice(([(12, b"\x70")], [], [(4, b"e"), (12, b"\x70")], [(2049, b"")]))
    m.payload = b"n" * (16 if blocks > 4 else a.number() % 20)
    if blocks > 4:
        m.options.append((23, bytes([(blocks == 7) << 4 | 8])))
    s.send(address, plain_coap.write(m))


def _send(s: Script, a: Arguments) -> None:
    """A Send, now and then in blocks, and to a judge that refuses some."""
    address = a.choice(ADDRESSES)
    m = s.message(a, a.choice((2, 2, 2, 2, 1)), [b"dp"])
    m.options += a.choice(([(12, b"\x70")], [(12, b"\x6e")], [(12, b"\x2d\x18")], [(12, b"")], []))
    m.payload = b"s" * (a.number() % 70)
    if (blocks := a.number() % 8) > 5:
        m.options.append((27, bytes([(blocks == 7) << 4 | (blocks == 6) << 3])))
        m.payload = b"s" * 16
    s.world.engine.judge_send = (lambda *_: 132) if a.number() % 4 == 3 else None
    s.send(address, plain_coap.write(m))
    s.flush()


def _watch(s: Script, a: Arguments) -> None:
    s.flush()
    name = a.choice(NAMES).decode()
    with suppress(UnknownDevice):
        s.world.engine.watch(name, a.number() % 2 == 0)
    heard = s.world.engine.heard_at(name)  # whole milliseconds, so it may round up by a bit
    assert heard is None or heard <= s.world.now + 1e-6


def _take(s: Script, a: Arguments) -> None:
    """A device's part of a Block1 transfer: (how far back, type, code, size, number, Block2)."""
    address = a.choice(ADDRESSES)
    asked = s.world.requests[address]
    if not asked:
        return
    request = asked[-1 - a.number() % min(3, len(asked))]
    m = Plain(a.choice((ACK, ACK, CON, NON)), a.choice(TAKEN), request.mid, request.token)
    if m.type != ACK:
        s.mid = (s.mid + 1) % 65536
        m.mid = s.mid
    smaller, skip, more = a.number() % 16, a.number() % 16, a.number() % 8
    for value in request.texts(27)[:1]:
        block = int.from_bytes(value, "big")
        szx = max(0, (block & 7) - (smaller if smaller < 4 else 0))
        number = (block >> 4) + (skip == 1) + 7 * (skip == 2)
        m.options.append((27, (number << 4 | block & 8 | szx).to_bytes(4, "big").lstrip(b"\0")))
    if smaller > 12:
        m.options.append((60, bytes([smaller * 4])))
    if more > 5:
        m.options.append((23, bytes([(more == 6) << 3 | 1])))
        m.payload = b"a" * 32
    m.options.sort()
    s.send(address, plain_coap.write(m))


def _store(s: Script, a: Arguments) -> None:
    """The store is slow, or keeps what waited, or refuses it, or works again."""
    s.flush()
    what = a.number() % 4
    s.world.commits_at_once = what == 3
    if what in (1, 3):
        s.world.commit()
    if what == 2:
        s.world.fail()
    if what == 3:
        s.world.engine.store_works = True


def _restart(s: Script, a: Arguments) -> None:
    s.flush()
    s.world.restart()


def _set_clock(s: Script, a: Arguments) -> None:
    s.flush()
    s.world.wall_ahead += a.number() - 128
    s.world.engine.set_wall_clock(s.world.now, s.world.now + s.world.wall_ahead)


def _batch(s: Script, a: Arguments) -> None:
    s.flush()
    s.batches = not s.batches


STEPS: tuple[Step, ...] = (
    _send_raw, _register, _register_block, _update, _deregister, _get, _repeat, _repeat_changed,
    _wait, _read, _cancel, _remove, _respond, _store, _restart, _set_clock, _batch,
    _start, _take, _observe, _unobserve, _agree, _notify, _send, _watch,
)  # fmt: skip


def unpack(data: bytes) -> list[tuple[int, bytes]]:
    steps, at = [], 0
    while at + 2 <= len(data) and len(steps) < MOST_STEPS:
        steps.append((data[at], data[at + 2 : at + 2 + data[at + 1]]))
        at += 2 + data[at + 1]
    return steps


def pack(steps: list[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes([step, len(given)]) + given for step, given in steps)


def script(*steps: tuple[Step, bytes]) -> bytes:
    return pack([(STEPS.index(step), given) for step, given in steps])


SEEDS = (
    script(
        (_register, b"\0\0"), (_update, b"\0\0"), (_read, b"\0"), (_respond, b"\0"),
        (_deregister, b"\0"),
    ),
    script(
        (_register, b"\0\0"), (_register, b"\1\0\0\1"), (_update, b"\1\0"), (_repeat, b"\1"),
        (_wait, b"\x08"),
    ),
    script(
        *((_register_block, bytes([0, 1, 0, 1, n])) for n in range(2)), (_update, b"\2\0\0\5\4"),
    ),
    script(
        (_store, b"\0"), (_register, b"\0\0"), (_register, b"\1\1"), (_store, b"\2"),
        (_wait, b"\2"), (_register, b"\0\0"), (_store, b"\3"), (_register, b"\0\0"),
        (_restart, b""),
    ),
    script(
        (_register, b"\0\0"), (_read, b"\0"), (_read, b"\0\1"), (_respond, b"\0\0\0\0\0\2\1"),
        (_respond, b"\0\1\0\0\0\2\2"), (_wait, b"\4"), (_wait, b"\5"), (_cancel, b""),
    ),
    script(
        (_register, b"\0\0"), (_start, b"\0\3\5"), *((_take, b"\0") for _ in range(20)),
        (_take, b"\0\0\0\0\2"), (_take, b"\0\1\3"), (_take, b"\0\0\0\6"), (_take, b"\0\0\0\7\1"),
        (_respond, b"\0"),
    ),
    script(
        (_register, b"\0\0"), (_start, b"\0\5\3"), (_take, b"\0"), (_take, b"\0\0\0\5\0\0\6"),
        (_respond, b"\0\2\0\0\0\2\2"), (_start, b"\0\2\5"), (_deregister, b"\0"),
    ),
    script(
        (_get, b"\0"), (_get, b"\0\0\0\2"), (_send_raw, b"\0\x40\0\0\1"), (_batch, b""),
        *((_register, bytes([n, n])) for n in range(12)), (_batch, b""), (_wait, b"\x09"),
    ),
    script(
        (_register, b"\0\0"), (_observe, b"\0\1"), (_agree, b"\0\5"), (_notify, b"\0\0\0\0\6"),
        (_notify, b"\0\0\0\0\7\7"), (_respond, b"\0"), (_restart, b""), (_notify, b"\0\0\1\0\x0a"),
        (_unobserve, b"\1\1"), (_agree, b"\0"), (_send, b"\0"), (_watch, b"\0"), (_send, b"\0"),
    ),
    script(
        (_register, b"\0\0"), (_observe, b"\0\1"), (_agree, b"\0\5"), (_observe, b"\0\2"),
        (_store, b"\0"), (_observe, b"\0\1"), (_register, b"\0\0"), (_unobserve, b"\1"),
        (_notify, b"\0\0\0\6"), (_deregister, b"\0"), (_store, b"\2"), (_notify, b"\0\0\0\0\7"),
        (_store, b"\3"), (_observe, b"\0\1"), (_agree, b"\0\5"), (_notify, b"\0\0\0\6"),
    ),
)  # fmt: skip


def mutate(data: bytes, random: Random) -> bytes:
    """Steps changed, repeated, added, taken away, or put elsewhere."""
    steps = unpack(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(steps) + 1)
        how = random.randrange(5)
        if how < 2 or not steps:
            steps.insert(
                at, (random.randrange(len(STEPS)), random.randbytes(random.choice((0, 2, 4, 8))))
            )
            continue
        at = min(at, len(steps) - 1)
        step, given = steps.pop(at)
        if how == 2:
            given = plain_mutate.mutate(given, random)[:255]
        if how == 3:
            at = random.randrange(len(steps) + 1)
        if how != 4:
            steps.insert(at, (step, given))
    return pack(steps)


def check(data: bytes) -> None:
    s = Script()
    for step, given in unpack(data):
        STEPS[step % len(STEPS)](s, Arguments(given))
    s.flush()
    s.world.end()
