# How the datagrams of a fleet reach its server: the contract, and the C names both forms need.

from libc.stdint cimport int64_t, uint64_t

from lwm2m_fast.sim.departures cimport Departures
from lwm2m_fast.sim.fleet cimport Fleet

cdef enum:
    SLOTS = 64                    # datagrams per system call
    SLOT_BYTES = 2048             # a longer datagram is dropped and counted as a stranger

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
    cdef int failure                      # errno of an error that will not go away by itself

    cdef void note_error(self, int error) noexcept nogil
    # Hand over what has arrived, at most some hundred datagrams; how many there were.
    cdef int receive(self, Fleet fleet, int64_t now) noexcept nogil
    # Send all of `out`. What cannot leave now is lost: retransmission heals it.
    cdef void send(self, Departures out) noexcept nogil
    # Until something can be received, or the time is over.
    cdef void wait(self, int64_t ns) noexcept nogil


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <int64_t>at.tv_sec * 1000000000 + at.tv_nsec


cdef inline bint wait_for(int fd, short events, int64_t ns) noexcept nogil:
    cdef pollfd one = pollfd(fd, events, 0)
    cdef timespec timeout = timespec(ns // 1000000000, ns % 1000000000)
    return ppoll(&one, 1, &timeout, NULL) > 0
