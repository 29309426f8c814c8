"""A lossy link in memory between a server and devices, on a clock that is a number.

For tests: the same seed and the same two sides say the same, datagram by datagram. The clock jumps
from one event to the next, so an hour of retransmission takes no time. Knows no socket and no CoAP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from lwm2m_fast.sim.dtls import Dtls
from lwm2m_fast.sim.fleet import Fleet
from lwm2m_fast.sim.impairment import Impairment

Packet = tuple[int, bytes]
"""(device, datagram); devices are counted from 0."""

STEP_NS: Final = 20_000_000
"""How often a side is asked that cannot say when it has something to do."""


class Side(Protocol):
    """One end of the link. Moments are nanoseconds since the link began."""

    def receive(self, device: int, datagram: bytes, now_ns: int) -> None:
        """A datagram from or for this device has arrived."""

    def take(self, now_ns: int) -> list[Packet]:
        """Do what is due, and give what is to leave."""

    def next_at(self, now_ns: int) -> int:
        """When this side has something to do by itself, later than now."""


class FleetSide:
    """Simulated devices as one end of a link; the fleet's clock has to begin at 0."""

    def __init__(self, fleet: Fleet | Dtls) -> None:
        self.fleet = fleet

    def receive(self, device: int, datagram: bytes, now_ns: int) -> None:
        self.fleet.receive_datagram(device, datagram, now_ns)

    def take(self, now_ns: int) -> list[Packet]:
        self.fleet.handle_turn(now_ns)
        return self.fleet.take_output()

    def next_at(self, now_ns: int) -> int:
        return now_ns + STEP_NS


class Link:
    """Carries datagrams both ways. `to_devices.counts` and `to_server.counts` tell their fate."""

    def __init__(
        self,
        server_side: Side,
        device_side: Side,
        seed: int,
        loss: float = 0.0,
        reorder: float = 0.0,
        delay: float = 0.0,
        duplicate: float = 0.0,
    ) -> None:
        """Shares are of the datagrams in each direction, 0 to 1; `delay` is seconds one way."""
        self._server, self._devices = server_side, device_side
        self.now_ns = 0

        def way(number: int) -> Impairment[Packet]:
            return Impairment(
                seed * 2 + number, loss=loss, delay_s=delay, reorder=reorder, duplicate=duplicate
            )

        self.to_server, self.to_devices = way(0), way(1)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let so much time pass, or less once `until` holds; whether it does (True without one)."""
        end = self.now_ns + round(seconds * 1e9)
        while True:
            self._exchange()
            if until is not None and until():
                return True
            if self.now_ns >= end:
                return until is None
            self.now_ns = min(end, self._next_at())

    def _exchange(self) -> None:
        """Everything that happens at this moment."""
        busy = True
        while busy:
            for packet in self._devices.take(self.now_ns):
                self.to_server.push(self.now_ns, packet)
            for packet in self._server.take(self.now_ns):
                self.to_devices.push(self.now_ns, packet)
            arrived = self.to_server.due(self.now_ns), self.to_devices.due(self.now_ns)
            for packet in arrived[0]:
                self._server.receive(*packet, self.now_ns)
            for packet in arrived[1]:
                self._devices.receive(*packet, self.now_ns)
            busy = any(arrived)

    def _next_at(self) -> int:
        moments = [
            self._server.next_at(self.now_ns),
            self._devices.next_at(self.now_ns),
            *(at for way in (self.to_server, self.to_devices) if (at := way.next_at()) is not None),
        ]
        return max(self.now_ns + 1, min(moments))
