# Datagrams that wait to leave a simulated fleet, packed behind each other.
#
# Knows no socket: whoever sends them clears them.

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from lwm2m_fast.cursor cimport Writer, writer_init, writer_size


cdef class Departures:
    """At most MAX_DEPARTURES datagrams, each at most MAX_DATAGRAM_BYTES long."""

    def __cinit__(self):
        self.arena = <uint8_t *>malloc(MAX_DEPARTURES * MAX_DATAGRAM_BYTES + MAX_OVERSIZED_BYTES)
        if self.arena == NULL:
            raise MemoryError("no memory for outgoing datagrams")
        self.clear()

    def __dealloc__(self):
        free(self.arena)

    cdef bint begin(self, Writer *w) noexcept nogil:
        if self.count == MAX_DEPARTURES:
            return False
        writer_init(w, self.arena + self.used, MAX_DATAGRAM_BYTES)
        return True

    cdef void commit(self, uint32_t device, Writer *w) noexcept nogil:
        """A datagram that did not fit its room does not leave."""
        if w.overflow:
            return
        self.entries[self.count] = Departure(device, self.used, <uint32_t>writer_size(w))
        self.used += <uint32_t>writer_size(w)
        self.count += 1

    cdef bint put(self, uint32_t device, const uint8_t *data, size_t size) noexcept nogil:
        cdef size_t beyond = size - MAX_DATAGRAM_BYTES if size > MAX_DATAGRAM_BYTES else 0
        if self.count == MAX_DEPARTURES or beyond > MAX_OVERSIZED_BYTES - self.oversized:
            return False
        memcpy(self.arena + self.used, data, size)
        self.entries[self.count] = Departure(device, self.used, <uint32_t>size)
        self.used += <uint32_t>size
        self.oversized += <uint32_t>beyond
        self.count += 1
        return True

    cdef void clear(self) noexcept nogil:
        self.count = 0
        self.oversized = 0
        self.used = 0

    def take(self):
        """[(device, datagram)], and forget them."""
        taken = [(self.entries[i].device,
                  (<const char *>self.arena + self.entries[i].offset)[:self.entries[i].size])
                 for i in range(self.count)]
        self.clear()
        return taken
