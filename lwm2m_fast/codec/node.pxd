# One value at one path at one moment: as a packed record for C, as a Node for Python.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


# The numbers are those of kinds.Kind.
cdef enum ValueKind:
    KIND_NONE = 0
    KIND_STRING = 1
    KIND_INTEGER = 2
    KIND_UNSIGNED = 3
    KIND_FLOAT = 4
    KIND_BOOLEAN = 5
    KIND_OPAQUE = 6
    KIND_TIME = 7
    KIND_OBJLNK = 8
    KIND_CORELNK = 9
    KIND_NULL = 10
    KIND_UNKNOWN = 255              # no type is known for the resource; never stands in a record


# How the content of a string or opaque value lies in the kept payload.
cdef enum ContentForm:
    FORM_PLAIN = 0                  # as it is
    FORM_ESCAPED                    # between the quotes of a JSON string, with escapes
    FORM_BASE64                     # base64 or base64url characters
    FORM_CHUNKED                    # the chunks of a CBOR string of indefinite length
    FORM_OBJECT                     # not in the payload: `offset` is an index into Pack.contents


cdef union Number:
    int64_t i                       # INTEGER, TIME (seconds), BOOLEAN
    uint64_t u                      # UNSIGNED; OBJLNK: object << 16 | instance
    double f


cdef struct Record:                 # 40 bytes
    uint64_t ids                    # path.pxd
    int64_t time_ns                 # since 1970, when has_time
    Number number
    uint32_t offset                 # of the content
    uint32_t size
    uint8_t depth
    uint8_t kind
    uint8_t form
    uint8_t has_time


cdef inline bint has_content(int kind) noexcept nogil:
    return kind == KIND_STRING or kind == KIND_OPAQUE or kind == KIND_CORELNK


# What an encoder walks: a record, and where its content is in plain form.
cdef struct Item:
    const Record *record
    const uint8_t *content
    size_t size


cdef class Node:
    cdef Record record
    cdef object content             # the str or bytes of a value that has content


cdef object number_value(const Record *record)
cdef const uint8_t *content_view(object content, size_t *size) except NULL
