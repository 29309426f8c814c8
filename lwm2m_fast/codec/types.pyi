from collections.abc import Container

from lwm2m_fast.codec.kinds import Kind, TypeSource
from lwm2m_fast.codec.path import Path

class Types:
    """The types of resources, remembered; make one per set of definitions and pass it often.

    `source` is a mapping from (object id, resource id), or a function of the two, to the type's
    name ("INTEGER", "OBJLNK", ...), a Kind, or None for a resource that nobody knows; it has to
    give the same answer every time. `multiple` holds the ids of objects that may have several
    instances: their bare resources in a TLV belong to an instance yet without an id.
    """

    def __init__(
        self, source: TypeSource | None = None, multiple: Container[int] = frozenset()
    ) -> None: ...

def as_types_object(given: Types | TypeSource | None) -> Types:
    """`given` as Types; None is "nothing is known"."""

def resource_kind(types: Types | TypeSource | None, path: Path) -> Kind | None:
    """The Kind of the resource at `path` (a Path of depth 3 or 4), None when nobody knows it."""
