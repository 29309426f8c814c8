# OMA TLV (content format 11542, 1542 before LwM2M 1.0): OMA TS Core, 7.4.4.
#
#    7 6   5    4 3    2 1 0        id           length        value
#   +-----+----+-----+-------+-------------+---------------+----------
#   |what |id16| L   | length| 1 or 2 bytes| 0 to 3 bytes  |  ...
#   +-----+----+-----+-------+-------------+---------------+----------
#
# Values carry no type, so a resource that nobody knows is Opaque. Holds no time. The payload is
# relative to the path that was asked for; extra layers that devices put around it are accepted
# when their ids agree with that path.

from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from lwm2m_fast.codec.characters cimport utf8_problem
from lwm2m_fast.codec.node cimport (
    KIND_BOOLEAN, KIND_CORELNK, KIND_FLOAT, KIND_INTEGER, KIND_NONE, KIND_NULL, KIND_OBJLNK,
    KIND_OPAQUE, KIND_STRING, KIND_TIME, KIND_UNKNOWN, KIND_UNSIGNED, Record,
)
from lwm2m_fast.codec.pack cimport PACK_MAX_RECORDS, Pack, new_pack
from lwm2m_fast.codec.path cimport (
    PATH_INSTANCE_MAX, Path, as_path, make_path, path_id, path_mask, path_under, path_with,
)
from lwm2m_fast.codec.types cimport Types, as_types
from lwm2m_fast.cursor cimport (
    Reader, read_u8, read_u16, read_uint, reader_init, reader_left,
)

from lwm2m_fast.codec.kinds import UNDEFINED_INSTANCE, Kind, PayloadError
from lwm2m_fast.codec.tlv_encode import encode

NAME = "TLV"
NUMBER = 11542

cdef enum What:
    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE = 2
    RESOURCE = 3

cdef int[4] LAYER
LAYER[:] = [0, 1, 2, 2]             # resources and multiple resources stand side by side
cdef tuple WHAT = ("an object instance", "a resource instance", "a multiple resource", "a resource")
cdef tuple KINDS = tuple(Kind)


cdef struct Entry:
    const uint8_t *start
    int what
    uint32_t id
    const uint8_t *value
    size_t size


cdef struct Ids:
    uint64_t ids
    int depth


# Ids met in one container. Devices send them upwards, and then the last one is all there is to
# know; for those that do not, the set is filled once from what lies behind.
cdef struct Seen:
    const uint8_t *start            # of the container's content
    int64_t last
    bint has_set
    uint8_t[8192] set


cdef inline void seen_start(Seen *seen, const uint8_t *start) noexcept nogil:
    seen.start = start
    seen.last = -1
    seen.has_set = False


cdef inline void seen_fill(Seen *seen, const uint8_t *end) noexcept nogil:
    """Put every id of the container up to `end` into the set."""
    cdef Reader r
    cdef Entry entry
    memset(seen.set, 0, sizeof(seen.set))
    seen.has_set = True
    reader_init(&r, seen.start, <size_t>(end - seen.start))
    while r.pos < r.end and take_entry(&r, &entry) == 0:
        seen.set[entry.id >> 3] |= <uint8_t>(1 << (entry.id & 7))


cdef inline bint seen_before(Seen *seen, const Entry *entry) noexcept nogil:
    """Has the id of this entry been met in its container? It has from now on."""
    cdef uint8_t bit = <uint8_t>(1 << (entry.id & 7))
    cdef bint found
    if not seen.has_set:
        if <int64_t>entry.id > seen.last:
            seen.last = entry.id
            return False
        seen_fill(seen, entry.start)
    found = seen.set[entry.id >> 3] & bit
    seen.set[entry.id >> 3] |= bit
    return found


cdef inline int take_entry(Reader *r, Entry *entry) noexcept nogil:
    """Read one entry; -1 when its header is cut off, -2 when its value is."""
    cdef int header
    cdef int length_size
    cdef int id
    cdef int64_t size
    entry.start = r.pos
    header = read_u8(r)
    id = read_u16(r) if header & 0x20 else read_u8(r)
    length_size = header >> 3 & 3
    size = read_uint(r, length_size) if length_size else header & 7
    if header < 0 or id < 0 or size < 0:
        return -1
    entry.what = header >> 6
    entry.id = <uint32_t>id
    entry.value = r.pos
    entry.size = <size_t>size
    if entry.size > reader_left(r):
        return -2
    r.pos += size
    return 0


cdef inline int64_t signed_value(const Entry *entry) noexcept nogil:
    """1 to 8 bytes, two's complement."""
    cdef uint64_t value = 0 - <uint64_t>(entry.value[0] >> 7)
    cdef size_t i
    for i in range(entry.size):
        value = value << 8 | entry.value[i]
    return <int64_t>value


cdef inline uint64_t unsigned_value(const Entry *entry) noexcept nogil:
    cdef uint64_t value = 0
    cdef size_t i
    for i in range(entry.size):
        value = value << 8 | entry.value[i]
    return value


cdef inline int float_value(const Entry *entry, double *value) noexcept nogil:
    cdef uint64_t bits = unsigned_value(entry)
    cdef uint32_t single_bits = <uint32_t>bits
    cdef float single
    if entry.size == 8:
        memcpy(value, &bits, 8)
        return 0
    if entry.size != 4:
        return -1
    memcpy(&single, &single_bits, 4)
    value[0] = single
    return 0


cdef int read_number(const Entry *entry, Record *record) noexcept nogil:
    """The value of a kind without content: 0, or -1 when it cannot have this size."""
    cdef int kind = record.kind
    if not 1 <= entry.size <= 8:
        return -1
    if kind == KIND_INTEGER or kind == KIND_TIME:
        record.number.i = signed_value(entry)
    elif kind == KIND_UNSIGNED:
        record.number.u = unsigned_value(entry)
    elif kind == KIND_FLOAT:
        return float_value(entry, &record.number.f)
    elif kind == KIND_BOOLEAN:          # anything but 1 is false, as devices have it
        record.number.i = entry.value[0] == 1
        return 0 if entry.size == 1 else -1
    else:
        record.number.u = unsigned_value(entry)
        return 0 if entry.size == 4 else -1
    return 0


# The decoder: what is the same for every entry.
cdef class Decoder:
    cdef Pack pack
    cdef Types types
    cdef Ids base

    cdef int fail(self, const uint8_t *at, Ids path, str why) except -1:
        raise PayloadError(NAME, str(make_path(path.ids, path.depth)), at - self.pack.data, why)

    cdef Record *add(self, const uint8_t *at, Ids path) except NULL:
        cdef Record *record
        if not path_under(path.ids, path.depth, self.base.ids, self.base.depth):
            self.fail(at, path, f"outside {make_path(self.base.ids, self.base.depth)}")
        record = self.pack.add()
        if record == NULL:
            self.fail(at, path, f"more than {PACK_MAX_RECORDS} records")
        record.ids = path.ids
        record.depth = <uint8_t>path.depth
        return record

    cdef int read_entry(self, Reader *r, Ids container, Entry *entry) except -1:
        cdef int problem = take_entry(r, entry)
        if problem == -1:
            return self.fail(entry.start, container, "the header is cut off")
        if problem:
            return self.fail(entry.start, container,
                             f"{entry.size} bytes are announced, {reader_left(r)} are left")
        return 0

    cdef int read_value(self, const Entry *entry, Ids path) except -1:
        cdef int kind = self.types.kind(path.ids)
        cdef Record *record = self.add(entry.value, path)
        record.kind = <uint8_t>kind
        record.offset = <uint32_t>(entry.value - self.pack.data)
        record.size = <uint32_t>entry.size
        if kind == KIND_UNKNOWN or kind == KIND_NONE or kind == KIND_NULL:
            record.kind = KIND_OPAQUE
        elif kind == KIND_STRING or kind == KIND_CORELNK:
            if utf8_problem(entry.value, entry.size) >= 0:
                return self.fail(entry.value, path, "not UTF-8")
        elif kind != KIND_OPAQUE and read_number(entry, record) < 0:
            return self.fail(entry.value, path,
                             f"{entry.size} bytes are not {KINDS[kind].name}")
        return 0

    cdef int read_multiple(self, const Entry *entry, Ids path) except -1:
        cdef Reader r
        cdef Entry inner
        cdef Ids place
        if not entry.size:
            self.add(entry.value, path)     # a record of no value: there, and empty
            return 0
        reader_init(&r, entry.value, entry.size)
        while r.pos < r.end:
            self.read_entry(&r, path, &inner)
            if inner.what != RESOURCE_INSTANCE:
                return self.fail(entry.value, path, f"{WHAT[inner.what]} in a multiple resource")
            place.ids = path_with(path.ids, 3, inner.id)
            place.depth = 4
            self.read_value(&inner, place)
        return 0

    cdef int read_resource(self, const Entry *entry, Ids instance) except -1:
        cdef Ids path
        path.ids = path_with(instance.ids, 2, entry.id)
        path.depth = 3
        if entry.what == RESOURCE:
            return self.read_value(entry, path)
        return self.read_multiple(entry, path)

    cdef int read_instance(self, const Entry *entry, Ids path) except -1:
        cdef Reader r
        cdef Entry inner
        cdef Seen resources
        if not entry.size and self.base.depth < 2:
            self.add(entry.value, path)     # a record of no value: there, and empty
            return 0
        seen_start(&resources, entry.value)
        reader_init(&r, entry.value, entry.size)
        while r.pos < r.end:
            self.read_entry(&r, path, &inner)
            if inner.what != RESOURCE and inner.what != MULTIPLE:
                return self.fail(entry.value, path, f"{WHAT[inner.what]} in an object instance")
            if seen_before(&resources, &inner):
                return self.fail(inner.value, path, f"resource {inner.id} is there twice")
            self.read_resource(&inner, path)
        return 0

    cdef int read_outermost(self, const Entry *entry, Ids bare) except -1:
        """One entry of the payload itself; `bare` is the instance of resources without one."""
        cdef Ids path = self.base
        if entry.what == OBJECT_INSTANCE:
            if entry.id > PATH_INSTANCE_MAX:
                return self.fail(entry.value, path, "the reserved instance id 65535")
            path.ids = path_with(path.ids & path_mask(1), 1, entry.id)
            path.depth = 2
            if self.base.depth > 1 and (path.ids ^ self.base.ids) & path_mask(2):
                return self.fail(entry.value, path, "an instance that was not asked for")
            return self.read_instance(entry, path)
        if entry.what != RESOURCE_INSTANCE:
            return self.read_resource(entry, bare)
        if self.base.depth < 3:
            return self.fail(entry.value, path, "a resource instance without its resource")
        path.ids = path_with(path.ids & path_mask(3), 3, entry.id)
        path.depth = 4
        return self.read_value(entry, path)

    cdef int read_all(self) except -1:
        cdef Reader r
        cdef Entry entry
        cdef Seen ids
        cdef int layer = -1
        cdef Ids bare = self.base
        if bare.depth == 1:
            bare.ids = path_with(bare.ids, 1, UNDEFINED_INSTANCE
                                 if self.types.is_multiple(path_id(bare.ids, 0)) else 0)
        bare.ids &= path_mask(2)
        bare.depth = 2
        seen_start(&ids, self.pack.data)
        reader_init(&r, self.pack.data, <size_t>PyBytes_GET_SIZE(self.pack.payload))
        while r.pos < r.end:
            self.read_entry(&r, self.base, &entry)
            if layer >= 0 and layer != LAYER[entry.what]:
                return self.fail(entry.start, self.base, f"{WHAT[entry.what]} beside other layers")
            layer = LAYER[entry.what]
            if seen_before(&ids, &entry):
                return self.fail(entry.start, self.base,
                                 f"{WHAT[entry.what]} {entry.id} is there twice")
            self.read_outermost(&entry, bare)
        return 0


def decode(bytes payload not None, base, types=None, *, now_ns=None, root="/"):
    """Values at or below `base`, an object or deeper; a Pack in the payload's order."""
    cdef Decoder decoder = Decoder.__new__(Decoder)
    cdef Path place = as_path(base)
    cdef Py_ssize_t repeated
    if not place.depth:
        raise PayloadError(NAME, "/", 0, "a TLV is about one object, not the root")
    decoder.pack = new_pack(payload, NUMBER, <size_t>PyBytes_GET_SIZE(payload) // 6 + 2)
    decoder.types = as_types(types)
    decoder.base.ids = place.packed
    decoder.base.depth = place.depth
    decoder.read_all()
    repeated = decoder.pack.find_repeated()
    if repeated >= 0:
        raise PayloadError(NAME, str(decoder.pack.node_at(repeated).path),
                           decoder.pack.records[repeated].offset, "is there twice")
    return decoder.pack
