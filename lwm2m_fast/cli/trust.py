"""`lwm2m-fast trust`: whose certificates let devices in; through the HTTP interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url, segment
from lwm2m_fast.cli.credentials import text_of
from lwm2m_fast.cli.output import tell, tell_error, tell_json, tell_table

PATH = "/api/v1/trust"

trust = typer.Typer(
    help="Say which certificate authorities vouch for devices; without any, none does.",
    no_args_is_help=True,
)


@trust.command("list")
def list_(as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """List the certificates that are trusted, and tell those that are stored and cannot be used."""
    with Client(url, token) as server:
        found = server.get(PATH)["anchors"]
    if as_json:
        tell_json(found)
        return
    unusable = [one for one in found if one["problem"] is not None]
    _tell([one for one in found if one["problem"] is None])
    tell(f"{len(found) - len(unusable)} trust anchors")
    for one in unusable:
        what = one["sha256"] + ("" if one["subject"] is None else f" ({one['subject']})")
        tell_error(f"{what} is stored and lets nobody in: {one['problem']}")


def _tell(anchors: list[dict[str, Any]]) -> None:
    rows = (
        (one["subject"], one["not_before"][:10], one["not_after"][:10], one["sha256"])
        for one in anchors
    )
    tell_table(("subject", "from", "to", "sha256"), rows)


@trust.command()
def add(
    file: Annotated[Path, typer.Argument(help="PEM certificates; - is standard input.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Trust every certificate in a file, from the next handshake on."""
    with Client(url, token) as server:
        _tell(server.ask("POST", PATH, content=text_of(file).encode()).json()["anchors"])


@trust.command()
def remove(
    sha256: Annotated[str, typer.Argument(help="Fingerprint, as `trust list` shows it.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Trust a certificate no more, or forget one that is stored and cannot be used."""
    with Client(url, token) as server:
        server.ask("DELETE", f"{PATH}/{segment(sha256)}")
    tell("removed")
