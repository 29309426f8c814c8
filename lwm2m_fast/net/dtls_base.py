"""What a DTLS endpoint is given, asks and tells. Knows no socket and no session."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol, TypedDict

from lwm2m_fast.errors import ConfigError

PSK, X509 = 1, 2
"""How a peer has shown who it is."""

SUITES = {
    "TLS_PSK_WITH_AES_128_CCM_8": 1,
    "TLS_PSK_WITH_AES_128_GCM_SHA256": 2,
    "TLS_PSK_WITH_AES_128_CBC_SHA256": 4,
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8": 8,
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": 16,
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": 32,
}
"""Cipher suites by IANA name, in our order of preference; the numbers are csrc/lf_dtls.h's."""

MOST_SESSIONS = 1 << 24
"""A connection id has three bytes for the number of a session."""


class Credentials(Protocol):
    """Asked during handshakes, on the loop: must be quick."""

    def psk(self, identity: bytes) -> tuple[bytes, tuple[str, ...]] | None:
        """The key and the endpoint names it may speak for; None: unknown."""

    def certificate(self, leaf_der: bytes, flags: int) -> tuple[int, bytes, tuple[str, ...]]:
        """The flags that shall count (0: accepted), what it stands for, and its endpoint names.

        `flags` are mbedTLS's MBEDTLS_X509_BADCERT_*, 0 when the chain is good.
        """

    def anchor(self) -> bytes:
        """What vouches for the certificate that was judged last, in 8 bytes; empty: nothing does,
        or it is not known."""

    def has_anchor(self, anchor: bytes) -> bool:
        """Whether it still does."""

    def is_current(self, kind: int, subject: bytes) -> bool:
        """Whether a peer of a loaded session would still be let in."""

    def is_current_certificate(self, digest: bytes, subject: bytes, names: tuple[str, ...]) -> bool:
        """Whether certificate() would still say this of the certificate with this SHA-256."""


class SessionListener(Protocol):
    """Told of sessions, in the middle of the endpoint's own calls; must not raise."""

    def opened(self, principal: bytes, kind: int, subject: bytes, names: tuple[str, ...]) -> None:
        """Authenticated, before its first datagram; for a loaded session, in load()."""

    def replaced(self, principal: bytes) -> None:
        """Another session of the same principal took over, behind its opened()."""

    def ended(self, principal: bytes) -> None:
        """There is neither a live nor a saved session of it any more."""

    def refused(self, address: str, why: str, identity: str | None) -> None:
        """A handshake failed; at most one call a second, the counters have them all."""


class Where(TypedDict):
    """What is known of a principal's session."""

    address: str
    cid: bool
    suite: str
    kind: int
    identity: str
    since: float
    live: bool


@dataclass(frozen=True, slots=True)
class DtlsOptions:
    """Bounds and times of a DTLS endpoint. ConfigError names the value that cannot be."""

    suites: tuple[str, ...] = tuple(SUITES)
    cid_length: int | None = 6
    """Of our own connection ids, 0 to 16; None: the extension is not used."""
    shard: int = 0
    """The worker's number, first byte of its connection ids from two bytes on."""
    max_sessions: int = 1_000_000
    max_handshakes: int = 1_000
    """Under way at once. One more is not begun: whoever was first goes on."""
    handshakes_per_prefix_s: float = 0.0
    """By IPv4 /24 or IPv6 /56; 0: no limit."""
    handshake_ms_per_wakeup: float = 5.0
    """Between two looks at the sockets; a step is never cut short (a certificate's: 3 ms)."""
    handshake_timeout_s: float = 60.0
    idle_save_s: float = 10.0
    """Without a record for so long, a session gives its buffers back."""
    session_timeout_s: float = 7 * 86400.0
    """Without a record for so long, a session ends."""
    resumptions: int = 0
    """Sessions kept for resumption by session id, 0 to 65535."""
    resumption_s: int = 86400
    retransmit_first_s: float = 2.0
    retransmit_most_s: float = 20.0
    mtu: int = 1280
    """Largest datagram of a handshake."""

    def __post_init__(self) -> None:
        unknown = [suite for suite in self.suites if suite not in SUITES]
        if unknown or not self.suites:
            raise ConfigError(f"dtls.suites: {unknown or 'none'}; known are {', '.join(SUITES)}")
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ConfigError(f"dtls.{name} is {value}, allowed are {least} to {most}")


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("cid_length", 0, 16),
    ("shard", 0, 255),
    ("max_sessions", 1, MOST_SESSIONS),
    ("max_handshakes", 1, 1 << 20),
    ("handshakes_per_prefix_s", 0, 1e6),
    ("handshake_ms_per_wakeup", 0, 1000),
    ("handshake_timeout_s", 0.1, 3600),
    ("idle_save_s", 0.1, 1e8),
    ("session_timeout_s", 0.1, 3e8),
    ("resumptions", 0, 65535),
    ("resumption_s", 0, 1 << 31),
    ("retransmit_first_s", 0.1, 60),
    ("retransmit_most_s", 0.1, 300),
    ("mtu", 256, 1500),
)


def principal_of(kind: int, subject: bytes) -> bytes:
    """The 16 bytes that are a secure peer's address inside: the first half of a SHA-256."""
    return hashlib.sha256(bytes([kind]) + subject).digest()[:16]
