"""A fleet in memory with a vault, and credentials in few words."""

from __future__ import annotations

import os

from lwm2m_fast.fleet.admission import Admission
from lwm2m_fast.fleet.credentials import Credentials
from lwm2m_fast.fleet.secured import Credential, Mode, Security
from lwm2m_fast.fleet.trust import Trust
from lwm2m_fast.fleet.vault import KEY_BYTES, Vault
from lwm2m_fast.store.memory import MemoryFleet

KEY = b"0123456789abcdef"


class Scene:
    def __init__(self) -> None:
        self.fleet = MemoryFleet()
        self.vault = Vault({1: b"v" * KEY_BYTES}, os.urandom)
        self.credentials = Credentials(self.fleet, self.vault)
        self.trust = Trust(self.fleet, self.vault)

    def admission(self, side: str = "server", *, check_validity: bool = True) -> Admission:
        return Admission(self.credentials, self.trust, side, check_validity=check_validity)

    def put(self, *given: Credential, replacing: bool = False) -> list[tuple[object, ...]]:
        told = self.credentials.put(given, replacing=replacing)
        return [(one.endpoint, one.side, one.mark.name, one.ended) for one in told]

    def rows(self) -> list[tuple[str, bytes, bytes]]:
        spaces = ("credential", "psk", "pin", "trust")
        return [(space, *row) for space in spaces for row in self.fleet.scan(space)]

    def spoil(self, space: str, key: bytes) -> None:
        """Change a bit of a row on the disk."""
        row = bytearray(self.fleet.get(space, key) or b"")
        row[-1] ^= 1
        self.fleet.put(space, [(key, bytes(row))])


def psk(identity: str, key: bytes = KEY) -> Security:
    return Security(Mode.PSK, identity, key)


def pin(der: bytes = b"") -> Security:
    return Security(Mode.X509, certificate=der)


NO_SEC = Security(Mode.NO_SEC)
