"""`lwm2m-fast serve`: the server as a process: flags, signals, the line that says it is ready."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import typer

from lwm2m_fast import logs
from lwm2m_fast.cli.output import tell
from lwm2m_fast.config import Config
from lwm2m_fast.presets import PRESETS
from lwm2m_fast.sources import load

STOP_S = 30.0
"""A million DTLS sessions take some seconds to write."""

_log = logging.getLogger("lwm2m_fast.cli.serve")


class Addresses(Protocol):
    """Where a started server listens, with real port numbers."""

    @property
    def coap_port(self) -> int | None:
        """None: nothing is served to devices."""

    @property
    def dtls_port(self) -> int | None:
        """None: DTLS is switched off."""

    @property
    def http_port(self) -> int: ...
    @property
    def admin_token(self) -> str | None:
        """The token made at the first start, to be shown this once; None otherwise."""

    @property
    def bootstrap(self) -> tuple[int, int | None] | None:
        """Plain and DTLS port of the bootstrap server; None: it is switched off."""


class Server(Protocol):
    """The part of server.Server that a process needs."""

    async def start(self) -> Addresses: ...

    async def stop(self) -> None: ...


def serve(
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration file, TOML or YAML.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Settings for the fleet of another server: " + ", ".join(PRESETS) + "."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the store.")] = None,
    host: Annotated[str | None, typer.Option(help="Address for devices.")] = None,
    coap_port: Annotated[int | None, typer.Option(help="CoAP port; 0 is any free one.")] = None,
    dtls_port: Annotated[int | None, typer.Option(help="DTLS port; 0 is any free one.")] = None,
    bootstrap: Annotated[
        bool | None, typer.Option("--bootstrap/--no-bootstrap", help="Serve bootstraps, too.")
    ] = None,
    bootstrap_port: Annotated[
        int | None, typer.Option(help="CoAP port for bootstraps; 0 is any free one.")
    ] = None,
    bootstrap_dtls_port: Annotated[
        int | None, typer.Option(help="DTLS port for bootstraps; 0 is any free one.")
    ] = None,
    http_host: Annotated[str | None, typer.Option(help="Address for HTTP.")] = None,
    http_port: Annotated[int | None, typer.Option(help="HTTP port; 0 is any free one.")] = None,
    admin_token: Annotated[
        str | None,
        typer.Option(
            help="Admin token. Other users can see a command line: better set "
            "LWM2M_FAST_HTTP__ADMIN_TOKEN."
        ),
    ] = None,
    policy: Annotated[
        Literal["provisioned", "open"] | None, typer.Option(help="Who may register.")
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="Least severity that is logged."),
    ] = None,
    log_format: Annotated[
        Literal["json", "console"] | None, typer.Option(help="How log lines look.")
    ] = None,
) -> None:
    """Run the server until SIGTERM or SIGINT."""
    given: dict[str, Any] = {
        "preset": preset,
        "coap": {"host": host, "port": coap_port},
        "dtls": {"host": host, "port": dtls_port},
        "bootstrap": {
            "enabled": bootstrap,
            "host": host,
            "port": bootstrap_port,
            "dtls_port": bootstrap_dtls_port,
        },
        "registration": {"policy": policy},
        "store": {"data_dir": data_dir},
        "http": {"host": http_host, "port": http_port, "admin_token": admin_token},
        "log": {"level": log_level, "format": log_format},
    }
    notes: list[str] = []
    settings = load(config, _without_unset(given), notes)
    logs.setup(settings.log)
    for note in notes:
        _log.warning("%s", note)
    # What a start makes stays; Server.start() has the collector go on when it is over.
    gc.disable()
    # Here, so that every other command starts without the compiled rooms.
    import uvloop

    from lwm2m_fast.server import Server

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(run(Server(settings), settings))
    raise typer.Exit(code)


def _without_unset(given: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: _without_unset(value) if isinstance(value, dict) else value
        for name, value in given.items()
    }
    return {name: value for name, value in kept.items() if value not in (None, {})}


async def run(server: Server, config: Config, stop_s: float = STOP_S) -> int:
    """Start `server`, say where it is, and stop it at the first signal. Returns the exit code.

    A second signal ends the process at once.
    """
    stopping = _on_signals()
    start = asyncio.ensure_future(server.start())
    asked = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({start, asked}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if start.done():
            _announce(start.result(), config)
            await asked
        else:
            start.cancel()
            await asyncio.wait({start})
    finally:
        asked.cancel()
        code = await _stop(server, stop_s)
    return code


def _on_signals() -> asyncio.Event:
    stopping = asyncio.Event()

    def received(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        _log.info("stopping", extra={"signal": number.name})
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
    return stopping


def _announce(addresses: Addresses, config: Config) -> None:
    if addresses.admin_token is not None:
        tell(f"admin token, shown only this once: {addresses.admin_token}")
    coap = "off"
    if addresses.coap_port is not None:
        coap = f"udp://{authority(config.coap.host, addresses.coap_port)}"
    http = authority(config.http.host, addresses.http_port)
    coaps = ""
    if addresses.dtls_port is not None:
        coaps = f" coaps=udp://{authority(config.dtls.host, addresses.dtls_port)}"
    bootstraps = ""
    if addresses.bootstrap is not None:
        host, (plain, secure) = config.bootstrap.host, addresses.bootstrap
        bootstraps = f" bootstrap=coap://{authority(host, plain)}"
        if secure is not None:
            bootstraps += f" bootstraps=coaps://{authority(host, secure)}"
    policy = config.registration.policy
    tell(f"ready coap={coap}{coaps}{bootstraps} http=http://{http} policy={policy}")


async def _stop(server: Server, stop_s: float) -> int:
    try:
        await asyncio.wait_for(server.stop(), stop_s)
    except TimeoutError:
        _log.error("the server did not stop in time", extra={"limit_s": stop_s})
        return 1
    return 0


def authority(host: str, port: int) -> str:
    """host:port as it stands in a URI (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
