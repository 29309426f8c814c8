"""What an LwM2M object and its resources are: ids, names, types, operations, versions.

Values only. Where definitions come from (the built-in facts, DDF XML) and which of several versions
a device means are other files' business; nothing here knows a device, a tenant or a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from lwm2m_fast.model.limits import Limits, parse_limits

MAX_ID = 65535
"""Object and resource ids are 16-bit numbers (LwM2M Core, section 7.1)."""

_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})", re.ASCII)


class ResourceType(StrEnum):
    """The data types of LwM2M Core, appendix C; codecs know them by these names."""

    STRING = "STRING"
    INTEGER = "INTEGER"
    UNSIGNED_INTEGER = "UNSIGNED_INTEGER"
    FLOAT = "FLOAT"
    BOOLEAN = "BOOLEAN"
    OPAQUE = "OPAQUE"
    TIME = "TIME"
    OBJLNK = "OBJLNK"
    CORELNK = "CORELNK"
    NONE = "NONE"
    """No value: what an executable resource has."""


def parse_version(text: str | None) -> tuple[int, int] | None:
    """`"1.10"` as `(1, 10)`, so that versions compare as numbers; None for anything else."""
    match = _VERSION.fullmatch(text) if text else None
    return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True, slots=True)
class ResourceDefinition:
    """One resource of an object. `operations` holds the letters R, W and E; an empty text means
    that only a bootstrap server may set it (LwM2M Core, appendix D)."""

    id: int
    name: str
    operations: str
    type: ResourceType
    multiple: bool = False
    mandatory: bool = False
    range: str | None = None
    units: str | None = None
    description: str = ""

    @property
    def is_readable(self) -> bool:
        return "R" in self.operations

    @property
    def is_writable(self) -> bool:
        return "W" in self.operations

    @property
    def is_executable(self) -> bool:
        return "E" in self.operations

    @property
    def limits(self) -> Limits | None:
        """`range` as numbers, or None where its text does not state clear ones."""
        return parse_limits(self.range, self.type) if self.range else None


@dataclass(frozen=True, slots=True)
class ObjectDefinition:
    """One version of one object. `resources` is read-only, in the order of the definition."""

    id: int
    version: str
    name: str
    urn: str
    multiple: bool
    mandatory: bool
    lwm2m_version: str
    resources: Mapping[int, ResourceDefinition] = field(hash=False)
    description: str = ""
    types: Mapping[tuple[int, int], str] = field(init=False, repr=False, compare=False)
    """(object id, resource id) to type name: this object's share of what a codec is given. A
    resource that has values but was defined without a type is absent, as an unknown one is."""

    def __post_init__(self) -> None:
        resources = dict(self.resources)
        types = {
            (self.id, number): each.type.value
            for number, each in resources.items()
            if each.type is not ResourceType.NONE or each.is_executable
        }
        object.__setattr__(self, "resources", MappingProxyType(resources))
        object.__setattr__(self, "types", types)
