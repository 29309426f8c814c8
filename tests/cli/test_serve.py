"""The process around the server: its one line, its signals, its exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from lwm2m_fast.cli import main, serve
from lwm2m_fast.config import Config
from lwm2m_fast.errors import ConfigError


@dataclass
class Where:
    coap_port: int | None = 5783
    dtls_port: int | None = 5784
    http_port: int = 8080
    admin_token: str | None = None
    bootstrap: tuple[int, int | None] | None = None


class FakeServer:
    """Sends this process a signal once it is started, or while it starts."""

    def __init__(self, where: Where | Exception | None, number: int = signal.SIGTERM) -> None:
        self.where = where
        self.number = number
        self.stops = 0
        self.stuck = False

    async def start(self) -> Any:
        if isinstance(self.where, Exception):
            raise self.where
        loop = asyncio.get_running_loop()
        loop.call_soon(os.kill, os.getpid(), self.number)
        if self.where is None:
            await asyncio.Event().wait()
        return self.where

    async def stop(self) -> None:
        self.stops += 1
        if self.stuck:
            await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    """A process that hangs is ended by an alarm, not by hand."""
    signal.alarm(20)
    yield
    signal.alarm(0)


def ran(server: FakeServer, config: Config | None = None, stop_s: float = 5.0) -> int:
    return asyncio.run(serve.run(server, config or Config(), stop_s))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_started_server_is_announced_on_one_line_and_stopped_by_a_signal(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    server = FakeServer(Where(coap_port=41000, dtls_port=41002, http_port=41001), number)
    assert ran(server) == 0
    assert server.stops == 1
    assert capfd.readouterr().out == (
        "ready coap=udp://0.0.0.0:41000 coaps=udp://0.0.0.0:41002 http=http://127.0.0.1:41001 "
        "policy=provisioned\n"
    )


def test_the_ports_for_bootstraps_are_announced_and_those_that_are_off_as_well(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ran(FakeServer(Where(bootstrap=(5683, 5684))))
    said = capfd.readouterr().out
    assert " bootstrap=coap://0.0.0.0:5683 bootstraps=coaps://0.0.0.0:5684 http=" in said
    ran(FakeServer(Where(None, None)))
    assert capfd.readouterr().out.startswith("ready coap=off http=")


def test_a_made_admin_token_is_shown_before_the_line_and_not_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ran(FakeServer(Where(admin_token="lf_secret")))
    first, second = capfd.readouterr().out.splitlines()
    assert first == "admin token, shown only this once: lf_secret"
    assert second.startswith("ready ")
    assert "lf_secret" not in caplog.text


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert serve.authority("::", 5783) == "[::]:5783"
    assert serve.authority("192.0.2.1", 5783) == "192.0.2.1:5783"


def test_a_signal_while_starting_stops_the_server(capfd: pytest.CaptureFixture[str]) -> None:
    server = FakeServer(None)
    assert ran(server) == 0
    assert server.stops == 1
    assert capfd.readouterr().out == ""


def test_a_server_that_cannot_start_is_stopped_and_says_why() -> None:
    server = FakeServer(ConfigError("http.port: cannot listen on 127.0.0.1:1"))
    with pytest.raises(ConfigError, match="cannot listen"):
        ran(server)
    assert server.stops == 1


def test_a_server_that_does_not_stop_in_time_is_left_with_code_1() -> None:
    server = FakeServer(Where())
    server.stuck = True
    assert ran(server, stop_s=0.0) == 1


def test_a_second_signal_ends_the_process_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    child = os.fork()
    if child == 0:  # the child never returns into pytest
        try:
            server = FakeServer(Where())
            server.stop = _kill_again  # type: ignore[method-assign]
            ran(server)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM


async def _kill_again() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


def test_serve_hands_its_flags_to_the_server_and_runs_it(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Config] = []

    def make(config: Config) -> FakeServer:
        seen.append(config)
        return FakeServer(Where(coap_port=41000, dtls_port=None, http_port=41001))

    module = types.ModuleType("lwm2m_fast.server")
    module.Server = make  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lwm2m_fast.server", module)
    monkeypatch.setattr(serve.logs, "setup", lambda config: None)
    flags = (
        "serve --coap-port 0 --dtls-port 1 --http-port 0 --data-dir /tmp/x --policy open "
        "--admin-token x --host 127.0.0.1 --http-host ::1 --log-level error --log-format console"
    )
    with pytest.raises(SystemExit) as left:
        main(flags.split())
    assert left.value.code == 0
    assert capfd.readouterr().out == (
        "ready coap=udp://127.0.0.1:41000 http=http://[::1]:41001 policy=open\n"
    )
    (config,) = seen
    assert (config.coap.host, config.coap.port, config.http.port) == ("127.0.0.1", 0, 0)
    assert (config.dtls.host, config.dtls.port) == ("127.0.0.1", 1)
    assert config.http.admin_token == SecretStr("x")
    assert str(config.store.data_dir) == "/tmp/x"
    assert (config.log.level, config.log.format) == ("error", "console")


def test_only_flags_that_were_given_are_passed_on() -> None:
    given = {"coap": {"host": None, "port": 0}, "log": {"level": None}}
    assert serve._without_unset(given) == {"coap": {"port": 0}}
