# Resource types as a codec sees them: ids in, a kind out, each asked for once.
#
# Knows no object model; whoever passes the types in knows devices and versions.

from libc.string cimport memset

from lwm2m_fast.codec.kinds import Kind
from lwm2m_fast.codec.node cimport KIND_UNKNOWN
from lwm2m_fast.codec.path cimport path_id

from lwm2m_fast.errors import FormatError

cdef dict KIND_BY_NAME = {kind.name: int(kind) for kind in Kind}


cdef class Types:
    """The types of resources, remembered; make one per set of definitions and pass it often.

    `source` is a mapping from (object id, resource id), or a function of the two, to the type's
    name ("INTEGER", "OBJLNK", ...), a Kind, or None for a resource that nobody knows; it has to
    give the same answer every time. `multiple` holds the ids of objects that may have several
    instances: their bare resources in a TLV belong to an instance yet without an id.
    """

    def __init__(self, source=None, multiple=frozenset()):
        source = {} if source is None else source
        self.is_callable = callable(source)
        self.lookup = source if self.is_callable else source.get
        self.multiple = multiple
        memset(self.seen, 0xFF, sizeof(self.seen))

    cdef int kind(self, uint64_t ids) except -1:
        """The kind of the resource in packed ids, KIND_UNKNOWN when nobody knows it."""
        cdef uint64_t key = (<uint64_t>path_id(ids, 0) << 16) | path_id(ids, 2)
        cdef uint64_t *slot = &self.seen[<uint32_t>(key * 2654435761U) >> TYPE_SLOT_SHIFT]
        cdef int kind
        if slot[0] >> 8 == key:
            return <int>(slot[0] & 0xFF)
        kind = self.ask(path_id(ids, 0), path_id(ids, 2))
        slot[0] = key << 8 | <uint64_t>kind
        return kind

    def ask(self, object_id, resource_id):
        if self.is_callable:
            name = self.lookup(object_id, resource_id)
        else:
            name = self.lookup((object_id, resource_id))
        if name is None:
            return KIND_UNKNOWN
        if isinstance(name, Kind):
            return int(name)
        try:
            return KIND_BY_NAME[getattr(name, "name", name)]
        except KeyError:
            raise FormatError(
                f"resource /{object_id}/*/{resource_id} has the type {name!r}, "
                f"which is none of {', '.join(KIND_BY_NAME)}"
            ) from None

    cdef bint is_multiple(self, int object_id) except -1:
        return object_id in self.multiple


cdef Types NOTHING_KNOWN = Types()


cdef Types as_types(object given):
    """`given` as Types; None is "nothing is known"."""
    if given is None:
        return NOTHING_KNOWN
    return <Types>given if isinstance(given, Types) else Types(given)


def as_types_object(given):
    """`given` as Types; None is "nothing is known"."""
    return as_types(given)


def resource_kind(types, path):
    """The Kind of the resource at `path` (a Path of depth 3 or 4), None when nobody knows it."""
    cdef int kind = as_types(types).kind(path.packed)
    return None if kind == KIND_UNKNOWN else Kind(kind)
