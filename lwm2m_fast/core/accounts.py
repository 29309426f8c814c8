"""What a bootstrap server gives to a device: accounts (objects 0 and 1) and other instances.

Values, and the nodes they are on the wire. Knows neither where a device's configuration is kept nor
which instances a device has; core/bootstrap_plan.py chooses those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from lwm2m_fast.codec import Kind, Node, Path, Value

SECURITY: Final = 0
SERVER: Final = 1

NO_SERVER: Final = frozenset({0, 65_535})
"""Short server ids that stand for no LwM2M server (OMA Core, E.1, resource 10)."""


class SecurityMode(IntEnum):
    """Of one account (OMA Core, E.1, resource 2)."""

    PSK = 0
    RPK = 1
    X509 = 2
    NO_SEC = 3


class CertificateUsage(IntEnum):
    """What the server's certificate in an account stands for (OMA Core, E.1, resource 15)."""

    CA_CONSTRAINT = 0
    SERVICE_CERTIFICATE_CONSTRAINT = 1
    TRUST_ANCHOR_ASSERTION = 2
    DOMAIN_ISSUER_CERTIFICATE = 3


@dataclass(frozen=True, slots=True)
class ServerTerms:
    """How a device deals with one LwM2M server (object 1). None: not written."""

    lifetime_s: int
    min_period_s: int | None = None
    max_period_s: int | None = None
    disable_timeout_s: int | None = None
    stores_notifications: bool | None = None
    binding: str = "U"


@dataclass(frozen=True, slots=True)
class Account:
    """One server that a device shall know. None or empty: not written."""

    uri: str
    security_mode: SecurityMode
    short_id: int | None
    """1 to 65534 for an LwM2M server; for a bootstrap server usually None (LwM2M 1.1)."""
    terms: ServerTerms | None = None
    """None: this is the bootstrap server's own account, which has no object 1."""
    identity: bytes = b""
    """PSK identity in UTF-8, or the device's certificate in DER."""
    server_key: bytes = b""
    """The server's certificate (DER) or public key."""
    secret: bytes = field(default=b"", repr=False)
    """The PSK, or the device's private key (DER, PKCS#8)."""
    certificate_usage: CertificateUsage | None = None
    hold_off_s: int | None = None
    account_timeout_s: int | None = None
    """How long the device keeps the bootstrap server's account after a bootstrap; 0: for ever."""

    @property
    def is_bootstrap(self) -> bool:
        return self.terms is None


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that one bootstrap of one device does."""

    accounts: tuple[Account, ...]
    offset: int = 0
    """The lowest instance id that a new account may have, in both objects."""
    deletes: tuple[str, ...] = ()
    """Paths deleted first: "/", "/1", "/0/3"; a device keeps /3 and its bootstrap account."""
    objects: tuple[tuple[str, tuple[Node, ...]], ...] = ()
    """Further instances or resources, as a path and the nodes below it."""
    reads: tuple[str, ...] = ()
    """Read before the end (LwM2M 1.1: only /1 and /2); what comes is kept with the steps."""
    content_format: int | None = None
    """None: what the device asked for."""
    ends_at: tuple[str, ...] = ()
    """Kinds of steps ("write") whose refusal ends this bootstrap, beside those of the policy."""


def _written(path: Path, rows: tuple[tuple[int, Kind, Value], ...]) -> Iterator[Node]:
    for number, kind, value in rows:
        if value is not None:
            yield Node(path.child(number), value, kind)


def security_nodes(account: Account, instance: int) -> tuple[Node, ...]:
    """Object 0 (OMA Core, E.1) as instance `instance`; what is not set is not there.

    But resources 3, 4 and 5 are mandatory, and there are devices that refuse an instance without
    them: empty where the mode has no use for them. Not with certificates, where nothing is written
    over what a device may have from its factory.
    """
    identity, server_key, secret = _keys(account)
    usage = account.certificate_usage
    return tuple(
        _written(
            Path(SECURITY, instance),
            (
                (0, Kind.STRING, account.uri),
                (1, Kind.BOOLEAN, account.is_bootstrap),
                (2, Kind.INTEGER, int(account.security_mode)),
                (3, Kind.OPAQUE, identity),
                (4, Kind.OPAQUE, server_key),
                (5, Kind.OPAQUE, secret),
                (10, Kind.INTEGER, account.short_id),
                (11, Kind.INTEGER, account.hold_off_s),
                (12, Kind.INTEGER, account.account_timeout_s),
                (15, Kind.UNSIGNED_INTEGER, None if usage is None else int(usage)),
            ),
        )
    )


def _keys(account: Account) -> tuple[bytes | None, bytes | None, bytes | None]:
    if account.security_mode is SecurityMode.NO_SEC:
        return b"", b"", b""
    keys = account.identity, account.server_key, account.secret
    if account.security_mode is SecurityMode.PSK:
        return keys
    identity, server_key, secret = (key or None for key in keys)
    return identity, server_key, secret


def server_nodes(account: Account, instance: int) -> tuple[Node, ...]:
    """Object 1 (OMA Core, E.2) as instance `instance`; ValueError for a bootstrap server's."""
    terms = account.terms
    if terms is None:
        raise ValueError("a bootstrap server's account has no object 1")
    return tuple(
        _written(
            Path(SERVER, instance),
            (
                (0, Kind.INTEGER, account.short_id),
                (1, Kind.INTEGER, terms.lifetime_s),
                (2, Kind.INTEGER, terms.min_period_s),
                (3, Kind.INTEGER, terms.max_period_s),
                (5, Kind.INTEGER, terms.disable_timeout_s),
                (6, Kind.BOOLEAN, terms.stores_notifications),
                (7, Kind.STRING, terms.binding),
            ),
        )
    )
