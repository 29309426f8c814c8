"""`lwm2m-fast credentials`: what devices prove themselves with; through the HTTP interface.

A key comes from a file, standard input or a prompt: on a command line every user of the machine
would see it, and the shell would keep it.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url, segment
from lwm2m_fast.cli.output import moment, tell, tell_json, tell_table
from lwm2m_fast.errors import RequestError
from lwm2m_fast.logs import printable

PATH = "/api/v1/credentials"
PAGE = 1000  # most that the server gives at once
MAX_FILE_BYTES = 65536

Name = Annotated[str, typer.Argument(help="Endpoint name of the device.")]

credentials = typer.Typer(
    help="Say how devices prove who they are: by a pre-shared key or by a certificate.",
    no_args_is_help=True,
)


class Mode(StrEnum):
    PSK = "psk"
    X509 = "x509"
    NO_SEC = "no-sec"


@credentials.command()
def add(
    endpoint: Name,
    mode: Annotated[Mode, typer.Option(help="How its connection is secured.")] = Mode.PSK,
    identity: Annotated[
        str | None, typer.Option(help="PSK identity; without it the endpoint name.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="File with the key in hex digits; - is standard input."),
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Have the server make the key, and print it.")
    ] = False,
    certificate: Annotated[
        Path | None,
        typer.Option(help="x509: the only certificate it may come with (PEM)."),
    ] = None,
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Of its connection to the bootstrap server.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also when it has a credential already.")
    ] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Let a device in. Without --key-file and --generate the key is asked for."""
    side = _SIDES[mode](identity, key_file, generate, certificate)
    name = "bootstrap" if bootstrap else "server"
    with Client(url, token) as server:
        if replace:
            where = f"{PATH}/{segment(endpoint)}"
            made = server.ask("PUT", where, json={name: side}).json()
        else:
            made = server.ask("POST", PATH, json={"endpoint": endpoint, name: side}).json()
    if generate:
        tell(made[name]["key"])
        return
    tell(f"{printable(endpoint)} may connect ({name}: {_words(made[name])})")


def _psk(
    identity: str | None, key_file: Path | None, generate: bool, certificate: Path | None
) -> dict[str, Any]:
    if certificate is not None:
        raise RequestError("--certificate is for --mode x509")
    if generate and key_file is not None:
        raise RequestError("give --key-file or --generate, not both")
    named = {} if identity is None else {"identity": identity}
    if generate:
        return {"mode": "PSK_GENERATED", **named}
    return {"mode": "PSK", "key": _key(key_file), **named}


def _x509(
    identity: str | None, key_file: Path | None, generate: bool, certificate: Path | None
) -> dict[str, Any]:
    _refuse_psk(identity, key_file, generate)
    pinned = None if certificate is None else text_of(certificate)
    return {"mode": "X509", "certificate": pinned}


def _no_sec(
    identity: str | None, key_file: Path | None, generate: bool, certificate: Path | None
) -> dict[str, Any]:
    _refuse_psk(identity, key_file, generate)
    if certificate is not None:
        raise RequestError("--certificate is for --mode x509")
    return {"mode": "NO_SEC"}


def _refuse_psk(identity: str | None, key_file: Path | None, generate: bool) -> None:
    if identity is not None or key_file is not None or generate:
        raise RequestError("--identity, --key-file and --generate are for --mode psk")


_SIDES = {Mode.PSK: _psk, Mode.X509: _x509, Mode.NO_SEC: _no_sec}


def _key(file: Path | None) -> str:
    if file is not None:
        return text_of(file).strip()
    if not sys.stdin.isatty():
        raise RequestError("give the key with --key-file (- is standard input), or --generate")
    return str(typer.prompt("key (hex digits)", hide_input=True)).strip()


def text_of(file: Path) -> str:
    """The text of a file, - being standard input. RequestError names the file."""
    try:
        if str(file) == "-":
            return sys.stdin.read(MAX_FILE_BYTES)
        with open(file, encoding="utf-8") as opened:
            return opened.read(MAX_FILE_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{file} cannot be read: {error}") from None


@credentials.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="Most credentials to list.", min=1)] = 100,
    after: Annotated[str | None, typer.Option(help="Go on behind this endpoint name.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """List credentials; keys are not shown by anything."""
    found: list[dict[str, Any]] = []
    following = after
    with Client(url, token) as server:
        while len(found) < limit:
            behind = {} if following is None else {"after": following}
            page = server.get(PATH, limit=min(PAGE, limit - len(found)), **behind)
            found += page["credentials"]
            following = page["next_after"]
            if following is None:
                break
    if as_json:
        tell_json({"credentials": found, "next_after": following})
        return
    tell_table(("endpoint", "server", "bootstrap", "changed"), (_row(one) for one in found))
    more = "" if following is None else f"; more: --after {printable(following)}"
    tell(f"{len(found)} credentials{more}")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    if "problem" in one:
        return one["endpoint"], one["problem"], "", ""
    return (
        one["endpoint"],
        _words(one["server"]),
        _words(one["bootstrap"]),
        moment(one["changed_at"]),
    )


def _words(side: dict[str, Any] | None) -> str:
    if side is None:
        return ""
    if "identity" in side:
        return printable(f"{side['mode']} {side['identity']}")
    pinned = side.get("certificate")
    return f"{side['mode']} {pinned['sha256'][:16]}" if pinned else str(side["mode"])


@credentials.command()
def show(endpoint: Name, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Show one credential as JSON; keys are not shown by anything."""
    with Client(url, token) as server:
        tell_json(server.get(f"{PATH}/{segment(endpoint)}"))


@credentials.command()
def remove(
    endpoints: Annotated[list[str], typer.Argument(help="Endpoint names.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Forget credentials; the devices' sessions end."""
    with Client(url, token) as server:
        for endpoint in endpoints:
            server.ask("DELETE", f"{PATH}/{segment(endpoint)}")
            tell(f"removed the credential of {printable(endpoint)}")
