"""aiocoap as the server's client side: an implementation of CoAP that is not ours judges what a
simulated device answers, on real sockets."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import aiocoap
import cbor2
import pytest
from aiocoap import Code
from test_sim_live import WAIT_S, LwServer

from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.simulation import Simulation

ENDPOINT = "sim-000001"


class Running:
    """A fleet in a thread of its own; requests of the server are made in aiocoap's loop."""

    def __init__(self, **options: Any) -> None:
        self._server = LwServer("127.0.0.1")
        self._options = options

    def __enter__(self) -> Running:
        self._server.__enter__()
        self.rd = self._server.rd
        options = Options(server=self._server.url, devices=2, sockets="device", **self._options)
        self.simulation = Simulation(options, self._watch)
        self._registered = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._registered.wait(WAIT_S)
        return self

    def _watch(self, at: Any) -> None:
        if at.registered == 2:
            self._registered.set()

    def _run(self) -> None:
        self.report = self.simulation.run()

    def __exit__(self, *error: object) -> None:
        self.simulation.stop()
        self._thread.join(WAIT_S)
        self._server.__exit__()

    def message(self, code: Code, path: str, payload: bytes = b"", **options: Any) -> Any:
        message = aiocoap.Message(code=code, payload=payload)
        message.opt.uri_path = tuple(part for part in path.split("/") if part)
        message.remote = self.rd.peers[ENDPOINT]
        for name, value in options.items():
            setattr(message.opt, name, value)
        return message

    def ask(self, code: Code, path: str, payload: bytes = b"", **options: Any) -> Any:
        async def asked() -> aiocoap.Message:
            message = self.message(code, path, payload, **options)
            return await self._server.context.request(message).response

        return self.run(asked())

    def observe(self, path: str, count: int, **options: Any) -> list[Any]:
        """The first answer and `count` notifications; then the observation is cancelled."""

        async def observed() -> list[Any]:
            message = self.message(Code.GET, path, observe=0, **options)
            request = self._server.context.request(message)
            said = [await request.response]
            async for each in request.observation:
                said.append(each)
                if len(said) > count:
                    break
            request.observation.cancel()
            return said

        return self.run(observed())

    def run(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._server.loop).result(WAIT_S)


@pytest.fixture(scope="module")
def device():
    with Running() as running:
        yield running


def test_a_written_value_is_read_back_in_text_and_senml(device):
    assert device.ask(Code.PUT, "/3/0/15", b"UTC", content_format=0).code == Code.CHANGED
    assert device.ask(Code.GET, "/3/0/15").payload == b"UTC"
    answer = device.ask(Code.GET, "/3/0/15", accept=110)
    assert json.loads(answer.payload)[0]["vs"] == "UTC"
    answer = device.ask(Code.GET, "/3303/0", accept=112)
    assert answer.opt.content_format == 112
    records = cbor2.loads(answer.payload)
    units = {record[0]: record for record in records}
    assert any(record.get(3) == "Cel" for record in units.values())
    assert all(isinstance(record.get(2, 0), int | float) for record in records)


def test_a_reading_in_cbor_is_the_reading_in_text(device):
    battery = device.ask(Code.GET, "/3/0/9", accept=60)
    assert 0 <= cbor2.loads(battery.payload) <= 100
    signal = cbor2.loads(device.ask(Code.GET, "/4/0/2", accept=60).payload)
    assert -110 <= signal <= -50
    assert abs(int(device.ask(Code.GET, "/4/0/2").payload) - signal) <= 1
    moment = cbor2.loads(device.ask(Code.GET, "/3/0/13", accept=60).payload)
    assert abs(int(device.ask(Code.GET, "/3/0/13").payload) - getattr(
        moment, "timestamp", lambda: moment)()) <= 2  # fmt: skip


def test_a_long_write_and_a_long_read_go_in_blocks(device):
    image = bytes(range(256)) * 20
    answer = device.ask(Code.PUT, "/3442/0/150", image, content_format=42)
    assert answer.code == Code.CHANGED
    assert device.ask(Code.GET, "/3442/0/150").payload == image


def test_composite_operations(device):
    paths = json.dumps([{"n": "/3/0/0"}, {"n": "/3442/0/120"}]).encode()
    answer = device.ask(Code.FETCH, "/", paths, content_format=110, accept=110)
    assert answer.code == Code.CONTENT
    base, names = "", {}
    for record in json.loads(answer.payload):
        base = record.get("bn", base)
        names[base + record.get("n", "")] = record
    assert names["/3/0/0"]["vs"] == "lwm2m_fast"
    patch = json.dumps([{"n": "/3442/0/120", "v": 77}]).encode()
    assert device.ask(Code.iPATCH, "/", patch, content_format=110).code == Code.CHANGED
    assert device.ask(Code.GET, "/3442/0/120").payload == b"77"


def test_create_discover_and_delete(device):
    created = device.ask(Code.POST, "/3303", b"\x00\x0b", content_format=11542)
    assert created.code == Code.CREATED
    links = device.ask(Code.GET, "/3303/11", accept=40).payload.decode()
    assert links.startswith("</3303/11>,")
    assert device.ask(Code.DELETE, "/3303/11").code == Code.DELETED
    assert device.ask(Code.GET, "/3303/11").code == Code.NOT_FOUND


@pytest.mark.parametrize(
    "code, path, expected",
    [
        (Code.POST, "/3/0/0", Code.METHOD_NOT_ALLOWED),
        (Code.POST, "/3303/0/5605", Code.CHANGED),
        (Code.DELETE, "/3/0", Code.METHOD_NOT_ALLOWED),
        (Code.GET, "/0/0/0", Code.NOT_FOUND),
    ],
)
def test_codes(device, code, path, expected):
    assert device.ask(code, path).code == expected


def test_an_observation_notifies_and_ends(device):
    write = device.ask(Code.PUT, "/3303/0/5700", uri_query=("pmin=1", "pmax=1"))
    assert write.code == Code.CHANGED
    said = device.observe("/3303/0/5700", 2)
    assert len(said) == 3
    assert all(-60.0 < float(each.payload) < 130.0 for each in said)
    assert said[1].opt.observe < said[2].opt.observe


def test_a_slow_device_answers_separately_over_a_bad_link():
    with Running(
        slow_s=0.2, loss=0.1, reorder=0.2, delay_s=0.02, seed=5, ack_timeout_s=0.2
    ) as slow:
        for _ in range(2):
            assert slow.ask(Code.GET, "/3/0/0").payload == b"lwm2m_fast"
    assert slow.report.registered == 2


def test_sends_arrive_and_are_summed_up():
    with Running(send_every_s=0.1, notify_every_s=0.2) as running:
        said = running.observe("/3/0/0", 3)
        wait_until(lambda: running.rd.sent >= 3)
    assert {each.payload for each in said} == {b"lwm2m_fast"}
    rows = {row.request: row for phase in running.report.phases for row in phase.rows}
    assert rows["send"].endings["2.04"] >= 3
    assert running.report.operations["notifications"] >= 3


def wait_until(holds: Callable[[], bool]) -> None:
    """Polls, as nothing tells."""
    event = threading.Event()
    for _ in range(int(WAIT_S * 50)):
        if holds():
            return
        event.wait(0.02)
    raise AssertionError("it never came")
