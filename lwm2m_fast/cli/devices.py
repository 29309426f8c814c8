"""`lwm2m-fast devices`: who is registered, who may register; through the HTTP interface."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url, segment
from lwm2m_fast.cli.output import moment, tell, tell_json, tell_table
from lwm2m_fast.errors import RequestError
from lwm2m_fast.logs import printable

PAGE = 1000  # most that the server gives at once
BULK_NAMES = 10_000  # most that the server takes at once, in names ...
BULK_BYTES = 900_000  # ... and in bytes of JSON, with some air below its 1 MiB
DEVICES = "/api/v1/devices"
PROVISIONED = "/api/v1/provisioned"

Name = Annotated[str, typer.Argument(help="Endpoint name of the device.")]

devices = typer.Typer(
    help="List registered devices; show or remove one; say who may register.",
    invoke_without_command=True,
)


@devices.callback()
def list_(
    context: typer.Context,
    contains: Annotated[str, typer.Option(help="Only names with this in them.")] = "",
    limit: Annotated[int, typer.Option(help="Most devices to list.", min=1)] = 100,
    cursor: Annotated[int, typer.Option(help="Go on where an earlier list ended.", min=0)] = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """List registered devices."""
    if context.invoked_subcommand is not None:
        return
    with Client(url, token) as server:
        found, following = _collect(server, contains, limit, cursor)
    if as_json:
        tell_json({"devices": found, "next_cursor": following})
        return
    columns = ("endpoint", "address", "version", "binding", "objects", "updated", "expires")
    tell_table(columns, (_row(device) for device in found))
    more = "" if following is None else f"; more: --cursor {following}"
    tell(f"{len(found)} devices{more}")


def _collect(
    server: Client, contains: str, limit: int, cursor: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Up to `limit` devices; pages may be short, so ask until there are enough or no more."""
    found: list[dict[str, Any]] = []
    following: int | None = cursor
    while following is not None and len(found) < limit:
        wanted = min(PAGE, limit - len(found))
        page = server.get(DEVICES, cursor=following, limit=wanted, contains=contains)
        found += page["devices"]
        following = page["next_cursor"]
    return found, following


def _row(device: dict[str, Any]) -> tuple[Any, ...]:
    return (
        device["endpoint"],
        device["address"] or "-",
        device["lwm2m_version"],
        device["binding"] + (" queue" if device["queue_mode"] else ""),
        " ".join(device["objects"]),
        moment(device["updated_at"]),
        moment(device["expires_at"]),
    )


@devices.command()
def show(
    endpoint: Name, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None
) -> None:
    """Show one registration."""
    with Client(url, token) as server:
        device = server.get(f"{DEVICES}/{segment(endpoint)}")
    if as_json:
        tell_json(device)
        return
    for name, value in device.items():
        shown = moment(value) if name.endswith("_at") else value
        tell(f"{name:16} {printable(str(shown))}")


@devices.command()
def remove(endpoint: Name, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Remove a registration; the device will register anew if it may."""
    with Client(url, token) as server:
        server.ask("DELETE", f"{DEVICES}/{segment(endpoint)}")
    tell(f"removed the registration of {printable(endpoint)}")


@devices.command()
def allow(
    names: Annotated[list[str] | None, typer.Argument(help="Endpoint names.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="One endpoint name per line; - is standard input.")
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Let devices register (policy `provisioned`)."""
    wanted = [*(names or ()), *(names_in(file) if file else ())]
    if not wanted:
        raise RequestError("no endpoint name was given; give some, or --file")
    added = 0
    with Client(url, token) as server:
        for part in batches(wanted):
            added += server.ask("POST", PROVISIONED, json={"endpoints": part}).json()["added"]
    tell(f"{added} added, {len(wanted) - added} were listed already")


@devices.command()
def disallow(
    names: Annotated[list[str], typer.Argument(help="Endpoint names.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Let devices register no more; a registration stays until it ends."""
    with Client(url, token) as server:
        for name in names:
            server.ask("DELETE", f"{PROVISIONED}/{segment(name)}")
    tell(f"{len(names)} taken off the list")


@devices.command()
def allowed(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """List the endpoint names that may register, one per line."""
    after: dict[str, str] = {}
    with Client(url, token) as server:
        while True:
            page = server.get(PROVISIONED, limit=PAGE, **after)
            for name in page["endpoints"]:
                tell(printable(name))
            if page["next_after"] is None:
                return
            after = {"after": page["next_after"]}


def names_in(file: Path) -> Iterator[str]:
    """The names in `file`: one per line, blank lines left out."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{file} cannot be read: {error}") from None
    return (line.strip() for line in text.splitlines() if line.strip())


def batches(names: Iterable[str]) -> Iterator[list[str]]:
    """`names` in parts that the server takes in one request."""
    part: list[str] = []
    size = 0
    for name in names:
        cost = 6 * len(name) + 4  # the longest that JSON makes of it, and its quotes
        if part and (len(part) == BULK_NAMES or size + cost > BULK_BYTES):
            yield part
            part, size = [], 0
        part.append(name)
        size += cost
    if part:
        yield part
