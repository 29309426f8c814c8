"""What callers of a running server get, over the core and a link in memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import World

from lwm2m_fast.config import StoreConfig
from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.errors import (
    RequestError,
    StoreError,
)
from lwm2m_fast.service import RunningServer
from lwm2m_fast.sink.stream import StreamSink
from lwm2m_fast.store import open_store


class Turns:
    """The turns of a world: acts at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store_problem: str | None = None
        self.service: RunningServer | None = None

    def now(self) -> float:
        return self.world.now

    def act(self) -> None:
        self.world.finish_turn()
        answers, self.world.answers = self.world.answers, []
        assert self.service is not None
        self.service.resolve(answers)

    async def kept(self) -> None:
        assert not self.world.waiting


class Scene:
    def __init__(self, policy: str = "open", **coap: int) -> None:
        self.world = World(policy=policy, coap=coap)
        self.turns = Turns(self.world)
        self.store = open_store("memory", "", StoreConfig())
        self.service = RunningServer(
            self.world.engine, self.store, StreamSink(10), self.world.engine.counters
        )
        self.turns.service = self.service
        self.service.attach(self.turns)  # type: ignore[arg-type]


def play(act: Callable[[Scene], Awaitable[None]], **parts) -> None:
    async def played() -> None:
        async with asyncio.timeout(10):
            await act(Scene(**parts))

    asyncio.run(played())


# Removing


def test_a_removal_is_true_for_a_device_and_false_for_nobody():
    async def act(scene: Scene) -> None:
        scene.world.device().register()
        assert await scene.service.deregister("dev-1") is True
        assert await scene.service.deregister("dev-1") is False
        assert scene.service.device("dev-1") is None

    play(act)


def test_a_removal_while_the_store_is_down_is_an_error():
    async def act(scene: Scene) -> None:
        scene.world.device().register()
        scene.world.engine.store_works = False
        with pytest.raises(StoreError):
            await scene.service.deregister("dev-1")
        assert scene.service.device_count() == 1

    play(act)


# Who may register


def test_provisioned_names_are_kept_and_let_in():
    async def act(scene: Scene) -> None:
        device = scene.world.device()
        device.register("dev-1", expected="4.03")
        assert await scene.service.allow(["dev-1", "dev-2", "dev-1"]) == 2
        assert await scene.service.allow(["dev-2", "dev-3"]) == 1
        assert scene.service.allowed(None, 10) == ["dev-1", "dev-2", "dev-3"]
        assert scene.service.allowed("dev-1", 1) == ["dev-2"]
        device.register("dev-1")
        assert await scene.service.disallow("dev-1") is True
        assert await scene.service.disallow("dev-1") is False
        device.register("dev-1", expected="4.03")

    play(act, policy="provisioned")


@pytest.mark.parametrize("name", ["", "x" * 256, "\u20ac" * 86])
def test_a_name_that_no_device_can_have_is_refused_and_with_it_the_whole_list(name):
    async def act(scene: Scene) -> None:
        with pytest.raises(RequestError, match="allowed are 1 to 255"):
            await scene.service.allow(["good", name])
        assert scene.service.allowed(None, 10) == []

    play(act, policy="provisioned")


# State


def test_a_problem_of_the_store_is_told():
    async def act(scene: Scene) -> None:
        assert scene.service.problems() == []
        scene.turns.store_problem = "no space left"
        assert scene.service.problems() == ["no space left"]

    play(act)


def test_a_server_that_does_not_run_says_so():
    async def act(scene: Scene) -> None:
        service = RunningServer(scene.world.engine, scene.store, StreamSink(1), dict)
        assert service.problems() == ["starting"]
        with pytest.raises(RequestError, match="not running"):
            await service.perform("dev-1", parse_order({"op": "read", "path": "/3"}), 1.0)

    play(act)
