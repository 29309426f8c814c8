"""Which credential each endpoint has, and what is unique among them.

A PSK identity, and a pinned certificate, belongs to one endpoint over all tenants and both sides;
the endpoint may use it on both. Rows of the fleet store, sealed, as credential_rows.py has them.
Knows no HTTP, no clock and no session.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lwm2m_fast.errors import Conflict, RequestError, StoreError
from lwm2m_fast.fleet.credential_rows import (
    CREDENTIAL,
    ENDED,
    PIN,
    PSK,
    Ended,
    Mark,
    Place,
    about,
    build_credential,
    build_ended,
    claim_words,
    mark_in,
    mark_of,
    owner_in,
    parse_ended,
    parse_pin,
    parse_psk,
    parse_psk_side,
    parse_row,
    place,
    places,
    with_key,
    with_pin,
)
from lwm2m_fast.fleet.secured import (
    DEFAULT_TENANT,
    MAX_IDENTITY_BYTES,
    MAX_KEY_BYTES,
    SIDES,
    Credential,
    Mode,
    Security,
    endpoint_bytes,
)
from lwm2m_fast.fleet.vault import Vault

MAX_CREDENTIALS = 4_000_000
KIND_PSK, KIND_X509 = 1, 2
"""As in net/dtls: how a peer has shown who it is."""

Changes = list[tuple[str, bytes, bytes | None]]

_ABOUT_PSK = about(PSK, b"")


class Fleet(Protocol):
    """The part of the fleet store (store/base.py) that credentials need."""

    def apply(self, changes: Sequence[tuple[str, bytes, bytes | None]]) -> None: ...

    def get(self, namespace: str, key: bytes) -> bytes | None: ...

    def scan(
        self, namespace: str, after: bytes | None = None, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one side of one endpoint, once it is on disk."""

    endpoint: str
    side: str
    mark: Mark
    ended: Ended
    ticket: bytes | None = None
    """What stands on disk until nothing of the sessions is left (Credentials.settle); None: nothing
    does."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows that a transaction has to write, and what is to be told once it has."""

    changes: Changes
    told: tuple[Change, ...]
    is_fresh: bool
    """There is one more (of a removal: one less) afterwards."""


def wanted_places(one: Credential) -> Iterator[Place]:
    """Where rows would stand against keeping this credential."""
    yield CREDENTIAL, one.endpoint.encode()
    yield from places(one)


def x509_subject(tenant: str, name: str) -> bytes:
    """What a certificate stands for: it stays when the certificate is renewed."""
    return tenant.encode() + b"\0" + name.encode()


class Credentials:
    """All credentials. Reading is quick and safe from any thread; writing blocks on the disk.

    One writer at a time: what is unique is looked up first and written then.
    """

    def __init__(self, fleet: Fleet, vault: Vault, longest_key: int = MAX_KEY_BYTES) -> None:
        """`longest_key`: bytes of the longest pre-shared key that DTLS here can use."""
        self._fleet, self._vault, self._longest_key = fleet, vault, longest_key
        self._count = 0
        self._last_ticket = 0

    def load(self, told: Callable[[str, Mark], None] | None = None) -> int:
        """Once at start: count what is stored, and tell the mark of each endpoint's server side.

        A row that begins with no mark is told as PSK: secured by what nobody has.
        """
        self._count = 0
        for key, _ in self._fleet.scan(ENDED):
            self._last_ticket = int.from_bytes(key, "big")
        for key, row in self._fleet.scan(CREDENTIAL):
            self._count += 1
            if told is None:
                continue
            try:
                mark = mark_in(row, 0)
            except StoreError:
                mark = Mark.PSK
            told(key.decode(), mark)
        return self._count

    def __len__(self) -> int:
        return self._count

    # -- asked during handshakes

    def psk(self, identity: bytes, side: int = 0) -> tuple[bytes, str] | None:
        """Key and endpoint of a PSK identity on a side (0 server, 1 bootstrap); None: unknown.

        StoreError: the row was changed on the disk, or cannot be read.
        """
        if not 1 <= len(identity) <= MAX_IDENTITY_BYTES:
            return None
        row = self._fleet.get(PSK, identity)
        if row is None:
            return None
        found = parse_psk_side(self._vault.unseal(row, _ABOUT_PSK + identity), side)
        return found if found[0] else None

    def endpoint_of(self, identity: str) -> str | None:
        """Whose a PSK identity is, on whatever side; StoreError as psk()."""
        found = (self.psk(identity.encode("utf-8", "replace"), side) for side in range(len(SIDES)))
        return next((one[1] for one in found if one is not None), None)

    def pinned(self, digest: bytes, side: int = 0) -> tuple[str, str] | None:
        """Tenant and endpoint that a certificate with this SHA-256 is pinned for; else as psk()."""
        row = self._fleet.get(PIN, digest)
        if row is None:
            return None
        sides, tenant, endpoint = parse_pin(self._vault.unseal(row, about(PIN, digest)))
        return (tenant, endpoint) if sides & 1 << side else None

    def has(self, endpoint: str) -> bool:
        """Whether there is a credential, readable or not."""
        return self._fleet.get(CREDENTIAL, endpoint_bytes(endpoint)) is not None

    def mark(self, endpoint: str, side: int = 0) -> Mark:
        """How a side is secured; NONE too when there is no such endpoint."""
        row = self._fleet.get(CREDENTIAL, endpoint.encode())
        return Mark.NONE if row is None else mark_in(row, side)

    def tenant(self, endpoint: str) -> str:
        """Whose device it is; of an endpoint without a credential the default tenant's."""
        found = self._stored(endpoint.encode())
        return DEFAULT_TENANT if found is None else found.tenant

    # -- for people

    def get(self, endpoint: str) -> Credential | None:
        """One credential with its keys, for who has to write them to a device; never shown."""
        found = self._stored(endpoint_bytes(endpoint))
        return None if found is None else self._with_keys(found)

    def page(self, after: str | None, limit: int) -> list[dict[str, Any]]:
        """What may be shown of up to `limit` credentials, by name, beginning behind `after`.

        A row that was changed on the disk is shown with a `problem`.
        """
        start = endpoint_bytes(after) if after else None
        return [self._shown(*row) for row in self._fleet.scan(CREDENTIAL, start, limit)]

    def show(self, endpoint: str) -> dict[str, Any] | None:
        """The same of one; None: there is none."""
        key = endpoint_bytes(endpoint)
        row = self._fleet.get(CREDENTIAL, key)
        return None if row is None else self._shown(key, row)

    def _shown(self, key: bytes, row: bytes) -> dict[str, Any]:
        try:
            return self._unsealed(key, row).shown()
        except StoreError as error:
            return {"endpoint": key.decode(errors="replace"), "problem": str(error)}

    def before(self, endpoint: str) -> Credential:
        """What an endpoint has so far with its keys, empty when it has nothing (readable)."""
        key = endpoint_bytes(endpoint)
        return self._before(key, self._fleet.get(CREDENTIAL, key))[0]

    # -- writing

    def put(self, credentials: Sequence[Credential], *, replacing: bool) -> list[Change]:
        """Keep all of them or none, in one transaction; on disk when it returns.

        Conflict: an endpoint that has one already (unless `replacing`), or an identity or
        certificate that belongs to another. RequestError: a key that DTLS cannot use, or too many.
        StoreError: not kept. Then all is as before.
        """
        changes: Changes = []
        told: list[Change] = []
        claimed: dict[Place, str] = {}
        fresh = 0
        for one in credentials:
            prepared = self.prepare(one, claimed, replacing=replacing)
            changes += prepared.changes
            told += prepared.told
            fresh += prepared.is_fresh
        self.check_room(fresh)
        self._fleet.apply(changes)
        self._count += fresh
        return told

    def prepare(
        self,
        one: Credential,
        claimed: dict[Place, str],
        *,
        replacing: bool,
        held: Mapping[Place, bytes] | None = None,
    ) -> Prepared:
        """What put() would do for one of several: `claimed` has the places of those before it.

        For callers who keep rows of their own in the same transaction; note() the number of fresh
        ones once that is done. `held` are the rows at wanted_places() of all of them, where those
        have been read already. Conflict as put(), and then `claimed` is as before; RequestError: a
        key is longer than what DTLS can use.
        """
        self._check_keys(one)
        key = endpoint_bytes(one.endpoint)
        row = self._row((CREDENTIAL, key), held)
        if row is not None and not replacing:
            raise Conflict(f"endpoint {one.endpoint!r} has a credential already")
        if (CREDENTIAL, key) in claimed:
            raise Conflict(f"endpoint {one.endpoint!r} is given twice")
        before, names = self._before(key, row)
        rows = self._rows(one)
        self._check_owners(one, rows, names, claimed, held)
        claimed.update(dict.fromkeys(rows, one.endpoint))
        changes: Changes = [(*at, None) for at in names if at not in rows]
        changes += [(*at, sealed) for at, sealed in rows.items()]
        told = tuple(self._ticketed(before, one, changes))
        return Prepared(changes, told, row is None)

    def prepare_removal(self, endpoint: str) -> Prepared:
        """What remove() would do for one endpoint; `is_fresh` says whether it has a credential."""
        key = endpoint_bytes(endpoint)
        row = self._fleet.get(CREDENTIAL, key)
        if row is None:
            return Prepared([], (), False)
        before, names = self._before(key, row)
        changes: Changes = [(*at, None) for at in names]
        told = tuple(self._ticketed(before, Credential(endpoint), changes))
        return Prepared(changes, told, True)

    def _ticketed(self, before: Credential, one: Credential, changes: Changes) -> Iterator[Change]:
        """What is to be told, and in `changes` what must not be forgotten before it is done.

        A registration is in another store: a process that dies between the two would leave it for
        nobody. Of who had no credential, only a trusted CA's certificate, nothing is noted: each
        device of a file would pay for it.
        """
        for change in _told(before, one):
            if change.side != SIDES[0] or not change.ended or before.server is None:
                yield change
                continue
            self._last_ticket += 1
            ticket = self._last_ticket.to_bytes(8, "big")
            changes.append((ENDED, ticket, build_ended(change.endpoint, change.ended)))
            yield replace(change, ticket=ticket)

    def unsettled(self) -> Iterator[Change]:
        """What was changed and not settled, in its order, as things are now; of the run before."""
        for ticket, row in self._fleet.scan(ENDED):
            try:
                endpoint, ended = parse_ended(row)
                mark = self.mark(endpoint)
            except StoreError:
                continue
            yield Change(endpoint, SIDES[0], mark, ended, ticket)

    def settle(self, tickets: Sequence[bytes]) -> None:
        """Forget changes of which nothing is left to be done. StoreError: they stay."""
        self._fleet.apply([(ENDED, ticket, None) for ticket in tickets])

    def check_room(self, fresh: int) -> None:
        """RequestError when so many more are too many."""
        if self._count + fresh > MAX_CREDENTIALS:
            raise RequestError(
                f"there are {self._count} credentials and {fresh} are new: "
                f"{MAX_CREDENTIALS} is the limit"
            )

    def note(self, more: int) -> None:
        """So many more (or less) are on disk, by a transaction of whoever prepared them."""
        self._count += more

    def remove(self, endpoints: Iterable[str]) -> tuple[int, list[Change]]:
        """Forget those that there are, and say how many; on disk when it returns.

        Works for rows that were changed on the disk too. StoreError as put().
        """
        changes: Changes = []
        told: list[Change] = []
        gone = 0
        for endpoint in dict.fromkeys(endpoints):
            prepared = self.prepare_removal(endpoint)
            gone += prepared.is_fresh
            changes += prepared.changes
            told += prepared.told
        self._fleet.apply(changes)
        self._count -= gone
        return gone, told

    def _before(self, key: bytes, row: bytes | None) -> tuple[Credential, set[Place]]:
        """What an endpoint has so far, and where its rows are; also of a row that was changed."""
        endpoint = key.decode()
        if row is None:
            return Credential(endpoint), set()
        try:
            found = self._with_keys(self._unsealed(key, row))
        except StoreError:
            return self._remains(endpoint)
        return found, {(CREDENTIAL, key), *places(found)}

    def _remains(self, endpoint: str) -> tuple[Credential, set[Place]]:
        """What belongs to an endpoint whose own row cannot be read: a walk, to be rid of it."""
        names: set[Place] = {(CREDENTIAL, endpoint.encode())}
        keys: dict[int, Security] = {}
        for space in (PSK, PIN):
            for key, row in self._fleet.scan(space):
                try:
                    plain = self._vault.unseal(row, about(space, key))
                except StoreError:
                    continue
                if owner_in(space, plain) != endpoint:
                    continue
                names.add((space, key))
                if space == PSK:
                    for side, secret in enumerate(parse_psk(plain)[0]):
                        if secret:
                            keys[side] = Security(Mode.PSK, key.decode(), secret)
        return Credential(endpoint, keys.get(0), keys.get(1)), names

    # -- rows

    def _stored(self, key: bytes) -> Credential | None:
        row = self._fleet.get(CREDENTIAL, key)
        return None if row is None else self._unsealed(key, row)

    def _unsealed(self, key: bytes, row: bytes) -> Credential:
        marks = row[: len(SIDES)]
        plain = self._vault.unseal(row[len(SIDES) :], about(CREDENTIAL, marks + key))
        return parse_row(key.decode(), plain)

    def _with_keys(self, found: Credential) -> Credential:
        server, bootstrap = (
            self._with_key(found.side(name), side) for side, name in enumerate(SIDES)
        )
        return replace(found, server=server, bootstrap=bootstrap)

    def _with_key(self, security: Security | None, side: int) -> Security | None:
        if security is None or security.mode is not Mode.PSK:
            return security
        try:
            kept = self.psk(security.identity.encode(), side)
        except StoreError:  # it opens nothing, and must not keep anybody from replacing it
            kept = None
        return replace(security, key=kept[0] if kept else b"")

    def _rows(self, one: Credential) -> dict[Place, bytes]:
        """Every row of a credential, sealed."""
        plain: dict[Place, bytes] = {}
        for side, name in enumerate(SIDES):
            security = one.side(name)
            at = place(security)
            if security is None or at is None:
                continue
            if at[0] == PSK:
                plain[at] = with_key(plain.get(at), side, security.key, one.endpoint)
            else:
                plain[at] = with_pin(plain.get(at), side, one.tenant, one.endpoint)
        seal = self._vault.seal
        rows = {(space, key): seal(row, about(space, key)) for (space, key), row in plain.items()}
        key = one.endpoint.encode()
        marks = bytes(mark_of(one.side(name)) for name in SIDES)
        rows[CREDENTIAL, key] = marks + seal(build_credential(one), about(CREDENTIAL, marks + key))
        return rows

    def _check_keys(self, one: Credential) -> None:
        for name in SIDES:
            security = one.side(name)
            size = 0 if security is None else len(security.key)
            if size > self._longest_key:
                raise RequestError(
                    f"{name}.key of endpoint {one.endpoint!r} has {size} bytes: the DTLS library "
                    f"of this server takes at most {self._longest_key}"
                )

    def _check_owners(
        self,
        one: Credential,
        rows: Iterable[Place],
        own: set[Place],
        claimed: dict[Place, str],
        held: Mapping[Place, bytes] | None,
    ) -> None:
        endpoint = one.endpoint
        for at in rows:
            owner = claimed.get(at, endpoint)
            if owner == endpoint and at[0] != CREDENTIAL and at not in own:
                owner = self._owner(at, held) or endpoint
            if owner != endpoint:
                what = claim_words(*at)
                whose = f"endpoint {owner!r}"
                if at not in claimed and self.tenant(owner) != one.tenant:
                    whose = "a device of another tenant"
                raise Conflict(f"{what} of endpoint {endpoint!r} belongs to {whose}")

    def _row(self, at: Place, held: Mapping[Place, bytes] | None) -> bytes | None:
        return self._fleet.get(*at) if held is None else held.get(at)

    def _owner(self, at: Place, held: Mapping[Place, bytes] | None) -> str | None:
        row = self._row(at, held)
        return None if row is None else owner_in(at[0], self._vault.unseal(row, about(*at)))


def _told(before: Credential, after: Credential) -> Iterator[Change]:
    for name in SIDES:
        old, new = before.side(name), after.side(name)
        if old is None and new is None and before.tenant == after.tenant:
            continue
        held = _sessions(after.endpoint, before.tenant, old)
        good = _sessions(after.endpoint, after.tenant, new)
        ended = tuple(one[:2] for one in held if not any(_same(one, other) for other in good))
        mark = mark_of(new)
        if ended or mark_of(old) is not mark:
            yield Change(after.endpoint, name, mark, ended)


_Session = tuple[int, bytes, bytes]


def _sessions(endpoint: str, tenant: str, security: Security | None) -> list[_Session]:
    """Kind and subject of the session that a side lets in, and what it is proved with.

    Without a credential that is the certificate of a trusted CA with this name.
    """
    if security is None:
        return [(KIND_X509, x509_subject(tenant, endpoint), b"")]
    if security.mode is Mode.PSK:
        return [(KIND_PSK, security.identity.encode(), security.key)]
    if security.mode is Mode.X509:
        return [(KIND_X509, x509_subject(tenant, endpoint), security.certificate)]
    return []


def _same(one: _Session, other: _Session) -> bool:
    return one[:2] == other[:2] and hmac.compare_digest(one[2], other[2])
