"""`lwm2m-fast encode FORMAT PATH=VALUE ...`: the payload that says these values.

Needs no server. Reads back what `decode --json` prints.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import orjson
import typer

from lwm2m_fast import codec
from lwm2m_fast.cli.decode import (
    TEXT_FORMATS,
    Definitions,
    FormatName,
    content_format,
    payload_bytes,
)
from lwm2m_fast.cli.output import tell, tell_json
from lwm2m_fast.codec import Kind, Node, Path
from lwm2m_fast.codec.text import READ
from lwm2m_fast.errors import FormatError, RequestError
from lwm2m_fast.logs import printable


def _value(kind: Kind, text: str) -> Any:
    """The value that `text` is; bytes are hexadecimal."""
    if kind is Kind.OPAQUE:
        return bytes.fromhex(text)
    return READ[kind](text) if kind in READ else text


def _given(text: str, known: Definitions) -> Node:
    """PATH=VALUE, or a PATH alone, as a Node; the model says the type, else it is a String."""
    name, equals, value = text.partition("=")
    path = Path.parse(name)
    if not equals:
        return Node(path)
    resource = known.resource(path)
    kind = Kind[resource.type.name] if resource else Kind.STRING
    kind = Kind.STRING if kind is Kind.NONE else kind
    try:
        return Node(path, _value(kind, value), kind)
    except ValueError as error:
        raise RequestError(f"{name}: {value!r} is not {kind.name}: {error}") from None


def _listed(row: Any) -> Node:
    """One record of `decode --json`."""
    try:
        kind, value = Kind[row["type"]], row["value"]
        if kind is Kind.OPAQUE:
            value = bytes.fromhex(value)
        elif kind is Kind.FLOAT:
            value = float(value)
        return Node(row["path"], value, kind, row.get("time_ns"))
    except (AttributeError, KeyError, TypeError, ValueError, FormatError) as error:
        raise RequestError(f"no record: {printable(str(row))[:100]}: {error}") from None


def _all_listed(source: str) -> list[Node]:
    try:
        rows = orjson.loads(payload_bytes(source, is_text=False))
    except orjson.JSONDecodeError as error:
        raise RequestError(f"{source} is not JSON: {error}") from None
    if not isinstance(rows, list):
        raise RequestError(f"{source} is not a list of records")
    return [_listed(row) for row in rows]


def encode(
    format_name: FormatName,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="PATH=VALUE", help="Opaque as hexadecimal.")
    ] = None,
    path: Annotated[str, typer.Option(help="The path that the payload is about.")] = "/",
    source: Annotated[
        str | None, typer.Option("--from", help="A file (- for standard input) of decode --json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Write the payload's bytes.")] = False,
) -> None:
    """Print the payload that says these values: text formats as text, others as hexadecimal."""
    number = content_format(format_name)
    known = Definitions()
    nodes = [] if source is None else _all_listed(source)
    nodes += [_given(text, known) for text in values or ()]
    payload = codec.encode(number, nodes, path)
    if raw:
        sys.stdout.buffer.write(payload)
        sys.stdout.buffer.flush()
    elif as_json:
        tell_json({"content_format": number, "payload_hex": payload.hex()})
    elif number in TEXT_FORMATS:
        tell(printable(payload.decode()))
    else:
        tell(payload.hex())
