"""A DTLS client and server in memory, over a link that a test may spoil, on a clock that it turns.

Knows lwm2m_fast.net.dtls_session; no socket, no sleep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from lwm2m_fast.net import dtls_session as dtls
from lwm2m_fast.net.dtls_session import DtlsContext, DtlsSession
from tests.net import certificates

SOURCE = b"192.0.2.1:40000"
IDENTITY, KEY = b"device-1", b"0123456789abcdef"
PSK_SUITES = tuple(name for name in dtls.SUITES if name.startswith("TLS_PSK"))
ECDSA_SUITES = tuple(name for name in dtls.SUITES if name.startswith("TLS_ECDHE"))

ALERT = 21

IS_OWN_BUILD = "our own build" in dtls.library()
"""A library of the system's has other sizes, and more kinds of keys."""


def known(identity: bytes) -> bytes | None:
    """The credential store of most tests."""
    return KEY if identity == IDENTITY else None


def psk_client(**options: Any) -> DtlsContext:
    return DtlsContext(**{"is_client": True, "own_psk": (IDENTITY, KEY), **options})


def psk_server(**options: Any) -> DtlsContext:
    return DtlsContext(**{"psk": known, **options})


def x509_client(**options: Any) -> DtlsContext:
    device = certificates.device()
    trusted = {
        "chain": device.chain,
        "key": device.key_der,
        "anchors": certificates.authority().der,
    }
    return DtlsContext(**{"is_client": True, **trusted, **options})


def x509_server(**options: Any) -> DtlsContext:
    server = certificates.server()
    trusted = {
        "chain": server.chain,
        "key": server.key_der,
        "anchors": certificates.authority().der,
    }
    return DtlsContext(**{**trusted, **options})


@dataclass
class Pair:
    """One client and one server; `now` is the clock of both."""

    client_context: DtlsContext
    server_context: DtlsContext
    now: int = 1_000
    change: Callable[[bytes, bool], list[bytes]] = lambda datagram, _: [datagram]
    """What the link makes of a datagram; the flag says that it goes to the server."""

    client: DtlsSession = field(init=False)
    server: DtlsSession | None = None
    client_events: list[int] = field(default_factory=list)
    server_events: list[int] = field(default_factory=list)
    to_server: list[bytes] = field(default_factory=list)
    to_client: list[bytes] = field(default_factory=list)
    server_texts: list[bytes] = field(default_factory=list)
    alerts_to_client: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = self.client_context.open(self.cid(self.client_context, 0xC0), self.now)

    @staticmethod
    def cid(context: DtlsContext, mark: int) -> bytes:
        return bytes([mark]) * max(context.cid_size, 0)

    def gather(self) -> None:
        """What was sent goes onto the link."""
        for session, queue, is_up in (
            (self.client, self.to_server, True),
            (self.server, self.to_client, False),
        ):
            if session is None:
                continue
            for datagram in session.sent:
                queue.extend(self.change(datagram, is_up))
                if not is_up and datagram[0] == ALERT and datagram[3:5] == b"\0\0":
                    self.alerts_to_client.append(datagram[14])
            session.sent.clear()

    def arrive_at_server(self, datagram: bytes) -> None:
        if self.server is None:
            answer = self.server_context.hello(SOURCE, datagram, self.now)
            if isinstance(answer, bytes):
                self.to_client.extend(self.change(answer, False))
            if answer is not True:
                return
            self.server = self.server_context.open(self.cid(self.server_context, 0x5E), self.now)
        event, texts = self.server.receive(datagram, self.now)
        self.server_events.append(event)
        self.server_texts += texts

    def begun(self) -> DtlsSession:
        """The server's side, with the hello that has its cookie, and nothing more."""
        self.client.connect(self.now)
        self.gather()
        self.arrive_at_server(self.to_server.pop())
        self.client.receive(self.to_client.pop(), self.now)
        self.gather()
        self.arrive_at_server(self.to_server.pop())
        assert self.server is not None
        return self.server

    def deliver(self) -> None:
        """Until the link is empty."""
        self.gather()
        while self.to_server or self.to_client:
            if self.to_server:
                self.arrive_at_server(self.to_server.pop(0))
            if self.to_client:
                event, _ = self.client.receive(self.to_client.pop(0), self.now)
                self.client_events.append(event)
            self.gather()

    def shake(self, rounds: int = 40) -> Pair:
        """The whole handshake, with as many timeouts as it takes."""
        self.client_events.append(self.client.connect(self.now))
        self.deliver()
        for _ in range(rounds):
            if self.is_over:
                break
            ends = [end for end in (self.client, self.server) if end is not None]
            due = [end.due for end in ends if end.due >= 0]
            if not due:
                break
            self.now = max(self.now, min(due))
            for end in ends:
                if 0 <= end.due <= self.now:
                    events = self.client_events if end is self.client else self.server_events
                    events.append(end.handle_timeout(self.now))
            self.deliver()
        return self

    @property
    def is_over(self) -> bool:
        ends = (self.client_events, self.server_events)
        return all(set(events) & {dtls.READY, dtls.FAILED} for events in ends)

    @property
    def is_ready(self) -> bool:
        return self.server is not None and self.client.is_ready and self.server.is_ready

    def up(self, text: bytes) -> list[bytes]:
        """A record from the client to the server: what the server reads."""
        assert self.server is not None
        event, texts = self.server.receive(self.client.write(text), self.now)
        assert event in (dtls.DATA, dtls.WAITS)
        return texts

    def down(self, text: bytes) -> list[bytes]:
        assert self.server is not None
        event, texts = self.client.receive(self.server.write(text), self.now)
        assert event in (dtls.DATA, dtls.WAITS)
        return texts


def bad_link(seed: int, loss: float) -> Callable[[bytes, bool], list[bytes]]:
    """Loses, doubles and reorders."""
    random = Random(seed)
    held: dict[bool, list[bytes]] = {True: [], False: []}

    def change(datagram: bytes, is_up: bool) -> list[bytes]:
        out, held[is_up] = held[is_up], []
        chance = random.random()
        if chance < loss:
            return out
        if chance < loss + 0.1:
            held[is_up].append(datagram)
            return out
        return [datagram, *out, datagram] if chance > 0.8 else [datagram, *out]

    return change
