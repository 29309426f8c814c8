# What devices of one kind are, in the form that is asked for with every datagram.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.object cimport PyObject

from lwm2m_fast.codec.types cimport Types
from lwm2m_fast.core.engine cimport Engine


cdef enum:
    MAX_FORMS = 4096              # kept ready; beyond, all are forgotten and made anew
    NEAR = 64                     # of these at hand by their shape; a power of two


cdef class Form:
    cdef readonly object target   # core/target.py: Target
    cdef Types types
    cdef bytes root               # the alternate root path without its last slash
    cdef uint32_t *instances      # object id << 16 | instance id of what is registered, ascending
    cdef uint32_t instance_count
    cdef readonly dict ready      # for who asks: what was worked out before for this form
    cdef object newest_key, newest    # of these, what was asked for last

    # Whether this object instance (object id << 16 | instance id) is registered.
    cdef bint has(self, uint32_t instance) noexcept nogil


cdef class Forms:
    cdef Engine engine
    cdef object targets, own
    cdef dict by_shape, by_target
    cdef uint64_t near_shape[64]  # NEAR: a shape, at near_of() it ...
    cdef PyObject *near_form[64]  # ... and what by_shape has for it
    cdef tuple revised
    cdef int64_t revision
    cdef uint64_t entered         # State.entered when `revision` was looked at
    cdef readonly int64_t made

    # The form of the device in this slot, None when it is free.
    cdef Form at(self, uint32_t slot)

    # Private.
    cdef int check_revision(self) except -1
    cdef int64_t revision_now(self) except? -1
    cdef void forget(self) noexcept
    cdef Form at_shape(self, uint32_t slot, uint64_t shape)
    cdef Form of_target(self, object target)
