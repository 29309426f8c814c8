"""The registered OMA and IPSO objects, read from the file beside this one when they are asked for.

The file has one line per object version, so that opening it costs an index of the lines and a
definition is parsed at its first use. generate.py makes it; it is never edited by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from lwm2m_fast.model.definitions import ObjectDefinition, ResourceDefinition, ResourceType

OBJECTS_FILE = Path(__file__).with_name("objects.jsonl")


class BuiltIn:
    """The lowest layer of every model: never changes, shared by all tenants."""

    revision = 0

    def __init__(self, data: bytes) -> None:
        index, *self._lines = data.splitlines()
        self._where: dict[int, dict[str, int]] = {}
        for line, (object_id, version) in enumerate(orjson.loads(index)):
            self._where.setdefault(object_id, {})[version] = line
        self._parsed: dict[int, ObjectDefinition] = {}

    def object_ids(self) -> Iterable[int]:
        return self._where.keys()

    def versions(self, object_id: int) -> Iterable[str]:
        return self._where.get(object_id, {}).keys()

    def get(self, object_id: int, version: str) -> ObjectDefinition | None:
        """Exactly this version, or None."""
        line = self._where.get(object_id, {}).get(version)
        if line is None:
            return None
        known = self._parsed.get(line)
        if known is None:
            known = self._parsed[line] = _definition(orjson.loads(self._lines[line]))
        return known


def _definition(row: list[Any]) -> ObjectDefinition:
    object_id, version, name, urn, lwm2m_version, multiple, mandatory, resources = row
    return ObjectDefinition(
        id=object_id,
        version=version,
        name=name,
        urn=urn,
        multiple=bool(multiple),
        mandatory=bool(mandatory),
        lwm2m_version=lwm2m_version,
        resources={each[0]: _resource(*each) for each in resources},
    )


def _resource(
    number: int,
    name: str,
    operations: str,
    type: str,
    multiple: int,
    mandatory: int,
    range: str | None = None,
    units: str | None = None,
) -> ResourceDefinition:
    return ResourceDefinition(
        number, name, operations, ResourceType(type), bool(multiple), bool(mandatory), range, units
    )


@cache
def built_in() -> BuiltIn:
    """The one shared instance; the first call reads the file (about 0.3 MB)."""
    return BuiltIn(OBJECTS_FILE.read_bytes())
