"""A device with a socket of its own and the client role of csrc/lf_dtls, which has connection ids.

It can take another address, and keeps every datagram that the server sent it, as it was on the
wire. Knows real time; no server process.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "scenario"))

from scripted import CON, POST, Heard, read, register_parts, request

from lwm2m_fast.net import dtls_session as dtls
from lwm2m_fast.net.dtls_session import DtlsContext
from tests.certificate_kit import Made

KEY = bytes(range(16))
ASK_AGAIN_S = 1.0


class Refused(Exception):
    """The handshake has failed; the words are the library's."""


def now_ms() -> int:
    return int(time.monotonic() * 1000)


class DtlsDevice:
    """One device; begins its handshake with connect()."""

    def __init__(
        self,
        where: tuple[str, int],
        identity: str = "dev-1",
        key: bytes = KEY,
        *,
        own: Made | None = None,
        anchor: Made | None = None,
        cid_size: int = 4,
        **options: Any,
    ) -> None:
        if own is not None and anchor is not None:
            options |= {"chain": own.der, "key": own.key_der, "anchors": anchor.der}
        else:
            options["own_psk"] = (identity.encode(), key)
        options = {"retransmit_first_ms": 300, "cid_size": cid_size, **options}
        self.context = DtlsContext(is_client=True, **options)
        self.where = where
        self.mid = 0
        self.received: list[bytes] = []
        """Datagrams of the server."""
        self.texts: deque[bytes] = deque()
        self.socket = self._bound()
        self.session = self.context.open(b"\xc0" * max(0, cid_size), now_ms())

    def _bound(self) -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind(("127.0.0.1", 0))
        return bound

    def __enter__(self) -> DtlsDevice:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go without a word."""
        self.socket.close()

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.socket.getsockname())

    def move(self) -> None:
        """Another port, as behind a NAT that forgot; what was on its way to the old one is lost."""
        fresh = self._bound()
        self.socket.close()
        self.socket = fresh

    # Handshake

    def start(self) -> None:
        """Send the first flight."""
        self.session.connect(now_ms())
        self.flush()

    def renew(self, memory: bytes = b"") -> DtlsDevice:
        """Forget the session and handshake again from the same address; `memory` of a session
        that is to be resumed."""
        self.session = self.context.open(b"\xc0" * max(0, self.context.cid_size), now_ms())
        if memory:
            self.session.recall(memory)
        return self.connect()

    def connect(self, seconds: float = 20.0) -> DtlsDevice:
        """Handshake. Refused: the server does not want us."""
        self.start()
        self._until(lambda: self.session.is_ready, seconds)
        return self

    # Records

    def flush(self) -> None:
        for datagram in self.session.sent:
            self.socket.sendto(datagram, self.where)
        self.session.sent.clear()

    def take(self, seconds: float = 0.0) -> bool:
        """Work off one datagram, or a timer; whether a datagram came in time."""
        due = self.session.due
        if due >= 0:
            seconds = min(seconds, max(0, due - now_ms()) / 1000)
        came, _, _ = select.select([self.socket], [], [], seconds)
        if came:
            self.received.append(self.socket.recv(4096))
            event, texts = self.session.receive(self.received[-1], now_ms())
            self.texts += texts
        elif due >= 0 and now_ms() >= due:
            event = self.session.handle_timeout(now_ms())
        else:
            return False
        self.flush()
        if event == dtls.FAILED:
            raise Refused(self.session.why)
        return bool(came)

    def _until(self, found: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            self.take(0.2)

    def send(self, message: bytes) -> None:
        self.socket.sendto(self.session.write(message), self.where)

    def hear(self, seconds: float = 10.0) -> Heard:
        """The next message."""
        self._until(lambda: self.texts, seconds)
        return read(self.texts.popleft())

    def ask(self, code: int, path: str, seconds: float = 10.0, **parts: Any) -> Heard:
        """A request, repeated until it is answered."""
        self.mid += 1
        message = request(code, path, mid=self.mid, **parts)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.send(message)
            again = time.monotonic() + ASK_AGAIN_S
            while time.monotonic() < again:
                self.take(0.1)
                while self.texts:
                    heard = read(self.texts.popleft())
                    if heard.mid == self.mid and heard.type != CON:
                        return heard
        raise AssertionError(f"no answer to {path} within {seconds} s")

    def register(self, endpoint: str = "dev-1", **parts: Any) -> Heard:
        return self.ask(POST, "rd", **register_parts(endpoint, **parts))
