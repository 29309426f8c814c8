"""The command line: one file per command, and the table of them.

A command that talks to a running server speaks its HTTP interface; only `serve` imports the
server. A failure is one line on standard error and exit code 1, or 2 when what was asked for
cannot be understood; never a traceback.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence

import typer

from lwm2m_fast.errors import ConfigError, Error

# Name to `file:name` of a function (a command) or of a typer application (a group of commands).
# Only the file of the command that runs is imported; `--help` imports all.
COMMANDS = {
    "serve": "serve:serve",
    "devices": "device_files:devices",
    "read": "read:read",
    "shell": "shell:shell",
    "operations": "operations:operations",
    "values": "operations:values",
    "observations": "operations:observations",
    "batch": "batch:batch",
    "simulate": "simulate:simulate",
    "decode": "decode:decode",
    "encode": "encode:encode",
    "credentials": "credentials:credentials",
    "profiles": "profiles:profiles",
    "trust": "trust:trust",
    "bootstrap": "bootstrap:bootstrap",
    "certs": "certs:certs",
    "tokens": "tokens:tokens",
    "vault": "vault:vault",
    "config": "config:config",
    "version": "version:version",
}


def _root() -> None:
    """LwM2M server. Commands about a running server speak to its HTTP interface."""


def build(names: Iterable[str]) -> typer.Typer:
    """A typer application of these commands."""
    app = typer.Typer(
        name="lwm2m-fast",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name in names:
        file, _, attribute = COMMANDS[name].partition(":")
        command = getattr(importlib.import_module(f"{__name__}.{file}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line. Returns the exit code, or leaves by SystemExit with it."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        build(given[:1] if given and given[0] in COMMANDS else COMMANDS)(given)
    except Error as error:
        from lwm2m_fast.cli.output import tell_error

        tell_error(str(error))
        return 2 if isinstance(error, ConfigError) else 1
    return 0
