# One connected UDP socket per device: any server, IPv4 or IPv6, as many devices as descriptors.
#
# The kernel picks the local port and lets only the server's datagrams in. One epoll set tells
# which sockets have something; each costs one recv and one send per datagram.

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from posix.unistd cimport close

from lwm2m_fast.sim.departures cimport Departure, Departures
from lwm2m_fast.sim.layer cimport Receiver
from lwm2m_fast.sim.transport cimport POLLIN, POLLOUT, SLOT_BYTES, SLOTS, Transport, wait_for

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void *data, size_t size, int flags)
    ssize_t send(int fd, const void *data, size_t size, int flags)
    enum:
        MSG_DONTWAIT
        MSG_TRUNC

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint32_t u32
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int fd, epoll_event *event)
    int epoll_wait(int epoll, epoll_event *events, int count, int timeout_ms)
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLLIN

cdef enum:
    SEND_PATIENCE_NS = 10000000


cdef class DeviceSockets(Transport):
    """A fleet with a socket each; takes over the descriptors of connected UDP sockets.

    `connect` makes one more of them, for a device that changes its port.
    """

    cdef int *fds
    cdef uint32_t size
    cdef int epoll
    cdef object connect

    def __cinit__(self, descriptors, connect=None):
        cdef uint32_t i
        self.connect = connect
        self.epoll = epoll_create1(EPOLL_CLOEXEC)
        self.fds = <int *>malloc((len(descriptors) or 1) * sizeof(int))
        if self.fds == NULL:
            raise MemoryError(f"{len(descriptors)} sockets do not fit into memory")
        for i, descriptor in enumerate(descriptors):
            self.fds[i] = descriptor
            self.size = i + 1
        if self.epoll < 0:
            raise OSError(errno, "an epoll set cannot be made")
        for i in range(self.size):
            if not self.watch(i):
                raise OSError(errno, f"socket {i} of {self.size} cannot be watched")

    def __dealloc__(self):
        self.shut()
        free(self.fds)

    cdef shut(self):
        cdef uint32_t i
        for i in range(self.size):
            close(self.fds[i])
        self.size = 0
        if self.epoll >= 0:
            close(self.epoll)
        self.epoll = -1

    cdef bint watch(self, uint32_t key) noexcept nogil:
        cdef epoll_event event
        event.events = EPOLLIN
        event.data.u32 = key
        return epoll_ctl(self.epoll, EPOLL_CTL_ADD, self.fds[key], &event) == 0

    cdef bint rebind(self, uint32_t key) noexcept nogil:
        cdef int before = self.fds[key]
        with gil:
            try:
                self.fds[key] = self.connect()
            except Exception:                   # no port or descriptor is free: it stays
                return False
        if not self.watch(key):
            close(self.fds[key])
            self.fds[key] = before
            return False
        close(before)
        return True

    cdef int receive(self, Receiver to, int64_t now) noexcept nogil:
        cdef epoll_event events[SLOTS]
        cdef uint8_t data[SLOT_BYTES]
        cdef int count = epoll_wait(self.epoll, events, SLOTS, 0), i
        cdef ssize_t size
        for i in range(count):
            # An error is a pending ICMP message (the server is away); reading it clears it.
            size = recv(self.fds[events[i].data.u32], data, SLOT_BYTES, MSG_DONTWAIT | MSG_TRUNC)
            if size > SLOT_BYTES:
                self.strangers += 1
            elif size >= 0:
                to.receive(events[i].data.u32, data, size, now)
        if count < 0:
            self.note_error(errno)
            return 0
        return count

    cdef void send_one(self, int fd, const uint8_t *data, uint32_t size) noexcept nogil:
        """One more attempt after an error: the error may have been that of an earlier datagram."""
        if send(fd, data, size, MSG_DONTWAIT) >= 0:
            return
        if errno == EAGAIN or errno == EINTR:
            wait_for(fd, POLLOUT, SEND_PATIENCE_NS)
        if send(fd, data, size, MSG_DONTWAIT) < 0:
            self.lost += 1

    cdef void send(self, Departures out) noexcept nogil:
        cdef int i
        cdef Departure *entry
        for i in range(out.count):
            entry = &out.entries[i]
            if entry.device < self.size:
                self.send_one(self.fds[entry.device], out.arena + entry.offset, entry.size)

    cdef void wait(self, int64_t ns) noexcept nogil:
        wait_for(self.epoll, POLLIN, ns)

    def close(self):
        """Close every socket; nothing may run any more."""
        self.shut()
