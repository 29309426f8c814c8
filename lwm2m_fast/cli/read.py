"""`lwm2m-fast read ENDPOINT PATH`: one Read, through the HTTP interface."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url, segment
from lwm2m_fast.cli.output import tell, tell_json
from lwm2m_fast.cli.results import tell_values
from lwm2m_fast.logs import printable

SLACK_S = 5.0  # the server speaks first when the device does not


def read(
    endpoint: Annotated[str, typer.Argument(help="Endpoint name of the device.")],
    path: Annotated[str, typer.Argument(help="Such as /3/0/0, /3/0 or /3.")],
    accept: Annotated[
        int | None, typer.Option(help="CoAP Content-Format to ask for.", min=0, max=65535)
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for the device.", min=0.1, max=600.0)
    ] = 30.0,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the payload's bytes as they are.")
    ] = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Read a value from a device.

    Text is printed as it is, several values as a table; what is no value of the object model as
    its content format and hexadecimal bytes.
    """
    params: dict[str, float | int] = {"timeout": timeout}
    if accept is not None:
        params["accept"] = accept
    where = f"/api/v1/devices/{segment(endpoint)}/{segment_path(path)}"
    with Client(url, token) as server:
        headers = {"Accept": "application/octet-stream"} if raw else {}
        answer = server.ask("GET", where, params=params, headers=headers, timeout=timeout + SLACK_S)
    if raw:
        sys.stdout.buffer.write(answer.content)
        sys.stdout.buffer.flush()
        return
    result = answer.json()
    if as_json:
        tell_json(result)
    elif result["value"] is not None:
        tell(printable(result["value"]))
    elif result["values"]:
        tell_values(result["values"])
    else:
        tell(f"content format {result['content_format']}: {result['payload_hex']}")


def segment_path(path: str) -> str:
    return "/".join(segment(part) for part in path.strip("/").split("/"))
