"""The commands of the connector, the device of each tenant that is not one: text to what it asks.

They are about registrations and configurations, not about a device's resources; one a line, as in
shell.py. Knows no device, no tenant and no way to do any of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from lwm2m_fast.core.shell import split_lines
from lwm2m_fast.errors import RequestError

MAX_NAMES: Final = 10_000
"""Devices that one command may name."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one line asks for."""

    text: str
    command: str
    """By its own spelling."""
    needs_admin: bool = False
    names: tuple[str, ...] = ()
    """Endpoint names, ids of devices or of a registration: whatever the command takes."""
    skips_registrations: bool = False
    help: str | None = None
    """A text for who asked; then there is nothing to be done."""


class Arguments(NamedTuple):
    names: tuple[str, ...] = ()
    skips_registrations: bool = False


class Command(NamedTuple):
    """One row: how a command is written, what it does, how its arguments are read."""

    name: str
    usage: str
    about: str
    needs_admin: bool
    read: Callable[[str], Arguments]


def _one(what: str) -> Callable[[str], Arguments]:
    def read(rest: str) -> Arguments:
        words = rest.split()
        if len(words) != 1:
            raise RequestError(f"{len(words)} arguments, one is needed: {what}")
        return Arguments((words[0],))

    return read


def _endpoint(rest: str) -> Arguments:
    """A name may have blanks in it: it is the rest of the line."""
    name = rest.strip()
    if not name:
        raise RequestError("the endpoint name is missing")
    return Arguments((name,))


_DEVICES = ("-d", "--devices")
_SKIP = ("-sr", "--skipRegistrations")


def _migration(rest: str) -> Arguments:
    names: list[str] | None = None
    skips = takes_names = False
    for word in rest.replace(",", " ").split():
        if word in _SKIP:
            if skips:
                raise RequestError(f"{word} is there twice")
            skips, takes_names = True, False
        elif word in _DEVICES:
            if names is not None:
                raise RequestError(f"{word} is there twice")
            names, takes_names = [], True
        elif takes_names and names is not None and not word.startswith("-"):
            names.append(word)
        else:
            known = ", ".join((*_DEVICES, *_SKIP))
            raise RequestError(f"{word[:40]!r} is no argument; there are {known}")
    if names == []:
        raise RequestError("no device is named after -d")
    found = tuple(dict.fromkeys(names or ()))
    if len(found) > MAX_NAMES:
        raise RequestError(f"{len(found)} devices are named, allowed are {MAX_NAMES}")
    return Arguments(found, skips)


def _help(rest: str) -> Arguments:
    return Arguments((rest,) if rest else ())


_ROWS: Final = (
    Command("help", "[COMMAND]", "this list, or one command", False, _help),
    Command(
        "migrateLwm2mDevices",
        "[-d|--devices ID ...] [-sr|--skipRegistrations]",
        "give devices of older ways a configuration: those named by endpoint or id, else all; "
        "-sr leaves the list of who may register alone",
        True,
        _migration,
    ),
    Command(
        "cleanupClusterTenantObjectsForEndpoint",
        "ENDPOINT",
        "free an endpoint name that a deletion has left taken",
        True,
        _endpoint,
    ),
    Command(
        "invalidateRegistrationsForEndpoint",
        "ENDPOINT",
        "end the registrations of an endpoint: it has to register anew",
        False,
        _endpoint,
    ),
    Command(
        "invalidateRegistrationById",
        "REGISTRATION_ID",
        "end one registration",
        False,
        _one("a registration's id"),
    ),
)

CONNECTOR_COMMANDS: Final[Mapping[str, Command]] = {row.name: row for row in _ROWS}
"""By name, in the order of help."""

_BY_LOWER_NAME: Final = {row.name.lower(): row for row in _ROWS}


def connector_help(word: str | None = None) -> str:
    """All commands, or the one named; RequestError for one that there is not."""
    rows = _ROWS if word is None else (_find(word),)
    return "\n".join(f"{row.name} {row.usage}\n    {row.about}" for row in rows)


def _find(word: str) -> Command:
    row = _BY_LOWER_NAME.get(word.lower())
    if row is None:
        known = ", ".join(CONNECTOR_COMMANDS)
        raise RequestError(f"{word[:40]!r} is no command of the connector; there are {known}")
    return row


def _parse_line(text: str) -> Ask:
    word, _, rest = text.partition(" ")
    row = _find(word)
    try:
        found = row.read(rest)
        told = connector_help(*found.names) if row.read is _help else None
    except RequestError as error:
        raise RequestError(f"{row.name}: {error} (usage: {row.name} {row.usage})") from None
    return Ask(text, row.name, row.needs_admin, *found, help=told)


def parse_connector(text: str) -> list[Ask]:
    """Every command of `text`, in order; empty lines are passed over.

    RequestError names the first line that cannot be read, and then nothing of the text is to run.
    """
    asks: list[Ask] = []
    for number, line in split_lines(text):
        try:
            asks.append(_parse_line(line.strip()))
        except RequestError as error:
            raise RequestError(f"line {number}: {error}") from None
    return asks
