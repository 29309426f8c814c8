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
from lwm2m_fast.errors import (
    DeviceError,
    DeviceTimeout,
    QueueFull,
    RequestError,
    StoreError,
    UnknownDevice,
)
from lwm2m_fast.service import FAILURES, RunningServer, parse_path
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

    async def ask(self, path: str = "/3/0/0", timeout_s: float = 60.0, accept: int | None = None):
        """A read under way, its request heard."""
        reading = asyncio.ensure_future(self.service.read("dev-1", path, accept, timeout_s))
        await asyncio.sleep(0)
        return reading, (self.world.device().hear() if self.world.device().inbox else None)


def play(act: Callable[[Scene], Awaitable[None]], **parts) -> None:
    async def played() -> None:
        async with asyncio.timeout(10):
            await act(Scene(**parts))

    asyncio.run(played())


# Paths


@pytest.mark.parametrize(
    "path, ids",
    [
        ("/3", [3]),
        ("3/0", [3, 0]),
        ("/3303/65534/5700", [3303, 65534, 5700]),
        ("/1/2/3/4", [1, 2, 3, 4]),
    ],
)
def test_a_path_is_one_to_four_ids(path, ids):
    assert parse_path(path) == ids


@pytest.mark.parametrize(
    "path, why",
    [
        ("", "'' is not an id"),
        ("/", "is not an id"),
        ("/1/2/3/4/5", "has 5 parts, allowed are 1 to 4"),
        ("/3/x", "'x' is not an id from 0 to 65534"),
        ("/3//0", "'' is not an id"),
        ("/65535", "'65535' is not"),
        ("/-1", "'-1' is not"),
        ("/3/0 ", "is not"),
        ("/\u0663", "is not"),  # an Arabic digit
        ("/1e3", "is not"),
    ],
)
def test_another_path_is_refused_by_name(path, why):
    with pytest.raises(RequestError, match=why):
        parse_path(path)


# Reads


def test_a_read_gives_the_answer_as_it_came():
    async def act(scene: Scene) -> None:
        scene.world.device().register()
        reading, asked = await scene.ask(accept=0)
        assert asked.path == [b"3", b"0", b"0"]
        scene.world.device().answer(asked, options=[(12, b""), (4, b"e")], payload=b"hi")
        scene.turns.act()
        answer = await reading
        assert (answer.code, answer.content_format, answer.payload, answer.etag) == (
            69,
            0,
            b"hi",
            b"e",
        )

    play(act)


def test_an_error_of_the_device_is_an_answer_too():
    async def act(scene: Scene) -> None:
        scene.world.device().register()
        reading, asked = await scene.ask()
        scene.world.device().answer(asked, "4.04", payload=b"no such thing")
        scene.turns.act()
        assert (await reading).code == 0x84

    play(act)


def test_a_read_of_nobody_is_refused():
    async def act(scene: Scene) -> None:
        with pytest.raises(UnknownDevice):
            await scene.service.read("nobody", "/3", None, 5.0)

    play(act)


def test_a_reset_is_a_device_error():
    async def act(scene: Scene) -> None:
        scene.world.device().register()
        reading, asked = await scene.ask()
        scene.world.device().reset(asked)
        scene.turns.act()
        with pytest.raises(DeviceError, match="'dev-1' rejected the Read of /3/0/0"):
            await reading

    play(act)


def test_a_device_that_registers_anew_cancels_the_read():
    async def act(scene: Scene) -> None:
        scene.world.device().register()
        reading, _ = await scene.ask()
        scene.world.device().register()
        scene.turns.act()
        with pytest.raises(DeviceError, match="cancelled"):
            await reading

    play(act)


def test_a_silent_device_is_a_timeout_and_its_request_is_withdrawn():
    async def act(scene: Scene) -> None:
        scene.world.device().register()
        reading, _ = await scene.ask(timeout_s=0.01)
        with pytest.raises(DeviceTimeout, match="did not answer"):
            await reading
        assert scene.world.count("requests_current") == 0

    play(act)


def test_a_caller_that_goes_away_withdraws_its_request():
    async def act(scene: Scene) -> None:
        scene.world.device().register()
        reading, _ = await scene.ask()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert scene.world.count("requests_current") == 0

    play(act)


def test_too_many_reads_of_one_device_are_refused():
    async def act(scene: Scene) -> None:
        scene.world.device().register()
        readings = [(await scene.ask())[0] for _ in range(2)]
        with pytest.raises(QueueFull):
            await scene.service.read("dev-1", "/3", None, 5.0)
        for reading in readings:
            reading.cancel()
        await asyncio.gather(*readings, return_exceptions=True)

    play(act, max_waiting_per_device=2)


@pytest.mark.parametrize(
    "outcome", ["timeout", "no_response", "reset", "cancelled", "malformed", "too_large"]
)
def test_every_way_to_end_has_its_error(outcome):
    assert outcome in FAILURES
    assert len(FAILURES) == 6


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
            await service.read("dev-1", "/3", None, 1.0)

    play(act)
