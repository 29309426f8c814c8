# Who takes the datagrams of devices, one above the other between sockets and fleet: the contract.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from lwm2m_fast.sim.departures cimport Departures


cdef class Receiver:
    cdef readonly uint32_t size   # devices, counted from 0
    cdef object fault             # what Python raised where nobody could catch it
    cdef bint is_faulty

    # What the server sent to device `key`, which is less than `size`.
    cdef void receive(self, uint32_t key, const uint8_t *data, size_t size,
                      int64_t now) noexcept nogil
    cdef void note_fault(self, error) noexcept


cdef class Layer(Receiver):
    cdef Receiver above           # gets what arrives
    cdef readonly Departures out  # what leaves downward
    cdef int64_t patience_ns      # how long it may be left alone

    # Datagrams of the layer above from `first` on, into `out` sooner or later. The index of the
    # first one that found no room; `out` must be sent before the next call.
    cdef int take(self, Departures leaving, int first, int64_t now) noexcept nogil
    # What is due by now: upward by above.receive(), downward into `out`.
    cdef void turn(self, int64_t now) noexcept nogil
