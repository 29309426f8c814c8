"""The command line against an application in memory: no socket, no process."""

from __future__ import annotations

import asyncio
import functools
import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "rest"))

from fake_service import SECRETS, Api, FakeService
from outcome import Outcome, Run

from lwm2m_fast.cli import client, main


class Bridge(httpx.BaseTransport):
    """A blocking client's way into an ASGI application."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._api.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport) as through:
                sent = httpx.Request(
                    request.method, request.url, headers=request.headers, content=request.read()
                )
                answer = await through.send(sent)
                await self._api.service.provisioned.jobs.finished()
                return answer

        answer = asyncio.run(asked())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


@pytest.fixture
def api() -> Api:
    return Api(FakeService("dev-1", "urn:imei:1/2", "evil\x1b[2J"))


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run one command line; nothing in the environment but what the test sets."""
    for name in ("LWM2M_FAST_URL", "LWM2M_FAST_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def ran(*arguments: str) -> Outcome:
        capfd.readouterr()
        try:
            code = main(arguments)
        except SystemExit as left:
            code = int(left.code or 0)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return ran


@pytest.fixture
def admin(run: Run, api: Api, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run` with an admin's token, against the application in memory."""
    over = functools.partial(httpx.Client, transport=Bridge(api))
    monkeypatch.setattr(client.httpx, "Client", over)
    monkeypatch.setenv("LWM2M_FAST_TOKEN", SECRETS["admin"])
    return run
