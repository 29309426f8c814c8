"""Who may open a session: what DTLS asks during handshakes, answered from the credentials.

Called on the loop in the middle of a handshake, so each answer is a look or two at the store, and
none raises: what cannot be read lets nobody in, and is counted. Knows no address and no record.
"""

from __future__ import annotations

import hashlib

from cryptography import x509

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.certificates import UNREADABLE, names_of
from lwm2m_fast.fleet.credential_rows import Mark
from lwm2m_fast.fleet.credentials import (
    KIND_PSK,
    KIND_X509,
    Credentials,
    x509_subject,
)
from lwm2m_fast.fleet.secured import SIDES
from lwm2m_fast.fleet.trust import Trust

# mbedTLS, x509.h: MBEDTLS_X509_BADCERT_*. Any flag that is left refuses.
EXPIRED, NAME_MISMATCH, NOT_TRUSTED, OTHER, FUTURE = 0x01, 0x04, 0x08, 0x0100, 0x0200

BY_NAME = frozenset({Mark.NONE, Mark.AUTHORITY})
"""Endpoints for which the certificate of a trusted CA is good enough."""

Verdict = tuple[int, bytes, tuple[str, ...]]


class Admission:
    """The `Credentials` of net/dtls for one side of the fleet, "server" or "bootstrap"."""

    def __init__(
        self,
        credentials: Credentials,
        trust: Trust,
        side: str = "server",
        *,
        check_validity: bool = True,
    ) -> None:
        self._credentials, self._trust = credentials, trust
        self._side = SIDES.index(side)
        self._ignored = 0 if check_validity else EXPIRED | FUTURE
        self._unusable = 0
        self._anchor = b""

    def psk(self, identity: bytes) -> tuple[bytes, tuple[str, ...]] | None:
        """Key and endpoint names of a PSK identity; None: unknown."""
        try:
            found = self._credentials.psk(identity, self._side)
        except StoreError:
            self._unusable += 1
            return None
        if found is None:
            return None
        key, endpoint = found
        return key, (endpoint,)

    def certificate(self, leaf_der: bytes, flags: int) -> Verdict:
        """Flags that shall count (0: accepted), subject, endpoint names it may speak for.

        `flags` are what checking the chain against trust.pem() has found.
        """
        try:
            return self._judged(leaf_der, flags & ~self._ignored)
        except StoreError:
            self._unusable += 1
        except UNREADABLE:  # not a certificate that can be read
            pass
        return flags | OTHER, b"", ()

    def anchor(self) -> bytes:
        """Which anchor vouches for the certificate that was judged last, or which there were where
        that is not known (Trust.anchor_of); empty: it is pinned."""
        return self._anchor

    def has_anchor(self, anchor: bytes) -> bool:
        """Whether that one is trusted still, or those are the same."""
        return self._trust.has_anchor(anchor)

    def _judged(self, leaf_der: bytes, flags: int) -> Verdict:
        self._anchor = b""
        pinned = self._credentials.pinned(hashlib.sha256(leaf_der).digest(), self._side)
        if pinned is not None:
            # It is trusted by itself; what else is wrong with it still counts.
            return self._verdict(flags & ~NOT_TRUSTED, pinned[0], (pinned[1],))
        certificate = x509.load_der_x509_certificate(leaf_der)
        tenant = None if flags & NOT_TRUSTED else self._trust.tenant_of(certificate)
        if tenant is None:
            return flags | NOT_TRUSTED, b"", ()
        self._anchor = self._trust.anchor_of(certificate)
        names = tuple(name for name in names_of(certificate) if self._is_by_name(tenant, name))
        return self._verdict(flags if names else flags | NAME_MISMATCH, tenant, names)

    def _verdict(self, flags: int, tenant: str, names: tuple[str, ...]) -> Verdict:
        return (flags, b"", ()) if flags else (0, x509_subject(tenant, names[0]), names)

    def _is_by_name(self, tenant: str, name: str) -> bool:
        mark = self._credentials.mark(name, self._side)
        if mark is Mark.NONE:
            return True
        return mark in BY_NAME and self._credentials.tenant(name) == tenant

    def is_current(self, kind: int, subject: bytes) -> bool:
        """Whether a session of before is still good: its credential, or what it trusted, is there.

        Says nothing of a key that was replaced meanwhile; a Change ends those sessions.
        """
        try:
            if kind == KIND_PSK:
                return self._credentials.psk(subject, self._side) is not None
            return kind == KIND_X509 and self._is_current_name(subject)
        except StoreError:
            self._unusable += 1
            return False

    def _is_current_name(self, subject: bytes) -> bool:
        tenant, _, name = subject.decode(errors="replace").partition("\0")
        mark = self._credentials.mark(name, self._side) if name else Mark.NO_SEC
        return mark is Mark.PINNED or (mark in BY_NAME and self._trust.has(tenant))

    def is_current_certificate(self, digest: bytes, subject: bytes, names: tuple[str, ...]) -> bool:
        """Whether certificate() would still say this of a certificate with this SHA-256.

        For a resumption, where the certificate itself does not come again. Which anchor vouched for
        it is not known any more: what is resumed must not be older than the anchors.
        """
        try:
            pinned = self._credentials.pinned(digest, self._side)
            if pinned is not None:
                return subject == x509_subject(*pinned) and names == pinned[1:]
            tenant = subject.decode(errors="replace").partition("\0")[0]
            if not names or subject != x509_subject(tenant, names[0]):
                return False
            return self._trust.has(tenant) and all(self._is_by_name(tenant, one) for one in names)
        except StoreError:
            self._unusable += 1
            return False

    def counters(self) -> dict[str, int]:
        return {f"{SIDES[self._side]}_credentials_unusable": self._unusable}
