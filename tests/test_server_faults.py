"""What a server does at its end although a part of it fails."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from lwm2m_fast.config import Config
from lwm2m_fast.server import Server


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
