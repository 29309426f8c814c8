"""The core of the server, as tests/scenario drives it, as one end of a link in memory."""

from __future__ import annotations

from lwm2m_fast.sim.link import Packet
from tests.scenario.scripted import START, World


class WorldSide:
    """Device n has the address 10.x.y.z:5683 of its number."""

    def __init__(self, world: World) -> None:
        self.world = world

    @staticmethod
    def address(device: int) -> str:
        return f"10.{device >> 16 & 255}.{device >> 8 & 255}.{device & 255}:5683"

    def receive(self, device: int, datagram: bytes, now_ns: int) -> None:
        self.world.receive((self.address(device), datagram))

    def take(self, now_ns: int) -> list[Packet]:
        self.world.at(START + now_ns / 1e9)
        taken = []
        for address, device in self.world.devices.items():
            a, b, c = map(int, address.partition(":")[0].split(".")[1:])
            taken += [(a << 16 | b << 8 | c, data) for _, data in device.inbox]
            device.inbox.clear()
        return taken

    def next_at(self, now_ns: int) -> int:
        return round((self.world.engine.next_timer() - START) * 1e9)
