# Bounds-checked reading and writing over borrowed bytes: the only way the rooms touch raw memory.
#
# A Reader never moves past `end`; a failed read leaves it where it was and says -1 (NULL for a view).
# A Writer never writes past `end`; it remembers that it ran out in `overflow`, so that a
# caller may write a whole message and look once.
# All integers on the wire are big-endian (RFC 7252, section 3.2 and every OMA binary format).

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy


cdef struct Reader:
    const uint8_t *pos
    const uint8_t *end


cdef inline void reader_init(Reader *r, const uint8_t *data, size_t size) noexcept nogil:
    r.pos = data
    r.end = data + size


cdef inline size_t reader_left(Reader *r) noexcept nogil:
    return <size_t>(r.end - r.pos)


cdef inline int read_u8(Reader *r) noexcept nogil:
    if r.pos >= r.end:
        return -1
    cdef int value = r.pos[0]
    r.pos += 1
    return value


cdef inline int read_u16(Reader *r) noexcept nogil:
    if r.end - r.pos < 2:
        return -1
    cdef int value = (<int>r.pos[0] << 8) | r.pos[1]
    r.pos += 2
    return value


cdef inline int64_t read_uint(Reader *r, size_t size) noexcept nogil:
    """An unsigned integer of `size` bytes, 0 to 7; -1 when they are not there."""
    cdef int64_t value = 0
    cdef size_t i
    if size > 7 or <size_t>(r.end - r.pos) < size:
        return -1
    for i in range(size):
        value = (value << 8) | r.pos[i]
    r.pos += size
    return value


cdef inline const uint8_t *read_view(Reader *r, size_t size) noexcept nogil:
    """A view of the next `size` bytes, valid as long as the bytes read from; NULL when not there."""
    cdef const uint8_t *view
    if <size_t>(r.end - r.pos) < size:
        return NULL
    view = r.pos
    r.pos += size
    return view


cdef struct Writer:
    uint8_t *start
    uint8_t *pos
    uint8_t *end
    bint overflow


cdef inline void writer_init(Writer *w, uint8_t *data, size_t size) noexcept nogil:
    w.start = data
    w.pos = data
    w.end = data + size
    w.overflow = False


cdef inline size_t writer_size(Writer *w) noexcept nogil:
    return <size_t>(w.pos - w.start)


cdef inline void write_u8(Writer *w, int value) noexcept nogil:
    if w.pos >= w.end:
        w.overflow = True
        return
    w.pos[0] = <uint8_t>value
    w.pos += 1


cdef inline void write_u16(Writer *w, int value) noexcept nogil:
    if w.end - w.pos < 2:
        w.overflow = True
        return
    w.pos[0] = <uint8_t>(value >> 8)
    w.pos[1] = <uint8_t>value
    w.pos += 2


cdef inline void write_uint(Writer *w, uint64_t value, size_t size) noexcept nogil:
    """The low `size` bytes (0 to 8) of `value`, most significant first."""
    cdef size_t i
    if <size_t>(w.end - w.pos) < size:
        w.overflow = True
        return
    for i in range(size):
        w.pos[i] = <uint8_t>(value >> (8 * (size - 1 - i)))
    w.pos += size


cdef inline void write_bytes(Writer *w, const void *data, size_t size) noexcept nogil:
    if <size_t>(w.end - w.pos) < size:
        w.overflow = True
        return
    if size:
        memcpy(w.pos, data, size)
    w.pos += size
