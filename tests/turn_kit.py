"""A worker whose socket, store and sink are scripts, in a real event loop."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import (
    UNIX,
    Chance,
    Heard,
    changes_in,
    read,
    register,
)

from lwm2m_fast import turn as turn_module
from lwm2m_fast.config import Config
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.engine import Engine
from lwm2m_fast.core.events import Event
from lwm2m_fast.datagram import Inbox, Outbox
from lwm2m_fast.turn import Turns

DEVICE = "192.0.2.1:5683"
DEVICE_OBJECT = CoapRequest(1, (b"3", b"0"))
PROBE_S = 0.01
"""Between two looks at a store that failed."""


class Udp:
    """All that Turns has of sockets, by script: a byte in a real one makes the loop call."""

    queued = 0
    is_timed = False

    def __init__(self, log: list[str]) -> None:
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)
        self.fd = self._ours.fileno()
        self.endpoints = [self]
        self.coming: deque[list[tuple[str, bytes]]] = deque()
        self.sent: list[tuple[str, bytes]] = []
        self.blocked = False
        self.kept: list[tuple[str, bytes]] = []
        self._log = log

    def arrive(self, *batch: tuple[str, bytes]) -> None:
        self.coming.append(list(batch))
        self._theirs.send(b"x")

    def receive(self, inbox: Inbox) -> bool:
        self._ours.recv(1)
        inbox.load(self.coming.popleft())
        return bool(self.coming)

    def send(self, outbox: Outbox) -> bool:
        datagrams = outbox.drain()
        if self.blocked:
            self.kept += datagrams
            return not self.kept
        self._note(datagrams)
        return True

    def flush_backlog(self) -> bool:
        if not self.blocked:
            self._note(self.kept)
            self.kept = []
        return not self.blocked

    @property
    def waiting(self) -> int:
        return len(self.kept)

    def work(self, inbox: Inbox) -> None:
        inbox.load([])

    def next_timer(self) -> float:
        return float("inf")

    def handle_timer(self, now: float) -> None:
        """Nothing is ever due."""

    def _note(self, datagrams: list[tuple[str, bytes]]) -> None:
        self.sent += datagrams
        self._log += [f"answer {read(data).code}" for _, data in datagrams]

    def take(self) -> list[Heard]:
        heard = [read(data) for _, data in self.sent]
        self.sent.clear()
        return heard

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


class Store:
    """Applies when it may; fails when it must."""

    def __init__(self, log: list[str]) -> None:
        self.may = threading.Event()
        self.may.set()
        self.entered = threading.Event()
        self.error: Exception | None = None
        self.applied: list[bytes] = []
        self._log = log

    def apply(self, changes: bytes) -> None:
        self.entered.set()
        assert self.may.wait(10)
        if self.error is not None:
            raise self.error
        self.applied.append(changes)
        self._log.append("commit")

    def rows(self) -> list[list[bytes]]:
        """The registrations written, by apply()."""
        return [[key for _, table, key, _ in changes_in(b) if table == 1] for b in self.applied]


class Sink:
    def __init__(self, log: list[str]) -> None:
        self.listens = True
        self.events: list[Event] = []
        self._log = log

    def publish(self, events: Sequence[Event]) -> None:
        self.events += events
        self._log += [f"tell {event.kind}" for event in events]


class Scene:
    """A worker whose socket, store and sink are ours."""

    def __init__(self, **coap: Any) -> None:
        self.log: list[str] = []
        self.udp, self.store, self.sink = Udp(self.log), Store(self.log), Sink(self.log)
        config = Config(registration={"policy": "open"}, coap=coap)
        loop = asyncio.get_running_loop()
        self.engine = Engine(config, (1, 2), Chance(), loop.time(), UNIX)
        self.answers: list[Any] = []
        self.reports: list[Any] = []
        self.contacts: list[Any] = []
        self.turns = Turns(
            self.engine,
            self.udp,
            self.store,  # type: ignore[arg-type]
            [self.sink],
            self.answers.extend,
            config.coap.batches_per_wakeup,
            self._take_reports,
            self.contacts.extend,
        )
        self.turns.listen()
        self.turns.start()

    def _take_reports(self, reports: Sequence[Any]) -> list[Event]:
        self.reports += reports
        return []

    async def until(self, met: Callable[[], object]) -> None:
        while not met():  # noqa: ASYNC110 - play() ends what never is
            await asyncio.sleep(0)

    async def hear(self, count: int = 1) -> list[Heard]:
        await self.until(lambda: len(self.udp.sent) >= count)
        return self.udp.take()

    async def register(self, name: str = "dev-1", mid: int = 1) -> Heard:
        self.udp.arrive((DEVICE, register(name, mid=mid)))
        (answer,) = await self.hear()
        return answer

    async def rest(self) -> None:
        """Let the loop do all that it can."""
        for _ in range(50):
            await asyncio.sleep(0)


def observe(scene: Scene) -> None:
    """Ask dev-1 to report."""
    scene.engine.wants_reports = True
    scene.engine.observe("dev-1", DEVICE_OBJECT, b"ctx", 10.0, scene.turns.now())
    scene.turns.act()


def play(act: Callable[[Scene], Awaitable[None]], **coap: Any) -> None:
    """Run `act`, within ten seconds, and stop the worker."""

    async def played() -> None:
        scene = Scene(**coap)
        try:
            async with asyncio.timeout(10):
                await act(scene)
        finally:
            scene.store.may.set()
            await scene.turns.stop()
            scene.udp.close()

    with (
        pytest.MonkeyPatch.context() as patch,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        patch.setattr(turn_module, "PROBE_S", PROBE_S)
        runner.run(played())
