"""Simulated devices on real sockets, against a small aiocoap server on the loopback network."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import aiocoap
import pytest
from aiocoap import resource

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim import opening, simulation
from lwm2m_fast.sim.layer import Layer
from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.simulation import Simulation
from lwm2m_fast.sim.transport import Transport

WAIT_S = 10.0


class Rd(resource.Resource, resource.PathCapable):
    """Registrations by location; everything a test wants to know of them."""

    def __init__(self) -> None:
        super().__init__()
        self.locations: dict[tuple[str, ...], str] = {}
        self.peers: dict[str, Any] = {}
        self.updates = self.seen = self.sent = 0

    def register(self, request: aiocoap.Message) -> aiocoap.Message:
        (name,) = (query[3:] for query in request.opt.uri_query if query.startswith("ep="))
        self.seen += 1
        location = (f"r{self.seen}",)
        self.locations[location] = name
        self.peers[name] = request.remote
        return aiocoap.Message(code=aiocoap.CREATED, location_path=("rd", *location))

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        known = request.opt.uri_path in self.locations
        self.updates += known
        return aiocoap.Message(code=aiocoap.CHANGED if known else aiocoap.NOT_FOUND)

    async def render_delete(self, request: aiocoap.Message) -> aiocoap.Message:
        known = self.locations.pop(request.opt.uri_path, None)
        return aiocoap.Message(code=aiocoap.DELETED if known else aiocoap.NOT_FOUND)


class Entrance(resource.Resource):
    """/rd itself, which aiocoap keeps apart from what lies below it."""

    def __init__(self, rd: Rd) -> None:
        super().__init__()
        self._rd = rd

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        return self._rd.register(request)


class Dp(resource.Resource):
    """Where devices send values."""

    def __init__(self, rd: Rd) -> None:
        super().__init__()
        self._rd = rd

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        self._rd.sent += 1
        return aiocoap.Message(code=aiocoap.CHANGED)


class LwServer:
    """aiocoap in a thread of its own: the simulator has the main one."""

    def __init__(self, host: str) -> None:
        self.rd, self._host, self._up = Rd(), host, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> LwServer:
        self._thread.start()
        assert self._up.wait(WAIT_S)
        return self

    def __exit__(self, *error: object) -> None:
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join(WAIT_S)

    async def _main(self) -> None:
        self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        site = resource.Site()
        site.add_resource(["rd"], self.rd)
        site.add_resource(["rd"], Entrance(self.rd))
        site.add_resource(["dp"], Dp(self.rd))
        with socket.socket(_family(self._host), socket.SOCK_DGRAM) as probe:
            probe.bind((self._host, 0))
            self.port = probe.getsockname()[1]
        self.context = await aiocoap.Context.create_server_context(
            site, bind=(self._host, self.port)
        )
        self._up.set()
        await self._over.wait()
        await self.context.shutdown()

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"coap://{host}:{self.port}"

    def read(self, endpoint: str, path: str) -> aiocoap.Message:
        async def asked() -> aiocoap.Message:
            message = aiocoap.Message(code=aiocoap.GET)
            message.opt.uri_path = tuple(path.strip("/").split("/"))
            message.remote = self.rd.peers[endpoint]
            return await self.context.request(message).response

        return asyncio.run_coroutine_threadsafe(asked(), self.loop).result(WAIT_S)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[LwServer]:
    with LwServer(request.param) as up:
        yield up


@pytest.fixture
def server4() -> Iterator[LwServer]:
    with LwServer("127.0.0.1") as up:
        yield up


def until(reached: Callable[[], bool], then: Callable[[], None]) -> Callable[[Any], None]:
    """A watcher of the simulation: does `then` once when `reached`."""
    done: list[bool] = []

    def watch(_: object) -> None:
        if reached() and not done:
            done.append(True)
            then()

    return watch


@pytest.mark.parametrize("sockets", ["device", "shared"])
def test_devices_register_update_are_read_and_leave(server, sockets):
    if sockets == "shared" and ":" in server.url[7:12]:
        with pytest.raises(ConfigError, match="127"):
            Simulation(Options(server=server.url, sockets="shared"), lambda _: None)
        return
    options = Options(
        server=server.url,
        devices=5,
        lifetime_s=1,
        update_at=0.3,
        sockets=sockets,
        duration_s=WAIT_S,
    )
    answers: list[aiocoap.Message] = []

    def ask() -> None:
        for endpoint, path in (("sim-000003", "/3/0/2"), ("sim-000005", "/3303")):
            asking = threading.Thread(
                target=lambda e=endpoint, p=path: answers.append(server.read(e, p))
            )
            asking.start()
            askers.append(asking)

    def enough() -> bool:
        if len(answers) == 2 and not stopped:
            stopped.append(True)
            running.stop()
        return server.rd.updates >= 5

    askers: list[threading.Thread] = []
    stopped: list[bool] = []
    running = Simulation(options, until(enough, ask))
    report = running.run()
    for asker in askers:
        asker.join(WAIT_S)
    assert (report.complete, report.registered) == (True, 5)
    assert sorted(set(server.rd.peers)) == [f"sim-{n:06}" for n in range(1, 6)]
    assert server.rd.locations == {}
    by_size = sorted(answers, key=lambda answer: len(answer.payload))
    assert by_size[0].payload == b"sim-000003"
    assert by_size[1].payload.startswith(b'[{"bn":"/3303')
    assert [phase.name for phase in report.phases][-1] == "leaving"


def test_on_loopback_every_device_has_an_address_of_its_own(server4):
    options = Options(server=server4.url, devices=300, mode="ping", duration_s=0.2)
    assert Simulation(options, lambda _: None).run().complete
    options = Options(server=server4.url, devices=300, duration_s=0.1)
    assert Simulation(options, lambda _: None).run().complete
    peers = server4.rd.peers.values()
    assert len({peer.hostinfo for peer in peers}) == 300
    assert any(peer.hostinfo.startswith("127.1.1.44:") for peer in peers)


def test_a_load_of_updates_is_counted_and_timed(server4):
    options = Options(server=server4.url, devices=10, mode="update", duration_s=0.5)
    report = Simulation(options, lambda _: None).run()
    running = next(phase for phase in report.phases if phase.name == "running")
    (row,) = running.rows
    assert row.request == "update"
    assert row.answered == row.endings["2.04"] > 0
    assert 0 < row.p50_ms <= row.p90_ms <= row.p99_ms <= row.max_ms
    assert row.rate == pytest.approx(row.answered / running.seconds)


@pytest.mark.parametrize("sockets", ["device", "shared"])
def test_a_server_that_is_away_ends_the_simulation_after_its_silence(monkeypatch, sockets):
    monkeypatch.setattr(simulation, "SILENCE_S", 0.2)
    monkeypatch.setattr(simulation, "DRAIN_S", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"coap://127.0.0.1:{nobody.getsockname()[1]}"
        if sockets == "device":
            nobody.close()  # the kernel says that nobody is there, which must not end the loop
        report = Simulation(
            Options(server=url, devices=3, ack_timeout_s=0.1, sockets=sockets), lambda _: None
        ).run()
    assert (report.complete, report.registered) == (False, 0)
    assert any("silent" in note for note in report.notes)


def test_more_devices_than_descriptors_are_refused_with_the_limit(monkeypatch):
    monkeypatch.setattr(opening.resource, "getrlimit", lambda _: (100, 500))
    monkeypatch.setattr(opening.resource, "setrlimit", _refuse)
    with pytest.raises(ConfigError, match=r"devices 437: .* needs 501 .* limit is 500"):
        opening.open_transport(opening.resolve("coap://127.0.0.1"), 437, "device")


def _refuse(what: int, limits: tuple[int, int]) -> None:
    if limits[0] > 500:
        raise ValueError("not allowed")


@pytest.mark.parametrize("sockets", ["shared", "device"])
def test_addresses_change_and_updates_go_on(sockets):
    with LwServer("127.0.0.1") as server:
        options = Options(
            server=server.url, devices=10, mode="update", rate=100.0, duration_s=1.5, rebind_s=0.2,
            sockets=sockets, ack_timeout_s=0.2, seed=3,
        )  # fmt: skip
        report = Simulation(options, lambda snapshot: None).run()
    assert report.complete
    assert report.counters["rebound"] > 20
    assert server.rd.updates > 50


def test_only_so_many_devices_can_change_their_loopback_address(monkeypatch):
    monkeypatch.setattr(opening, "MOST_DEVICES", 9)
    target = opening.resolve("coap://127.0.0.1")
    opening.open_transport(target, 4, "shared", rebinds=True).close()
    opening.open_transport(target, 5, "shared").close()
    with pytest.raises(ConfigError, match="devices 5: at most 4"):
        opening.open_transport(target, 5, "shared", rebinds=True)


def test_only_so_many_layers_lie_between_fleet_and_sockets():
    fleet = simulation.build_fleet(Options(devices=1), 0, 0)
    transport = Transport()
    for _ in range(4):
        transport.put_beneath(Layer(fleet))
    with pytest.raises(ValueError, match="at most 4"):
        transport.put_beneath(Layer(fleet))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1", "127.0.0.1:5683", "coap://", "coap://127.0.0.1:70000", "coap://h/path"],
)
def test_a_server_that_is_no_coap_address_is_refused(url):
    with pytest.raises(ConfigError, match="server"):
        opening.resolve(url)
