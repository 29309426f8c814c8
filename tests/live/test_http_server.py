"""The HTTP interface on a real socket in a real uvloop: it starts, streams, and stops in time."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import uvloop
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).parent.parent / "rest"))

from fake_service import SECRETS, Api, FakeEvent, FakeService

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.rest import connection, limits
from lwm2m_fast.rest.app import HttpServer

BEARER = {"Authorization": f"Bearer {SECRETS['admin']}"}
Scene = Callable[[FakeService, HttpServer, httpx.AsyncClient], Awaitable[None]]


def served(scene: Scene) -> None:
    """Play `scene` against a server on a free port; all of it within 20 s."""

    async def played() -> None:
        service = FakeService("dev-1", "a/b")
        server = HttpServer(Api(service).app, "127.0.0.1", 0)
        async with asyncio.timeout(20):
            port = await server.start()
            base = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=base, headers=BEARER, trust_env=False) as client:
                try:
                    await scene(service, server, client)
                finally:
                    await server.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(played())


def test_a_request_over_a_socket_keeps_an_encoded_slash_in_the_endpoint() -> None:
    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/devices/a%2Fb/3/0/0")
        assert answer.json()["endpoint"] == "a/b"
        assert "server" not in answer.headers

    served(scene)


def test_signals_stay_with_whoever_had_them() -> None:
    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        assert [signal.getsignal(number) for number in kept] == list(kept.values())

    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    served(scene)


def test_a_stop_with_open_streams_and_a_read_under_way_takes_less_than_two_seconds() -> None:
    async def never(*given: object) -> None:
        reading.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        service.perform = never  # type: ignore[method-assign]
        read = asyncio.create_task(client.get("/api/v1/devices/dev-1/3", timeout=30))
        await reading.wait()
        async with client.stream("GET", "/api/v1/events") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": connected"
            service.subscriptions[0].queue.put_nowait(FakeEvent("registered", "dev-1"))
            seen = [await anext(lines) for _ in range(4)]
            assert "event: registered" in seen
            begun = time.monotonic()
            await server.stop()
            took.append(time.monotonic() - begun)
            assert [line async for line in lines if line.startswith("event")] == []
        assert service.subscriptions[0].is_closed
        # uvicorn cancels what is left; its client sees a 500 or a closed connection.
        (outcome,) = await asyncio.gather(read, return_exceptions=True)
        assert isinstance(outcome, httpx.TransportError) or outcome.status_code >= 500

    reading, took = asyncio.Event(), []
    served(scene)
    assert took[0] < 2.0


def test_a_client_that_leaves_gives_its_subscription_back() -> None:
    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/api/v1/events?endpoint=a%2Fb") as stream:
            assert await anext(stream.aiter_lines()) == ": connected"
            closed = asyncio.Event()
            service.subscriptions[0].close = closed.set  # type: ignore[method-assign]
        await closed.wait()
        assert service.subscribed == ["a/b"]

    served(scene)


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_without_a_whole_request_is_closed(
    monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.1)

    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        base = client.base_url
        reader, writer = await asyncio.open_connection(base.host, base.port)
        before = connection.Connection.slow
        writer.write(said)
        assert await reader.read() == b""
        writer.close()
        shown = (await client.get("/metrics")).text
        assert f"lwm2m_fast_http_closed_slow_total {before + 1}.0" in shown

    served(scene)


def test_a_connection_whose_next_request_does_not_become_whole_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.2)

    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        base = client.base_url
        reader, writer = await asyncio.open_connection(base.host, base.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /h")
        assert b"alive" in await reader.read()  # to the end
        writer.close()

    served(scene)


def test_a_request_under_way_outlives_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.05)

    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/api/v1/events?endpoint=a%2Fb") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": connected"
            await asyncio.sleep(0.2)
            service.subscriptions[0].queue.put_nowait(FakeEvent("updated", "a/b"))
            found = [await anext(lines) for _ in range(3)]
            assert "event: updated" in found

    served(scene)


async def dialled(client: httpx.AsyncClient) -> socket.socket:
    """A connection that holds as little as may be beside our own buffers."""
    ours = socket.socket()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(ours, (client.base_url.host, client.base_url.port))
    return ours


async def all_of(ours: socket.socket) -> int:
    """Bytes until the end; ConnectionResetError when they were given up."""
    loop, size = asyncio.get_running_loop(), 0
    while part := await loop.sock_recv(ours, 1 << 20):
        size += len(part)
    return size


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_large_answer_is_kept_for_its_client_as_long_as_it_takes_some_of_it(
    monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.05)
    monkeypatch.setattr(connection, "TAKEN_S", 5.0 if is_taken else 0.1)
    size = 16 << 20

    async def large(request: Request) -> Response:
        return Response(bytes(size))

    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        server._app.router.routes.insert(0, Route("/large", large))
        ours, before = await dialled(client), connection.Connection.slow
        with ours:
            loop = asyncio.get_running_loop()
            head = b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            await loop.sock_sendall(ours, head)
            await asyncio.sleep(0.4)
            if is_taken:
                assert await all_of(ours) > size
            else:
                with contextlib.suppress(ConnectionResetError):
                    assert await all_of(ours) < size
        assert connection.Connection.slow == before + (not is_taken)

    served(scene)


def test_a_stream_whose_client_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TAKEN_S", 0.1)
    ended = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(0)
                yield bytes(1 << 16)
        finally:
            ended.set()

    async def endless(request: Request) -> Response:
        return StreamingResponse(parts())

    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        server._app.router.routes.insert(0, Route("/endless", endless))
        before = connection.Connection.slow
        with await dialled(client) as ours:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(ours, b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            await ended.wait()
        assert connection.Connection.slow == before + 1

    served(scene)


def test_a_body_that_pauses_for_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PAUSE_S", 0.1)

    async def scene(service: FakeService, server: HttpServer, client: httpx.AsyncClient) -> None:
        base = client.base_url
        reader, writer = await asyncio.open_connection(base.host, base.port)
        head = "POST /api/v1/devices/dev-1/operations HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n"
        token = f"Authorization: {BEARER['Authorization']}\r\n\r\n"
        writer.write(f'{head}{token}{{"op":'.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()
        assert service.submitted == []

    served(scene)


def test_a_server_can_be_started_again_on_the_port_it_had() -> None:
    async def played() -> None:
        first = HttpServer(Api(FakeService()).app, "127.0.0.1", 0)
        port = await first.start()
        await first.stop()
        await first.stop()
        second = HttpServer(Api(FakeService()).app, "127.0.0.1", port)
        assert await second.start() == port
        await second.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(played())


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid"])
def test_an_address_that_cannot_be_had_is_a_configuration_error(host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = HttpServer(Api(FakeService()).app, host, taken.getsockname()[1])
        with pytest.raises(ConfigError, match=r"http\.(port|host)"):
            asyncio.run(server.start())
        asyncio.run(server.stop())


def test_ipv6_is_listened_on() -> None:
    async def played() -> None:
        server = HttpServer(Api(FakeService()).app, "::1", 0)
        port = await server.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://[::1]:{port}/healthz")
        assert answer.status_code == 200
        await server.stop()

    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(played())
