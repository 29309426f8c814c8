"""Makes objects.jsonl from a file of OMA object facts: `python -m lwm2m_fast.model.generate FACTS`.

Knows the shape of the facts file and of the lines that builtin.py reads, and nothing of devices.
The same facts always give the same bytes, whatever their order.

A facts file is a JSON list of objects with id, name, version, lwm2m_version, urn, multiple,
mandatory and resources; a resource has id, name, operations, type, multiple, mandatory, range,
units. First line of the result: every [object id, version]; then one line for each of them.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from lwm2m_fast.errors import FormatError
from lwm2m_fast.model.builtin import OBJECTS_FILE
from lwm2m_fast.model.definitions import MAX_ID, ResourceType, parse_version

_OPERATIONS = {"", "R", "W", "RW", "E"}


def build(facts: list[dict[str, Any]]) -> bytes:
    """The bytes of objects.jsonl. FormatError names the object and resource that is wrong."""
    rows = sorted(
        (_object(each) for each in facts), key=lambda row: (row[0], parse_version(row[1]))
    )
    index = [row[:2] for row in rows]
    for before, after in pairwise(index):
        if before == after:
            raise FormatError(f"object {after[0]} version {after[1]} occurs twice in the facts")
    return b"".join(orjson.dumps(line) + b"\n" for line in [index, *rows])


def _object(facts: dict[str, Any]) -> list[Any]:
    where = f"object {facts['id']} version {facts['version']}"
    _check(0 <= facts["id"] <= MAX_ID, where, "id", facts["id"])
    _check(parse_version(facts["version"]) is not None, where, "version", facts["version"])
    resources = [_resource(each, where) for each in facts["resources"]]
    ids = [row[0] for row in resources]
    _check(len(set(ids)) == len(ids), where, "resource ids (one occurs twice)", ids)
    return [
        facts["id"],
        facts["version"],
        facts["name"],
        facts["urn"],
        facts["lwm2m_version"],
        int(facts["multiple"]),
        int(facts["mandatory"]),
        resources,
    ]


def _resource(facts: dict[str, Any], where: str) -> list[Any]:
    where = f"{where} resource {facts['id']}"
    type = (facts["type"] or "none").upper().replace(" ", "_")
    _check(0 <= facts["id"] <= MAX_ID, where, "id", facts["id"])
    _check(type in ResourceType.__members__, where, "type", facts["type"])
    _check(facts["operations"] in _OPERATIONS, where, "operations", facts["operations"])
    row = [
        facts["id"],
        facts["name"],
        facts["operations"],
        type,
        int(facts["multiple"]),
        int(facts["mandatory"]),
        facts["range"],
        facts["units"],
    ]
    while row[-1] is None:
        row.pop()
    return row


def _check(holds: bool, where: str, field: str, value: object) -> None:
    if not holds:
        raise FormatError(f"{where}: {field} cannot be {value!r}")


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print("usage: python -m lwm2m_fast.model.generate FACTS.json [OUT.jsonl]", file=sys.stderr)
        return 2
    target = Path(arguments[1]) if len(arguments) == 2 else OBJECTS_FILE
    data = build(orjson.loads(Path(arguments[0]).read_bytes()))
    target.write_bytes(data)
    print(f"{target}: {len(data)} bytes, {len(data.splitlines()) - 1} object versions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
