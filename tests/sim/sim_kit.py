"""A fleet in memory and the server's side of its conversations: no socket, a clock of numbers."""

from __future__ import annotations

from typing import Any

from lwm2m_fast.sim.desk import Desk
from lwm2m_fast.sim.fleet import Fleet
from lwm2m_fast.sim.options import Options
from lwm2m_fast.sim.simulation import NEW, REGISTER, build_devices
from lwm2m_fast.wire.coap import build, parse

CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE, FETCH, IPATCH = 1, 2, 3, 4, 5, 7
OBSERVE, CONTENT_FORMAT, URI_QUERY, ACCEPT, BLOCK2, BLOCK1 = 6, 12, 15, 17, 23, 27
S = 1_000_000_000
"""Nanoseconds in a second."""

CREATED, DELETED, CHANGED, CONTENT, CONTINUE = 65, 66, 68, 69, 95
BAD_REQUEST, BAD_OPTION, NOT_FOUND, NOT_ALLOWED, NOT_ACCEPTABLE = 128, 130, 132, 133, 134
INCOMPLETE, TOO_LARGE, UNSUPPORTED, INTERNAL = 136, 141, 143, 160


class Server:
    """Speaks to a fleet datagram by datagram."""

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.fleet: Fleet
        self.desk: Desk
        self.fleet, self.desk = build_devices(self.options, 0, 1_763_690_000)
        self.now = 0
        self.mid = 100

    def turn(self, now_s: float | None = None) -> list[tuple[int, dict[str, Any]]]:
        """What leaves the fleet at this moment, as (device, message)."""
        if now_s is not None:
            self.now = round(now_s * S)
        self.fleet.handle_turn(self.now)
        return self.taken()

    def taken(self) -> list[tuple[int, dict[str, Any]]]:
        return [(device, parse(datagram)) for device, datagram in self.fleet.take_output()]

    def send(self, device: int, datagram: bytes) -> list[dict[str, Any]]:
        """What the device says to this."""
        self.fleet.receive_datagram(device, datagram, self.now)
        return [message for _, message in self.taken()]

    def answer(
        self,
        device: int,
        request: dict[str, Any],
        code: int,
        options: Any = (),
        token: bytes | None = None,
    ) -> list[dict[str, Any]]:
        """A piggybacked response."""
        token = request["token"] if token is None else token
        return self.send(device, build(ACK, code, request["mid"], token, options))

    def registered(self) -> None:
        """Bring the whole fleet in, each at its own location."""
        self.fleet.load(REGISTER, [NEW], once=True, outstanding=1000, now_ns=self.now)
        while said := self.turn():
            for device, request in said:
                self.answer(device, request, CREATED, location(device))
        assert self.fleet.registered == self.fleet.size

    def get(self, path: str, *options: tuple[int, bytes | int], **message: Any) -> dict[str, Any]:
        """The only answer of device 0 to a request."""
        (answer,) = self.ask(path, *options, **message)
        return answer

    def ask(
        self,
        path: str,
        *options: tuple[int, bytes | int],
        code: int = GET,
        type: int = CON,
        mid: int = 1,
        payload: bytes = b"",
    ) -> list[dict[str, Any]]:
        segments = [(11, part.encode()) for part in path.strip("/").split("/") if part]
        return self.send(0, build(type, code, mid, b"tk", [*segments, *options], payload))

    def do(
        self,
        code: int,
        path: str,
        payload: bytes = b"",
        content_format: int | None = None,
        *options: tuple[int, bytes | int],
    ) -> dict[str, Any]:
        """The only answer of device 0 to a request with a message id of its own."""
        self.mid += 1
        chosen = [] if content_format is None else [(CONTENT_FORMAT, content_format)]
        (answer,) = self.ask(path, *chosen, *options, code=code, mid=self.mid, payload=payload)
        return answer

    def read(self, path: str, accept: int | None = None) -> dict[str, Any]:
        """A Read with a message id of its own."""
        return self.do(GET, path, b"", None, *([] if accept is None else [(ACCEPT, accept)]))


def location(device: int) -> list[tuple[int, bytes]]:
    return [(8, b"rd"), (8, f"id{device}".encode())]
