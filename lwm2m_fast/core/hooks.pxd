# What the shell sets in core/, and what core/ asks it; the lowest layer of the Engine.

from lwm2m_fast.core.state cimport State


cdef class Hooks:
    cdef State state

    # Every call into core/ that depends on the time begins with it; seconds, monotonic.
    cdef void set_time(self, double now) noexcept
