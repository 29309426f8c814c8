"""`lwm2m-fast config`: what the server would run with, and what there is to set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_fast.cli import config_page
from lwm2m_fast.cli.output import tell
from lwm2m_fast.config import Config
from lwm2m_fast.sources import load


def config(
    file: Annotated[
        Path | None, typer.Option("--config", help="Configuration file, TOML or YAML.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Settings for the fleet of another server.")
    ] = None,
    docs: Annotated[
        bool, typer.Option("--docs", help="Print the default file, every setting explained.")
    ] = False,
    page: Annotated[bool, typer.Option("--page", help="Print docs/config.md.")] = False,
) -> None:
    """Print the configuration in effect, as TOML; secrets are not shown."""
    if page:
        tell(config_page.page().rstrip("\n"))
    elif docs:
        tell(config_page.file(Config(), explained=True).rstrip("\n"))
    else:
        notes: list[str] = []
        found = load(file, {} if preset is None else {"preset": preset}, notes)
        for note in notes:
            typer.echo(note, err=True)
        tell(config_page.file(found, explained=False).rstrip("\n"))
