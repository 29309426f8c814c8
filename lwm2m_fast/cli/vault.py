"""`lwm2m-fast vault`: the keys that credentials lie on the disk with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_fast.cli.output import tell, tell_error
from lwm2m_fast.sources import load

vault = typer.Typer(help="Keys of the vault of a data directory.", no_args_is_help=True)


@vault.callback()
def _group() -> None:
    """One command so far, and it is called by its name."""


@vault.command()
def rotate(
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration file, TOML or YAML.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the store.")] = None,
) -> None:
    """Seal everything with a fresh key, and forget the older ones. The server must be stopped.

    Interrupted, it loses nothing: run it again. The exit code is 1 when rows could not be opened;
    they stay as they are, and the older keys stay in the file.
    """
    settings = load(config, {} if data_dir is None else {"store": {"data_dir": data_dir}})
    from lwm2m_fast.vault_rotation import rotate_data

    done = rotate_data(settings)
    tell(f"key {done.number} seals; {done.rows} rows were sealed anew")
    for number in done.dropped:
        tell(f"key {number} is gone; backups of the data from before need the old key file")
    if done.unreadable:
        tell_error(f"{done.unreadable} rows could not be opened, so that no key was removed")
        raise typer.Exit(1)
