"""A UDP relay between devices and a server that loses, doubles and reorders, the same way for the
same seed and the same datagrams. Ends with its block; holds nothing for longer than HELD_S.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

MOST_CLIENTS = 64
HELD_S = 0.2


class BadProxy:
    """`where` is its address for devices; `lost`, `doubled` and `overtaken` count what it did."""

    def __init__(self, server: tuple[str, int], seed: int, loss: float) -> None:
        self.server, self.loss = server, loss
        self.lost = self.doubled = self.overtaken = self.relayed = 0
        self._random = Random(seed)
        self._front = self._bound()
        self.where: tuple[str, int] = self._front.getsockname()
        self._backs: dict[tuple[str, int], socket.socket] = {}
        self._held: list[tuple[float, socket.socket, bytes, tuple[str, int]]] = []
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(self._front, selectors.EVENT_READ, None)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @staticmethod
    def _bound() -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind(("127.0.0.1", 0))
        bound.setblocking(False)
        return bound

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._waiting.close()
        for each in (self._front, *self._backs.values()):
            each.close()

    def _run(self) -> None:
        while not self._over.is_set():
            for key, _ in self._waiting.select(0.05):
                with suppress(BlockingIOError, ConnectionRefusedError):
                    data, source = key.fileobj.recvfrom(4096)  # type: ignore[union-attr]
                    self._came(key.data, data, source)
            now = time.monotonic()
            due = [each for each in self._held if each[0] <= now]
            self._held = [each for each in self._held if each[0] > now]
            self._release(due)

    def _came(self, client: tuple[str, int] | None, data: bytes, source: tuple[str, int]) -> None:
        if client is not None:
            self._pass_on(self._front, data, client)
            return
        if source not in self._backs and len(self._backs) < MOST_CLIENTS:
            self._backs[source] = self._bound()
            self._waiting.register(self._backs[source], selectors.EVENT_READ, source)
        if source in self._backs:
            self._pass_on(self._backs[source], data, self.server)

    def _pass_on(self, out: socket.socket, data: bytes, to: tuple[str, int]) -> None:
        held, self._held = self._held, []
        chance = self._random.random()
        if chance < self.loss:
            self.lost += 1
        elif chance < self.loss + 0.15:
            self._held.append((time.monotonic() + HELD_S, out, data, to))
        else:
            self._send(out, data, to)
            self.overtaken += len(held)
            if chance > 0.85:
                self.doubled += 1
                self._send(out, data, to)
        self._release(held)

    def _release(self, held: list[tuple[float, socket.socket, bytes, tuple[str, int]]]) -> None:
        for _, out, data, to in held:
            self._send(out, data, to)

    def _send(self, out: socket.socket, data: bytes, to: tuple[str, int]) -> None:
        self.relayed += 1
        with suppress(OSError):
            out.sendto(data, to)


@contextmanager
def bad_proxy(server: tuple[str, int], seed: int, loss: float) -> Iterator[BadProxy]:
    proxy = BadProxy(server, seed, loss)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
