# Stored rows back into the tables, at start-up.

from libc.stdint cimport int64_t, uint32_t

from lwm2m_fast.core.changes cimport Changes
from lwm2m_fast.core.state cimport State
from lwm2m_fast.cursor cimport Reader


cdef class Loader:
    cdef State state
    cdef Changes changes
    cdef int64_t slack_ms         # how much later than stored a device may have been heard

    # False: the row is not one that we can use (another format, damage); nothing has changed.
    cdef bint load(self, int table, bytes key, bytes value) except -1

    # load() of every (key, value) in `rows`; how many were not usable.
    cdef int load_page(self, int table, list rows) except -1

    # Private.
    cdef void warm(self, tuple row) except *
    cdef bint load_registration(self, bytes key, Reader *r) except -1
    cdef bint is_taken(self, uint32_t slot) noexcept
    cdef bint load_contacts(self, bytes key, Reader *r) except -1
    cdef int64_t read_moment(self, Reader *r) noexcept
    cdef bint load_observation(self, bytes key, Reader *r) except -1
    cdef void set_seen(self, uint32_t slot, int64_t seen) except *
