"""A core whose secure devices are a list, its credentials, and the side between them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.net import dtls_base
from lwm2m_fast.secure import SecureSide
from lwm2m_fast.store.memory import MemoryFleet
from tests.scenario.scripted import World

KEY = "00112233445566778899aabbccddeeff"
PSK = {"mode": "PSK", "identity": "id-1", "key": KEY}


class Dtls:
    """In place of net/dtls."""

    def __init__(self):
        self.ended, self.certificates, self.sessions = [], [], {}
        self.anchors = {}
        self.fault = None

    def end(self, principal):
        self.ended.append(principal)
        return True

    def anchor(self, principal):
        return self.anchors.get(principal, b"")

    def where(self, principal):
        return self.sessions.get(principal)

    def set_certificate(self, *parts):
        self.certificates.append(parts)


class Secured:
    """A core, its credentials and the side between them, in a running loop."""

    def __init__(self, **world):
        self.world = World(**world)
        self.security = DeviceCredentials(
            MemoryFleet(), Vault({1: bytes(32)}, secrets.token_bytes), clock=lambda: 1.0
        )
        self.side = SecureSide(self.world.engine, self.security, dtls_base.principal_of)
        self.dtls = Dtls()
        self.published = []
        self.side.attach(self.dtls, None)
        self.side.attach_turns(self.world.finish_turn, self.published.extend)

    async def put(self, endpoint="dev-1", server=PSK):
        """Set a credential."""
        await self.security.set_credential(endpoint, {"server": server})
        await self.settled()

    async def remove(self, endpoint="dev-1"):
        await self.security.remove_credential(endpoint)
        await self.settled()

    async def settled(self):
        for _ in range(20):
            await asyncio.sleep(0)

    def reasons(self):
        """Of the registrations that were ended so far, taken."""
        found = [e.data.get("reason") for e in self.world.events if e.kind == "deregistered"]
        self.world.events.clear()
        return found


def play(scenario: Callable[[Secured], Awaitable[None]], **world) -> None:
    """Run `scenario` over a Secured of its own."""

    async def within():
        secured = Secured(**world)
        try:
            await scenario(secured)
        finally:
            secured.side.stop()

    asyncio.run(within())
