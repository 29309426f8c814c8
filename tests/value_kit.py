"""Last values over a real store and a registry by script, with a clock that stands still."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

from lwm2m_fast.codec import Kind, Node, decode, encode
from lwm2m_fast.config import ReportingConfig
from lwm2m_fast.core.ask import CoapRequest, Report
from lwm2m_fast.core.contexts import context_of
from lwm2m_fast.core.events import Event
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import StoreError, UnknownDevice
from lwm2m_fast.fleet.settings import UNSET, Settings
from lwm2m_fast.model import Model, built_in
from lwm2m_fast.store import Store
from lwm2m_fast.targets import Targets
from lwm2m_fast.values import Values
from tests.raising_faults import RaisingFaults

UNIX = 1_700_000_000.0
MODEL = Model(built_in())
OBJECTS = {1: [0], 3: [0], 3303: [0, 1]}

CONTENT, CHANGED, DEAD = 69, 68, 132
TEXT, SENML_JSON, SENML_CBOR, TLV, LWM2M_CBOR = 0, 110, 112, 11542, 11544


class Registry:
    """Who is registered with what, and who is observed."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[int, list[int]]] = {}
        self.names: list[str] = []
        self.observations: dict[int, tuple[str, bytes]] = {}
        self.root = "/"
        self.asked: list[str] = []

    def register(self, endpoint: str, objects: dict[int, list[int]] | None = None) -> int:
        """The device's slot."""
        self.objects[endpoint] = OBJECTS if objects is None else objects
        if endpoint not in self.names:
            self.names.append(endpoint)
        return self.names.index(endpoint)

    def observe(self, number: int, endpoint: str, *paths: str, composite: bool = False) -> int:
        if composite:
            order = Order("observe_composite", paths=paths)
        else:
            order = Order("observe", path=paths[0])
        self.observations[number] = (endpoint, context_of(order, CoapRequest(1)))
        return number

    def endpoint_of(self, slot: int) -> str:
        if self.names[slot] not in self.objects:
            raise UnknownDevice(self.names[slot])
        return self.names[slot]

    def reported(self, number: int) -> tuple[str, bytes] | None:
        return self.observations.get(number)

    def shape(self, endpoint: str) -> int:
        objects = self.objects.get(endpoint)
        return 0 if objects is None else zlib.crc32(repr((objects, self.root)).encode())

    def shape_at(self, slot: int) -> int:
        return self.shape(self.names[slot])

    def device(self, endpoint: str) -> dict[str, Any] | None:
        self.asked.append(endpoint)
        if endpoint not in self.objects:
            return None
        return {
            "endpoint": endpoint,
            "lwm2m_version": "1.1",
            "content_formats": [SENML_JSON, SENML_CBOR],
            "objects": {
                str(number): {"version": None, "instances": instances}
                for number, instances in self.objects[endpoint].items()
            },
            "root": self.root,
        }


class SettingsTable:
    def __init__(self) -> None:
        self.by_endpoint: dict[str, Settings] = {}

    @property
    def own(self) -> dict[str, Settings]:
        return self.by_endpoint

    def get(self, endpoint: str) -> Settings:
        return self.by_endpoint.get(endpoint, UNSET)


class Sink:
    """Hears the devices in `wanted`; None hears all, an empty set nobody."""

    def __init__(self, *wanted: str, listens: bool = True) -> None:
        self.wanted, self.listens = wanted, listens

    def hears(self, endpoint: str) -> bool:
        return not self.wanted or endpoint in self.wanted

    def publish(self, events: Sequence[Event]) -> None:
        raise AssertionError("the turn publishes")


class Scene:
    """Values over `store`; time goes on by hand, in whole seconds."""

    def __init__(self, store: Store, *sinks: Sink, **bounds: Any) -> None:
        self.store, self.registry, self.settings = store, Registry(), SettingsTable()
        self.now = UNIX
        self.error: StoreError | None = None
        self.blobs: list[bytes] = []
        self.targets = Targets(self.registry, MODEL, self.settings)
        self.config = ReportingConfig(**bounds)
        self.sinks = sinks
        self.slot = self.registry.register("dev-1")
        self.values = self.start()

    def start(self) -> Values:
        """A process that begins with what the store has."""
        self.values = Values(
            self.store.state, self.keep, self.registry, self.targets, MODEL, self.settings,
            self.config, self.sinks, wall=lambda: self.now, faults=RaisingFaults(),
        )  # fmt: skip
        return self.values

    async def keep(self, changes: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.store.state.apply(changes)
        self.blobs.append(changes)

    def notify(
        self, number: int, payload: bytes, content_format: int = TEXT, code: int = CONTENT
    ) -> list[Event]:
        """A notification a second after whatever was before."""
        self.now += 1
        report = Report(self.slot, number, code, content_format, payload, self.now, 7)
        return self.values.reports([tuple(report)])

    def send(self, payload: bytes, content_format: int = SENML_CBOR) -> list[Event]:
        """A Send that the judge has taken, a second after whatever was before; what is told."""
        self.now += 1
        paths = [str(node.path) for node in decode(content_format, payload, now_ns=0)]
        number = -(2**62) - zlib.crc32(repr((self.slot, paths)).encode())
        if number not in self.values._batch.bound:
            endpoint = self.registry.endpoint_of(self.slot)
            self.values.judged(number, endpoint, self.targets.form_at(self.slot, endpoint))
        report = Report(self.slot, number, 0, content_format, payload, self.now, -1)
        return self.values.reports([tuple(report)])

    def shown(self, prefix: str = "", endpoint: str = "dev-1") -> dict[str, Any]:
        """Path to value, of the listing."""
        return {each["path"]: each["value"] for each in self.values.listing(endpoint, prefix)}

    def count(self, name: str) -> int:
        return self.values.counters()[f"values_{name}"]


def flush(scene: Scene) -> None:
    """Have what was heard written."""
    asyncio.run(scene.values.flush())


def senml(*nodes: Node) -> bytes:
    return encode(SENML_CBOR, list(nodes))


def celsius(value: float, instance: int = 0, time_ns: int | None = None) -> Node:
    return Node(f"/3303/{instance}/5700", value, Kind.FLOAT, time_ns)
