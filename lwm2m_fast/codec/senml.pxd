# SenML (RFC 8428) between its two spellings and the records of a Pack: names, times and values.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from lwm2m_fast.codec.node cimport Record
from lwm2m_fast.codec.pack cimport Items, Pack
from lwm2m_fast.codec.path cimport PathReader
from lwm2m_fast.codec.types cimport Types
from lwm2m_fast.codec.wire_value cimport WireValue


cdef enum Field:                    # bits of Entry.seen
    FIELD_BN = 1 << 0
    FIELD_BT = 1 << 1
    FIELD_BU = 1 << 2
    FIELD_BV = 1 << 3
    FIELD_BS = 1 << 4
    FIELD_BVER = 1 << 5
    FIELD_N = 1 << 6
    FIELD_U = 1 << 7
    FIELD_V = 1 << 8
    FIELD_VS = 1 << 9
    FIELD_VB = 1 << 10
    FIELD_VD = 1 << 11
    FIELD_VLO = 1 << 12             # OMA's object link
    FIELD_S = 1 << 13
    FIELD_T = 1 << 14
    FIELD_UT = 1 << 15
    FIELD_OTHER = 0                 # a label nobody knows: passed over
    FIELD_MUST = 1 << 30            # a label nobody knows but that has to be understood
    FIELDS_VALUE = FIELD_V | FIELD_VS | FIELD_VB | FIELD_VD | FIELD_VLO
    FIELDS_BASE = FIELD_BN | FIELD_BT | FIELD_BU | FIELD_BV | FIELD_BS | FIELD_BVER

cdef enum:
    SENML_VERSION = 10              # RFC 8428, section 4.4
    NAME_ROOM = 320                 # bytes of a name being written: root path and ids
    ROOT_MAX = 255


# One SenML record as it stands in the payload.
cdef struct Entry:
    const uint8_t *start
    uint32_t seen
    const uint8_t *name
    size_t name_size
    const uint8_t *base_name
    size_t base_name_size
    int64_t time_ns
    int64_t base_time_ns
    int64_t version
    WireValue value
    WireValue base_value


cdef int field_of(const uint8_t *label, size_t size) noexcept nogil
# A root path without its last slash: what absolute names begin with.
cdef bytes root_prefix(str format_name, object root)


# What records inherit from the ones in front of them, and where they go.
cdef class Resolver:
    cdef Pack pack
    cdef Types types
    cdef object format_name
    cdef uint64_t base_ids
    cdef int base_depth
    cdef bytes root                 # without its last slash; empty for "/"
    cdef bint is_etch
    cdef bint has_now
    cdef int64_t now_ns
    cdef PathReader base_name
    cdef bint has_base_name
    cdef bint has_base_time
    cdef bint has_base_value
    cdef int64_t base_time_ns
    cdef WireValue base_value

    # Take a whole record into the pack.
    cdef int take(self, const Entry *entry) except -1
    cdef int fail(self, const uint8_t *at, object why) except -1
    cdef Pack finish(self)

    cdef int inherit(self, const Entry *entry) except -1
    cdef int resolve_name(self, const Entry *entry, PathReader *name) except -1
    cdef int resolve_time(self, const Entry *entry, Record *record) except -1
    cdef int resolve_value(self, const Entry *entry, Record *record) except -1
    cdef int fail_at(self, const uint8_t *at, uint64_t ids, int depth, object why) except -1


    # Make a new Resolver ready for a payload.
    cdef int start(self, str format_name, int number, bytes payload, object base, object types,
                   object now_ns, object root, size_t expected) except -1
    # Make one that has been ready before so for another payload, whose names are whole. It is read
    # into the same pack, which must be in nobody else's hands.
    cdef int again(self, bytes payload, Types types, int64_t now_ns, bytes root) except -1
    # Read the whole payload, in the format's own way; the pack.
    cdef Pack read(self)


# What an encoder says once for all records.
cdef class Layout(Items):
    cdef bytes root
    cdef uint8_t[NAME_ROOM] base_name
    cdef size_t base_name_size      # 0: names are whole
    cdef int base_depth             # ids that the base name says
    cdef bint is_named              # do records have a name beside the base name?
    cdef bint has_base_time
    cdef int64_t base_time_ns       # whole seconds

    # Gather the records, check that they fit and decide on their base fields.
    cdef int plan(self, str format_name, object nodes, object base, object root,
                  bint is_etch) except -1
    # Write a record's name; returns its size.
    cdef size_t name(self, const Record *record, uint8_t *out) noexcept
    cdef int plan_names(self) except -1
    cdef void plan_times(self) noexcept
