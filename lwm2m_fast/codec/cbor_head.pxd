# The head of a CBOR data item (RFC 8949, section 3): major type, argument, and what may be wrong.

from libc.stdint cimport uint8_t, uint64_t

from lwm2m_fast.cursor cimport Reader, Writer, write_u8, write_uint


cdef enum:
    CBOR_UNSIGNED = 0
    CBOR_NEGATIVE = 1
    CBOR_BYTES = 2
    CBOR_TEXT = 3
    CBOR_ARRAY = 4
    CBOR_MAP = 5
    CBOR_TAG = 6
    CBOR_SIMPLE = 7
    CBOR_INDEFINITE = 31            # as `info` of a head
    CBOR_BREAK = 0xFF

cdef enum CborProblem:
    CBOR_FINE = 0
    CBOR_SHORT
    CBOR_RESERVED


cdef struct Head:
    uint8_t major
    uint8_t info                    # the low five bits
    uint64_t argument


cdef inline int read_head(Reader *r, Head *head) noexcept nogil:
    """Read a head; the reader stays where it was unless the answer is CBOR_FINE."""
    cdef size_t left = <size_t>(r.end - r.pos)
    cdef const uint8_t *p = r.pos
    if not left:
        head.major = head.info = 0
        head.argument = 0
        return CBOR_SHORT
    head.major = p[0] >> 5
    head.info = p[0] & 31
    if head.info < 24:
        head.argument = head.info
        r.pos += 1
        return CBOR_FINE
    return read_long_head(r, head, left)


cdef inline int read_long_head(Reader *r, Head *head, size_t left) noexcept nogil:
    cdef const uint8_t *p = r.pos
    cdef size_t size, i
    head.argument = 0
    if head.info == CBOR_INDEFINITE:
        r.pos += 1
        if head.major < CBOR_BYTES or head.major == CBOR_TAG:
            r.pos -= 1
            return CBOR_RESERVED
        return CBOR_FINE
    if head.info > 27:
        return CBOR_RESERVED
    size = <size_t>1 << (head.info - 24)
    if left < size + 1:
        return CBOR_SHORT
    for i in range(1, size + 1):
        head.argument = head.argument << 8 | p[i]
    r.pos += size + 1
    return CBOR_FINE


cdef inline void write_head(Writer *w, int major, uint64_t argument) noexcept nogil:
    """Write the shortest head that holds the argument (RFC 8949, section 4.2.1)."""
    if argument < 24:
        write_u8(w, major << 5 | <int>argument)
    elif argument <= 0xFF:
        write_u8(w, major << 5 | 24)
        write_uint(w, argument, 1)
    elif argument <= 0xFFFF:
        write_u8(w, major << 5 | 25)
        write_uint(w, argument, 2)
    elif argument <= 0xFFFFFFFFULL:
        write_u8(w, major << 5 | 26)
        write_uint(w, argument, 4)
    else:
        write_u8(w, major << 5 | 27)
        write_uint(w, argument, 8)
