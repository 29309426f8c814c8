"""A DTLS server with the product's core behind it, on a socket and in a thread, for live trials."""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import Any

from dtls_side import DtlsSide
from world_side import WorldSide

from tests.scenario.scripted import World


class DtlsServer:
    """`side` is what happened, to be looked at when it is over."""

    def __init__(self, keys: dict[bytes, bytes], **options: Any) -> None:
        self.world = World()
        self.side = DtlsSide(WorldSide(self.world), keys, **options)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.url = f"coaps://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> DtlsServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        began = time.monotonic_ns()
        is_last = False
        while not is_last:
            is_last = self._over.is_set()  # and yet what has come by then is read
            select.select([self._socket], [], [], 0.01)
            now = time.monotonic_ns() - began
            for _ in range(256):
                try:
                    datagram, address = self._socket.recvfrom(2048)
                except BlockingIOError:
                    break
                self.side.receive(address, datagram, now)
            for address, datagram in self.side.take(now):
                self._socket.sendto(datagram, address)
