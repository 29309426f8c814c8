"""A server that reads from its devices as fast as they answer, for bench_reports.

    python -m bench.read_server one|bulk DEVICES DATA_DIR

one: 32 callers, each awaits one Read after the other. bulk: one caller that asks for 256 Reads at
a time. Begins when DEVICES devices (dev0000000 ...) are registered, and goes on until SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from lwm2m_fast.config import Config
from lwm2m_fast.core.orders import Order
from lwm2m_fast.rest.base import Service
from lwm2m_fast.server import Server

ADMIN_TOKEN = "x"
CALLERS = 32
BULK = 256
TIMEOUT_S = 30.0
ORDER = Order("read", path="/3303/0/5700")
POLL_S = 0.02


async def one_by_one(service: Service, names: list[str]) -> None:
    """CALLERS callers share the fleet between them."""

    async def call(mine: list[str]) -> None:
        while True:
            for name in mine:
                result = await service.perform(name, ORDER, TIMEOUT_S)
                assert result.ok, result

    await asyncio.gather(*(call(names[at::CALLERS]) for at in range(CALLERS)))


async def in_bulk(service: Service, names: list[str]) -> None:
    """BULK devices at a time, round the fleet."""
    at = 0
    while True:
        asks = [(names[(at + i) % len(names)], ORDER) for i in range(min(BULK, len(names)))]
        at += len(asks)
        for result in await service.perform_many(asks, TIMEOUT_S):
            assert getattr(result, "ok", False), result


def registered(service: Service) -> int:
    """Registers since the start: who is known from an earlier run has another port by now."""
    counted = service.counters()
    return counted["registrations_created"] + counted["registrations_replaced"]


MODES: dict[str, Callable[[Service, list[str]], Awaitable[None]]] = {
    "one": one_by_one,
    "bulk": in_bulk,
}


async def main(mode: str, devices: int, data_dir: str) -> None:
    config = Config(
        coap={"host": "127.0.0.1", "port": 0},
        dtls={"enabled": False},
        registration={"policy": "open"},
        store={"data_dir": Path(data_dir)},
        http={"port": 0, "admin_token": ADMIN_TOKEN},
    )
    server = Server(config)
    addresses = await server.start()
    assert server.service is not None
    http = f"http://127.0.0.1:{addresses.http_port}"
    print(f"ready coap=udp://127.0.0.1:{addresses.coap_port} http={http} ", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    while registered(server.service) < devices and not ended.is_set():  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    names = [f"dev{number:07}" for number in range(devices)]
    reading = asyncio.ensure_future(MODES[mode](server.service, names))
    stopping = asyncio.ensure_future(ended.wait())
    await asyncio.wait([reading, stopping], return_when=asyncio.FIRST_COMPLETED)
    if reading.done():
        reading.result()
    reading.cancel()
    await server.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
