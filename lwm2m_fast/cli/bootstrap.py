"""`lwm2m-fast bootstrap`: the bootstrap server of a running server, on or off."""

from __future__ import annotations

from typing import Any

import typer

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url
from lwm2m_fast.cli.output import tell, tell_json

PATH = "/api/v1/bootstrap"

bootstrap = typer.Typer(
    help="Switch the bootstrap server on and off, also for after a restart.",
    no_args_is_help=True,
)


@bootstrap.command()
def status(as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Say whether devices may bootstrap, where, and how many did."""
    with Client(url, token) as server:
        found = server.get(PATH)
    if as_json:
        tell_json(found)
    else:
        _tell(found)


@bootstrap.command()
def on(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Open its ports."""
    _switch(True, url, token)


@bootstrap.command()
def off(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Close its ports; bootstraps under way fail."""
    _switch(False, url, token)


@bootstrap.command()
def default(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Take back what was switched: as the configuration says."""
    _switch(None, url, token)


def _switch(said: bool | None, url: str, token: str | None) -> None:
    with Client(url, token) as server:
        _tell(server.ask("PUT", PATH, json={"enabled": said}).json())


def _tell(found: dict[str, Any]) -> None:
    by = "as configured" if found["decided_by"] == "configuration" else "as it was switched"
    if found["problem"] is not None:
        tell(f"closed, though it was switched on: {found['problem']}")
        tell("`lwm2m-fast bootstrap on` tries again")
    elif not found["enabled"]:
        tell(f"off, {by}")
    else:
        secure = f" and {found['dtls_port']} (DTLS)" if found["dtls_port"] else ""
        tell(f"on, {by}: port {found['coap_port']}{secure}")
    names = ("current", "started", "finished", "failed", "refused")
    tell("bootstraps: " + ", ".join(f"{found['counts'][f'bootstraps_{n}']} {n}" for n in names))
