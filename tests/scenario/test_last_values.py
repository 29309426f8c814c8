"""From a device's datagram to its last values: the core and values.py together, by script."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from scripted import (
    CON,
    CONTENT_FORMAT,
    NON,
    POST,
    RST,
    UNIX,
    Device,
    Heard,
    World,
    code_byte,
    reachable,
    register,
    request,
    write,
)

from lwm2m_fast.codec import Kind, Node, encode
from lwm2m_fast.config import Config
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.contexts import context_of
from lwm2m_fast.core.events import Event
from lwm2m_fast.core.forms import Forms
from lwm2m_fast.core.judge import Judge
from lwm2m_fast.core.orders import Order
from lwm2m_fast.store import open_store
from lwm2m_fast.targets import Targets
from lwm2m_fast.values import Values
from tests.value_kit import MODEL, SettingsTable, Sink

OBSERVE = 6
OBJECTS = b"</1/0>,</3/0>,</3303/0>,</3303/1>"
PATH = "/3303/0/5700"


class Tap:
    """The engine, whose reports go where turn.py brings them."""

    def __init__(self, engine: Any, scene: Scene) -> None:
        self.__dict__.update(_engine=engine, _scene=scene)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._engine, name, value)

    def take_output(self) -> Any:
        output = self._engine.take_output()
        if output is not None and output.reports:
            self._scene.told += self._scene.values.reports(output.reports)
        return output


class Scene:
    def __init__(self, *sinks: Sink) -> None:
        self.world, self.device = reachable(World())
        self.device.register("dev-1", lifetime=86400, payload=OBJECTS)
        store = open_store("memory", "", Config().store)
        settings, engine = SettingsTable(), self.world.engine
        targets = Targets(engine, MODEL, settings)

        async def keep(changes: bytes) -> None:
            store.state.apply(changes)

        self.values = Values(
            store.state, keep, engine, targets, MODEL, settings, Config().reporting, sinks,
            wall=lambda: UNIX,
        )  # fmt: skip
        self.told: list[Event] = []
        engine.judge_send = judge = Judge(Forms(engine, targets))
        self.values.attach(judge)
        engine.wants_reports = True
        self.world.engine = Tap(engine, self)

    def observe(self, path: str = PATH) -> bytes:
        """The token of a relation that stands."""
        segments = tuple(part.encode() for part in path[1:].split("/"))
        asked = CoapRequest(1, segments)
        context = context_of(Order("observe", path=path), asked)
        self.world.engine.observe("dev-1", asked, context, 60.0, self.world.now)
        self.world.finish_turn()
        heard = self.device.hear()
        self.device.answer(heard, "2.05", options=[(OBSERVE, b"\1"), (CONTENT_FORMAT, b"")])
        return heard.token

    def notification(
        self, token: bytes, payload: bytes, number: int, kind: int = NON, code: str = "2.05"
    ) -> bytes:
        options = [(OBSERVE, bytes([number])), (CONTENT_FORMAT, b"")]
        return write(kind, code_byte(code), self.device.next_mid(), token, options, payload)

    def notify(self, token: bytes, payload: bytes, number: int, **parts: Any) -> Device:
        return self.device.send(self.notification(token, payload, number, **parts))

    def send(self, content_format: int, payload: bytes) -> Heard:
        options = [(CONTENT_FORMAT, content_format.to_bytes(2, "big"))]
        return self.device.ask(POST, "dp", options=options, payload=payload)

    def shown(self) -> dict[str, Any]:
        return {each["path"]: each["value"] for each in self.values.listing("dev-1")}


def test_i1_each_notification_is_mapped_once_and_in_order() -> None:
    scene = Scene(Sink())
    token = scene.observe()
    scene.notify(token, b"1", 2)
    message = scene.notification(token, b"2", 4, kind=CON)
    scene.device.send(message, message)  # the repetition is acknowledged again
    assert [scene.device.hear().code for _ in range(2)] == ["0.00", "0.00"]
    scene.notify(token, b"0", 3)  # late, and dropped
    values = [event.data["values"][0]["value"] for event in scene.told]
    assert values == [1.0, 2.0]
    assert [event.data["sequence"] for event in scene.told] == [2, 4]
    assert scene.shown() == {PATH: 2.0}


def test_i2_nothing_comes_of_a_notification_after_the_cancel() -> None:
    scene = Scene(Sink())
    token = scene.observe()
    (told,) = scene.world.engine.observations("dev-1")
    scene.world.engine.unobserve(told["number"], False, 60.0, scene.world.now)
    scene.world.finish_turn()
    scene.notify(token, b"1", 2)
    assert scene.device.hear().type == RST
    assert scene.told == []
    assert scene.shown() == {}


def test_i7_a_send_needs_no_observation() -> None:
    scene = Scene(Sink())
    payload = encode(112, [Node(PATH, 21.5, Kind.FLOAT), Node("/3/0/9", 85, Kind.INTEGER)])
    assert scene.send(112, payload).code == "2.04"
    assert scene.shown() == {"/3/0/9": 85, PATH: 21.5}
    (event,) = scene.told
    assert (event.kind, event.data["paths"]) == ("send", [PATH, "/3/0/9"])


def test_i7_a_send_of_an_unknown_device_is_not_found() -> None:
    scene = Scene()
    stranger = scene.world.device("192.0.2.77:5683")
    options = [(CONTENT_FORMAT, b"\x70")]
    payload = encode(112, [Node(PATH, 21.5, Kind.FLOAT)])
    assert stranger.ask(POST, "dp", options=options, payload=payload).code == "4.04"


def test_a_send_that_is_garbage_or_of_what_is_not_registered_is_refused() -> None:
    scene = Scene(Sink())
    assert scene.send(112, b"\xff\xff").code == "4.00"
    assert scene.send(110, b"[").code == "4.00"
    unknown = encode(110, [Node("/3303/7/5700", 1.0, Kind.FLOAT)])
    assert scene.send(110, unknown).code == "4.04"
    assert scene.send(0, b"21").code == "4.15"
    assert scene.told == []
    assert scene.shown() == {}


def test_a_repeated_send_is_taken_once() -> None:
    scene = Scene(Sink())
    payload = encode(112, [Node(PATH, 21.5, Kind.FLOAT)])
    message = request(
        POST, "dp", mid=9, token=b"t", options=[(CONTENT_FORMAT, b"\x70")], payload=payload
    )
    scene.device.send(message, message)
    assert [scene.device.hear().code for _ in range(2)] == ["2.04", "2.04"]
    assert len(scene.told) == 1


def test_the_error_that_ends_an_observation_names_its_path() -> None:
    scene = Scene(Sink())
    token = scene.observe()
    scene.notify(token, b"", 2, code="4.04")
    (event,) = scene.told
    assert (event.kind, event.data["code"], event.data["path"]) == ("observe_ended", "4.04", PATH)
    assert scene.values.counters()["values_observations_ended"] == 1


def test_a_device_that_reports_and_leaves_is_remembered() -> None:
    scene = Scene()
    token = scene.observe()
    scene.notify(token, b"1", 2)
    location = scene.device.register("dev-1", lifetime=86400, payload=OBJECTS)
    payload = encode(112, [Node("/3/0/9", 85, Kind.INTEGER)])
    assert scene.send(112, payload).code == "2.04"
    scene.device.leave(location)
    assert scene.shown() == {"/3/0/9": 85, PATH: 1.0}
    asyncio.run(scene.values.flush())
    assert scene.shown() == {"/3/0/9": 85, PATH: 1.0}


def test_a_send_counts_though_its_device_leaves_in_the_same_batch() -> None:
    scene = Scene(Sink())
    location = scene.device.register("dev-1", lifetime=86400, payload=OBJECTS)
    payload = encode(112, [Node(PATH, 1.0, Kind.FLOAT)])
    address = scene.device.address
    options = [(CONTENT_FORMAT, b"\x70")]
    scene.world.receive(
        (address, request(POST, "dp", mid=11, token=b"a", options=options, payload=payload)),
        (address, request(4, location, mid=12, token=b"b")),
        ("192.0.2.9:5683", register("dev-9", mid=1)),
    )
    assert scene.shown() == {PATH: 1.0}
    assert [event.endpoint for event in scene.told] == ["dev-1"]
    assert scene.values.listing("dev-9") == []


def test_a_notification_whose_device_leaves_in_the_same_batch_goes_to_nobody_else() -> None:
    scene = Scene(Sink())
    token = scene.observe()
    (location,) = [scene.world.shown("dev-1")["registration_id"]]
    address = scene.device.address
    scene.world.receive(
        (address, scene.notification(token, b"1", 2)),
        (address, request(4, f"rd/{location}", mid=12, token=b"b")),
        ("192.0.2.9:5683", register("dev-9", mid=1)),
    )
    assert scene.values.listing("dev-9") == []
    assert scene.shown() == {}, "nobody knows any more what it was about"
    assert scene.values.counters()["values_reports_orphaned"] == 1
