# Who a peer is, packed and unpacked as dtls_row has it, without a detour through Python for the most
# common form: one endpoint name that is the subject itself.
#
# Knows the form only; no session and no key.

from libc.stdint cimport uint8_t

# `head`, then pack_who(). ValueError as there.
cdef bytes packed_behind(bytes head, bytes subject, tuple names)
# unpack_who() of `size` bytes at `who`: (subject, names). ValueError as there.
cdef tuple unpacked(const uint8_t *who, size_t size)
