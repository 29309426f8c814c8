# One value in CBOR (content format 60), in the forms that nearly all devices use.
#
# Gives up on everything else, and on what is wrong: cbor.py reads the whole format, and says why.

from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from lwm2m_fast.codec.cbor_head cimport (CBOR_BYTES, CBOR_NEGATIVE, CBOR_SIMPLE, CBOR_TEXT)
from lwm2m_fast.codec.cbor_item cimport String, item_number, item_string
from lwm2m_fast.codec.node cimport FORM_PLAIN, Record
from lwm2m_fast.codec.pack cimport Pack, new_pack
from lwm2m_fast.codec.wire_value cimport (WIRE_BOOLEAN, WIRE_DATA, WIRE_FLOAT, WIRE_TEXT,
                                          WireValue, take_value)
from lwm2m_fast.cursor cimport Reader, reader_init

cdef enum:
    NUMBER = 60
    FALSE_ITEM = 0xF4
    TRUE_ITEM = 0xF5
    HALF_ITEM = 0xF9
    DOUBLE_ITEM = 0xFB
    RESOURCE_DEPTH = 3


cdef int read_item(Reader *r, const uint8_t *start, WireValue *value) noexcept nogil:
    """0 when the item is a number, a boolean or a string in one piece."""
    cdef int major = start[0] >> 5
    cdef String string
    if start[0] == TRUE_ITEM or start[0] == FALSE_ITEM:
        value.type = WIRE_BOOLEAN
        value.number.i = start[0] == TRUE_ITEM
        r.pos += 1
        return 0
    if major == CBOR_SIMPLE and HALF_ITEM <= start[0] <= DOUBLE_ITEM:
        return item_number(r, value)
    if major <= CBOR_NEGATIVE:          # what is too far below zero comes as a float
        return item_number(r, value) or value.type == WIRE_FLOAT
    if major != CBOR_TEXT and major != CBOR_BYTES:
        return -1
    if item_string(r, major, &string) or string.is_chunked:
        return -1
    value.type = WIRE_TEXT if major == CBOR_TEXT else WIRE_DATA
    value.text = string.start
    value.offset = <uint32_t>(string.start - start)
    value.size = <uint32_t>string.size
    value.is_plain = True
    value.form = FORM_PLAIN
    return 0


cdef Pack read_plain(bytes payload, Path path, Types types):
    cdef Reader reader
    cdef WireValue value
    cdef Record record
    cdef Pack pack
    cdef size_t size = <size_t>PyBytes_GET_SIZE(payload)
    cdef const uint8_t *start = <const uint8_t *><const char *>payload
    if path.depth < RESOURCE_DEPTH or not size:
        return None
    memset(&value, 0, sizeof(value))
    memset(&record, 0, sizeof(record))
    reader_init(&reader, start, size)
    if read_item(&reader, start, &value) or reader.pos != reader.end:
        return None
    record.ids = path.packed
    record.depth = <uint8_t>path.depth
    if take_value(&value, types.kind(path.packed), &record) < 0:
        return None
    pack = new_pack(payload, NUMBER, 1)
    pack.add()[0] = record
    return pack


def decode_plain(bytes payload not None, base, types):
    """The Pack of one value in one of the common forms; None for anything else."""
    return read_plain(payload, as_path(base), as_types(types))
