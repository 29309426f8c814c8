"""What is forgotten with devices that are removed: of each what can be, whatever cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from lwm2m_fast.config import Config
from lwm2m_fast.errors import StoreError
from lwm2m_fast.server import FORGOTTEN_AT_ONCE, Server

BROKEN = StoreError("the disk is gone")


class Parts:
    """Everything that knows of devices; `cannot` says of which one of them cannot read."""

    def __init__(self, *cannot: tuple[str, str]) -> None:
        self.cannot = cannot
        self.forgotten: dict[str, list[str]] = {"asked": [], "outcomes": [], "values": []}
        self.ended: list[str] = []

    def forget(self, part: str, name: str) -> None:
        if (part, name) in self.cannot:
            raise BROKEN
        self.forgotten[part].append(name)

    async def values(self, names: Iterable[str]) -> None:
        for name in names:
            self.forget("values", name)

    async def until_ended(self) -> None:
        assert self.ended

    def server(self) -> Any:
        server: Any = Server(Config())
        server._operating = SimpleNamespace(
            reach=SimpleNamespace(heard_at=lambda name: 1.0),
            forget=lambda name, reason: self.forget("asked", name),
            disown=lambda name, reason: self.forget("asked", name),
        )
        server._bootstrap = server._outcomes = SimpleNamespace(
            forget=lambda name: self.forget("outcomes", name)
        )
        server._values = SimpleNamespace(forget_devices=self.values)
        server._side = SimpleNamespace(
            end_registration=lambda name, reason: self.ended.append(name),
            until_ended=self.until_ended,
        )
        return server


def test_one_that_cannot_be_read_keeps_no_other_registered_or_remembered() -> None:
    names = [f"d-{number}" for number in range(2 * FORGOTTEN_AT_ONCE + 1)]
    parts = Parts(("asked", "d-0"), ("outcomes", "d-1"), ("values", names[FORGOTTEN_AT_ONCE - 1]))
    server = parts.server()
    asyncio.run(server._forget(names))
    assert parts.ended == names
    assert parts.forgotten["asked"] == names[1:]
    assert parts.forgotten["outcomes"] == [names[0], *names[2:]]
    assert parts.forgotten["values"] == [each for each in names if each != parts.cannot[2][1]]


def test_a_device_whose_name_is_claimed_stays_registered() -> None:
    parts = Parts()
    asyncio.run(parts.server()._disown(["d-0"]))
    assert parts.ended == []
    assert parts.forgotten == {"asked": ["d-0"], "outcomes": ["d-0"], "values": ["d-0"]}
