"""A start in the order that counts: the registrations, the devices, and then HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys

import pytest
import uvloop
from pydantic import SecretStr

from lwm2m_fast import server as server_file
from lwm2m_fast.config import Config
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.server import Server

PING = bytes.fromhex("40000001")


def config(tmp_path, port: int, http_port: int = 0) -> Config:
    return Config(
        coap={"host": "127.0.0.1", "port": port},
        dtls={"enabled": False},
        http={"host": "127.0.0.1", "port": http_port, "admin_token": SecretStr("x")},
        store={"data_dir": tmp_path / "data"},
    )


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def play(scene) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene)


def test_devices_are_answered_while_http_is_being_made(tmp_path, monkeypatch):
    port, made, answers = free_port(), server_file._http, []

    def slowly(*parts):
        """In its thread, so that an answer can only come from a loop that goes on."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.settimeout(10)
            device.connect(("127.0.0.1", port))
            device.send(PING)
            answers.append(device.recv(100))
        return made(*parts)

    async def scene() -> None:
        server = Server(config(tmp_path, port))
        async with asyncio.timeout(30):
            addresses = await server.start()
            await server.stop()
        assert answers == [bytes.fromhex("70000001")]
        assert addresses.http_port

    monkeypatch.setattr(server_file, "_http", slowly)
    play(scene())


def test_no_device_is_served_when_http_cannot_have_its_port(tmp_path, monkeypatch):
    monkeypatch.setattr(server_file.Turns, "start", lambda turns: pytest.fail("was started"))

    async def scene() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            server = Server(config(tmp_path, free_port(), taken.getsockname()[1]))
            with pytest.raises(ConfigError, match=r"http\.port"):
                await server.start()
            await server.stop()

    play(scene())


def test_a_start_that_is_given_up_while_http_is_made_leaves_no_port_open(tmp_path, monkeypatch):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def scene() -> None:
        loop = asyncio.get_running_loop()

        def waiting(*_):
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)

        monkeypatch.setattr(server_file, "_http", waiting)
        port = free_port()
        server = Server(config(tmp_path, port))
        start = asyncio.create_task(server.start())
        async with asyncio.timeout(30):
            await begun.wait()
            start.cancel()
            await asyncio.wait({start})
            go_on.set()
            await server.stop()
        assert start.cancelled()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", port))

    play(scene())


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_was_started_stops_in_either_loop(tmp_path, loop):
    async def scene() -> None:
        server = Server(config(tmp_path, free_port()))
        async with asyncio.timeout(30):
            addresses = await server.start()
            reader, writer = await asyncio.open_connection("127.0.0.1", addresses.http_port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            await server.stop()
            writer.close()
        assert server.service is None

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scene())


def test_what_devices_need_is_imported_without_what_http_needs():
    code = (
        "import sys, lwm2m_fast.cli.serve, lwm2m_fast.server\n"
        "print(sorted({'fastapi', 'starlette', 'uvicorn', 'rich', 'yaml'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, timeout=60
    )
    assert said.stdout == "[]\n", said.stderr
