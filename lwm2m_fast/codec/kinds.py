"""The words of a codec: content-format numbers, value kinds, bounds, and what a refusal carries.

Knows no bytes; node.pxd repeats the kind numbers for C and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from lwm2m_fast.errors import FormatError

MAX_PAYLOAD_BYTES: Final = (1 << 24) - 1
"""The longest payload taken or made: what a TLV length can say (OMA TS Core, 7.4.4)."""

MAX_RECORDS: Final = 65_536
"""The most values one payload may hold."""

MAX_DEPTH: Final = 8
"""The deepest nesting of arrays and maps that is followed, wanted fields and unknown ones alike."""

MAX_NUMBER_CHARACTERS: Final = 128
"""The longest number written as text; longer ones say nothing more and cost time to read."""

RELATIVE_TIME_LIMIT_S: Final = 1 << 28
"""Seconds below this are relative to the present moment (RFC 8428, section 4.5.3)."""

UNDEFINED_INSTANCE: Final = 65_535
"""The reserved object instance id, standing for an instance whose id the payload leaves open."""


class Kind(IntEnum):
    """What a value is; names are those of the object model's resource types."""

    NONE = 0
    """A path and no value: an entry of a path list, or an instance with nothing in it."""
    STRING = 1
    INTEGER = 2
    UNSIGNED_INTEGER = 3
    FLOAT = 4
    BOOLEAN = 5
    OPAQUE = 6
    TIME = 7
    """Whole seconds since 1970."""
    OBJLNK = 8
    CORELNK = 9
    NULL = 10
    """An explicit null: the value is to be removed (RFC 8790, section 3.2)."""


class ObjectLink(NamedTuple):
    """The value of an Objlnk resource; 65535:65535 is the null link."""

    object_id: int
    instance_id: int

    def __str__(self) -> str:
        return f"{self.object_id}:{self.instance_id}"


Value = str | int | float | bool | bytes | ObjectLink | None

TypeSource = Mapping[tuple[int, int], Any] | Callable[[int, int], Any]
"""(object id, resource id) to a type's name ("INTEGER"), a Kind or another enum's member of that
name, or None for a resource that nobody knows."""


class PayloadError(FormatError):
    """A payload that cannot be read, or values a format cannot hold."""

    def __init__(self, format_name: str, path: str, offset: int, why: str) -> None:
        """`offset` counts bytes from the payload's start; records when it is being written."""
        super().__init__(f"{format_name}: {why} (path {path}, at {offset})")
        self.format_name, self.path, self.offset, self.why = format_name, path, offset, why
