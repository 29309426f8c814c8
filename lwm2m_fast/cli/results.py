"""How operations and values are shown at a terminal, and the exit code that they make.

Values came from devices: all of it goes through printable(). Knows no command and no server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from lwm2m_fast.cli.output import moment, tell, tell_error, tell_table
from lwm2m_fast.logs import printable

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_WAITING = 3
"""Nothing failed, but something is not done yet: it goes on by itself."""

REFUSED = "refused"

# Fields of an order that say what it is about, in the order they are shown.
TOLD = (
    "path", "paths", "text", "value", "values", "arguments", "attributes", "mode", "depth", "coap",
)  # fmt: skip


def exit_code(operations: Iterable[Mapping[str, Any]]) -> int:
    """0 when all were done, 1 when one failed, 3 when one still waits."""
    states = {one["state"] for one in operations}
    if "FAILED" in states:
        return EXIT_FAILED
    return EXIT_DONE if states <= {"SUCCESSFUL"} else EXIT_WAITING


def order_text(order: Mapping[str, Any]) -> str:
    """An order on one line."""
    told = (order[name] for name in TOLD if order.get(name) not in (None, [], ()))
    return " ".join([order["op"], *(value_text(one) for one in told)])


def value_text(value: Any) -> str:
    """A JSON value as people read it: text bare, opaque bytes in hexadecimal."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value.keys() == {"hex"}:
        return f"0x{value['hex']}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return orjson.dumps(value).decode()


def tell_operation(operation: Mapping[str, Any]) -> None:
    """What came of one operation: its values as a table, or one line."""
    state, result = operation["state"], operation["result"] or {}
    number = operation["id"]
    if state == "FAILED":
        tell_error(f"{order_text(operation['order'])}: {why(operation)}")
        for one in result.get("errors") or ():
            line = f"line {one['line']}: " if one["line"] else ""
            tell_error(printable(f"{line}{one['reason']}"))
    elif state != "SUCCESSFUL":
        because = f" ({operation['reason']})" if operation["reason"] else ""
        tell(f"operation {number} is {state.lower()}{printable(because)}; it goes on by itself")
    elif result.get("values"):
        tell_values(result["values"])
    elif result.get("links"):
        tell_links(result["links"])
    elif "rows" in result:
        tell(f"{result['succeeded']} of {result['rows']} done")
    else:
        if result.get("payload_hex"):  # of a raw request
            tell(f"{result['code']} {_payload(result)}")
            return
        where = f", at /{result['location'].lstrip('/')}" if result.get("location") else ""
        tell(printable(f"{result.get('code', 'done')}{where}"))


def _payload(result: Mapping[str, Any]) -> str:
    """The payload of a raw request, which nobody has read: its format and bytes."""
    number = result.get("content_format")
    named = "" if number is None else f"content format {number}, "
    return f"{named}0x{result['payload_hex']}"


def why(operation: Mapping[str, Any]) -> str:
    """Why an operation failed, in a few words."""
    result = operation["result"] or {}
    if operation["reason"] == REFUSED and result.get("error"):  # here, before anything was sent
        return f"{REFUSED}: {result['error']}"
    said = " ".join(str(part) for part in (result.get("code"), result.get("error")) if part)
    reason = operation["reason"]
    if said and reason:
        return f"{said} ({reason})"
    return said or str(reason or "failed")


def tell_values(values: Sequence[Mapping[str, Any]]) -> None:
    """Values as a table; columns that nothing is in are left out."""
    every = ("path", "name", "value", "units", "time", "origin")
    needed = ("path", "value")
    columns = [name for name in every if name in needed or any(one.get(name) for one in values)]
    tell_table(columns, ([_cell(one, name) for name in columns] for one in values))


def tell_links(links: Sequence[Mapping[str, Any]]) -> None:
    """What Discover found."""
    rows = (
        (one["url"], " ".join(f"{k}={v}" for k, v in (one.get("attributes") or {}).items()))
        for one in links
    )
    tell_table(("path", "attributes"), rows)


def _cell(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if name == "value":
        return value_text(found)
    if found is None:
        return ""
    return moment(found) if name == "time" else str(found)
