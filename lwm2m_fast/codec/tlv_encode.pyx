# OMA TLV (tlv.pyx has the layout), the writing half.
#
# Written from the last record to the first, so that every length is known when its header is
# written: one pass, no sizes computed beforehand. Knows no types; a record carries its kind.

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from lwm2m_fast.codec.node cimport (
    KIND_BOOLEAN, KIND_FLOAT, KIND_INTEGER, KIND_NONE, KIND_NULL, KIND_OBJLNK, KIND_TIME,
    KIND_UNSIGNED, Item, Record,
)
from lwm2m_fast.codec.pack cimport PACK_MAX_BYTES, Items
from lwm2m_fast.codec.path cimport (
    PATH_INSTANCE_MAX, Path, as_path, make_path, path_id, path_mask, path_under,
)

from lwm2m_fast.codec.kinds import Kind, PayloadError

NAME = "TLV"

cdef enum What:
    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE = 2
    RESOURCE = 3

cdef enum:
    HEADER_MAX = 6
    NUMBER_MAX = 8
    SCRATCH = 2048                  # encoded on the stack up to here

cdef tuple KINDS = tuple(Kind)


cdef struct Ids:
    uint64_t ids
    int depth


cdef class Encoder(Items):
    cdef uint8_t *start
    cdef uint8_t *pos
    cdef uint8_t *instance_end      # NULL when none is open
    cdef uint8_t *multiple_end
    cdef Ids base

    cdef inline void put(self, const void *data, size_t size) noexcept:
        self.pos -= size
        memcpy(self.pos, data, size)

    cdef inline void put_uint(self, uint64_t value, size_t size) noexcept:
        cdef size_t i
        for i in range(size):
            self.pos -= 1
            self.pos[0] = <uint8_t>value
            value >>= 8

    cdef inline void put_header(self, int what, uint32_t id, size_t size) noexcept:
        cdef int header = what << 6
        if size < 8:
            header |= <int>size
        else:
            header |= (1 if size <= 0xFF else 2 if size <= 0xFFFF else 3) << 3
            self.put_uint(size, header >> 3 & 3)
        self.put_uint(id, 2 if id > 0xFF else 1)
        self.put_uint(header | (0x20 if id > 0xFF else 0), 1)

    cdef void put_value(self, const Item *item) noexcept:
        cdef const Record *record = item.record
        cdef int kind = record.kind
        cdef float single
        cdef uint32_t single_bits
        cdef uint64_t bits
        if kind == KIND_INTEGER or kind == KIND_TIME:
            self.put_uint(record.number.u, signed_size(record.number.i))
        elif kind == KIND_UNSIGNED:
            self.put_uint(record.number.u, unsigned_size(record.number.u))
        elif kind == KIND_BOOLEAN:
            self.put_uint(record.number.u, 1)
        elif kind == KIND_OBJLNK:
            self.put_uint(record.number.u, 4)
        elif kind != KIND_FLOAT:
            self.put(item.content, item.size)
        elif is_single(record.number.f):
            single = <float>record.number.f
            memcpy(&single_bits, &single, 4)
            self.put_uint(single_bits, 4)
        else:
            memcpy(&bits, &record.number.f, 8)
            self.put_uint(bits, 8)

    cdef inline void close_multiple(self, uint64_t ids) noexcept:
        if self.multiple_end != NULL:
            self.put_header(MULTIPLE, path_id(ids, 2), <size_t>(self.multiple_end - self.pos))
            self.multiple_end = NULL

    cdef inline void close_instance(self, uint64_t ids) noexcept:
        if self.instance_end != NULL:
            self.put_header(OBJECT_INSTANCE, path_id(ids, 1),
                            <size_t>(self.instance_end - self.pos))
            self.instance_end = NULL

    cdef inline void open_containers(self, const Record *record) noexcept:
        if (self.base.depth == 1 and self.instance_end == NULL
                and path_id(record.ids, 1) <= PATH_INSTANCE_MAX):
            self.instance_end = self.pos
        if record.depth == 4 and self.base.depth < 4 and self.multiple_end == NULL:
            self.multiple_end = self.pos

    cdef void put_record(self, const Item *item, uint64_t previous) noexcept:
        """Put `item` in front of what lies at `previous`, the record that follows it."""
        cdef const Record *record = item.record
        cdef uint8_t *end
        if (record.ids ^ previous) & path_mask(3):
            self.close_multiple(previous)
        if (record.ids ^ previous) & path_mask(2):
            self.close_instance(previous)
        self.open_containers(record)
        if record.kind == KIND_NONE:        # an empty container, closed like any other
            if record.depth == 3 and self.multiple_end == NULL:
                self.multiple_end = self.pos
            return
        end = self.pos
        self.put_value(item)
        if record.depth == 4:
            self.put_header(RESOURCE_INSTANCE, path_id(record.ids, 3), <size_t>(end - self.pos))
        else:
            self.put_header(RESOURCE, path_id(record.ids, 2), <size_t>(end - self.pos))

    cdef void put_all(self) noexcept:
        cdef size_t i = self.count
        cdef uint64_t previous = self.items[i - 1].record.ids if i else 0
        while i:
            i -= 1
            self.put_record(&self.items[i], previous)
            previous = self.items[i].record.ids
        self.close_multiple(previous)
        self.close_instance(previous)


cdef inline size_t signed_size(int64_t value) noexcept nogil:
    if <int8_t>value == value:
        return 1
    if <int16_t>value == value:
        return 2
    return 4 if <int32_t>value == value else 8


cdef inline size_t unsigned_size(uint64_t value) noexcept nogil:
    if value <= 0xFF:
        return 1
    if value <= 0xFFFF:
        return 2
    return 4 if value <= 0xFFFFFFFFULL else 8


cdef inline bint is_single(double value) noexcept nogil:
    """Does the value fit into four bytes unchanged? (Not-a-number has its bits in eight.)"""
    return (-3.4028234663852886e38 <= value <= 3.4028234663852886e38
            and <double><float>value == value)


cdef str unfit(const Item *item, const Item *after, Ids base):
    """Why TLV cannot hold this record in front of the next one; None when it can."""
    cdef const Record *record = item.record
    if not path_under(record.ids, record.depth, base.ids, base.depth):
        return f"is not under {make_path(base.ids, base.depth)}"
    if record.has_time:
        return "has a time, which the format does not hold"
    if record.kind == KIND_NULL or (record.kind == KIND_NONE and not 2 <= record.depth <= 3):
        return f"{KINDS[record.kind].name} is nothing the format holds"
    if record.kind != KIND_NONE and record.depth < 3:
        return "a value belongs to a resource"
    if after == NULL:
        return None
    if record.ids == after.record.ids and record.depth == after.record.depth:
        return "is there twice"
    if record.kind == KIND_NONE and path_under(after.record.ids, after.record.depth,
                                               record.ids, record.depth):
        return "is empty and has values below it"
    if (record.kind != KIND_NONE and record.depth == 3
            and (record.ids ^ after.record.ids) & path_mask(3) == 0):
        return "is both a value and a multiple resource"
    return None


cdef int check(Items items, Ids base) except -1:
    cdef size_t i
    cdef const Item *after
    for i in range(items.count):
        after = &items.items[i + 1] if i + 1 < items.count else NULL
        why = unfit(&items.items[i], after, base)
        if why is not None:
            record = items.items[i].record
            raise PayloadError(NAME, str(make_path(record.ids, record.depth)), i, why)
    return 0


def encode(nodes, base="/", *, root="/"):
    """The values, all at or below `base` (an object or deeper), ordered by path."""
    cdef Encoder encoder = Encoder.__new__(Encoder)
    cdef Path place = as_path(base)
    cdef uint8_t[SCRATCH] scratch
    cdef uint8_t *room = scratch
    cdef size_t size
    if not place.depth:
        raise PayloadError(NAME, "/", 0, "a TLV is about one object, not the root")
    encoder.base.ids = place.packed
    encoder.base.depth = place.depth
    encoder.gather(nodes)
    encoder.sort()
    check(encoder, encoder.base)
    size = encoder.content_bytes + encoder.count * (3 * HEADER_MAX + NUMBER_MAX)
    if encoder.content_bytes > PACK_MAX_BYTES:
        raise PayloadError(NAME, str(place), 0, f"longer than {PACK_MAX_BYTES} bytes")
    if size > SCRATCH:
        room = <uint8_t *>malloc(size)
        if room == NULL:
            raise MemoryError()
    encoder.start = room
    encoder.pos = room + size
    encoder.put_all()
    try:
        size -= <size_t>(encoder.pos - room)
        if size > PACK_MAX_BYTES:
            raise PayloadError(NAME, str(place), 0, f"longer than {PACK_MAX_BYTES} bytes")
        return PyBytes_FromStringAndSize(<const char *>encoder.pos, size)
    finally:
        if room != scratch:
            free(room)
