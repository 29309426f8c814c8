"""The shell: one command per line, as an operator types it; one table, one row per command.

Text becomes Orders (or a device setting, or help) and nothing runs here. A text of several lines is
read as a whole: a line that cannot be read refuses all of it. Types, levels and formats are not
known here: core/operations looks at them when the order meets its device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from lwm2m_fast.core.attributes import CANCEL
from lwm2m_fast.core.orders import AUTOMATIC, SERIALIZATIONS, Order
from lwm2m_fast.core.strategies import parse_orders, strategy_of
from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import forced_format

MAX_LINES: Final = 1000
"""Commands of one text: as many as a device's queue holds."""

MAX_TEXT_CHARACTERS: Final = 1 << 20

FILE_MARK: Final = "binary:"
STRATEGY_MARK: Final = "strategy="

_RESOURCE: Final = 3

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"(?= |$)|[^ ]+')
_RAW_NAMES: Final = {
    "contentFormat": "content_format",
    "payloadHex": "payload_hex",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What one line asks for: exactly one of order, setting and help."""

    number: int
    """Counted from 1, empty lines included."""
    text: str
    order: Order | None = None
    setting: Mapping[str, str | None] | None = None
    """Device settings to change, None to return one to its default."""
    help: str | None = None
    """A text for who asked."""


Parsed = dict[str, Any]
"""An order's JSON, or {"setting": ...} or {"help": ...}."""


class Command(NamedTuple):
    """One row: how a command is written, what it does, and how what follows its name is read."""

    name: str
    usage: str
    """What follows the name; capitals are to be filled in, brackets may be left out."""
    about: str
    read: Callable[[str], Parsed]


def _no_more(rest: str, what: str) -> None:
    if rest:
        raise RequestError(f"{rest[:40]!r} is more than {what}")


def _path_and_rest(rest: str) -> tuple[str, str]:
    path, _, more = rest.partition(" ")
    if not path.startswith("/"):
        raise RequestError(f"{path[:40]!r} is not a path such as /3/0/9")
    return path, more


def _paths(rest: str) -> list[str]:
    found = rest.split(" ") if rest else []
    if not found or not all(each.startswith("/") for each in found):
        wrong = next((each for each in found if not each.startswith("/")), "")
        raise RequestError(f"{wrong[:40]!r} is not a path such as /3/0/9")
    return found


def _one_path(op: str, **fields: Any) -> Callable[[str], Parsed]:
    """`P`, and nothing else."""

    def read(rest: str) -> Parsed:
        path, more = _path_and_rest(rest)
        _no_more(more, "one path")
        return {"op": op, "path": path, **fields}

    return read


def _many_paths(op: str, **fields: Any) -> Callable[[str], Parsed]:
    """`P [P ...]` of a composite operation."""
    return lambda rest: {"op": op, "paths": _paths(rest), **fields}


def _observed_paths(op: str, **fields: Any) -> Callable[[str], Parsed]:
    """`P [P ...] [strategy=S]` of composite observations."""

    def read(rest: str) -> Parsed:
        paths, strategy = _strategy(rest)
        return {"op": op, "paths": _paths(paths), **strategy, **fields}

    return read


def _strategy(rest: str) -> tuple[str, Parsed]:
    """The paths, and the strategy if one is named behind them."""
    paths, _, last = rest.rpartition(" ")
    if not last.startswith(STRATEGY_MARK):
        return rest, {}
    return paths, {"strategy": strategy_of(last[len(STRATEGY_MARK) :])}


def _cancel(rest: str) -> Parsed:
    """`P [P ...] [strategy=S]`: several are those of one composite observation."""
    named, strategy = _strategy(rest)
    paths = _paths(named)
    if len(paths) == 1 and not strategy:
        return {"op": "cancel_observe", "path": paths[0]}
    return {"op": "cancel_composite", "paths": paths, **strategy}


def _discover(rest: str) -> Parsed:
    path, more = _path_and_rest(rest)
    if not more:
        return {"op": "discover", "path": path}
    name, equals, depth = more.partition("=")
    if name != "depth" or not equals or not (depth.isascii() and depth.isdigit()):
        raise RequestError(f"{more[:40]!r} is not depth=N")
    return {"op": "discover", "path": path, "depth": int(depth[:9])}


def _execute(is_free_text: bool) -> Callable[[str], Parsed]:
    def read(rest: str) -> Parsed:
        path, more = _path_and_rest(rest)
        found: Parsed = {"op": "execute", "path": path}
        return {**found, "arguments": more, "is_free_text": is_free_text} if more else found

    return read


def _write(mode: str | None) -> Callable[[str], Parsed]:
    """`P VALUE`: the value is the rest of the line, blanks and all; of an instance it is JSON."""

    def read(rest: str) -> Parsed:
        path, blank, value = rest.partition(" ")
        _path_and_rest(path)
        if not blank:
            raise RequestError("the value is missing")
        given = {"values": _json(value)} if path.count("/") < _RESOURCE else {"value": value}
        return {"op": "write", "path": path, **given, **({"mode": mode} if mode else {})}

    return read


def _write_binary(rest: str) -> Parsed:
    path, value = _path_and_rest(rest)
    if not value:
        raise RequestError("hexadecimal digits, or binary:FILE, are missing")
    made = {"file": value[len(FILE_MARK) :]} if value.startswith(FILE_MARK) else {"hex": value}
    return {"op": "write", "path": path, "value": made}


def _json(text: str) -> dict[str, Any]:
    try:
        made = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"{text[:40]!r} is not JSON: {error}") from None
    if not isinstance(made, dict):
        raise RequestError(f"{text[:40]!r} is not a JSON object")
    return made


def _create(rest: str) -> Parsed:
    path, more = _path_and_rest(rest)
    return {"op": "create", "path": path, **({"values": _json(more)} if more else {})}


def _attributes(rest: str) -> Parsed:
    path, more = _path_and_rest(rest)
    found: dict[str, Any] = {}
    for part in more.split("&") if more else ():
        name, equals, value = part.partition("=")
        if name in found:
            raise RequestError(f"attribute {name[:20]} is given twice")
        if name == CANCEL and equals:
            raise RequestError("attribute cancel takes no value")
        found[name] = value if equals and value else None
    if not found:
        raise RequestError("attributes are missing, such as pmin=10&pmax=60")
    return {"op": "write_attributes", "path": path, "attributes": found}


def _token(text: str) -> Any:
    """A value among others: a JSON string or object, null to remove, else the text itself."""
    if text == "null":
        return None
    if not text.startswith(('"', "{")):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"{text[:40]!r} is not JSON: {error}") from None


def _write_composite(rest: str) -> Parsed:
    tokens = _TOKEN.findall(rest)
    if not tokens or len(tokens) % 2:
        raise RequestError(f"{len(tokens)} words; a path and a value each are needed")
    values: dict[str, Any] = {}
    for path, value in zip(tokens[::2], tokens[1::2], strict=True):
        _path_and_rest(path)
        if path in values:
            raise RequestError(f"{path} is given twice")
        values[path] = _token(value)
    return {"op": "write_composite", "values": values}


def _serialization(rest: str) -> Parsed:
    name = rest.upper()
    if name == AUTOMATIC:
        return {"setting": {"serializationFormat": None}}
    if name not in SERIALIZATIONS or forced_format(name) is None:
        known = ", ".join((*SERIALIZATIONS, AUTOMATIC))
        raise RequestError(f"{rest[:40]!r} is not one of {known}")
    return {"setting": {"serializationFormat": name}}


def _raw(rest: str) -> Parsed:
    if not rest:
        raise RequestError("the request is missing, a JSON object")
    return {"op": "coap", "coap": {_RAW_NAMES.get(k, k): v for k, v in _json(rest).items()}}


def _help(rest: str) -> Parsed:
    return {"help": help_text(rest or None)}


_ROWS: Final = (
    Command("read", "P", "read a value, an instance or an object", _one_path("read")),
    Command("observe", "P", "be told of changes", _one_path("observe")),
    Command(
        "cancelobservation",
        "P [P ...] [strategy=S]",
        "stop being told: the next notification is rejected; several paths: of one cobserve",
        _cancel,
    ),
    Command(
        "cancelobserve",
        "P",
        "stop being told, by asking the device",
        _one_path("cancel_observe", mode="active"),
    ),
    Command(
        "cancelCompositeObserve",
        "P [P ...] [strategy=S]",
        "stop being told of a cobserve, by asking the device",
        _observed_paths("cancel_composite", mode="active"),
    ),
    Command("execute", "P [ARGUMENTS]", "execute; arguments such as 0='x',1", _execute(False)),
    Command("executelegacy", "P [TEXT]", "execute with any text", _execute(True)),
    Command("write", "P VALUE", "write (replace); an instance as JSON", _write(None)),
    Command("writep", "P VALUE", "write (partial update)", _write("update")),
    Command("writeb", "P HEX|binary:FILE", "write bytes, or an uploaded file", _write_binary),
    Command("delete", "P", "delete an instance", _one_path("delete")),
    Command("discover", "P [depth=N]", "list what is there, with attributes", _discover),
    Command("create", "P [JSON]", 'create an instance, such as {"5700": 21.5}', _create),
    Command(
        "writeattr",
        "P NAME=VALUE[&...]",
        "set attributes: pmin pmax gt lt st ...; NAME alone unsets, cancel unsets the others",
        _attributes,
    ),
    Command("cread", "P [P ...]", "read several paths at once", _many_paths("read_composite")),
    Command(
        "cobserve",
        "P [P ...] [strategy=S]",
        "observe several paths at once; S: SINGLE, COMPOSITE_ALL, COMPOSITE_BY_OBJECT",
        _observed_paths("observe_composite"),
    ),
    Command(
        "cwrite", "P VALUE [P VALUE ...]", "write several at once; null removes", _write_composite
    ),
    Command(
        "serialization",
        "|".join((*SERIALIZATIONS, AUTOMATIC)),
        "the content format of this device, for what is asked from now on",
        _serialization,
    ),
    Command(
        "coap",
        "JSON",
        "a raw request: method, uri, contentFormat, accept, payloadHex",
        _raw,
    ),
    Command("help", "[COMMAND]", "this list, or one command", _help),
)

COMMANDS: Final[Mapping[str, Command]] = {row.name: row for row in _ROWS}
"""Every command by its name, in the order of help."""

_BY_LOWER_NAME: Final = {row.name.lower(): row for row in _ROWS}


def find_command(word: str) -> Command | None:
    """The command of that name, in any case."""
    return _BY_LOWER_NAME.get(word.lower())


def help_text(word: str | None = None) -> str:
    """All commands, one a line, or the one named; RequestError for one that there is not."""
    if word is None:
        uses = [f"{row.name} {row.usage}" for row in _ROWS]
        rows = [f"{use}\n    {row.about}" for use, row in zip(uses, _ROWS, strict=True)]
        return "\n".join(["P is a path such as /3/0/9. One command a line.", *rows])
    row = find_command(word)
    if row is None:
        raise RequestError(f"{word[:40]!r} is no command; known are {', '.join(COMMANDS)}")
    return f"{row.name} {row.usage}\n    {row.about}"


def _parse_line(number: int, text: str) -> list[Line]:
    if text != text.strip():
        raise RequestError("blanks at the line's start or end")
    word, _, rest = text.partition(" ")
    row = find_command(word)
    if row is None:
        raise RequestError(f"{word[:40]!r} is no command; help lists them")
    try:
        found = row.read(rest)
        if "setting" in found or "help" in found:
            return [Line(number, text, setting=found.get("setting"), help=found.get("help"))]
        return [Line(number, text, order=order) for order in parse_orders(found)]
    except RequestError as error:
        raise RequestError(f"{row.name}: {error} (usage: {row.name} {row.usage})") from None


def split_lines(text: str) -> list[tuple[int, str]]:
    """The lines of `text` that are not empty, with their numbers from 1; RequestError: too much."""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise RequestError(f"{len(text)} characters, the limit is {MAX_TEXT_CHARACTERS}")
    given = [(at, line) for at, line in enumerate(_LINE_END.split(text), 1) if line]
    if len(given) > MAX_LINES:
        raise RequestError(f"{len(given)} commands, the limit is {MAX_LINES}")
    return given


def parse_shell(text: str) -> list[Line]:
    """Every command of `text`, in order; empty lines are passed over, and one that is several
    orders comes as often.

    RequestError names the first line that cannot be read, and then nothing of the text is to run.
    """
    lines: list[Line] = []
    for number, line in split_lines(text):
        try:
            lines += _parse_line(number, line)
        except RequestError as error:
            raise RequestError(f"line {number}: {error}") from None
    return lines
