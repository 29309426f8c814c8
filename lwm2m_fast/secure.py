"""The secure side of a running server: DTLS tells the engine who is here, and people tell DTLS who
may be.

Knows net/dtls, the engine, credentials and trust; no record, no datagram, no HTTP. Everything is
called on the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.events import Event
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.errors import StoreError, UnknownDevice
from lwm2m_fast.faults import Faults
from lwm2m_fast.fleet.credential_rows import Mark
from lwm2m_fast.fleet.credentials import KIND_X509, Change
from lwm2m_fast.fleet.secured import SIDES
from lwm2m_fast.server_identity import Identity, ServerIdentity

ENDED_AT_ONCE = 128
"""Registrations, or sessions, that are ended before the loop gets its turn."""

RETRY_S = 1.0
"""When a registration that the store could not let go of is tried again."""

READ_AGAIN = 60
"""How often, RETRY_S apart, a credential is read again that a store in trouble could not show."""

SETTLED_AT_ONCE = 4096
"""Changes that are forgotten in one transaction."""

REMOVED = "its credentials were removed"
ANOTHER = "it has other credentials now than the certificate that it registered with"
ONLY_SECURE = "it has credentials now, and may no longer register without security"
ONLY_PLAIN = "it may register only without security now"

_log = logging.getLogger("lwm2m_fast.secure")


class Dtls(Protocol):
    """The part of net/dtls that is needed here."""

    @property
    def fault(self) -> Exception | None: ...
    def end(self, principal: bytes) -> bool: ...
    def anchor(self, principal: bytes) -> bytes: ...
    def where(self, principal: bytes) -> Any: ...
    def set_certificate(
        self, chain: bytes | None, key: bytes | None, anchors: bytes | None
    ) -> None: ...


async def _at_once() -> None:
    """There is no store to wait for."""


def required(mark: Mark) -> int | None:
    """What a credential says of the port (core/access.pyx: require)."""
    return {Mark.NONE: None, Mark.NO_SEC: 0}.get(mark, 1)


class SecureSide:
    """Implements net/dtls's SessionListener.

    `principal_of` is net/dtls's.
    """

    def __init__(
        self,
        engine: Engine,
        security: DeviceCredentials,
        principal_of: Callable[[int, bytes], bytes],
        side: str = "server",
        faults: Faults | None = None,
    ) -> None:
        self._faults = faults or Faults()
        self._engine, self._security = engine, security
        self._principal_of, self._side = principal_of, side
        self._act: Callable[[], None] = lambda: None
        self._publish: Callable[[Sequence[Event]], None] = lambda events: None
        self._loop = asyncio.get_running_loop()
        self._dtls: Dtls | None = None
        self._identity: ServerIdentity | None = None
        self._kept: Callable[[], Awaitable[None]] = _at_once
        self._to_end: dict[str, str] = {}
        self._unsettled: list[Change] = []
        """Changes that are done once nothing is left to end."""
        self._forgetting: asyncio.Task[None] | None = None
        self._settling: asyncio.Handle | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._gone: set[bytes] = set()
        """Anchors whose sessions are being ended."""
        self.refused_identity: Callable[[str, str], None] | None = None
        """Is told, too, by which PSK identity a handshake was refused, and why."""
        self.handshakes_refused_told = self.sessions_refused = self.registrations_ended = 0
        security.changed.append(self.changed)
        security.trust_changed.append(self.trust_changed)

    def load(self) -> int:
        """At the start, behind the registrations: what each endpoint with a credential may do; how
        many there are."""
        return self._security.load(self._require)

    def attach(self, dtls: Dtls, identity: ServerIdentity | None) -> None:
        """The endpoint, once it listens, and the server's certificate, if it has one."""
        self._dtls, self._identity = dtls, identity
        self._engine.where = self.where

    def attach_turns(
        self,
        act: Callable[[], None],
        publish: Callable[[Sequence[Event]], None],
        kept: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        """`act` finishes what was asked of the engine, `publish` tells events, `kept` waits until
        the store has everything (turn.py: Turns)."""
        self._act, self._publish, self._kept = act, publish, kept

    def resume(self) -> int:
        """At the start, behind registrations and sessions: do what the run before was about to do
        when it ended; how many changes that were."""
        changes = list(self._security.unsettled())
        for change in changes:
            self.changed(change)
        return len(changes)

    def look(self) -> None:
        """Now and then: say what went wrong on our side of a handshake."""
        fault = None if self._dtls is None else self._dtls.fault
        if fault is not None:
            _log.error("a handshake failed inside the server", exc_info=fault)

    def stop(self) -> None:
        """End what would go on by itself, and hear of no change any more."""
        with contextlib.suppress(ValueError):  # a second time
            self._security.changed.remove(self.changed)
            self._security.trust_changed.remove(self.trust_changed)
        if self._settling is not None:
            self._settling.cancel()
        for task in (self._clearing, self._forgetting):
            if task is not None:
                task.cancel()

    # What DTLS finds out

    def opened(self, principal: bytes, kind: int, subject: bytes, names: tuple[str, ...]) -> None:
        if not self._engine.secure_peer(principal, kind, names):
            self.sessions_refused += 1

    def replaced(self, principal: bytes) -> None:
        self._engine.secure_peer_replaced(principal)

    def ended(self, principal: bytes) -> None:
        self._engine.secure_peer_gone(principal)

    def refused(self, address: str, why: str, identity: str | None) -> None:
        self.handshakes_refused_told += 1
        facts = {"address": address, "reason": why, "identity": identity}
        _log.warning("a handshake was refused", extra=facts)
        event = Event("handshake_refused", "", time.time(), facts)
        # Not at once: this is the middle of receiving.
        self._loop.call_soon(self._publish, [event])
        if identity is not None and self.refused_identity is not None:
            self._loop.call_soon(self.refused_identity, identity, why)

    def where(self, principal: bytes) -> dict[str, Any] | None:
        """What is shown of a secure device (core/hooks.pyx: where)."""
        found = None if self._dtls is None else self._dtls.where(principal)
        if found is None:
            return None
        # A certificate's subject is its tenant and its name (fleet/credentials.py).
        return {**found, "identity": found["identity"].rpartition("\0")[2]}

    # What people change

    def changed(self, change: Change) -> None:
        """A credential has become another, and the disk has it."""
        if change.side != self._side:
            return
        principals = {self._principal_of(kind, subject) for kind, subject in change.ended}
        holder = self._engine.principal(change.endpoint)
        is_certified = any(kind == KIND_X509 for kind, _ in change.ended)
        if is_certified and holder is not None and holder not in principals:
            # Who registered it came by a certificate with several names, under another of them.
            principals.add(holder)
            if change.mark is not Mark.NONE:
                self._end_soon(change.endpoint, ANOTHER)
        if self._dtls is not None:
            for principal in principals:
                self._dtls.end(principal)
        if change.mark is Mark.NONE and holder in principals:
            self._end_soon(change.endpoint, REMOVED)
        self._require(change.endpoint, change.mark)
        if change.ticket is not None:
            self._unsettled.append(change)
            self._settle_soon()

    def _require(self, endpoint: str, mark: Mark) -> None:
        if self._side != "server":  # who may bootstrap is asked when it does (bootstrap/sessions)
            return
        mode = required(mark)
        if self._engine.require(endpoint, mode):
            self._end_soon(endpoint, ONLY_SECURE if mode else ONLY_PLAIN)

    def end_registration(self, endpoint: str, reason: str) -> None:
        """The device is not wanted any longer; soon its registration is gone."""
        self._end_soon(endpoint, reason)

    async def until_ended(self) -> None:
        """Wait until what is to be ended has ended and that is told; not where the store refuses,
        which takes what time it takes."""
        for _ in range(len(self._to_end) // ENDED_AT_ONCE + 2):
            await asyncio.sleep(0)
        with contextlib.suppress(StoreError):
            await self._kept()

    def _end_soon(self, endpoint: str, reason: str) -> None:
        self._to_end[endpoint] = reason
        self._settle_soon()

    def _settle_soon(self) -> None:
        if self._settling is None:
            self._settling = self._loop.call_soon(self._settle)

    def _settle(self) -> None:
        """End the registrations that lost their ground; those that the store refuses, later."""
        self._settling = None
        is_faulty = False
        for _ in range(min(len(self._to_end), ENDED_AT_ONCE)):
            endpoint, reason = next(iter(self._to_end.items()))
            del self._to_end[endpoint]
            try:
                self._engine.deregister(endpoint, time.monotonic(), reason)
                self.registrations_ended += 1
            except UnknownDevice:
                pass
            except StoreError:
                self._to_end[endpoint] = reason
                self._settling = self._loop.call_later(RETRY_S, self._settle)
                break
            except Exception as fault:  # behind the others, as it is in nobody's way
                self._faults.note(fault, "a registration that ends")
                self._to_end[endpoint] = reason
                is_faulty = True
        self._act()
        if self._to_end and self._settling is None:
            if is_faulty:
                self._settling = self._loop.call_later(RETRY_S, self._settle)
            else:
                self._settling = self._loop.call_soon(self._settle)
        if not self._to_end and self._unsettled and self._forgetting is None:
            self._forgetting = self._loop.create_task(self._forget())

    async def _forget(self) -> None:
        """Let go of what stands on disk for changes that are done, once the store has that they
        are; a process that ends before does them again."""
        changes, self._unsettled = self._unsettled, []
        try:
            await self._kept()
        except StoreError:  # what was ended is back
            await self._change_again(changes)
            changes = []
        try:
            while changes:
                some = changes[:SETTLED_AT_ONCE]
                await self._security.settle([change.ticket for change in some if change.ticket])
                del changes[:SETTLED_AT_ONCE]
        except StoreError:
            await asyncio.sleep(RETRY_S)
        self._unsettled = changes + self._unsettled
        self._forgetting = None
        if self._unsettled:
            self._settle_soon()

    async def _change_again(self, changes: Sequence[Change]) -> None:
        """As things are then. What cannot be read for long stays on disk, for the next run."""
        for _ in range(READ_AGAIN):
            await asyncio.sleep(RETRY_S)
            unread = []
            for change in changes:
                try:
                    mark = self._security.credentials.mark(change.endpoint)
                except StoreError:
                    unread.append(change)
                else:
                    self.changed(replace(change, mark=mark))
            if not (changes := unread):
                return

    def trust_changed(self, gone: bytes | None) -> None:
        """The trust anchors are others; where one has gone, its devices have to show again who they
        are."""
        self.use_certificate(None)
        if gone is None or self._dtls is None:
            return
        self._gone.add(gone)
        if self._clearing is not None:
            self._clearing.cancel()
        self._clearing = self._loop.create_task(self._end_by_authority(self._dtls))

    async def _end_by_authority(self, dtls: Dtls) -> None:
        """End every session that stands on an anchor that has gone, or may: of a longer chain
        nobody knows on which."""
        cursor: int | None = 0
        gone = {b"", *self._gone}
        while cursor is not None:
            found, cursor = self._engine.secure_peers(KIND_X509, cursor, ENDED_AT_ONCE)
            for principal, name in found:
                anchor = dtls.anchor(principal)
                if anchor not in gone and self._security.trust.has_anchor(anchor):
                    continue
                if not self._is_pinned(name):
                    dtls.end(principal)
            await asyncio.sleep(0)
        self._gone.clear()  # a later one begins this anew, with all of them

    def _is_pinned(self, name: str) -> bool:
        try:
            mark = self._security.credentials.mark(name, SIDES.index(self._side))
        except StoreError:  # it has to show again who it is
            return False
        return mark is Mark.PINNED

    def use_certificate(self, _: Identity | None) -> None:
        """Give DTLS the certificate and the anchors as they are now, for new handshakes."""
        if self._dtls is None:
            return
        chain, key = chain_and_key(self._identity)
        self._dtls.set_certificate(chain, key, self._security.trust.pem() or None)

    def counters(self) -> dict[str, int]:
        return {
            "dtls_sessions_without_a_place": self.sessions_refused,
            "dtls_refusals_told": self.handshakes_refused_told,
            "registrations_ended_by_credentials": self.registrations_ended,
        }


def chain_and_key(identity: ServerIdentity | None) -> tuple[bytes | None, bytes | None]:
    """What a DTLS context is made from; None twice: no X.509."""
    current = None if identity is None else identity.current
    return (None, None) if current is None else (current.chain, current.key)
