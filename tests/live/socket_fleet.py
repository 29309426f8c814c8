"""Many devices on sockets of their own, served by one thread; and what a server reports of them.

A device answers what it is asked, repeats its answer to a duplicate, and writes down the number of
every operation that it is given. Judges nothing.
"""

from __future__ import annotations

import re
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import orjson
from scripted import ACK, CON, POST, Heard, read, register_parts, request, write
from serving import Server

CHANGED = 0x44
ASK_AGAIN_S = 1.0
NUMBER = re.compile(rb"op-(\d+)")


class FleetDevice:
    """One device. `given` and `answered` are of the server that runs now, in order."""

    def __init__(self, number: int) -> None:
        self.name = f"dev-{number:03}"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.location = ""
        self.given: list[int] = []
        self.answered: list[int] = []
        self.answers_before_silence: int | None = None
        """How many it answers from now on; None: all."""
        self.asking = b""
        self._mid = 0
        self._heard: dict[int, bytes] = {}

    def contact(self, server: Server) -> None:
        """Register, or Update, at a server that has just been started."""
        self.given, self.answered, self._heard = [], [], {}
        self._mid += 1
        if self.location:
            self.asking = request(POST, self.location, mid=self._mid)
        else:
            self.asking = request(
                POST, "rd", mid=self._mid, **register_parts(self.name, lifetime=86400)
            )
        self.ask(server.coap)

    def ask(self, where: tuple[str, int]) -> None:
        self.socket.sendto(self.asking, where)

    def hear(self, data: bytes, source: tuple[str, int], *, may_answer: bool) -> None:
        heard = read(data)
        if heard.type == ACK:
            if heard.mid == self._mid:
                assert heard.code == ("2.04" if self.location else "2.01"), heard
                self.location = self.location or heard.location
                self.asking = b""
            return
        assert heard.type == CON, heard
        if heard.mid not in self._heard:
            self.given.append(_number(heard))
            self._heard[heard.mid] = b""
            if may_answer and len(self.answered) != self.answers_before_silence:
                self.answered.append(self.given[-1])
                self._heard[heard.mid] = write(ACK, CHANGED, heard.mid, heard.token)
        if may_answer and self._heard[heard.mid]:
            self.socket.sendto(self._heard[heard.mid], source)


def _number(heard: Heard) -> int:
    found = NUMBER.search(heard.payload)
    assert found is not None, heard
    return int(found[1])


class SocketFleet:
    """All devices."""

    def __init__(self, count: int) -> None:
        self.devices = [FleetDevice(number) for number in range(count)]
        self._waiting = selectors.DefaultSelector()
        for device in self.devices:
            self._waiting.register(device.socket, selectors.EVENT_READ, device)

    def close(self) -> None:
        self._waiting.close()
        for device in self.devices:
            device.socket.close()

    def contact(self, server: Server) -> None:
        for device in self.devices:
            device.contact(server)

    def serve(self, server: Server, until: Callable[[], bool], seconds: float = 60.0) -> None:
        """Answer until then; AssertionError when it never is."""
        deadline = time.monotonic() + seconds
        again = time.monotonic() + ASK_AGAIN_S
        while not until():
            self._turn(0.1, may_answer=True)
            now = time.monotonic()
            assert now < deadline, f"not within {seconds} s"
            if now >= again:
                again = now + ASK_AGAIN_S
                for device in self.devices:
                    if device.asking:
                        device.ask(server.coap)

    def drain(self) -> None:
        """Take what is left of a server that is gone."""
        while self._turn(0.0, may_answer=False):
            pass

    def _turn(self, seconds: float, *, may_answer: bool) -> int:
        ready = self._waiting.select(seconds)
        for key, _ in ready:
            with suppress(BlockingIOError):
                data, source = key.fileobj.recvfrom(2048)  # type: ignore[union-attr]
                key.data.hear(data, source, may_answer=may_answer)
        return len(ready)


@contextmanager
def successes(server: Server) -> Iterator[set[tuple[str, int]]]:
    """(device, number) of each operation that the event stream reports as SUCCESSFUL, from now to
    the end of the server, with which the block must end."""
    found: set[tuple[str, int]] = set()
    begun = threading.Event()

    def listen() -> None:
        with (
            suppress(httpx.HTTPError),
            httpx.stream(
                "GET",
                server.http.base_url.join("/api/v1/events"),
                headers=server.http.headers,
                timeout=30,
                trust_env=False,
            ) as stream,
        ):
            begun.set()
            for line in stream.iter_lines():
                if line.startswith("data: ") and '"SUCCESSFUL"' in line:
                    event = orjson.loads(line.removeprefix("data: "))
                    text = event["data"]["order"]["value"]
                    found.add((event["endpoint"], int(text.removeprefix("op-"))))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert begun.wait(20)
    yield found
    thread.join(20)
    assert not thread.is_alive()
