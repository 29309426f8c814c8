"""Access tokens of the HTTP interface: who may do what.

A token's secret is never kept: the store holds its keyed BLAKE2b hash under the token's name.
The key belongs to the store, so that equal secrets look different in two installations. Knows
no HTTP, no clock and no source of randomness: moments and fresh secrets are passed in.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import orjson

from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.tenants import MANAGEMENT, checked_tenant

MAX_TOKENS = 256  # each request with a token is compared with all of them
MAX_OF_TENANT = 32
"""Of a tenant that does not run the server, so that none of them takes all there are."""

MAX_NAME = 64
MAX_SECRET = 256
ADMIN_NAME = "admin"
NAMESPACE = "token"
KEY_NAMESPACE = "token_key"
KEY_BYTES = 32


class Role(IntEnum):
    """Each role may do what the lower ones may."""

    READ = 1  # look at devices, values, events, metrics
    OPERATE = 2  # also change devices and the list of who may register
    ADMIN = 3  # also hand out tokens


class Fleet(Protocol):
    """The part of the fleet store (store/base.py) that tokens need."""

    def put(self, namespace: str, items: Iterable[tuple[bytes, bytes]]) -> None: ...

    def delete(self, namespace: str, keys: Iterable[bytes]) -> int: ...

    def get(self, namespace: str, key: bytes) -> bytes | None: ...

    def scan(
        self, namespace: str, after: bytes | None = None, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Token:
    """One token as the store keeps it. `created_at` is in unix seconds."""

    name: str
    role: Role
    created_at: float
    digest: bytes
    tenant: str = MANAGEMENT
    """Whose devices it shows."""

    def as_bytes(self) -> bytes:
        return orjson.dumps(
            {
                "role": self.role.name.lower(),
                "created_at": self.created_at,
                "digest": self.digest.hex(),
                "tenant": self.tenant,
            }
        )

    @classmethod
    def from_bytes(cls, name: bytes, value: bytes) -> Token:
        try:
            fields = orjson.loads(value)
            digest = bytes.fromhex(fields["digest"])
            role = Role[fields["role"].upper()]
            tenant = checked_tenant(fields.get("tenant", MANAGEMENT))
            return cls(name.decode(), role, float(fields["created_at"]), digest, tenant)
        except (ValueError, KeyError, TypeError, AttributeError, RequestError) as error:
            raise StoreError(f"the stored token {name!r} cannot be read: {error}") from None


class Tokens:
    """All tokens, checked in memory and kept in the fleet store.

    `fresh_key` (KEY_BYTES random bytes) becomes the hash key of a store that has none yet.
    Writing blocks on the disk; do it off the loop. Not safe for two writers at once. A row that was
    changed on the disk opens nothing, and keeps its name and its place until it is removed.
    """

    def __init__(self, fleet: Fleet, fresh_key: bytes) -> None:
        self._fleet = fleet
        self._key = _stored_key(fleet, fresh_key)
        self._by_name: dict[str, Token] = {}
        self._unusable: dict[str, str] = {}
        for name, row in fleet.scan(NAMESPACE, None, MAX_TOKENS):
            try:
                token = Token.from_bytes(name, row)
            except StoreError as error:  # no reason to let nobody in by the others
                self._unusable[name.decode(errors="backslashreplace")] = str(error)
            else:
                self._by_name[token.name] = token

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Token]:
        """All tokens, by name."""
        return iter(sorted(self._by_name.values(), key=lambda token: token.name))

    @property
    def unusable(self) -> Mapping[str, str]:
        """Why rows that are stored cannot be read, by name; nothing of a secret is in it."""
        return self._unusable

    def find(self, secret: str) -> Token | None:
        """The token with this secret; among several the one that may do most."""
        if not 0 < len(secret) <= MAX_SECRET:
            return None
        digest = self._digest(secret)
        best: Token | None = None
        for token in self._by_name.values():  # no early end: the time tells nothing
            same = hmac.compare_digest(token.digest, digest)
            if same and (best is None or token.role > best.role):
                best = token
        return best

    def get(self, name: str) -> Token | None:
        """One by its name."""
        return self._by_name.get(name)

    def add(
        self, name: str, role: Role, secret: str, now: float, tenant: str = MANAGEMENT
    ) -> Token:
        """Keep a new token. RequestError: a name is taken or wrong, or there are too many."""
        checked_tenant(tenant)
        if name in self._by_name:
            raise RequestError(f"a token called {name!r} exists already")
        if name in self._unusable:  # perhaps another tenant's
            raise RequestError(f"a token called {name!r} is stored already, and cannot be read")
        if len(self._by_name) + len(self._unusable) >= MAX_TOKENS:
            raise RequestError(f"there are {MAX_TOKENS} tokens already, which is the limit")
        own = sum(token.tenant == tenant for token in self._by_name.values())
        if tenant != MANAGEMENT and own >= MAX_OF_TENANT:
            raise RequestError(f"tenant {tenant} has {own} tokens already, which is the limit")
        return self._put(name, role, secret, now, tenant)

    def remove(self, name: str) -> bool:
        """Forget a token at once, or a row that cannot be read. False: there is none.

        RequestError: it is the last admin of the tenant that runs the server.
        """
        if name in self._unusable:
            self._fleet.delete(NAMESPACE, [name.encode()])
            del self._unusable[name]
            return True
        token = self._by_name.get(name)
        if token is None:
            return False
        if _rules(token) and self._admins() == 1:
            raise RequestError(f"{name!r} is the last admin token and cannot be removed")
        self._fleet.delete(NAMESPACE, [name.encode()])
        del self._by_name[name]
        return True

    def ensure_admin(self, given: str | None, fresh: str, now: float) -> str | None:
        """Make sure that somebody can get in; called once at start-up.

        A `given` secret (from the configuration) becomes the token "admin", replacing an older
        one. Without it and without any admin token of the tenant that runs the server, `fresh`
        does, and is returned: the one moment at which it can be shown.
        """
        if given is not None:
            found = self._by_name.get(ADMIN_NAME)
            same = found is not None and hmac.compare_digest(found.digest, self._digest(given))
            if found is None or not same or not _rules(found):
                self._put(ADMIN_NAME, Role.ADMIN, given, now)
            return None
        if self._admins():
            return None
        self._put(ADMIN_NAME, Role.ADMIN, fresh, now)
        return fresh

    def _admins(self) -> int:
        return sum(map(_rules, self._by_name.values()))

    def _put(
        self, name: str, role: Role, secret: str, now: float, tenant: str = MANAGEMENT
    ) -> Token:
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise RequestError(f"a token's name has 1 to {MAX_NAME} printable characters")
        if not 0 < len(secret) <= MAX_SECRET:
            raise RequestError(f"a token's secret has 1 to {MAX_SECRET} characters")
        token = Token(name, role, now, self._digest(secret), tenant)
        self._fleet.put(NAMESPACE, [(name.encode(), token.as_bytes())])
        self._by_name[name] = token
        self._unusable.pop(name, None)
        return token

    def _digest(self, secret: str) -> bytes:
        # surrogatepass: a header or an environment may hold what is not UTF-8
        data = secret.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._key, digest_size=32).digest()


def _rules(token: Token) -> bool:
    """Whether it may do everything."""
    return token.role is Role.ADMIN and token.tenant == MANAGEMENT


def _stored_key(fleet: Fleet, fresh_key: bytes) -> bytes:
    key = fleet.get(KEY_NAMESPACE, b"blake2b")
    if key is None:
        if len(fresh_key) != KEY_BYTES:
            raise ValueError(f"a hash key has {KEY_BYTES} bytes, not {len(fresh_key)}")
        fleet.put(KEY_NAMESPACE, [(b"blake2b", fresh_key)])
        return fresh_key
    return bytes(key)
