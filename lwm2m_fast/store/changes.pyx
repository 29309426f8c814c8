# Changes: the flat byte format in which the core tells a store what to keep.
#
# Pure bytes: which tables exist and what a row means is not known here. A blob is looked at
# whole before anyone writes a byte of it, so that a malformed one is never half kept.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

from lwm2m_fast.cursor cimport reader_init
from lwm2m_fast.errors import StoreError

PUT = OP_PUT
DELETE = OP_DELETE
MAX_KEY_BYTES = KEY_BYTES
MAX_VALUE_BYTES = VALUE_BYTES

cdef dict REASONS = {
    REFUSAL_SHORT: "the bytes end inside it",
    REFUSAL_OP: "the operation is neither 1 (put) nor 2 (delete)",
    REFUSAL_TABLE: "table 0 does not exist",
    REFUSAL_KEY: f"a key has 1 to {KEY_BYTES} bytes",
    REFUSAL_VALUE: f"a value has at most {VALUE_BYTES} bytes",
    REFUSAL_DELETE: "a delete has no value",
}


cdef object _refused(Refusal why, Py_ssize_t offset):
    return StoreError(f"changes refused: the change at byte {offset}: {REASONS[why]}")


def check(bytes changes not None):
    """How many changes there are; StoreError naming offset and reason when one is malformed."""
    cdef Reader r
    cdef Change change
    cdef Refusal why
    cdef Py_ssize_t count = 0
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(changes)
    reader_init(&r, start, PyBytes_GET_SIZE(changes))
    while reader_left(&r):
        why = read_change(&r, &change)
        if why != REFUSAL_NONE:
            raise _refused(why, r.pos - start)
        count += 1
    return count


def rows(bytes changes not None):
    """The changes as (table, key, value) in order, value None for a delete; refuses as check()."""
    cdef Reader r
    cdef Change change
    cdef Refusal why
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(changes)
    cdef list found = []
    reader_init(&r, start, PyBytes_GET_SIZE(changes))
    while reader_left(&r):
        why = read_change(&r, &change)
        if why != REFUSAL_NONE:
            raise _refused(why, r.pos - start)
        key = PyBytes_FromStringAndSize(<const char *>change.key, change.key_size)
        value = None
        if change.op == OP_PUT:
            value = PyBytes_FromStringAndSize(<const char *>change.value, change.value_size)
        found.append((change.table, key, value))
    return found


def put(int table, bytes key not None, bytes value not None):
    """The bytes of one put; what check() would refuse is built all the same."""
    return _change(OP_PUT, table, key, value)


def delete(int table, bytes key not None):
    """The bytes of one delete."""
    return _change(OP_DELETE, table, key, b"")


cdef bytes _change(int op, int table, bytes key, bytes value):
    cdef Py_ssize_t key_size = PyBytes_GET_SIZE(key), value_size = PyBytes_GET_SIZE(value)
    cdef bytes made
    cdef uint8_t *at
    cdef int i
    if not 0 <= table <= 0xFF or key_size > 0xFFFF or value_size > 0xFFFFFFFF:
        raise OverflowError(f"table {table}, a key of {key_size} bytes, a value of {value_size}")
    made = PyBytes_FromStringAndSize(NULL, HEADER_BYTES + key_size + value_size)
    at = <uint8_t *>PyBytes_AS_STRING(made)
    at[0], at[1] = <uint8_t>op, <uint8_t>table
    at[2], at[3] = <uint8_t>(key_size >> 8), <uint8_t>key_size
    for i in range(4):
        at[4 + i] = <uint8_t>(value_size >> 8 * (3 - i))
    memcpy(at + HEADER_BYTES, PyBytes_AS_STRING(key), key_size)
    memcpy(at + HEADER_BYTES + key_size, PyBytes_AS_STRING(value), value_size)
    return made
