"""A real server in a process of its own, and devices on real sockets.

Nothing sleeps: a server is ready when it says so, and everything else is asked until a deadline.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent / "scenario"))

from scripted import CON, POST, Heard, read, register, register_parts, request

ROOT = Path(__file__).parent.parent.parent
TOKEN = "a-token-of-the-tests"
READY_S = 30.0
READY = re.compile(
    r"ready coap=(?:off|udp://(?P<coap>\S+):(?P<coap_port>\d+))( coaps=udp://\S+:(?P<coaps_port>\d+))?"
    r"( bootstrap=coap://\S+:(?P<bs_port>\d+))?( bootstraps=coaps://\S+:(?P<bss_port>\d+))?"
    r" http=(?P<http>\S+) "
)

T = TypeVar("T")


def until(found: Callable[[], T], seconds: float = 10.0) -> T:
    """Ask until the answer is true; AssertionError when it never is."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
    return value


class Server:
    """`lwm2m-fast serve` over `data_dir`, from its ready line to its end."""

    def __init__(
        self,
        data_dir: Path,
        *flags: str,
        env: dict[str, str] | None = None,
        host: str = "127.0.0.1",
        before_exec: Callable[[], None] | None = None,
    ) -> None:
        self.log_path = data_dir.parent / f"{data_dir.name}.log"
        command = [sys.executable, "-m", "lwm2m_fast", "serve", "--data-dir", str(data_dir)]
        command += ["--host", host, "--coap-port", "0", "--dtls-port", "0"]
        command += ["--http-port", "0"]
        command += ["--policy", "open", *flags]
        settings = {"LWM2M_FAST_HTTP__ADMIN_TOKEN": TOKEN, **(env or {})}
        self._log = self.log_path.open("ab")
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            env={**os.environ, **settings},
            preexec_fn=before_exec,
        )
        self.http = httpx.Client(
            headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=20.0
        )
        match = READY.search(self._said())
        if match is None:
            self.let_go()
            raise AssertionError(f"never ready: {self.logged()}")
        self.coap = (host, int(match["coap_port"] or 0))
        self.coaps = (host, int(match["coaps_port"])) if match["coaps_port"] else None
        self.bootstrap = (host, int(match["bs_port"])) if match["bs_port"] else None
        self.bootstraps = (host, int(match["bss_port"])) if match["bss_port"] else None
        self.http.base_url = match["http"]

    def _said(self) -> str:
        """Standard output up to the ready line, or to its end."""
        assert self.process.stdout is not None
        said = b""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            deadline = time.monotonic() + READY_S
            while b"ready" not in said or not said.endswith(b"\n"):
                if not waiting.select(deadline - time.monotonic()):
                    break
                if not (data := os.read(self.process.stdout.fileno(), 4096)):
                    break
                said += data
        return said.decode()

    def logged(self) -> str:
        return self.log_path.read_text()

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def count(self, name: str) -> int:
        """A counter or gauge of /metrics, by its name in the core."""
        text = self.http.get("/metrics").text
        match = re.search(rf"^lwm2m_fast_{name}(?:_total)? (\S+)$", text, re.MULTILINE)
        assert match is not None, name
        return int(float(match[1]))

    def end(self, number: int = signal.SIGTERM, seconds: float = 5.0) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.http.close()
        self.process.send_signal(number)
        try:
            code = self.process.wait(seconds)
        finally:
            self.let_go()
        return code

    def let_go(self) -> None:
        """End the process, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
        self.http.close()


@contextmanager
def served(data_dir: Path, *flags: str, **parts: Any) -> Iterator[Server]:
    """A server that is gone behind the block, however that ends."""
    server = Server(data_dir, *flags, **parts)
    try:
        yield server
    finally:
        server.let_go()


class Socket:
    """A device on a UDP socket: asks, and asks again when nothing comes."""

    def __init__(self, server: Server, where: tuple[str, int] | None = None) -> None:
        family = socket.AF_INET6 if ":" in server.coap[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.socket.connect(where or server.coap)
        self.socket.settimeout(2.0)
        self.mid = 0

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def hear(self) -> Heard:
        return read(self.socket.recv(2048))

    def send(self, message: bytes) -> None:
        self.socket.send(message)

    def ask(self, code: int, path: str, **parts: Any) -> Heard:
        self.mid += 1
        message = request(code, path, mid=self.mid, **parts)
        for _ in range(5):
            self.socket.send(message)
            try:
                while (answer := self.hear()).mid != self.mid or answer.type == CON:
                    continue
            except TimeoutError:
                continue
            return answer
        raise AssertionError(f"no answer to {path}")

    def register(self, endpoint: str, **parts: Any) -> Heard:
        return self.ask(POST, "rd", **register_parts(endpoint, **parts))


def register_many(
    server: Server, count: int, seconds: float, window: int = 128, stop_at: int | None = None
) -> dict[str, str]:
    """Register `count` devices from one socket as fast as they are answered, for `seconds` at most.

    Returns the location of each that was answered 2.01. `stop_at`: kill -9 the server once so
    many were answered, and go on reading what is on its way.
    """
    located: dict[str, str] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        device.connect(server.coap)
        device.settimeout(0.2)
        names: dict[bytes, str] = {}
        sent = 0
        deadline = time.monotonic() + seconds
        killed = False
        while time.monotonic() < deadline and len(located) < count:
            try:
                while sent < count and sent - len(located) < window and not killed:
                    token = sent.to_bytes(4, "big")
                    names[token] = f"dev-{sent}"
                    device.send(register(names[token], mid=sent & 0xFFFF, token=token))
                    sent += 1
                answer = read(device.recv(2048))
            except (TimeoutError, ConnectionRefusedError):
                if killed:
                    break
                continue
            if answer.code == "2.01":
                located[names[answer.token]] = answer.location
            if stop_at is not None and len(located) >= stop_at and not killed:
                server.process.kill()
                server.process.wait()
                killed = True
    return located


@contextmanager
def with_one_device(data: Path) -> Iterator[Server]:
    """A server where sim-000001 has registered."""
    with served(data) as server:
        where = f"coap://127.0.0.1:{server.coap[1]}"
        command = [sys.executable, "-m", "lwm2m_fast", "simulate", "--server", where]
        device = subprocess.Popen([*command, "--devices", "1"], stdout=subprocess.DEVNULL)
        try:
            until(lambda: server.count("registrations_current") == 1)
            yield server
        finally:
            device.kill()
            device.wait(10)
