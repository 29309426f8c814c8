# CBOR data items (RFC 8949) as the codecs need them: numbers in all their forms, strings, and
# what is to be passed over.

from libc.stdint cimport int64_t, uint8_t, uint64_t

from lwm2m_fast.codec.cbor_head cimport Head
from lwm2m_fast.codec.wire_value cimport WireValue
from lwm2m_fast.cursor cimport Reader, Writer


cdef enum ItemProblem:              # continues CborProblem
    ITEM_FINE = 0
    ITEM_SHORT
    ITEM_RESERVED
    ITEM_TYPE                       # another type of item than is wanted here
    ITEM_DEPTH
    ITEM_UTF8
    ITEM_RANGE                      # a number that no value can hold
    ITEM_BREAK                      # a break where there is nothing to end


# A string: its bytes, or for one of indefinite length its chunks without the final break.
cdef struct String:
    const uint8_t *start
    size_t size
    bint is_chunked


# All of these leave the reader behind the item, or anywhere inside it on a problem.
cdef int item_string(Reader *r, int major, String *string) noexcept nogil
# A number, or an epoch time (tag 1); fills type, number, is_fraction, is_time.
cdef int item_number(Reader *r, WireValue *value) noexcept nogil
cdef int item_skip(Reader *r, int depth) noexcept nogil
# A decimal fraction or number as nanoseconds.
cdef int item_seconds(Reader *r, int64_t *ns) noexcept nogil

cdef double half_to_double(uint64_t bits) noexcept nogil
cdef void write_double_item(Writer *w, double value) noexcept nogil
