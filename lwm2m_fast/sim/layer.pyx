# Who takes the datagrams of devices, one above the other between sockets and fleet.
#
# A fleet is the uppermost receiver. Layers are DTLS sessions (dtls_sessions.pyx) and a link that loses
# and delays (ways.pyx). Knows no socket, no clock and nothing of what a datagram says.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from lwm2m_fast.sim.departures cimport Departures


cdef class Receiver:
    """Takes the datagrams that come to `size` devices."""

    cdef void receive(self, uint32_t key, const uint8_t *data, size_t size,
                      int64_t now) noexcept nogil:
        pass

    cdef void note_fault(self, error) noexcept:
        """The first one is raised where Python called."""
        if not self.is_faulty:
            self.fault = error
            self.is_faulty = True

    def raise_fault(self):
        """What went wrong in Python below the compiled loop, if anything did."""
        if self.is_faulty:
            fault, self.fault, self.is_faulty = self.fault, None, False
            raise fault


cdef class Layer(Receiver):
    """Between `above`, which it feeds, and whatever sends its `out`."""

    def __cinit__(self, Receiver above not None, *args, **named):
        self.above = above
        self.size = above.size
        self.out = Departures()
        self.patience_ns = 1000000000

    cdef int take(self, Departures leaving, int first, int64_t now) noexcept nogil:
        return leaving.count

    cdef void turn(self, int64_t now) noexcept nogil:
        pass
