"""Trust anchors: whose signature lets a certificate in, per tenant.

Kept sealed in the fleet store, so that who can write there cannot let anybody in; in memory as
long as the process runs. Whoever has no anchor trusts nobody. Knows no session: `pem()` is what the
DTLS library is given, anew after every change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from lwm2m_fast.errors import Conflict, NotFound, RequestError, StoreError
from lwm2m_fast.fleet.certificates import (
    UNREADABLE,
    certificate_facts,
    fingerprint,
    is_authority,
    read_certificates,
)
from lwm2m_fast.fleet.secured import DEFAULT_TENANT, MAX_CERTIFICATE_BYTES
from lwm2m_fast.fleet.vault import Vault

NAMESPACE = "trust"
MAX_ANCHORS = 256
"""Over all tenants: the library looks through all of them at a handshake."""

MAX_ROWS = 2 * MAX_ANCHORS
"""Looked at when it is made: older versions counted those only that can be used."""

MAX_PEM_BYTES = 256 * 1024


class Fleet(Protocol):
    """The part of the fleet store (store/base.py) that trust anchors need."""

    def apply(self, changes: Sequence[tuple[str, bytes, bytes | None]]) -> None: ...

    def scan(
        self, namespace: str, after: bytes | None = None, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]: ...


class Anchor:
    """One trusted certificate of one tenant; `is_lent`: by the configuration, for this run."""

    def __init__(self, tenant: str, der: bytes, *, is_lent: bool = False) -> None:
        self.tenant, self.der, self.is_lent = tenant, der, is_lent
        self.certificate = x509.load_der_x509_certificate(der)
        self.fingerprint = fingerprint(der)

    @property
    def key(self) -> bytes:
        return self.tenant.encode() + b"\0" + bytes.fromhex(self.fingerprint)

    def shown(self) -> dict[str, Any]:
        facts = certificate_facts(self.der)
        return {"tenant": self.tenant, "is_configured": self.is_lent, **facts}


class Trust:
    """All anchors. Reading is safe from any thread; writing blocks on the disk, one at a time."""

    def __init__(
        self, fleet: Fleet, vault: Vault, unfit: Callable[[bytes], str | None] | None = None
    ) -> None:
        """`unfit` says why the DTLS library cannot use a certificate (DER); None: it can."""
        self._fleet, self._vault = fleet, vault
        self._unfit = unfit or (lambda der: None)
        self._unusable: dict[bytes, dict[str, Any]] = {}
        """Rows that were changed on the disk, or are unfit, as shown: they let nobody in."""
        self._anchors: dict[bytes, Anchor] = {}
        self._shorts: frozenset[bytes] = frozenset()
        self._shorts_of: dict[bytes, Anchor] | None = None
        """The anchors that `_shorts` are of: a million sessions may ask at a start."""
        for key, row in fleet.scan(NAMESPACE, None, MAX_ROWS):
            self._load(key, row)

    def _load(self, key: bytes, row: bytes) -> None:
        tenant, _, digest = key.partition(b"\0")
        shown: dict[str, Any] = {
            "tenant": tenant.decode(errors="replace"),
            "is_configured": False,
            **dict.fromkeys(("subject", "not_before", "not_after")),
            "sha256": digest.hex(),
        }
        try:
            anchor = Anchor(tenant.decode(), self._vault.unseal(row, b"trust\0" + key))
            shown |= anchor.shown()
            why = self._unfit(anchor.der)
        except (StoreError, *UNREADABLE) as error:
            why = str(error)
        if why is None:
            self._anchors[key] = anchor
        else:  # an unfit one would be in the way of all
            self._unusable[key] = {**shown, "problem": why}

    def __len__(self) -> int:
        return len(self._anchors)

    @property
    def unusable(self) -> int:
        """How many are stored that let nobody in; they are shown with a `problem`."""
        return len(self._unusable)

    def shown(self) -> list[dict[str, Any]]:
        """`tenant`, `is_configured`, and what certificate_facts() has, of each, ready for JSON.

        One that is stored and cannot be used has a `problem` in words; what it says is null where
        it cannot be read.
        """
        shown = {key: {**one.shown(), "problem": None} for key, one in self._anchors.items()}
        shown |= self._unusable
        return [shown[key] for key in sorted(shown)]

    def pem(self) -> bytes:
        """All of them in one text; empty: nobody is trusted."""
        certificates = {one.fingerprint: one.certificate for one in self._anchors.values()}
        return b"".join(one.public_bytes(Encoding.PEM) for one in certificates.values())

    def has(self, tenant: str) -> bool:
        """Whether a tenant trusts anybody."""
        return any(one.tenant == tenant for one in self._anchors.values())

    def tenant_of(self, certificate: x509.Certificate) -> str | None:
        """Whose anchor let a certificate in that the library has found good; None: nobody's.

        As long as one tenant has anchors, it is that one. Where there are several, the anchor must
        have signed the certificate itself: of a longer chain only the leaf is known here, and names
        alone prove nothing. (An intermediate CA can be an anchor too.)
        """
        anchors = list(self._anchors.values())
        tenants = {one.tenant for one in anchors}
        if len(tenants) == 1:
            return tenants.pop()
        signers = {one.tenant for one in anchors if _has_signed(one.certificate, certificate)}
        return signers.pop() if len(signers) == 1 else None

    def anchor_of(self, certificate: x509.Certificate) -> bytes:
        """Which anchor vouches for a certificate that the library has found good, as short_of() has
        it; or, as of a longer chain only the leaf is known (tenant_of), which anchors there were.
        Empty: there are none."""
        anchors = {one.fingerprint: one for one in self._anchors.values()}
        if len(anchors) > 1:
            anchors = {
                name: one
                for name, one in anchors.items()
                if _has_signed(one.certificate, certificate)
            }
        if len(anchors) == 1:
            return short_of(next(iter(anchors)))
        return short_of_all(self._anchors.values()) if self._anchors else b""

    def has_anchor(self, short: bytes) -> bool:
        """Whether an anchor, as anchor_of() has it, is trusted by anybody; or, where it said which
        there were, whether they are the same."""
        if self._shorts_of is not self._anchors:
            anchors = self._anchors
            shorts = {short_of(one.fingerprint) for one in anchors.values()}
            self._shorts = frozenset({*shorts, short_of_all(anchors.values())})
            self._shorts_of = anchors
        return short in self._shorts

    def add(self, pem: bytes, tenant: str = DEFAULT_TENANT) -> list[dict[str, Any]]:
        """Trust every certificate in `pem`; all of them or none. Returns them as shown.

        RequestError: no PEM, not a certificate authority, or too many; StoreError: not kept. One
        that is trusted already is no error.
        """
        anchors, fresh = self._read(pem, tenant, is_lent=False)
        seal = self._vault.seal
        rows = [(NAMESPACE, key, seal(one.der, b"trust\0" + key)) for key, one in fresh.items()]
        self._fleet.apply(rows)
        self._anchors = {**self._anchors, **fresh}
        self._forget_unusable(fresh)  # a row that was changed on the disk is good again
        return [one.shown() for one in anchors]

    def lend(self, pem: bytes, tenant: str = DEFAULT_TENANT) -> int:
        """Trust every certificate in `pem` as long as the process runs: nothing is stored.

        For anchors that stand in a file of the configuration. RequestError as add(). How many.
        """
        anchors, fresh = self._read(pem, tenant, is_lent=True)
        self._anchors = {**self._anchors, **fresh}
        self._forget_unusable(fresh)  # trusted all the same, whatever its row has become
        return len(anchors)

    def _read(
        self, pem: bytes, tenant: str, *, is_lent: bool
    ) -> tuple[list[Anchor], dict[bytes, Anchor]]:
        """The anchors in `pem`, and those of them that are new; RequestError as add()."""
        if len(pem) > MAX_PEM_BYTES:
            raise RequestError(f"the PEM has {len(pem)} bytes, allowed are {MAX_PEM_BYTES}")
        if b"PRIVATE KEY-----" in pem:
            raise RequestError("the PEM has a private key in it; give the certificates only")
        ders = read_certificates("the PEM", pem)
        anchors = [Anchor(tenant, der, is_lent=is_lent) for der in ders]
        for one in anchors:
            _check_anchor(one)
            why = self._unfit(one.der)
            if why is not None:
                subject = one.certificate.subject.rfc4514_string()
                raise RequestError(f"the certificate of {subject!r:.80} cannot be used: {why}")
        fresh = {one.key: one for one in anchors if one.key not in self._anchors}
        known = len(self._anchors) + len(self._unusable.keys() - fresh.keys())
        if known + len(fresh) > MAX_ANCHORS:
            raise RequestError(
                f"there are {known} trust anchors and {len(fresh)} are new: "
                f"{MAX_ANCHORS} is the limit"
            )
        return anchors, fresh

    def remove(self, sha256: str, tenant: str = DEFAULT_TENANT) -> None:
        """Trust this one no more, or forget one that cannot be used.

        NotFound; Conflict: the configuration has it; StoreError: it is still trusted.
        """
        wanted = sha256.replace(":", "").lower()
        found = [
            key
            for key, one in self._anchors.items()
            if one.tenant == tenant and one.fingerprint == wanted
        ]
        found += [
            key
            for key, shown in self._unusable.items()
            if shown["tenant"] == tenant and shown["sha256"] == wanted
        ]
        if not found:
            raise NotFound(f"no trust anchor has the SHA-256 {sha256[:100]!a}")
        if any(key in self._anchors and self._anchors[key].is_lent for key in found):
            raise Conflict(
                "this trust anchor is in a file that the configuration names (dtls.anchors); "
                "take it out there"
            )
        self._fleet.apply([(NAMESPACE, key, None) for key in found])
        self._anchors = {key: one for key, one in self._anchors.items() if key not in found}
        self._forget_unusable(found)

    def _forget_unusable(self, keys: Iterable[bytes]) -> None:
        gone = frozenset(keys)
        self._unusable = {key: one for key, one in self._unusable.items() if key not in gone}


def short_of(sha256: str) -> bytes:
    """The first 8 bytes of a fingerprint: enough to tell MAX_ANCHORS apart."""
    return bytes.fromhex(sha256.replace(":", ""))[:8]


def short_of_all(anchors: Iterable[Anchor]) -> bytes:
    """What stands for all of several, in as many bytes."""
    prints = sorted({one.fingerprint for one in anchors})
    return hashlib.sha256("all ".join(["", *prints]).encode()).digest()[:8]


def _check_anchor(anchor: Anchor) -> None:
    subject = anchor.certificate.subject.rfc4514_string()
    if len(anchor.der) > MAX_CERTIFICATE_BYTES:
        raise RequestError(
            f"the certificate of {subject!r:.80} has {len(anchor.der)} bytes, "
            f"allowed are {MAX_CERTIFICATE_BYTES}"
        )
    if not is_authority(anchor.certificate):
        raise RequestError(
            f"the certificate of {subject!r:.80} is not that of a certificate authority; "
            "a device's own is pinned in its credential"
        )


def _has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        if authority.subject != certificate.issuer:
            return False
        certificate.verify_directly_issued_by(authority)
    except (TypeError, InvalidSignature, *UNREADABLE):
        return False
    return True
