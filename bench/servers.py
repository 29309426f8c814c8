"""How each server of a comparison is started, found ready, and stopped.

Knows command lines and ready lines; knows nothing of loads and ratios. Every server is a child
process tied to one core, ended by its own process id.
"""

from __future__ import annotations

import compileall
import contextlib
import functools
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import programs

SERVER_CPU = 0
READY_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
ADMIN_TOKEN = "x"
_NO_COMPILED_FILES = "PYTHONDONTWRITEBYTECODE"
_POLL_S = 0.002
_SETTLE_S = 1.5  # longer than the store's checkpoint interval
_IDLE_PART = 0.03
_READY = re.compile(
    r"coap=udp://[^\s:]+:(\d+)(?: coaps=udp://[^\s:]+:(\d+))?(?:.*\bhttp=(http://\S+))?"
)


class Unavailable(Exception):
    """A server that cannot be measured here; the text says what is missing."""


@dataclass
class Server:
    """A running server on 127.0.0.1."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    http: str | None = None
    secure_port: int | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self, how: int = signal.SIGTERM) -> float:
        """End the process and return the seconds that took; SIGKILL after STOP_LIMIT_S."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - started


@dataclass(frozen=True)
class Recipe:
    """What to run, and how to see that it is ready."""

    name: str
    command: Callable[[], list[str]]
    prints_ready: bool = True
    after_start: Callable[[Server], None] = field(default=lambda server: None)


def _pin() -> None:
    os.sched_setaffinity(0, {SERVER_CPU})


@contextlib.contextmanager
def running(recipe: Recipe) -> Iterator[Server]:
    """Start a server, yield it when it answers, and stop it whatever happens."""
    server = start(recipe)
    try:
        recipe.after_start(server)
        yield server
    finally:
        server.stop()


def start(recipe: Recipe) -> Server:
    """Start a server and wait until it is ready. Raises Unavailable with its last words."""
    command = recipe.command()
    with tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=errors,
            env=_environment(),
            preexec_fn=_pin,
        )
        server = Server(recipe.name, process, _port_in(command))
        find_ready = _printed(words.fileno()) if recipe.prints_ready else _answers_ping
        deadline = time.monotonic() + READY_LIMIT_S
        while not find_ready(server):
            if process.poll() is not None or time.monotonic() > deadline:
                server.stop(signal.SIGKILL)
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip().splitlines()
                raise Unavailable(f"{recipe.name} did not start: {said[-1:] or 'no words'}")
            time.sleep(_POLL_S)
    return server


def _environment() -> dict[str, str]:
    """Ours, but that Python may use compiled files, as an installed server does: without them a
    start takes half a second more, to compile what it imports."""
    return {name: value for name, value in os.environ.items() if name != _NO_COMPILED_FILES}


@functools.cache
def _compiled() -> None:
    """The files that installing would have compiled."""
    compileall.compile_dir(Path(__file__).parents[1] / "lwm2m_fast", quiet=2)


def _port_in(command: list[str]) -> int:
    """The number after -p, for servers that do not print theirs."""
    return int(command[command.index("-p") + 1]) if "-p" in command else 0


def _printed(output: int) -> Callable[[Server], bool]:
    def find(server: Server) -> bool:
        found = _READY.search(os.pread(output, 65536, 0).decode(errors="replace"))
        if found:
            server.port, server.http = int(found[1]), found[3]
            server.secure_port = int(found[2]) if found[2] else None
        return found is not None

    return find


def _answers_ping(server: Server) -> bool:
    return ask(server.port, bytes.fromhex("40000001"), 0.05) is not None


def ask(port: int, datagram: bytes, timeout_s: float) -> bytes | None:
    """Send one datagram and return the answer; None when there is none in time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(timeout_s)
        try:
            client.send(datagram)
            return client.recv(2048)
        except OSError:
            return None


def waited_s(server: Server) -> float:
    """Seconds for which the server's threads were ready to run but had no core."""
    threads = Path(f"/proc/{server.pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[1]) for path in threads) / 1e9


def used_s(server: Server) -> float:
    """CPU seconds of the server's threads so far."""
    threads = Path(f"/proc/{server.pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in threads) / 1e9


def settle(server: Server, limit_s: float = 30.0) -> float:
    """Wait until the server is idle, at most `limit_s`; returns its CPU seconds so far."""
    deadline = time.monotonic() + limit_s
    before, after = -1.0, used_s(server)
    while after - before > _IDLE_PART * _SETTLE_S and time.monotonic() < deadline:
        time.sleep(_SETTLE_S)
        before, after = after, used_s(server)
    return after


def kernel_drops(port: int) -> int:
    """Datagrams that the kernel dropped since its start because that port's buffer was full."""
    dropped = 0
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if int(words[1].rsplit(":", 1)[1], 16) == port:
                dropped += int(words[-1])
    return dropped


def free_port() -> int:
    """A port nobody has now; for servers that cannot choose one themselves."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def ceiling() -> Recipe:
    return Recipe("ceiling", lambda: [str(programs.build("ceiling")), "0"])


def echo(answer_bytes: int = 0) -> Recipe:
    return Recipe("echo", lambda: [str(programs.build("echo")), "0", str(answer_bytes)])


def ours(data_dir: Path, *more: str) -> Recipe:
    """lwm2m-fast with its default durability ("commit"), open registration, its own data."""

    def command() -> list[str]:
        if importlib.util.find_spec("lwm2m_fast.server") is None:
            raise Unavailable("lwm2m_fast.server is not there")
        _compiled()
        where = ["--host", "127.0.0.1", "--coap-port", "0", "--dtls-port", "0", "--http-port", "0"]
        who = ["--policy", "open", "--admin-token", ADMIN_TOKEN]
        data = ["--data-dir", str(data_dir)]
        return [sys.executable, "-m", "lwm2m_fast", "serve", *where, *who, *data, *more]

    return Recipe("lwm2m_fast", command)


def aiocoap(payload_bytes: int) -> Recipe:
    """aiocoap answering GET /.well-known/core with a payload of that size."""

    def command() -> list[str]:
        if importlib.util.find_spec("aiocoap") is None:
            raise Unavailable("aiocoap is not installed")
        script = Path(__file__).parent / "aiocoap_server.py"
        return [sys.executable, str(script), str(payload_bytes)]

    return Recipe("aiocoap", command)


LIBCOAP_PATH = "bench-known/core"  # as many bytes as .well-known/core


def libcoap(payload_bytes: int) -> Recipe:
    """libcoap's example server with one dynamic resource of that size at LIBCOAP_PATH."""

    def command() -> list[str]:
        binary = shutil.which("coap-server-notls")
        if binary is None:
            raise Unavailable("coap-server-notls is missing: install libcoap3-bin")
        return [binary, "-A", "127.0.0.1", "-p", str(free_port()), "-d", "4"]

    def put(server: Server) -> None:
        first, second = LIBCOAP_PATH.encode().split(b"/")
        options = bytes([0xB0 | len(first)]) + first + bytes([len(second)]) + second
        request = b"\x40\x03\x00\x02" + options + b"\xff" + b"x" * payload_bytes
        answer = ask(server.port, request, 2.0)
        if answer is None or answer[1] >> 5 != 2:
            raise Unavailable(f"libcoap refused the resource to measure: {answer!r}")

    return Recipe("libcoap", command, prints_ready=False, after_start=put)
