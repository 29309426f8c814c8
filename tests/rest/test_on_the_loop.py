"""Requests are served on the loop's thread: the service must not be called from another, and each
hop there and back costs more than most handlers."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fake_service import SECRETS, Api, FakeService, device
from fastapi.routing import APIRoute

FIRST_USE = """
import asyncio, concurrent.futures.thread, sys  # as a server has used before it starts
from lwm2m_fast.config import Config
from lwm2m_fast.rest.app import HttpServer, create_app
sys.path.insert(0, "tests/rest")
from fake_service import Api, FakeService

async def main():
    server = HttpServer(Api(FakeService()).app, "127.0.0.1", 0)
    port = await server.start()
    before = set(sys.modules)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b"x" * (1 << 21)
    form = (b"--b\\r\\nContent-Disposition: form-data; "
            b"name=\\"file\\"; filename=\\"f\\"\\r\\n\\r\\n" + body + b"\\r\\n--b--\\r\\n")
    writer.write(
        b"POST /service/lwm2m-agent/deviceRegistration/bulk HTTP/1.1\\r\\nHost: x\\r\\n"
        b"Authorization: Bearer %s\\r\\nContent-Type: multipart/form-data; boundary=b\\r\\n"
        b"Connection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % (sys.argv[1].encode(), len(form))
        + form
    )
    answer = await reader.read()
    print(answer.split(b"\\r\\n")[0].decode(), *sorted(set(sys.modules) - before), sep="|")
    await server.stop()

asyncio.run(main())
"""


@pytest.fixture
def api() -> Api:
    return Api(FakeService(), leshan_api=True)


def calls(dependant: Any) -> Iterator[Any]:
    """A handler and whatever it depends on."""
    yield dependant.call
    for each in dependant.dependencies:
        yield from calls(each)


def test_nothing_that_a_route_calls_is_done_in_a_thread(api: Api) -> None:
    routes = [route for route in api.app.routes if isinstance(route, APIRoute)]
    assert len(routes) > 60
    in_threads = {
        f"{route.path}: {call.__qualname__}"
        for route in routes
        for call in calls(route.dependant)
        if not inspect.iscoroutinefunction(call)
    }
    assert not in_threads


@pytest.mark.parametrize("path", ["/api/v1/devices/dev-1", "/api/clients/dev-1"])
def test_the_service_is_asked_on_one_thread(api: Api, path: str) -> None:
    api.service.registered["dev-1"] = device("dev-1")
    seen: set[int] = set()
    for name in ("device", "target"):
        asked = getattr(api.service, name)

        def noting(*given: Any, asked: Any = asked) -> Any:
            seen.add(threading.get_ident())
            return asked(*given)

        setattr(api.service, name, noting)
    before = threading.active_count()
    api.get(path)
    assert len(seen) == 1
    assert threading.active_count() == before


def test_a_first_large_upload_imports_nothing_any_more() -> None:
    command = [sys.executable, "-c", FIRST_USE, SECRETS["admin"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    status, *imported = done.stdout.strip().split("|")
    assert status.startswith("HTTP/1.1 4"), status  # it is no file of devices
    assert imported == []


def test_the_description_of_all_routes_is_made_once_and_off_the_loop(api: Api) -> None:
    made: list[int] = []
    make = api.app.openapi

    def noted() -> dict[str, Any]:
        made.append(threading.get_ident())
        return make()

    api.app.openapi = noted  # type: ignore[method-assign]
    loops: list[int] = []

    async def asking() -> list[httpx.Response]:
        loops.append(threading.get_ident())
        transport = httpx.ASGITransport(api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return list(await asyncio.gather(*(client.get("/openapi.json") for _ in range(3))))

    answers = asyncio.run(asking())
    assert [each.status_code for each in answers] == [200, 200, 200]
    assert len({each.content for each in answers}) == 1
    assert len(made) == 1 and made != loops
