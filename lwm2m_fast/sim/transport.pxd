# How the datagrams of a fleet reach its server: the contract, and the C names both forms need.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from lwm2m_fast.sim.departures cimport Departures
from lwm2m_fast.sim.fleet cimport Fleet
from lwm2m_fast.sim.layer cimport Receiver
from lwm2m_fast.sim.wheel cimport Wheel

cdef enum:
    SLOTS = 64                    # datagrams per system call
    SLOT_BYTES = 2048             # a longer datagram is dropped and counted as a stranger
    MOST_LAYERS = 4

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *at)
    enum:
        CLOCK_MONOTONIC

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int ppoll(pollfd *fds, unsigned long count, const timespec *timeout, void *mask)
    enum:
        POLLIN
        POLLOUT


cdef class Transport:
    cdef readonly uint64_t strangers      # datagrams that are not our server's to a device of ours
    cdef readonly uint64_t lost           # datagrams that the kernel would not take
    cdef readonly uint64_t rebound        # devices that changed their address
    cdef int failure                      # errno of an error that will not go away by itself
    cdef list held                        # layers from the fleet's downward, as Python objects ...
    cdef void *layers[MOST_LAYERS]        # ... and borrowed, for code without the GIL
    cdef int layer_count
    cdef Wheel rebind_wheel               # one timer per device, when they change their address
    cdef int64_t rebind_every_ns          # 0 = never
    cdef uint64_t dice

    cdef void note_error(self, int error) noexcept nogil
    # Hand over what has arrived, at most some hundred datagrams; how many there were.
    cdef int receive(self, Receiver to, int64_t now) noexcept nogil
    # Send all of `out`. What cannot leave now is lost: retransmission heals it.
    cdef void send(self, Departures out) noexcept nogil
    # Until something can be received, or the time is over.
    cdef void wait(self, int64_t ns) noexcept nogil
    # From here on the device speaks from another address, and what is sent to the old one is lost.
    # False: it cannot.
    cdef bint rebind(self, uint32_t key) noexcept nogil

    cdef void rebind_by_time(self, Fleet fleet, int64_t now) noexcept nogil
    cdef void pass_down(self, int at, Departures out, int64_t now) noexcept nogil
    cdef bint turn(self, Fleet fleet, int64_t now) noexcept nogil
    cdef int64_t patience(self, Fleet fleet) noexcept nogil
    cdef bint is_faulty(self) noexcept nogil


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <int64_t>at.tv_sec * 1000000000 + at.tv_nsec


cdef inline bint wait_for(int fd, short events, int64_t ns) noexcept nogil:
    cdef pollfd one = pollfd(fd, events, 0)
    cdef timespec timeout = timespec(ns // 1000000000, ns % 1000000000)
    return ppoll(&one, 1, &timeout, NULL) > 0
