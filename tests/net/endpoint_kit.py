"""A DTLS endpoint on loopback, its devices, and a clock that the test turns.

Every device has a socket of its own and the client role of csrc/lf_dtls in it; nothing here waits,
as what was sent over loopback is there when the call returns.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

from lwm2m_fast.datagram import Inbox, Outbox
from lwm2m_fast.net import dtls_session as dtls
from lwm2m_fast.net.dtls import DtlsDoor, DtlsEndpoint, DtlsOptions, principal_of
from lwm2m_fast.net.dtls_session import DtlsContext, DtlsSession
from tests.net import certificates

KEY = b"0123456789abcdef"
BUFFERS = {"receive_buffer_bytes": 1 << 21, "send_buffer_bytes": 1 << 20}
UNIX = 1_700_000_000.0
PSK, X509 = 1, 2

Change = Callable[[bytes], list[bytes]]
"""What a link makes of a datagram."""


def unchanged(datagram: bytes) -> list[bytes]:
    """A link without faults."""
    return [datagram]


def psk_principal(identity: bytes) -> bytes:
    return principal_of(PSK, identity)


def as_text(principal: bytes) -> str:
    """As an address of the engine."""
    return f"[{IPv6Address(principal)}]:0"


class Credentials:
    """Every identity has KEY unless `keys` says otherwise; certificates count as they are."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes | None] = {}
        self.names: dict[bytes, tuple[str, ...]] = {}
        self.asked: list[bytes] = []
        self.certified: list[tuple[bytes, int]] = []
        self.resumed: list[tuple[bytes, bytes, tuple[str, ...]]] = []
        self.gone: set[bytes] = set()
        self.by = b""
        """What vouches for certificates."""
        self.error: Exception | None = None

    def psk(self, identity: bytes) -> tuple[bytes, tuple[str, ...]] | None:
        self.asked.append(identity)
        if self.error is not None:
            raise self.error
        key = self.keys.get(identity, KEY)
        if key is None:
            return None
        return key, self.names.get(identity, (identity.decode(errors="replace"),))

    def certificate(self, leaf_der: bytes, flags: int) -> tuple[int, bytes, tuple[str, ...]]:
        self.certified.append((leaf_der, flags))
        return flags, b"CN=device-1", ("device-1", "urn:dev:1")

    def anchor(self) -> bytes:
        return self.by

    def has_anchor(self, anchor: bytes) -> bool:
        return anchor not in self.gone

    def is_current(self, kind: int, subject: bytes) -> bool:
        return subject not in self.gone

    def is_current_certificate(self, digest: bytes, subject: bytes, names: tuple[str, ...]) -> bool:
        self.resumed.append((digest, subject, names))
        return subject not in self.gone


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    def opened(self, principal: bytes, kind: int, subject: bytes, names: tuple[str, ...]) -> None:
        if self.error is not None:
            raise self.error
        self.heard.append(("opened", principal, kind, subject, names))

    def replaced(self, principal: bytes) -> None:
        self.heard.append(("replaced", principal))

    def ended(self, principal: bytes) -> None:
        self.heard.append(("ended", principal))

    def refused(self, address: str, why: str, identity: str | None) -> None:
        self.heard.append(("refused", address, why, identity))

    def kinds(self) -> list[str]:
        return [each[0] for each in self.heard]

    def take(self) -> list[str]:
        kinds = self.kinds()
        self.heard.clear()
        return kinds


class World:
    """The endpoint, its surroundings, and the devices, all at one time."""

    def __init__(self, *, certified: bool = False, rows: Any = (), **options: Any) -> None:
        self.now, self.unix = 1000.0, UNIX
        self.clock_step = 0.0
        """How far the clock moves each time the endpoint looks at it."""
        self.credentials, self.listener = Credentials(), Listener()
        self.options = DtlsOptions(**options)
        self.certified = certified
        self.devices: list[Device] = []
        self.texts: list[tuple[str, bytes]] = []
        self.doors: list[DtlsDoor] = []
        self.start(rows)

    def start(self, rows: Any = ()) -> None:
        server = certificates.server() if self.certified else None
        self.endpoint = DtlsEndpoint(
            "127.0.0.1",
            0,
            **BUFFERS,
            options=self.options,
            credentials=self.credentials,
            listener=self.listener,
            chain=server.chain if server else None,
            key=server.key_der if server else None,
            anchors=certificates.authority().der if server else None,
            clock=self._look,
            wall_clock=lambda: self.unix,
        )
        self.loaded = self.endpoint.load(rows)
        self.inbox = Inbox()

    def _look(self) -> float:
        self.now += self.clock_step
        return self.now

    def open_door(self, local: int = 16) -> DtlsDoor:
        """A further port to the same sessions."""
        door = DtlsDoor(self.endpoint, "127.0.0.1", 0, local=local, **BUFFERS)
        self.doors.append(door)
        return door

    def close(self) -> None:
        for device in self.devices:
            device.socket.close()
        for endpoint in (self.endpoint, *self.doors):
            endpoint.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def counters(self) -> dict[str, int]:
        return self.endpoint.counters()

    def count(self, name: str) -> int:
        return self.counters[f"dtls_{name}"]

    def receive(self) -> list[tuple[str, bytes]]:
        """One batch, without the work that it brings."""
        self.endpoint.receive(self.inbox)
        texts = self.inbox.peek()
        self.texts += texts
        return texts

    def turn(self) -> list[tuple[str, bytes]]:
        """All that is waiting, and all the work there is."""
        texts: list[tuple[str, bytes]] = []
        for endpoint in (*self.doors, self.endpoint):
            more = True
            while more or endpoint.queued:
                more = endpoint.receive(self.inbox)
                texts += self.inbox.peek()
                endpoint.work(self.inbox)
                texts += self.inbox.peek()
        self.texts += texts
        return texts

    def send(self, identity: bytes, text: bytes) -> None:
        """A datagram of the engine to a PSK device."""
        outbox = Outbox()
        outbox.append(as_text(psk_principal(identity)), text, self.endpoint.local)
        self.endpoint.send(outbox)

    def pass_time(self, seconds: float) -> None:
        """Let the time pass, in the steps that the endpoint wants."""
        end = self.now + seconds
        while self.endpoint.next_timer() <= end:
            self.now = max(self.now, self.endpoint.next_timer())
            self.endpoint.handle_timer(self.now)
        self.unix += seconds
        self.now = end
        self.endpoint.handle_timer(self.now)

    def device(self, identity: bytes = b"device-1", **options: Any) -> Device:
        return Device(self, identity, **options)

    def certified_device(self, who: certificates.Certified) -> Device:
        """A device that shows a certificate, and trusts the test authority."""
        trusted = certificates.authority().der
        return Device(self, b"", own_psk=None, chain=who.chain, key=who.key_der, anchors=trusted)

    def ready(self, identity: bytes = b"device-1", **options: Any) -> Device:
        """A device whose session has carried a record, so that it can be saved."""
        device = self.device(identity, **options)
        device.shake()
        assert device.session.is_ready, self.listener.heard
        device.up(b"hello")
        return device


class Device:
    """A client with a socket; `change_up` and `change_down` are what the link does."""

    def __init__(self, world: World, identity: bytes, psk: bytes = KEY, **options: Any) -> None:
        self.world, self.identity = world, identity
        settings: dict[str, Any] = {"is_client": True, "own_psk": (identity, psk), **options}
        self.context = DtlsContext(**settings)
        self.socket = self._bind()
        self.change_up: Change = unchanged
        self.change_down: Change = unchanged
        self.events: list[int] = []
        self.texts: list[bytes] = []
        self.port: int | None = None
        """Of a further port of the server; None: the first."""
        self.heard_from: set[int] = set()
        """Ports of the server."""
        world.devices.append(self)
        self.renew()

    def _bind(self) -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind(("127.0.0.1", 0))
        bound.setblocking(False)
        return bound

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.socket.getsockname())

    @property
    def principal(self) -> bytes:
        return psk_principal(self.identity)

    def renew(self) -> DtlsSession:
        """Forget the session and begin another on the same 5-tuple."""
        cid = b"\xc0" * max(0, self.context.cid_size)
        self.session = self.context.open(cid, int(self.world.now * 1000))
        self.events = []
        return self.session

    def move(self) -> None:
        """Another address, as behind a NAT that forgot."""
        self.socket.close()
        self.socket = self._bind()

    def transmit(self, *datagrams: bytes) -> None:
        port = self.port or self.world.endpoint.port
        for datagram in datagrams:
            for changed in self.change_up(datagram):
                self.socket.sendto(changed, ("127.0.0.1", port))

    def flush(self) -> None:
        self.transmit(*self.session.sent)
        self.session.sent.clear()

    def connect(self) -> None:
        self.events.append(self.session.connect(int(self.world.now * 1000)))
        self.flush()

    def hear_raw(self) -> list[bytes]:
        heard = []
        while True:
            try:
                data, (_, port) = self.socket.recvfrom(4096)
                heard.append(data)
                self.heard_from.add(port)
            except BlockingIOError:
                return heard

    def hear(self) -> list[bytes]:
        """Work off what has come; the plain texts that were in it."""
        texts: list[bytes] = []
        for datagram in self.hear_raw():
            for changed in self.change_down(datagram):
                event, found = self.session.receive(changed, int(self.world.now * 1000))
                self.events.append(event)
                texts += found
        self.flush()
        self.texts += texts
        return texts

    def step(self) -> bool:
        """One way to the server and back; whether the handshake goes on."""
        self.world.turn()
        self.hear()
        return not {dtls.READY, dtls.FAILED} & set(self.events)

    def shake(self, most: int = 12) -> None:
        """A handshake without loss."""
        self.connect()
        for _ in range(most):
            if not self.step():
                break
        self.world.turn()

    def up(self, text: bytes) -> list[tuple[str, bytes]]:
        """A record to the server; what reaches the engine."""
        self.transmit(self.session.write(text))
        return self.world.turn()
