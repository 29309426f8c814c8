# The sockets of one worker behind one engine, told apart by the `local` in an address.

from lwm2m_fast.datagram cimport Outbox, lf_out
from lwm2m_fast.net.udp cimport UdpEndpoint
from libc.stdint cimport uint64_t


cdef class Listeners:
    cdef readonly tuple endpoints
    cdef UdpEndpoint only                  # the one endpoint, where there is only one
    cdef lf_out *sorted                    # the entries of one endpoint out of a mixed outbox
    cdef int sorted_room
    cdef readonly uint64_t unknown         # datagrams for a `local` that nobody has

    cdef void distribute(self, Outbox outbox) noexcept
    cdef int send_own(self, UdpEndpoint endpoint, Outbox outbox) noexcept
