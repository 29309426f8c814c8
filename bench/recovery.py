"""How soon a server that was ended serves again: the time to its first answered Update.

Knows one registration's path and the clock; what survived of all others is counted by a load.
"""

from __future__ import annotations

import signal
import socket
import time
from dataclasses import dataclass

from bench import servers

LIMIT_S = 60.0
ASK_AGAIN_S = 0.005
CHANGED = 0x44  # 2.04


@dataclass(frozen=True)
class Restart:
    """Seconds; `updated_s` and `ready_s` from the moment the new process was started."""

    ended_s: float
    ready_s: float
    updated_s: float | None


def restart(
    server: servers.Server, recipe: servers.Recipe, how: signal.Signals, path_options: bytes
) -> tuple[servers.Server, Restart]:
    """End the server by that signal, start it again, and wait until it answers an Update 2.04."""
    ended_s = server.stop(how)
    started = time.monotonic()
    again = servers.start(recipe)
    ready_s = time.monotonic() - started
    is_known = first_update(again.port, path_options)
    updated_s = time.monotonic() - started if is_known else None
    return again, Restart(ended_s, ready_s, updated_s)


def first_update(port: int, path_options: bytes) -> bool:
    """Ask again each few milliseconds until the answer is 2.04; False after LIMIT_S."""
    deadline = time.monotonic() + LIMIT_S
    mid = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(ASK_AGAIN_S)
        while time.monotonic() < deadline:
            mid = mid + 1 & 0xFFFF
            try:
                client.send(b"\x40\x02" + mid.to_bytes(2, "big") + path_options)
                if client.recv(2048)[1] == CHANGED:
                    return True
            except OSError:  # not there yet, or not in time
                continue
    return False
