# One UDP socket for a whole fleet on the loopback network: 127.x.y.z is the device.
#
# Every address of 127.0.0.0/8 is this machine's, so each datagram takes its device's own source
# address (IP_PKTINFO, ip(7)) and each answer comes back to it: a million devices, each with its own
# ip:port, without a million sockets. Batches of 64 per system call.

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from lwm2m_fast.sim.departures cimport Departures
from lwm2m_fast.sim.layer cimport Receiver
from lwm2m_fast.sim.transport cimport (POLLIN, POLLOUT, SLOT_BYTES, SLOTS, Transport, wait_for)

cdef extern from "<sys/socket.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        unsigned int msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    cmsghdr *CMSG_FIRSTHDR(msghdr *message)
    void *CMSG_DATA(cmsghdr *header)
    size_t CMSG_LEN(size_t size)
    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, void *timeout)
    int sendmmsg(int fd, mmsghdr *messages, unsigned int count, int flags)
    enum:
        AF_INET
        MSG_DONTWAIT
        MSG_TRUNC

cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        uint32_t s_addr
    struct in_pktinfo:
        int ipi_ifindex
        in_addr ipi_spec_dst
        in_addr ipi_addr
    struct sockaddr_in:
        uint16_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    uint32_t htonl(uint32_t value)
    uint32_t ntohl(uint32_t value)
    uint16_t htons(uint16_t value)
    enum:
        IPPROTO_IP
        IP_PKTINFO

cdef enum:
    FIRST_ADDRESS = 0x7F010001    # 127.1.0.1 is device 0
    CONTROL_BYTES = 64            # CMSG_SPACE(sizeof(struct in_pktinfo)) is 32
    SEND_PATIENCE_NS = 10000000
    SEND_ATTEMPTS = 10

MOST_DEVICES = 0x7FFFFFFE - FIRST_ADDRESS

# What one batch needs besides its bytes; `control` first, for its alignment.
cdef struct Batch:
    uint8_t control[SLOTS][CONTROL_BYTES]
    mmsghdr messages[SLOTS]
    iovec vectors[SLOTS]
    sockaddr_in names[SLOTS]
    uint8_t data[SLOTS][SLOT_BYTES]


cdef void prepare(Batch *batch, int i, size_t control_size) noexcept nogil:
    cdef msghdr *header = &batch.messages[i].msg_hdr
    header.msg_name = &batch.names[i]
    header.msg_namelen = sizeof(sockaddr_in)
    header.msg_iov = &batch.vectors[i]
    header.msg_iovlen = 1
    header.msg_control = &batch.control[i][0]
    header.msg_controllen = control_size


cdef class SharedSocket(Transport):
    """A fleet behind one socket; `socket` is bound to 0.0.0.0 with IP_PKTINFO on.

    `address` and `port` are the server's, an IPv4 address as a number. At most MOST_DEVICES. With
    `rebinding` devices each of these can change its address, to the same place in the next stretch of
    so many addresses; MOST_DEVICES is then a bound for twice as many.
    """

    cdef object socket
    cdef int fd
    cdef uint32_t server                  # network order, like server_port
    cdef uint16_t server_port
    cdef Batch *incoming
    cdef Batch *outgoing
    cdef uint8_t *stretch                 # by device; NULL = they all stay where they are
    cdef uint32_t stretch_size
    cdef uint32_t stretches

    def __cinit__(self, socket not None, uint32_t address, uint16_t port, uint32_t rebinding=0):
        cdef cmsghdr *header
        self.socket = socket
        self.fd = socket.fileno()
        self.server = htonl(address)
        self.server_port = htons(port)
        self.incoming = <Batch *>malloc(sizeof(Batch))
        self.outgoing = <Batch *>malloc(sizeof(Batch))
        if not (self.incoming and self.outgoing):
            raise MemoryError("no memory for a batch of datagrams")
        if rebinding:
            self.stretch_size = rebinding
            self.stretches = min(<uint32_t>MOST_DEVICES // rebinding, 256)
            self.stretch = <uint8_t *>calloc(rebinding, 1)
            if self.stretch == NULL:
                raise MemoryError(f"{rebinding} devices do not fit into memory")
        memset(self.incoming, 0, sizeof(Batch))
        memset(self.outgoing, 0, sizeof(Batch))
        for i in range(SLOTS):
            self.incoming.vectors[i] = iovec(&self.incoming.data[i][0], SLOT_BYTES)
            prepare(self.incoming, i, CONTROL_BYTES)
            self.outgoing.names[i].sin_family = AF_INET
            self.outgoing.names[i].sin_port = self.server_port
            self.outgoing.names[i].sin_addr.s_addr = self.server
            prepare(self.outgoing, i, CMSG_LEN(sizeof(in_pktinfo)))
            header = CMSG_FIRSTHDR(&self.outgoing.messages[i].msg_hdr)
            header.cmsg_level = IPPROTO_IP
            header.cmsg_type = IP_PKTINFO
            header.cmsg_len = CMSG_LEN(sizeof(in_pktinfo))

    def __dealloc__(self):
        free(self.stretch)
        free(self.incoming)
        free(self.outgoing)

    cdef uint32_t device_of(self, int i) noexcept nogil:
        """The device a datagram was sent to; past every device when it is not the server's."""
        cdef msghdr *header = &self.incoming.messages[i].msg_hdr
        cdef cmsghdr *control = CMSG_FIRSTHDR(header)
        cdef in_pktinfo info
        cdef uint32_t place, device
        if (header.msg_flags & MSG_TRUNC or control == NULL
                or control.cmsg_level != IPPROTO_IP or control.cmsg_type != IP_PKTINFO
                or self.incoming.names[i].sin_addr.s_addr != self.server
                or self.incoming.names[i].sin_port != self.server_port):
            return 0xFFFFFFFF
        memcpy(&info, CMSG_DATA(control), sizeof(info))
        place = ntohl(info.ipi_addr.s_addr) - <uint32_t>FIRST_ADDRESS
        if self.stretch == NULL:
            return place
        device = place % self.stretch_size
        return device if self.stretch[device] == place // self.stretch_size else 0xFFFFFFFF

    cdef bint rebind(self, uint32_t key) noexcept nogil:
        if self.stretches < 2 or key >= self.stretch_size:
            return False
        self.stretch[key] = <uint8_t>((self.stretch[key] + 1) % self.stretches)
        return True

    cdef int receive(self, Receiver to, int64_t now) noexcept nogil:
        cdef Batch *batch = self.incoming
        cdef int count = recvmmsg(self.fd, batch.messages, SLOTS, MSG_DONTWAIT, NULL), i
        cdef uint32_t device
        for i in range(count):
            device = self.device_of(i)
            if device < to.size:
                to.receive(device, &batch.data[i][0], batch.messages[i].msg_len, now)
            else:
                self.strangers += 1
            batch.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in)
            batch.messages[i].msg_hdr.msg_controllen = CONTROL_BYTES
        if count < 0:
            self.note_error(errno)
            return 0
        return count

    cdef void fill(self, Departures out, int first, int count) noexcept nogil:
        cdef Batch *batch = self.outgoing
        cdef in_pktinfo *info
        cdef uint32_t place
        cdef int i
        for i in range(count):
            batch.vectors[i] = iovec(out.arena + out.entries[first + i].offset,
                                     out.entries[first + i].size)
            info = <in_pktinfo *>CMSG_DATA(CMSG_FIRSTHDR(&batch.messages[i].msg_hdr))
            info.ipi_ifindex = 0
            place = out.entries[first + i].device
            if self.stretch != NULL and place < self.stretch_size:
                place += self.stretch[place] * self.stretch_size
            info.ipi_spec_dst.s_addr = htonl(<uint32_t>FIRST_ADDRESS + place)

    cdef void send(self, Departures out) noexcept nogil:
        cdef int first = 0, count, sent, attempts = 0
        while first < out.count:
            count = out.count - first
            if count > SLOTS:
                count = SLOTS
            self.fill(out, first, count)
            sent = sendmmsg(self.fd, self.outgoing.messages, count, MSG_DONTWAIT)
            if sent > 0:
                first += sent
            elif errno != EINTR and errno != EAGAIN:
                self.lost += 1                  # this one cannot leave: no route, filtered ...
                first += 1
            elif attempts == SEND_ATTEMPTS:
                self.lost += out.count - first
                return
            else:
                attempts += 1
                wait_for(self.fd, POLLOUT, SEND_PATIENCE_NS)

    cdef void wait(self, int64_t ns) noexcept nogil:
        wait_for(self.fd, POLLIN, ns)

    def close(self):
        """Close the socket; nothing may run any more."""
        self.socket.close()
        self.fd = -1
