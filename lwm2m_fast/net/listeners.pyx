# The sockets of one worker behind one engine: each datagram leaves by the one it belongs to.
#
# Knows the `local` of an address, nothing of what the endpoints do with a datagram. What a turn
# sends is nearly always of one endpoint, as a turn begins with what one endpoint received; that
# costs one look at each entry and no copy. With one endpoint it costs not even that.

from lwm2m_fast.datagram cimport Outbox, lf_out
from lwm2m_fast.net.udp cimport UdpEndpoint
from libc.math cimport INFINITY
from libc.stdint cimport uint16_t
from libc.stdlib cimport free, realloc


cdef class Listeners:
    """Endpoints with different `local` numbers, as one way out; none: what is sent is lost, and
    counted. ValueError: two are alike."""

    def __cinit__(self):
        self.sorted = NULL

    def __init__(self, endpoints):
        self.endpoints = tuple(endpoints)
        self.only = self.endpoints[0] if len(self.endpoints) == 1 else None
        numbers = sorted(endpoint.local for endpoint in self.endpoints)
        if len(set(numbers)) != len(numbers):
            raise ValueError(f"endpoints need different numbers, not {numbers}")

    def __dealloc__(self):
        free(self.sorted)

    def send(self, Outbox outbox):
        """Send what `outbox` holds and empty it. False: a socket would block.

        That one keeps what is its own, and says so by `waiting`.
        """
        cdef UdpEndpoint endpoint
        cdef bint is_clear = True
        if self.only is not None:
            self.only.send_entries(
                outbox.arena, outbox.entries + outbox.first, outbox.count - outbox.first)
            outbox.reset()
            return self.only.backlog.count == 0
        if outbox.count > outbox.first:
            self.distribute(outbox)
            outbox.reset()
        for endpoint in self.endpoints:
            is_clear = is_clear and endpoint.backlog.count == 0
        return is_clear

    cdef void distribute(self, Outbox outbox) noexcept:
        cdef const lf_out *entries = outbox.entries + outbox.first
        cdef int left = outbox.count - outbox.first
        cdef uint16_t local = entries[0].to.local
        cdef UdpEndpoint endpoint
        cdef int alike = 1, sent = 0
        while alike < left and entries[alike].to.local == local:
            alike += 1
        for endpoint in self.endpoints:
            if alike < left:
                sent += self.send_own(endpoint, outbox)
            elif endpoint.local == local:
                endpoint.send_entries(outbox.arena, entries, left)
                sent = left
        self.unknown += left - sent

    cdef int send_own(self, UdpEndpoint endpoint, Outbox outbox) noexcept:
        """Those entries of a mixed outbox that are the endpoint's, in their order; how many."""
        cdef int count = 0, i
        cdef void *grown
        if self.sorted_room < outbox.count:
            grown = realloc(self.sorted, outbox.entries_size * sizeof(lf_out))
            if grown == NULL:
                return 0                   # counted as unknown; devices ask again
            self.sorted = <lf_out *>grown
            self.sorted_room = outbox.entries_size
        for i in range(outbox.first, outbox.count):
            if outbox.entries[i].to.local == endpoint.local:
                self.sorted[count] = outbox.entries[i]
                count += 1
        if count:
            endpoint.send_entries(outbox.arena, self.sorted, count)
        return count

    def next_timer(self):
        """When handle_timer() must be called, by time.monotonic()."""
        cdef UdpEndpoint endpoint
        cdef double due = INFINITY, own
        for endpoint in self.endpoints:
            if endpoint.is_timed:
                own = endpoint.next_timer()
                due = own if own < due else due
        return due

    def handle_timer(self, double now):
        """Do what is due at any endpoint."""
        for endpoint in self.endpoints:
            endpoint.handle_timer(now)

    def counters(self):
        """The counters of all endpoints; those of several sockets of a kind together."""
        counted = {"listeners_unknown": self.unknown}
        for endpoint in self.endpoints:
            for name, n in endpoint.counters().items():
                counted[name] = counted.get(name, 0) + n
        return counted

    def close(self):
        """Close the sockets; what was kept back is lost."""
        for endpoint in self.endpoints:
            endpoint.close()
