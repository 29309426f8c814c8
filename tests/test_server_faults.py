"""What a server does although a part of it fails: about removed devices, and at its end."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from lwm2m_fast.config import Config
from lwm2m_fast.errors import StoreError
from lwm2m_fast.server import Server


def test_a_device_that_cannot_be_forgotten_now_does_not_keep_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server: Any = Server(Config())
    ended: list[str] = []
    valueless: list[str] = []
    outcomes: list[str] = []

    def forget(name: str, reason: str) -> None:
        if name == "dev-1":
            raise StoreError("the disk is gone")

    async def forget_devices(names: list[str]) -> None:
        valueless.extend(names)

    server._operating = SimpleNamespace(
        forget=forget, reach=SimpleNamespace(heard_at=lambda name: 1.0)
    )

    async def until_ended() -> None:
        assert ended

    server._side = SimpleNamespace(
        end_registration=lambda name, reason: ended.append(name), until_ended=until_ended
    )
    server._values = SimpleNamespace(forget_devices=forget_devices)
    server._bootstrap = SimpleNamespace(forget=outcomes.append)
    names = ["dev-1", "dev-2"]
    asyncio.run(server._forget(names))
    assert ended == valueless == outcomes == names
    assert [each.levelno for each in caplog.records] == [logging.ERROR]
    assert "the disk is gone" in caplog.text


def test_a_part_that_cannot_be_stopped_keeps_none_behind_it() -> None:
    server: Any = Server(Config())
    done: list[str] = []

    def part(name: str, **more: Any) -> SimpleNamespace:
        async def stop() -> None:
            done.append(name)
            if name in ("http", "turns"):
                raise OSError(f"{name} is broken")

        return SimpleNamespace(stop=stop, **more)

    server._http = part("http")
    server._bootstrap = part("bootstrap")
    server._turns = part("turns", pause=lambda: done.append("pause"))
    server._durable = part("durable")
    server._store = SimpleNamespace(close=lambda: done.append("store"))
    with pytest.raises(OSError, match="turns is broken"):
        asyncio.run(server.stop())
    assert done == ["http", "bootstrap", "pause", "turns", "durable", "store"]
    assert server._store is None and server._http is None
    asyncio.run(server.stop())  # harmless
    assert len(done) == 6
