"""`lwm2m-fast shell ENDPOINT`: commands to one device, typed, piped or given.

The server knows the grammar and runs the commands; here are the prompt, its completion and its
history, and how results are printed.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from lwm2m_fast.cli.client import DEFAULT_URL, AsJson, Client, Token, Url, segment
from lwm2m_fast.cli.output import tell, tell_error, tell_json
from lwm2m_fast.cli.results import exit_code, tell_operation, value_text
from lwm2m_fast.errors import Error, RequestError
from lwm2m_fast.logs import printable

SLACK_S = 5.0  # the server speaks first when the device does not


def _page(wanted: bool) -> None:
    if wanted:
        from lwm2m_fast.cli.shell_page import page

        sys.stdout.write(page())
        raise typer.Exit


def shell(
    endpoint: Annotated[str, typer.Argument(help="Endpoint name of the device.")],
    command: Annotated[
        str | None,
        typer.Option("-c", "--command", help="Commands to run, one a line, instead of a prompt."),
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for the device.", min=0.0, max=600.0)
    ] = 60.0,
    as_json: AsJson = False,
    page: Annotated[
        bool,
        typer.Option("--page", is_eager=True, callback=_page, help="Print docs/shell.md."),
    ] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Run shell commands on a device; `help` lists them.

    Without -c they are typed at a prompt, or read from standard input when that is no terminal.
    The exit code is 0 when all were done, 1 when one failed or none was taken, 3 when one still
    waits for the device after --wait; it goes on by itself.
    """
    with Client(url, token) as server:
        session = Session(server, endpoint, wait, as_json)
        if command is None and sys.stdin.isatty():
            from lwm2m_fast.cli.prompt import converse

            code = converse(session)
        else:
            code = session.run(sys.stdin.read() if command is None else command)
    raise typer.Exit(code)


class Session:
    """Commands to one device through one server."""

    def __init__(self, server: Client, endpoint: str, wait_s: float, as_json: bool) -> None:
        self.endpoint = endpoint
        self._server = server
        self._wait_s = wait_s
        self._as_json = as_json
        self._where = f"/api/v1/devices/{segment(endpoint)}"

    def run(self, text: str) -> int:
        """Run these commands and print what came of them. Returns the exit code."""
        try:
            content = text.encode()
        except UnicodeEncodeError:  # bytes of a terminal or a file that Python could not read
            raise RequestError("the commands are not UTF-8") from None
        answer = self._server.ask(
            "POST",
            f"{self._where}/shell",
            content=content,
            params={"wait": self._wait_s},
            headers={"Content-Type": "text/plain"},
            timeout=self._wait_s + SLACK_S,
        )
        commands: list[dict[str, Any]] = answer.json()["commands"]
        if self._as_json:
            tell_json(commands)
        else:
            for one in commands:
                _tell(one, is_one_of_many=len(commands) > 1)
        return exit_code(one["operation"] for one in commands if "operation" in one)

    def attempt(self, text: str) -> None:
        """As run(), for a prompt that goes on: an error is told and that is all."""
        try:
            self.run(text)
        except Error as error:
            tell_error(str(error))

    def paths(self) -> list[str]:
        """Objects and instances of the device, to complete paths from; none when unknown."""
        try:
            objects = self._server.get(self._where)["objects"]
        except Error:
            return []
        found: list[str] = []
        for number, entry in objects.items():
            found.append(f"/{number}")
            found += (f"/{number}/{instance}" for instance in entry["instances"])
        return found


def _tell(command: dict[str, Any], is_one_of_many: bool) -> None:
    if is_one_of_many:
        tell(f"> {printable(command['text'])}")
    if "operation" in command:
        tell_operation(command["operation"])
    elif "settings" in command:
        told = {name: one for name, one in command["settings"].items() if one is not None}
        for name, value in told.items():
            tell(printable(f"{name} = {value_text(value)}"))
    else:
        tell(command["help"])
