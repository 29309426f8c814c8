"""Operations over real sockets and a real store, through a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "scenario"))

from scripted import ACK, CON, code_byte, read, register, write

from lwm2m_fast.config import Config
from lwm2m_fast.core.orders import parse_order
from lwm2m_fast.server import Server

DEVICES, EACH = 10, int(os.environ.get("LWM2M_FAST_TEST_EACH", "50"))


def config(directory: Path) -> Config:
    return Config(
        coap={"host": "127.0.0.1", "port": 0},
        dtls={"enabled": False},
        http={"port": 0},
        registration={"policy": "open"},
        store={"data_dir": directory},
    )


def names() -> list[str]:
    return [f"dev-{number}" for number in range(DEVICES)]


def paths() -> list[str]:
    return [f"/3303/0/{number}" for number in range(EACH)]


class Device(asyncio.DatagramProtocol):
    """Registers, then answers every request once, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[int, bytes] = {}
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        heard = read(data)
        if heard.type != CON:
            return
        if heard.mid not in self.answers:
            self.asked.append("/" + b"/".join(heard.path).decode())
            self.answers[heard.mid] = write(
                ACK, code_byte("2.05"), heard.mid, heard.token, [(12, b"")], b"7"
            )
        self.transport.sendto(self.answers[heard.mid])


async def device(port: int, name: str) -> Device:
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(Device, remote_addr=("127.0.0.1", port))
    transport.sendto(register(name, mid=1, lifetime=86400))
    return made


async def submit_and_die(directory: Path) -> None:
    server = Server(config(directory))
    await server.start()
    assert server.service is not None
    orders = [parse_order({"op": "read", "path": path}) for path in paths()]
    for name in names():
        await server.service.submit(name, orders)
    os.kill(os.getpid(), signal.SIGKILL)


async def deliver(directory: Path) -> None:
    server = Server(config(directory))
    addresses = await server.start()
    service = server.service
    assert service is not None
    devices: list[Device] = []
    try:
        assert service.counters()["operations_waiting"] == DEVICES * EACH
        devices += [await device(addresses.coap_port, name) for name in names()]
        async with asyncio.timeout(60):
            while service.counters()["operations_waiting"]:  # noqa: ASYNC110 - asked until a deadline
                await asyncio.sleep(0.01)
            last = service.operations("dev-3", limit=1)[0]
            assert (await service.wait("dev-3", last["id"], 10))["state"] == "SUCCESSFUL"
        assert [each.asked for each in devices] == [paths()] * DEVICES
    finally:
        for each in devices:
            each.transport.close()
        await server.stop()


def test_what_was_submitted_before_a_kill_is_delivered_once_and_in_order(tmp_path):
    here = f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]; "
    run = "import test_live_operations as t; from pathlib import Path; "
    act = f"t.uvloop.run(t.submit_and_die(Path({str(tmp_path)!r})))"
    died = subprocess.run([sys.executable, "-c", here + run + act], timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    uvloop.run(deliver(tmp_path))
