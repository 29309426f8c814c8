"""`lwm2m-fast devices import|export|template|forget`: devices as CSV files, over HTTP."""

from __future__ import annotations

import csv
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url
from lwm2m_fast.cli.devices import CONFIGURATIONS, PAGE, devices
from lwm2m_fast.cli.output import tell, tell_error, tell_json, tell_table
from lwm2m_fast.errors import RequestError

AGENT = "/service/lwm2m-agent/deviceRegistration"
IMPORTS = "/api/v1/imports"
ASK_EVERY_S = 0.25

File = Annotated[Path, typer.Argument(help="CSV file; - is standard input.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]


@devices.command("import")
def import_(
    file: File,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Register every device of a CSV file, and wait for the result of each row."""
    _work_off("POST", file, as_json, quiet, url, token)


@devices.command()
def forget(
    file: File,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Forget exactly the devices of a CSV file, with their credentials and registrations."""
    _work_off("DELETE", file, as_json, quiet, url, token)


@devices.command()
def template(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Print the header of a CSV file with every column there is."""
    with Client(url, token) as server:
        tell(server.ask("GET", f"{AGENT}/template.csv").text.strip())


@devices.command()
def export(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Print all configured devices as CSV; keys are left out, as the server never shows them."""
    with Client(url, token) as server:
        columns = server.ask("GET", f"{AGENT}/template.csv").text.strip().split(";")
        writer = csv.writer(sys.stdout, delimiter=";", lineterminator="\n")
        writer.writerow(columns)
        for one in _all(server):
            writer.writerow([_cell(one, column) for column in columns])


def _all(server: Client) -> Iterator[dict[str, Any]]:
    after: dict[str, str] = {}
    while True:
        page = server.get(CONFIGURATIONS, limit=PAGE, **after)
        yield from page["configurations"]
        if page["next_after"] is None:
            return
        after = {"after": page["next_after"]}


_NESTED = {
    "endpoint id": ("endpointId",),
    "securityMode": ("serverSecurity", "securityMode"),
    "bootstrapSecurityMode": ("bootstrapSecurity", "bootstrapSecurityMode"),
    "lwm2m psk_id": ("serverSecurity", "pskId"),
    "bootstrap psk_id": ("bootstrapSecurity", "bootstrapId"),
    "x509ClientCertificate": ("serverSecurity", "x509Certificate"),
    "x509CertificateUsage": ("serverSecurity", "certificateUsage"),
    "serverPublicKey": ("serverSecurity", "x509ServerCertificateName"),
    "lwm2m server uri": ("lwm2mServerUri",),
    "bootstrapClientHoldOffTime": ("bootstrapSecurity", "clientHoldOffTime"),
    "bootstrapServerAccountTimeout": ("bootstrapSecurity", "bootstrapServerAccountTimeout"),
}


_FORMULA = re.compile(r"'*(?:[=+@\t]|-(?!----BEGIN ))")
"""A spreadsheet would run it; behind an apostrophe it is text, here and at an import, which takes
one away: what has some itself gets one more."""


def _cell(one: dict[str, Any], column: str) -> str:
    found: Any = one
    for name in _NESTED.get(column, (column,)):
        found = found.get(name) if isinstance(found, dict) else None
    if found is None:
        return ""
    if isinstance(found, bool):
        return "true" if found else "false"
    text = str(found)
    return "'" + text if _FORMULA.match(text) else text


def _work_off(
    method: str, file: Path, as_json: bool, quiet: bool, url: str, token: str | None
) -> None:
    data = _read(file)
    with Client(url, token) as server:
        parts = {"file": (file.name, data, "text/csv")}
        job = server.ask(method, f"{AGENT}/bulk", files=parts).json()
        job = _wait(server, job["id"], max(0, data.count(b"\n") - 1), quiet or as_json)
    if as_json:
        tell_json(job)
    else:
        _tell(job)
    if job["status"] != "SUCCESSFUL":
        raise typer.Exit(1)


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise RequestError(f"{file} cannot be read: {error}") from None


def _wait(server: Client, number: str, rows: int, quiet: bool) -> dict[str, Any]:
    """Until every row has its result; `rows` is how many there may be."""
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not sys.stderr.isatty()) as bar:
        task = bar.add_task("rows", total=rows)
        while True:
            job: dict[str, Any] = server.get(f"{IMPORTS}/{number}")
            bar.update(task, completed=job["rows"])
            if job["ended_at"] is not None:
                return job
            time.sleep(ASK_EVERY_S)


def _tell(job: dict[str, Any]) -> None:
    if job["reason"]:
        tell_error(job["reason"])
    if job["errors"]:
        rows = ((one["line"], one["endpointId"], one["reason"]) for one in job["errors"])
        tell_table(("line", "endpoint", "reason"), rows)
    unnamed = job["failed"] - len(job["errors"])
    more = f" ({unnamed} of them not named)" if unnamed else ""
    tell(f"{job['succeeded']} rows done, {job['failed']} refused{more}")
