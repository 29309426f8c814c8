# Who a peer is, as bytes; see dtls_who.pxd.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from lwm2m_fast.net.dtls_row import pack_who, unpack_who

cdef enum:
    LENGTH = 2                          # bytes, little-endian


cdef bytes packed_behind(bytes head, bytes subject, tuple names):
    cdef size_t size = PyBytes_GET_SIZE(subject)
    cdef size_t start = PyBytes_GET_SIZE(head)
    cdef bytes packed
    cdef char *at
    if len(names) != 1 or size > 0xFFFF or (<str?>names[0]).encode() != subject:
        return head + pack_who(subject, names)
    packed = PyBytes_FromStringAndSize(NULL, start + LENGTH + size)
    at = PyBytes_AS_STRING(packed)      # nobody else has it yet
    memcpy(at, PyBytes_AS_STRING(head), start)
    at[start] = <char>(size & 0xFF)
    at[start + 1] = <char>(size >> 8)
    memcpy(at + start + LENGTH, PyBytes_AS_STRING(subject), size)
    return packed


cdef tuple unpacked(const uint8_t *who, size_t size):
    cdef const char *subject = <const char *>who + LENGTH
    if size < LENGTH or size != LENGTH + <size_t>(who[0] | who[1] << 8):
        return unpack_who((<const char *>who)[:size])
    return subject[:size - LENGTH], (subject[:size - LENGTH].decode("utf-8", "replace"),)
