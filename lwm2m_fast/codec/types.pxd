# What type a resource has: the one thing a codec is told about the object model.

from libc.stdint cimport uint32_t, uint64_t


cdef enum:
    TYPE_SLOTS = 256                # remembered answers; a power of two
    TYPE_SLOT_SHIFT = 24


cdef class Types:
    cdef object lookup              # (object id, resource id) -> name, Kind or None
    cdef bint is_callable
    cdef object multiple
    cdef uint64_t[TYPE_SLOTS] seen  # object << 24 | resource << 8 | kind; all ones when empty

    cdef int kind(self, uint64_t ids) except -1
    cdef bint is_multiple(self, int object_id) except -1


cdef Types as_types(object given)
