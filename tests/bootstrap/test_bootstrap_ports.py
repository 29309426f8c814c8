"""The ports of a bootstrap server that cannot be made: none stays open."""

from __future__ import annotations

import asyncio
import secrets
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from lwm2m_fast.bootstrap import running
from lwm2m_fast.bootstrap.outcomes import Outcomes
from lwm2m_fast.bootstrap.running import BootstrapServer
from lwm2m_fast.config import Config
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.errors import ConfigError, StoreError
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.store.memory import MemoryFleet

HERE = "127.0.0.1"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HERE, 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ConfigError("dtls.port: cannot listen"), "^bootstrap.dtls_port: cannot listen"),
        (StoreError("the disk is gone"), "the disk is gone"),
        (RuntimeError("a fault of ours"), "a fault of ours"),
    ],
)
def test_the_plain_port_closes_where_the_dtls_port_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, error: Exception, raised: str
) -> None:
    def breaks(*_: object) -> None:
        raise error

    monkeypatch.setattr(running, "open_port", breaks)
    port = free_port()
    config = Config(bootstrap={"host": HERE, "port": port})
    security = DeviceCredentials(MemoryFleet(), Vault({1: bytes(32)}, secrets.token_bytes))
    offers: Any = SimpleNamespace()

    async def act() -> None:
        for _ in range(2):  # the second finds the port free, and the same reason
            with pytest.raises(type(error), match=raised):
                BootstrapServer(config, security, offers, lambda events: None, Outcomes())
        assert (security.changed, security.trust_changed) == ([], [])

    asyncio.run(act())


def test_ports_are_closed_although_what_stops_before_them_fails() -> None:
    config = Config(bootstrap={"host": HERE, "port": free_port(), "dtls_port": free_port()})
    security = DeviceCredentials(MemoryFleet(), Vault({1: bytes(32)}, secrets.token_bytes))
    offers: Any = SimpleNamespace()

    async def act() -> None:
        server = BootstrapServer(config, security, offers, lambda events: None, Outcomes())
        server.start()
        usual = server._turns.stop

        async def breaks() -> None:
            await usual()
            raise OSError("it is broken")

        server._turns.stop = breaks  # type: ignore[method-assign]
        with pytest.raises(OSError, match="it is broken"):
            await server.stop("off")
        for port in (config.bootstrap.port, config.bootstrap.dtls_port):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
                again.bind((HERE, port))

    asyncio.run(act())
