"""A DTLS server around one end of a link: what is inside hears plain datagrams of numbered peers.

Made of csrc/lf_dtls's server role, a session per peer. A peer's number is that of its credential,
so that it stays the same whatever address it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any

from lwm2m_fast.net.dtls_session import DATA, FAILED, READY, DtlsContext, DtlsSession
from lwm2m_fast.sim.link import Side

MS = 1_000_000


class DtlsSide:
    """`keys` are the PSKs by identity; `options` those of DtlsContext."""

    def __init__(self, inner: Side, keys: dict[bytes, bytes], **options: Any) -> None:
        self.inner, self.keys = inner, keys
        self.context = DtlsContext(psk=keys.get, **options)
        self.by_address: dict[Hashable, DtlsSession] = {}
        self.by_cid: dict[bytes, DtlsSession] = {}
        self.addresses: dict[DtlsSession, Hashable] = {}
        self.numbers: dict[bytes, int] = {}
        self.peers: dict[int, DtlsSession] = {}
        self.out: list[tuple[Any, bytes]] = []
        self.counts: Counter[str] = Counter()
        self.moved = 0

    def receive(self, address: Any, datagram: bytes, now_ns: int) -> None:
        now_ms = now_ns // MS
        cid = self.context.record_cid(datagram) if self.context.cid_size > 0 else None
        session = self.by_cid.get(cid) if cid else self.by_address.get(address)
        if cid is None and (session is None or session.is_ready):
            answer = self.context.hello(repr(address).encode(), datagram, now_ms)
            if isinstance(answer, bytes):
                self.out.append((address, answer))
            if answer is True:
                session = self._open(address, now_ms)
        if session is None:
            self.counts["unknown"] += 1
            return
        event, texts = session.receive(datagram, now_ms)
        if session.was_newest and self.addresses[session] != address:
            self.moved += 1
            self.addresses[session] = address
        self._sent(session)
        self._handle(session, event, texts, now_ns)

    def _open(self, address: Hashable, now_ms: int) -> DtlsSession:
        self.counts["opened"] += 1
        size = max(self.context.cid_size, 0)
        cid = self.counts["opened"].to_bytes(size, "big") if size else b""
        session = self.context.open(cid, now_ms)
        self.by_address[address] = session
        if cid:
            self.by_cid[cid] = session
        self.addresses[session] = address
        return session

    def _handle(self, session: DtlsSession, event: int, texts: list[bytes], now_ns: int) -> None:
        if event == READY:
            self.counts["resumed" if session.was_resumed else "full"] += 1
            subject = session.identity or session.fingerprint
            self.numbers.setdefault(subject, len(self.numbers))
            self.peers[self.numbers[subject]] = session
        if event == FAILED:
            self.counts[session.why] += 1
        number = next((n for n, peer in self.peers.items() if peer is session), None)
        for text in texts:
            if number is not None:
                self.inner.receive(number, text, now_ns)
        if event not in (READY, DATA) and event:
            self.counts["ended"] += 1
            self._forget(session)

    def _forget(self, session: DtlsSession) -> None:
        for table in (self.by_address, self.by_cid, self.peers):
            for key in [key for key, held in table.items() if held is session]:
                del table[key]
        del self.addresses[session]

    def _sent(self, session: DtlsSession) -> None:
        self.out += [(self.addresses[session], datagram) for datagram in session.sent]
        session.sent.clear()

    def forget_everything(self) -> None:
        """As a server does that was restarted."""
        for session in list(self.addresses):
            self._forget(session)

    def close(self, number: int) -> None:
        """close_notify to one peer."""
        session = self.peers[number]
        self.out.append((self.addresses[session], session.close()))
        self._forget(session)

    def take(self, now_ns: int) -> list[tuple[Any, bytes]]:
        for session in [s for s in self.addresses if 0 <= s.due <= now_ns // MS]:
            event = session.handle_timeout(now_ns // MS)
            self._sent(session)
            self._handle(session, event, [], now_ns)
        for number, text in self.inner.take(now_ns):
            session = self.peers.get(number)
            if session is not None:
                self.out.append((self.addresses[session], session.write(text)))
        taken, self.out = self.out, []
        return taken

    def next_at(self, now_ns: int) -> int:
        due = [s.due * MS for s in self.addresses if s.due >= 0]
        return min([self.inner.next_at(now_ns), *due])
