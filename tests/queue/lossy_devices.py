"""Devices at the far end of a lossy link, and the queue's world at the near end.

A device registers, updates, sleeps, deduplicates by message id, answers at once, later or never,
and writes down what it did. What it asks is repeated as RFC 7252, section 4.2 has it. Judges
nothing, and reads CoAP by scripted.py's few lines.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from queue_kit import QueueWorld
from scripted import ACK, CON, OBSERVE, POST, RST, Heard, read, register_parts, request, write

from lwm2m_fast.sim.link import Packet
from tests.sim.world_side import WorldSide

S = 1_000_000_000
ACK_TIMEOUT_S = 2.0
MAX_RETRANSMIT = 4
EXCHANGE_LIFETIME_S = 247.0
CHANGED, CONTENT = 0x44, 0x45
_NUMBER = re.compile(rb"op-(\d+)")


def number_of(heard: Heard) -> int:
    """The number of a request's operation: in its payload, or last in its path."""
    found = _NUMBER.search(heard.payload)
    return int(found[1]) if found is not None else int(heard.path[-1])


class Left(NamedTuple):
    """A request as it left the server."""

    at: float
    number: int
    mid: int
    data: bytes


class QueueSide(WorldSide):
    """The queue over the core, ticking once a second. `left` is every request that left, by
    device."""

    def __init__(self, world: QueueWorld) -> None:
        super().__init__(world)  # type: ignore[arg-type]
        self.left: dict[int, list[Left]] = {}
        self._ticked = 0

    def take(self, now_ns: int) -> list[Packet]:
        second = now_ns // S
        packets = super().take(now_ns)
        if second > self._ticked:
            self._ticked = second
            self.world.tick()  # type: ignore[attr-defined]
            packets += super().take(now_ns)
        for device, data in packets:
            heard = read(data)
            if heard.type == CON and heard.code.startswith("0."):
                left = Left(now_ns / 1e9, number_of(heard), heard.mid, data)
                self.left.setdefault(device, []).append(left)
        return packets

    def next_at(self, now_ns: int) -> int:
        return min(super().next_at(now_ns), (now_ns // S + 1) * S)


@dataclass(slots=True)
class _Asking:
    """A confirmable message of the device that nobody has acknowledged yet."""

    data: bytes
    at: float
    wait: float
    left: int = MAX_RETRANSMIT
    done: Callable[[Heard], None] = lambda heard: None
    given_up: Callable[[], None] = lambda: None


class Did(NamedTuple):
    """A request that the device carried out."""

    number: int
    mid: int


@dataclass(slots=True)
class LossyDevice:
    """One device; moments are seconds. `awake_s` None: it never sleeps."""

    name: str
    awake_s: float | None
    every_s: float
    """Between two Updates."""
    rng: random.Random
    slow: float = 0.0
    """Share of requests that get a separate response; `dumb`: none but an empty ACK."""
    dumb: float = 0.0
    did: list[Did] = field(default_factory=list)
    deaf: int = 0
    """Datagrams that came while it slept."""
    duplicates: int = 0
    observed: list[int] = field(default_factory=list)
    location: str = ""
    _mid: int = 0
    _active_at: float = 0.0
    _contact_at: float = 0.0
    _asking: dict[int, _Asking] = field(default_factory=dict)
    _heard: dict[int, tuple[float, bytes, bytes]] = field(default_factory=dict)
    _later: list[tuple[float, Heard, bytes]] = field(default_factory=list)
    _out: list[bytes] = field(default_factory=list)

    # The link's side

    def take(self, now: float) -> list[bytes]:
        if now >= self._contact_at:
            self._contact_at = inf
            self._contact(now)
        for at, _, answer in [each for each in self._later if each[0] <= now]:
            self._later = [each for each in self._later if each[0] != at]
            self._confirm(now, lambda mid, a=answer: bytes([a[0], a[1], *mid.to_bytes(2)]) + a[4:])
        for mid, asking in list(self._asking.items()):
            if asking.at <= now:
                self._again(mid, asking, now)
        out, self._out = self._out, []
        if out:
            self._active_at = now
        return out

    def next_at(self) -> float:
        moments = [self._contact_at, *(each[0] for each in self._later)]
        return min(moments + [asking.at for asking in self._asking.values()])

    def receive(self, data: bytes, now: float) -> None:
        sleeps = self.awake_s is not None and now > self._active_at + self.awake_s
        if sleeps and not self._asking and not self._later:
            self.deaf += 1
            return
        heard = read(data)
        if heard.type in (ACK, RST):
            asking = self._asking.pop(heard.mid, None)
            if asking is not None:
                asking.done(heard)
        else:
            self._serve(heard, now)

    # Its own requests

    def _contact(self, now: float) -> None:
        """Register, or Update."""
        if self.location:
            parts: dict[str, Any] = {}
            path = self.location
        else:
            at = [] if self.awake_s is None else [f"at={round(self.awake_s * 1000)}"]
            path, parts = "rd", register_parts(self.name, lifetime=86400, query=at)

        def done(heard: Heard) -> None:
            if not self.location:
                assert heard.code == "2.01", heard
                self.location = heard.location
            assert heard.code in ("2.01", "2.04"), heard
            self._contact_at = now + self.every_s

        def given_up() -> None:
            self._contact_at = now + self.every_s

        self._confirm(now, lambda mid: request(POST, path, mid=mid, **parts), done, given_up)

    def _confirm(
        self,
        now: float,
        message: Callable[[int], bytes],
        done: Callable[[Heard], None] = lambda heard: None,
        given_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._mid += 1
        data = message(self._mid)
        wait = ACK_TIMEOUT_S * self.rng.uniform(1.0, 1.5)
        self._asking[self._mid] = _Asking(data, now + wait, wait, done=done, given_up=given_up)
        self._out.append(data)

    def _again(self, mid: int, asking: _Asking, now: float) -> None:
        if not asking.left:
            del self._asking[mid]
            asking.given_up()
            return
        asking.left -= 1
        asking.wait *= 2
        asking.at = now + asking.wait
        self._out.append(asking.data)

    # The server's

    def _serve(self, heard: Heard, now: float) -> None:
        known = self._heard.get(heard.mid)
        if known is not None and now - known[0] <= EXCHANGE_LIFETIME_S:
            assert known[1] == heard.data, "one message id for two messages"
            self.duplicates += 1
            self._out.append(known[2])
            return
        answer, kind = self._carried_out(heard), self.rng.random()
        said = answer
        if kind < self.slow + self.dumb:
            said = write(ACK, 0, heard.mid)
            if kind < self.slow:
                separate = bytes([answer[0] & ~0x30]) + answer[1:]
                self._later.append((now + self.rng.uniform(0.1, 3.0), heard, separate))
        self._heard[heard.mid] = (now, heard.data, said)
        self._out.append(said)

    def _carried_out(self, heard: Heard) -> bytes:
        number = number_of(heard)
        self.did.append(Did(number, heard.mid))
        if heard.code != "0.01":
            return write(ACK, CHANGED, heard.mid, heard.token)
        options = [(12, b"")]
        if heard.number(OBSERVE) == 0:
            self.observed.append(number)
            options.append((OBSERVE, b"\x01"))
        return write(ACK, CONTENT, heard.mid, heard.token, options, b"%d" % number)


class LossySide:
    """All devices, as one end of the link."""

    def __init__(self, devices: list[LossyDevice]) -> None:
        self.devices = devices

    def receive(self, device: int, datagram: bytes, now_ns: int) -> None:
        self.devices[device].receive(datagram, now_ns / 1e9)

    def take(self, now_ns: int) -> list[Packet]:
        now = now_ns / 1e9
        return [(n, data) for n, d in enumerate(self.devices) for data in d.take(now)]

    def next_at(self, now_ns: int) -> int:
        return max(now_ns + 1, round(min(min(d.next_at() for d in self.devices), 1e9) * 1e9))
