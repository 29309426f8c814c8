"""`lwm2m-fast profiles`: device profiles as ThingsBoard exports them; through HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url, segment
from lwm2m_fast.cli.credentials import text_of
from lwm2m_fast.cli.output import tell, tell_json

PATH = "/api/v1/profiles"

Name = Annotated[str, typer.Argument(help="Name of the profile, which configurations give it by.")]

profiles = typer.Typer(
    help="Say what many devices have in common, and give it to them by name.", no_args_is_help=True
)


@profiles.command("list")
def list_(as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """List the names of all profiles."""
    with Client(url, token) as server:
        found = server.get(PATH)["profiles"]
    if as_json:
        tell_json(found)
        return
    for name in found:
        tell(name)


@profiles.command()
def show(name: Name, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Show a profile as JSON."""
    with Client(url, token) as server:
        tell_json(server.get(f"{PATH}/{segment(name)}"))


@profiles.command()
def add(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Its JSON, or an export; - is standard input.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Keep a profile, in the place of another of this name."""
    with Client(url, token) as server:
        answer = server.ask("PUT", f"{PATH}/{segment(name)}", content=text_of(file).encode())
    tell("added" if answer.status_code == 201 else "changed")
    for warning in answer.json()["warnings"]:
        tell(f"warning: {warning}")


@profiles.command()
def remove(name: Name, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Forget a profile that no device has."""
    with Client(url, token) as server:
        server.ask("DELETE", f"{PATH}/{segment(name)}")
    tell("removed")
