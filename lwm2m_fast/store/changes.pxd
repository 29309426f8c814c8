# One change of the store's flat change format, read in place from borrowed bytes.
#
#   u8 op (1 put, 2 delete) · u8 table 1..255 · u16 key size · u32 value size · key · value
#
# Integers are big-endian; a delete has value size 0. Whoever builds changes writes exactly this;
# nothing here knows what a table means.

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from lwm2m_fast.cursor cimport Reader, read_u8, read_u16, read_uint, read_view, reader_left


cdef enum:
    OP_PUT = 1
    OP_DELETE = 2
    HEADER_BYTES = 8
    KEY_BYTES = 511             # what LMDB takes as a key
    VALUE_BYTES = 1048576


cdef enum Refusal:
    REFUSAL_NONE = 0
    REFUSAL_SHORT
    REFUSAL_OP
    REFUSAL_TABLE
    REFUSAL_KEY
    REFUSAL_VALUE
    REFUSAL_DELETE


cdef struct Change:
    uint8_t op
    uint8_t table
    uint16_t key_size
    uint32_t value_size
    const uint8_t *key          # views: valid as long as the bytes read from
    const uint8_t *value


cdef inline Refusal read_change(Reader *r, Change *change) noexcept nogil:
    """Read the change at `r` and move past it; a refusal leaves `r` at the change's first byte."""
    cdef Reader at = r[0]
    if reader_left(&at) < HEADER_BYTES:
        return REFUSAL_SHORT
    change.op = <uint8_t>read_u8(&at)
    change.table = <uint8_t>read_u8(&at)
    change.key_size = <uint16_t>read_u16(&at)
    change.value_size = <uint32_t>read_uint(&at, 4)
    if change.op != OP_PUT and change.op != OP_DELETE:
        return REFUSAL_OP
    if change.table == 0:
        return REFUSAL_TABLE
    if change.key_size == 0 or change.key_size > KEY_BYTES:
        return REFUSAL_KEY
    if change.value_size > VALUE_BYTES:
        return REFUSAL_VALUE
    if change.op == OP_DELETE and change.value_size != 0:
        return REFUSAL_DELETE
    change.key = read_view(&at, change.key_size)
    if change.key == NULL:
        return REFUSAL_SHORT
    change.value = read_view(&at, change.value_size)
    if change.value == NULL:
        return REFUSAL_SHORT
    r[0] = at
    return REFUSAL_NONE
