"""`lwm2m-fast tokens`: who may use the HTTP interface; through that interface, as an admin."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url, segment
from lwm2m_fast.cli.output import moment, tell, tell_json, tell_table

PATH = "/api/v1/tokens"

tokens = typer.Typer(
    help="Hand out and take back access tokens of a running server (needs an admin token).",
    no_args_is_help=True,
)


@tokens.command("list")
def list_(as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """List the tokens; secrets are not kept and cannot be shown."""
    with Client(url, token) as server:
        found = server.get(PATH)["tokens"]
    if as_json:
        tell_json(found)
        return
    rows = ((one["name"], one["role"], one["tenant"], moment(one["created_at"])) for one in found)
    tell_table(("name", "role", "tenant", "created"), rows)


@tokens.command()
def add(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    role: Annotated[
        Literal["read", "operate", "admin"], typer.Option(help="What it may do.")
    ] = "read",
    tenant: Annotated[
        str | None, typer.Option(help="Whose devices it shows; else those of the asking token.")
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Make a token and print its secret: this once, and nothing else."""
    wanted = {"name": name, "role": role} | ({"tenant": tenant} if tenant else {})
    with Client(url, token) as server:
        made = server.ask("POST", PATH, json=wanted).json()
    tell(made["token"])


@tokens.command()
def remove(
    name: Annotated[str, typer.Argument(help="Name of the token.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Take a token back; it opens nothing from now on."""
    with Client(url, token) as server:
        server.ask("DELETE", f"{PATH}/{segment(name)}")
    tell(f"removed {name}")
