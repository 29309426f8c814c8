# A link that loses, delays and reorders, between the sockets and everything above them.
#
# Only for fleets that were told to have one: each datagram passes Python (sim/impairment.py). So what
# lies above, a handshake as well, meets the link as it is.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from lwm2m_fast.sim.departures cimport Departures, room
from lwm2m_fast.sim.layer cimport Layer, Receiver


cdef class Ways(Layer):
    """Datagrams to and from the devices of `above` pass these two (sim/impairment.py)."""

    cdef object incoming
    cdef object outgoing

    def __init__(self, Receiver above not None, incoming not None, outgoing not None):
        self.incoming, self.outgoing = incoming, outgoing
        self.patience_ns = 1000000

    cdef void receive(self, uint32_t key, const uint8_t *data, size_t size,
                      int64_t now) noexcept nogil:
        with gil:
            try:
                self.incoming.push(now, (key, (<const char *>data)[:size]))
            except BaseException as error:
                self.note_fault(error)

    cdef int take(self, Departures leaving, int first, int64_t now) noexcept nogil:
        with gil:
            try:
                for i in range(first, leaving.count):
                    data = (<const char *>leaving.arena + leaving.entries[i].offset)
                    self.outgoing.push(now, (leaving.entries[i].device,
                                             data[:leaving.entries[i].size]))
                self.release(now)
            except BaseException as error:
                self.note_fault(error)
        return leaving.count

    cdef release(self, int64_t now):
        for key, data in self.outgoing.due(now, room(self.out)):
            self.out.put(key, <const uint8_t *><const char *>(<bytes>data), len(data))

    cdef void turn(self, int64_t now) noexcept nogil:
        with gil:
            try:
                for key, data in self.incoming.due(now):
                    self.above.receive(key, <const uint8_t *><const char *>(<bytes>data),
                                       len(data), now)
                self.release(now)
            except BaseException as error:
                self.note_fault(error)
