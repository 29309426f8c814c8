"""`lwm2m-fast batch`: the same shell commands for many devices, with a progress bar."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url
from lwm2m_fast.cli.devices import batches, names_in
from lwm2m_fast.cli.output import tell, tell_error, tell_json
from lwm2m_fast.cli.results import EXIT_DONE, EXIT_FAILED, EXIT_WAITING
from lwm2m_fast.errors import RequestError

BATCHES = "/api/v1/batches"
PAGE = 1000
POLL_S = 0.5
MOST_TOLD = 20  # failures printed by name; --json has all


def batch(
    file: Annotated[
        Path | None,
        typer.Argument(help="One endpoint name per line; - is standard input."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every registered device.")] = False,
    contains: Annotated[
        str, typer.Option(help="Registered devices with this in their names.")
    ] = "",
    command: Annotated[
        str, typer.Option("-c", "--command", help="Shell commands to run, one a line.")
    ] = "",
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for all devices; 0 only submits.", min=0.0)
    ] = 60.0,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Run shell commands on many devices.

    The exit code is 0 when all was done, 1 when something failed, 3 when something still waits
    for its device after --wait; it goes on by itself.
    """
    if sum((file is not None, all_, bool(contains))) != 1:
        raise RequestError("say which devices: give a FILE, or --all, or --contains")
    if not command.strip():
        raise RequestError("no command was given; give some with -c")
    with Client(url, token) as server:
        names = names_in(file) if file is not None else registered(server, contains)
        made = [
            server.ask("POST", BATCHES, json={"endpoints": part, "shell": command}).json()
            for part in batches(dict.fromkeys(names))
        ]
        if not made:
            raise RequestError("there is no such device")
        found = _watched(server, made, wait)
        results = (one for each in found for one in _results(server, each["id"]))
        _tell(found, results, as_json)
    raise typer.Exit(_code(found))


def registered(server: Client, contains: str) -> Iterator[str]:
    """The names of registered devices with `contains` in them."""
    cursor: int | None = 0
    while cursor is not None:
        page = server.get("/api/v1/devices", cursor=cursor, limit=PAGE, contains=contains)
        yield from (device["endpoint"] for device in page["devices"])
        cursor = page["next_cursor"]


def _watched(server: Client, made: list[dict[str, Any]], wait_s: float) -> list[dict[str, Any]]:
    """The batches once they are done, or as they are after `wait_s`."""
    until = time.monotonic() + wait_s
    found = {one["id"]: one for one in made}
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    total = sum(one["total"] for one in made)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("operations", total=total)
        while True:
            waiting = [one["id"] for one in found.values() if one["pending"]]
            progress.update(bar, completed=total - sum(one["pending"] for one in found.values()))
            if not waiting or time.monotonic() >= until:
                return list(found.values())
            time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))
            for number in waiting:
                found[number] = server.get(f"{BATCHES}/{number}", limit=1)


def _results(server: Client, number: int) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = server.get(f"{BATCHES}/{number}", after=after, limit=PAGE)
        yield from page["results"]
        after = page["next"]


def _failures(result: dict[str, Any]) -> Iterator[str]:
    """What went wrong for one device, a line each."""
    if result.get("error"):
        yield f"{result['endpoint']}: {result['error']}"
    for one in result.get("operations") or ():
        if one["state"] == "FAILED":
            because = f" ({one['reason']})" if one["reason"] else ""
            yield f"{result['endpoint']}: operation {one['id']} failed{because}"


def _tell(found: list[dict[str, Any]], results: Iterator[dict[str, Any]], as_json: bool) -> None:
    counts = {name: sum(one[name] for one in found) for name in ("done", "failed", "pending")}
    if as_json:
        tell_json({"batches": [one["id"] for one in found], **counts, "results": list(results)})
        return
    if counts["failed"]:
        failures = (line for one in results for line in _failures(one))
        for line in islice(failures, MOST_TOLD):
            tell_error(line)
        if counts["failed"] > MOST_TOLD:
            tell_error(f"{counts['failed']} operations failed; --json tells all")
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    tell(f"{sum(one['devices'] for one in found)} devices: {told}")


def _code(found: list[dict[str, Any]]) -> int:
    if any(one["failed"] for one in found):
        return EXIT_FAILED
    return EXIT_WAITING if any(one["pending"] for one in found) else EXIT_DONE
