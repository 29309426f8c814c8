"""How soon a server that was ended serves again: the time to its first answered Update.

Knows one registration's path and the clock; what survived of all others is counted by a load. The
new process gets the port of the old one, as a server in use would, and is asked from its first
moment on: it serves devices before it says that it is ready.
"""

from __future__ import annotations

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

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
    again = at_port(recipe, server.port)
    started = time.monotonic()
    with ThreadPoolExecutor(1) as asking:
        updated = asking.submit(first_update, server.port, path_options)
        found = servers.start(again)
        ready_s = time.monotonic() - started
        updated_at = updated.result()
    return found, Restart(ended_s, ready_s, None if updated_at is None else updated_at - started)


def at_port(recipe: servers.Recipe, port: int) -> servers.Recipe:
    """The same server on a port for devices that was free a moment ago."""
    command = recipe.command()
    if "serve" in command:  # of an option given twice the last one counts
        command += ["--coap-port", str(port)]
    else:  # a C program, whose first word is its port
        command[1] = str(port)
    return replace(recipe, command=lambda: command)


def first_update(port: int, path_options: bytes) -> float | None:
    """Ask again each few milliseconds until the answer is 2.04; when it came, None: LIMIT_S."""
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
                    return time.monotonic()
            except TimeoutError:
                continue
            except OSError:  # nobody has the port yet
                time.sleep(ASK_AGAIN_S)
    return None
