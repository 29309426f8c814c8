"""The credentials of a running server: on disk before they count, and then at once for everybody.

What may be kept is fleet/secured.py's business, where it stands fleet/credentials.py's. Belongs to
the shell: everything is called on the loop's thread, and waits for the disk in another.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from lwm2m_fast.errors import RequestError
from lwm2m_fast.faults import Faults
from lwm2m_fast.fleet.admission import Admission
from lwm2m_fast.fleet.credential_rows import Mark
from lwm2m_fast.fleet.credentials import Change, Credentials
from lwm2m_fast.fleet.secured import (
    DEFAULT_TENANT,
    MAX_KEY_BYTES,
    Credential,
    changed,
    parse_credential,
    parse_sides,
)
from lwm2m_fast.fleet.trust import Trust, short_of
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.server_identity import ServerIdentity
from lwm2m_fast.store.base import FleetStore

TOLD_AT_ONCE = 64
"""Changes that are told to others before the loop gets its turn."""

T = TypeVar("T")


class DeviceCredentials:
    """Implements rest/base.py: Security.

    `changed` are called with each change of either side (fleet/credentials.py: Change), once it is
    on disk; `trust_changed` after the anchors did, with the one that was taken away as
    fleet/trust.py: short_of() has it, or None.
    """

    def __init__(
        self,
        fleet: FleetStore,
        vault: Vault,
        *,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = secrets.token_bytes,
        longest_key: int = MAX_KEY_BYTES,
        unfit: Callable[[bytes], str | None] | None = None,
        faults: Faults | None = None,
    ) -> None:
        """`longest_key` as Credentials, `unfit` as Trust."""
        self.credentials = Credentials(fleet, vault, longest_key)
        self.trust = Trust(fleet, vault, unfit)
        self.changed: list[Callable[[Change], None]] = []
        self.trust_changed: list[Callable[[bytes | None], None]] = []
        self.server_identity: ServerIdentity | None = None
        """Whose certificate is shown; None: the server has none."""
        self._clock, self._random, self._faults = clock, random, faults or Faults()
        self._writing = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()

    def load(self, told: Callable[[str, Mark], None] | None = None) -> int:
        """Once at start: how many there are, and `told` the mark of each endpoint's server side."""
        return self.credentials.load(told)

    def admission(self, side: str = "server", *, check_validity: bool = True) -> Admission:
        """What net/dtls asks during handshakes of this side."""
        return Admission(self.credentials, self.trust, side, check_validity=check_validity)

    # -- rest/base.py: Security

    async def credentials_after(self, after: str | None, limit: int) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.credentials.page, after, limit)  # each is unsealed

    def credential(self, endpoint: str) -> dict[str, Any] | None:
        return self.credentials.show(endpoint)

    def credential_of_identity(self, identity: str) -> dict[str, Any] | None:
        endpoint = self.credentials.endpoint_of(identity)
        return None if endpoint is None else self.credentials.show(endpoint)

    async def add_credentials(
        self, given: Sequence[Mapping[str, Any]], tenant: str = DEFAULT_TENANT
    ) -> list[dict[str, Any]]:
        now = self._clock()
        parsed = []
        for number, one in enumerate(given):
            try:
                parsed.append(replace(parse_credential(one, self._random, now), tenant=tenant))
            except RequestError as error:
                where = f"credential {number}: " if len(given) > 1 else ""
                raise RequestError(f"{where}{error}") from None
        await self.write(lambda: self.credentials.put(parsed, replacing=False), self.tell)
        return [one.shown_once() for one in parsed]

    async def set_credential(
        self, endpoint: str, given: Mapping[str, Any], tenant: str = DEFAULT_TENANT
    ) -> tuple[dict[str, Any], bool]:
        sides = parse_sides(endpoint, given, self._random)
        now = self._clock()

        def put() -> tuple[Credential, bool, list[Change]]:
            is_new = not self.credentials.has(endpoint)
            after = changed(self.credentials.before(endpoint), sides, now)
            after = replace(after, tenant=tenant)
            return after, is_new, self.credentials.put([after], replacing=True)

        after, is_new, _ = await self.write(put, lambda done: self.tell(done[2]))
        return after.shown_once(), is_new

    async def remove_credential(self, endpoint: str) -> bool:
        gone, _ = await self.write(
            lambda: self.credentials.remove([endpoint]), lambda done: self.tell(done[1])
        )
        return gone > 0

    def anchors(self, tenant: str = DEFAULT_TENANT) -> list[dict[str, Any]]:
        return [one for one in self.trust.shown() if one["tenant"] == tenant]

    async def add_anchors(self, pem: bytes, tenant: str = DEFAULT_TENANT) -> list[dict[str, Any]]:
        def told(added: list[dict[str, Any]]) -> None:
            self._tell_trust(None)

        return await self.write(lambda: self.trust.add(pem, tenant), told)

    async def remove_anchor(self, sha256: str, tenant: str = DEFAULT_TENANT) -> None:
        def told(nothing: None) -> None:
            self._tell_trust(short_of(sha256))

        await self.write(lambda: self.trust.remove(sha256, tenant), told)

    def server_certificate(self) -> bytes | None:
        current = None if self.server_identity is None else self.server_identity.current
        return None if current is None else current.leaf

    # -- the shell's share

    async def write(self, work: Callable[[], T], tell: Callable[[T], Any]) -> T:
        """`work` in a thread, one at a time, and then `tell`; both also when the caller leaves.

        For everything that writes credentials: what is unique is looked up first and written then.
        """

        async def written() -> T:
            async with self._writing:
                done = await asyncio.to_thread(work)
                telling = tell(done)
                if telling is not None:
                    await telling
            return done

        task = asyncio.create_task(written())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    def unsettled(self) -> Iterator[Change]:
        """Once at start: changes that the run before has not settled."""
        return self.credentials.unsettled()

    async def settle(self, tickets: Sequence[bytes]) -> None:
        """Of these changes nothing is left to be done. StoreError."""
        await self.write(lambda: self.credentials.settle(tickets), lambda nothing: None)

    async def tell(self, changes: list[Change]) -> None:
        """Let everybody hear of changes that are on disk."""
        for number, change in enumerate(changes, 1):
            for told in self.changed:
                self._faults.tell("who hears of credentials", told, change)
            if number % TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _tell_trust(self, gone: bytes | None) -> None:
        for told in self.trust_changed:
            self._faults.tell("who hears of trust anchors", told, gone)

    def counters(self) -> dict[str, int]:
        return {
            "credentials_current": len(self.credentials),
            "trust_anchors_current": len(self.trust),
            "trust_anchors_unusable": self.trust.unusable,
        }
