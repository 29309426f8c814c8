"""`lwm2m-fast decode FORMAT PAYLOAD`: what a payload says, with the names of the object model.

Needs no server. Also holds what `encode` shares with it: format names and the resource types of
the built-in objects.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path as File
from typing import Annotated, Any, Final

import typer

from lwm2m_fast import codec
from lwm2m_fast.cli.output import tell_json, tell_table
from lwm2m_fast.codec import Kind, Node, ObjectLink, Path
from lwm2m_fast.errors import RequestError
from lwm2m_fast.model import Model, ResourceDefinition, built_in

FORMAT_NAMES: Final = {
    "text": 0,
    "link": 40,
    "opaque": 42,
    "cbor": 60,
    "senml-json": 110,
    "senml-cbor": 112,
    "etch-json": 320,
    "etch-cbor": 322,
    "tlv": 11542,
    "json": 11543,
    "lwm2m-cbor": 11544,
}
TEXT_FORMATS: Final = (0, 40, 110, 320, 1543, 11543)
NEWEST: Final = "1.2"
"""Objects are taken in their versions of the newest LwM2M release."""

FormatName = Annotated[
    str,
    typer.Argument(
        metavar="FORMAT", help="Content format: a number, or " + ", ".join(FORMAT_NAMES)
    ),
]


def content_format(name: str) -> int:
    """The number of a content format given by name or number."""
    number = FORMAT_NAMES.get(name.lower(), int(name) if name.isdecimal() else -1)
    if number not in codec.FORMATS:
        raise RequestError(
            f"{name!r} is no content format; known are {', '.join(FORMAT_NAMES)} "
            f"and the numbers {', '.join(map(str, codec.FORMATS))}"
        )
    return number


class Definitions:
    """Resources of the built-in objects."""

    def __init__(self) -> None:
        self._model = Model(built_in())

    def resource(self, path: Path) -> ResourceDefinition | None:
        """The definition of the resource at `path`, or whose instance is there."""
        if path.depth < 3:
            return None
        known = self._model.find(path.ids[0], lwm2m_version=NEWEST)
        return known.resources.get(path.ids[2]) if known else None

    def type_name(self, object_id: int, resource_id: int) -> str | None:
        """A resource's type as codecs are told it."""
        known = self.resource(Path(object_id, 0, resource_id))
        return known.type.name if known else None


def payload_bytes(given: str, is_text: bool) -> bytes:
    """Bytes of a file, of standard input ("-"), of hexadecimal digits, or of the text itself."""
    if given == "-":
        return sys.stdin.buffer.read(codec.MAX_PAYLOAD_BYTES + 1)
    try:
        if (file := File(given)).is_file():
            with file.open("rb") as opened:
                return opened.read(codec.MAX_PAYLOAD_BYTES + 1)
    except (OSError, ValueError):
        pass  # too long for a file name, or with characters that none has
    try:
        return bytes.fromhex(given.replace(":", " ").removeprefix("0x"))
    except ValueError:
        if is_text:
            return given.encode()
        raise RequestError(f"{given[:60]!r} is neither a file nor hexadecimal") from None


def plain(node: Node) -> Any:
    """A value as JSON has it: bytes as hexadecimal, links as object:instance."""
    value = node.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, ObjectLink):
        return str(value)
    if isinstance(value, float) and not -1.8e308 < value < 1.8e308:
        return str(value)
    return value


def shown_time(time_ns: int | None) -> str:
    if time_ns is None:
        return ""
    seconds, ns = divmod(time_ns, 1_000_000_000)
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{seconds}.{ns:09} s"
    return f"{text}.{ns:09}".rstrip("0").rstrip(".") + "Z"


def _shown(node: Node) -> str:
    if node.kind is Kind.TIME and isinstance(node.value, int):
        return f"{node.value} ({shown_time(node.value * 1_000_000_000)})"
    return "" if node.value is None else str(plain(node))


def decode(
    format_name: FormatName,
    payload: Annotated[
        str, typer.Argument(help="A file, - for standard input, or hexadecimal digits.")
    ],
    path: Annotated[str, typer.Option(help="The path that the payload is about.")] = "/",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a payload says.

    Text formats may be given as text where that is no hexadecimal number.
    """
    number = content_format(format_name)
    raw = payload_bytes(payload, number in TEXT_FORMATS)
    known = Definitions()
    pack = codec.decode(number, raw, path, known.type_name, now_ns=time.time_ns())
    if as_json:
        tell_json(
            [
                {"path": str(n.path), "type": n.kind.name, "value": plain(n), "time_ns": n.time_ns}
                for n in pack
            ]
        )
        return
    rows = []
    for node in pack:
        resource = known.resource(node.path)
        name = resource.name if resource else ""
        rows.append([node.path, name, node.kind.name, _shown(node), shown_time(node.time_ns)])
    tell_table(["path", "name", "type", "value", "time"], rows)
