"""What the service says of devices' data, over a whole server and a device on a real socket."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import CONTENT_FORMAT, POST, Heard, read, register, request

from lwm2m_fast.codec import Kind, Node, encode
from lwm2m_fast.config import Config
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.contexts import context_of
from lwm2m_fast.core.orders import Order
from lwm2m_fast.device_data import DeviceData, _observation
from lwm2m_fast.errors import RequestError, UnknownDevice
from lwm2m_fast.server import Server
from lwm2m_fast.service import RunningServer


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class Device:
    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(10.0)
        self._socket.connect(("127.0.0.1", port))

    async def ask(self, message: bytes) -> Heard:
        self._socket.send(message)
        return read(await asyncio.to_thread(self._socket.recv, 2048))

    def close(self) -> None:
        self._socket.close()


Act = Callable[[RunningServer, Device], Awaitable[None]]


def serve(data_dir: Path, act: Act) -> None:
    """Run `act` against a server whose values are flushed at its end only."""
    config = Config(
        coap={"host": "127.0.0.1", "port": 0},
        dtls={"enabled": False},
        http={"port": 0},
        store={"data_dir": data_dir},
        registration={"policy": "open"},
        reporting={"values_flush_s": 60.0},
    )

    async def served() -> None:
        server = Server(config)
        addresses = await server.start()
        device = Device(addresses.coap_port)
        try:
            assert server.service is not None
            async with asyncio.timeout(30):
                await act(server.service, device)
        finally:
            device.close()
            await server.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(served())


def test_what_is_known_of_a_device_outlives_a_graceful_stop(tmp_path: Path) -> None:
    async def first(service: RunningServer, device: Device) -> None:
        links = b"</3/0>,</3303/0>"
        assert (await device.ask(register("dev-1", payload=links))).code == "2.01"
        payload = encode(112, [Node("/3303/0/5700", 21.5, Kind.FLOAT)])
        options = [(CONTENT_FORMAT, b"\x70")]
        send = request(POST, "dp", mid=2, options=options, payload=payload)
        assert (await device.ask(send)).code == "2.04"
        bad = request(POST, "dp", mid=3, options=options, payload=b"\xff")
        assert (await device.ask(bad)).code == "4.00"
        await service.set_settings("dev-1", {"serializationFormat": "TLV"})
        await service.put_file("fw.bin", stream(b"abc"), "default")
        assert service.counters()["values_unflushed"] == 1
        assert service.counters()["values_sends_malformed"] == 1

    async def second(service: RunningServer, device: Device) -> None:
        (value,) = service.values("dev-1", "/3303")
        assert (value["path"], value["value"], value["origin"]) == ("/3303/0/5700", 21.5, "SEND")
        assert service.settings("dev-1")["serializationFormat"] == "TLV"
        assert [file["name"] for file in service.files("default")] == ["fw.bin"]
        target = service.target("dev-1")
        assert target is not None and target.forced == 11542
        assert await service.delete_file("fw.bin", "default")
        await service.forget_values("dev-1")
        assert service.values("dev-1") == []

    serve(tmp_path / "data", first)
    serve(tmp_path / "data", second)


def test_observations_are_those_of_the_engine_with_their_paths(tmp_path: Path) -> None:
    async def act(service: RunningServer, device: Device) -> None:
        assert service.target("dev-1") is None
        with pytest.raises(UnknownDevice):
            service.observations("dev-1")
        await device.ask(register("dev-1"))
        assert service.observations("dev-1") == []

    serve(tmp_path / "data", act)


@pytest.mark.parametrize(
    "order, paths",
    [
        (Order("observe", path="/3/0"), ["/3/0"]),
        (Order("observe_composite", paths=("/3/0/9", "/1")), ["/1", "/3/0/9"]),
    ],
)
def test_an_observation_is_shown_with_what_it_is_about(order: Order, paths: list[str]) -> None:
    context = context_of(order, CoapRequest(1, accept=112))
    told = {"number": 7, "context": context, "state": "active", "since": 1.0, "notified": 2,
            "last_at": 3.0}  # fmt: skip
    assert _observation(told) == {
        "id": 7,
        "paths": paths,
        "is_composite": order.op == "observe_composite",
        "content_format": 112,
        "state": "active",
        "since": 1.0,
        "notified": 2,
        "last_at": 3.0,
    }
    unreadable = _observation({**told, "context": b"\xff"})
    assert (unreadable["id"], unreadable["paths"]) == (7, [])


def test_before_the_start_there_is_no_data() -> None:
    with pytest.raises(RequestError, match="not running"):
        DeviceData().values("dev-1")
