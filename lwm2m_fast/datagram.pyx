# Addresses, a batch of received datagrams, and datagrams that wait to leave.
#
# Plain memory with an owner: knows neither sockets nor CoAP. `Inbox.load` and `Outbox.drain` are
# the seam by which tests hold whole conversations without a socket.

import functools
import ipaddress

from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

cdef uint8_t V4_PREFIX[12]
V4_PREFIX[:] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]


def _host_text(ip):
    """16 bytes as people write them: IPv4 where they are such an address, else IPv6."""
    address = ipaddress.IPv6Address(ip)
    return str(address.ipv4_mapped or address)


def _host_bytes(text):
    """The inverse of _host_text."""
    address = ipaddress.ip_address(text)
    return bytes(V4_PREFIX[:12]) + address.packed if address.version == 4 else address.packed


# Whoever has one datagram written or read mostly has the next of the same hosts.
_host_text = functools.lru_cache(1024)(_host_text)
_host_bytes = functools.lru_cache(1024)(_host_bytes)


cdef object addr_text(const lf_addr *addr):
    host = _host_text((<const char *>addr.ip)[:16])
    if ":" not in host:
        return f"{host}:{addr.port}"
    scope = f"%{addr.scope}" if addr.scope else ""
    return f"[{host}{scope}]:{addr.port}"


cdef int addr_parse(str text, lf_addr *addr) except -1:
    """The inverse of addr_text, port 0 being a principal's; ValueError says what is wrong."""
    host, _, port = text.rpartition(":")
    host, _, scope = host.strip("[]").partition("%")
    cdef bytes packed = _host_bytes(host)
    memset(addr, 0, sizeof(lf_addr))
    memcpy(addr.ip, <const char *>packed, 16)
    addr.port = int(port)
    addr.local = 0 if addr.port else LOCAL_SECURE
    addr.scope = int(scope) if scope else 0
    return 0


cdef class Inbox:
    def __cinit__(self):
        cdef int i
        self.memory = <uint8_t *>malloc(LF_BATCH_SLOTS * LF_DATAGRAM_BYTES)
        if self.memory == NULL:
            raise MemoryError
        for i in range(LF_BATCH_SLOTS):
            self.slots[i].data = self.memory + i * LF_DATAGRAM_BYTES
        self.count = 0

    def __dealloc__(self):
        free(self.memory)

    def load(self, datagrams, local=None):
        """Fill from [(address text, bytes)], at most LF_BATCH_SLOTS, as a receive would.

        `local` is the number of the socket; by default 0, and of principals the secure one's.
        """
        cdef bytes data
        if len(datagrams) > LF_BATCH_SLOTS:
            raise ValueError(f"{len(datagrams)} datagrams; a batch holds {LF_BATCH_SLOTS}")
        self.count = 0
        for source, data in datagrams:
            if len(data) > LF_DATAGRAM_BYTES:
                raise ValueError(f"{len(data)} bytes; a slot holds {LF_DATAGRAM_BYTES}")
            addr_parse(source, &self.slots[self.count].from_)
            if local is not None:
                self.slots[self.count].from_.local = local
            memcpy(self.slots[self.count].data, <const char *>data, len(data))
            self.slots[self.count].size = <uint32_t>len(data)
            self.count += 1

    def peek(self):
        """What was received, as [(address text, bytes)]."""
        cdef int i
        return [
            (addr_text(&self.slots[i].from_),
             (<const char *>self.slots[i].data)[:self.slots[i].size])
            for i in range(self.count)
        ]


cdef class Outbox:
    def __cinit__(self):
        self.arena = NULL
        self.entries = NULL
        self.arena_size = self.arena_used = 0
        self.entries_size = self.count = self.first = 0

    def __dealloc__(self):
        free(self.arena)
        free(self.entries)

    def __len__(self):
        return self.count - self.first

    cdef uint8_t *reserve(self, size_t size) noexcept nogil:
        cdef size_t arena_size = self.arena_size
        cdef int entries_size = self.entries_size
        cdef void *grown
        if self.arena == NULL or self.arena_used + size > arena_size:
            arena_size = max(2 * arena_size, self.arena_used + size, <size_t>4096)
            if arena_size > 0x7FFFFFFF:
                return NULL
            grown = realloc(self.arena, arena_size)
            if grown == NULL:
                return NULL
            self.arena = <uint8_t *>grown
            self.arena_size = arena_size
        if self.count == entries_size:
            entries_size = max(2 * entries_size, 64)
            grown = realloc(self.entries, entries_size * sizeof(lf_out))
            if grown == NULL:
                return NULL
            self.entries = <lf_out *>grown
            self.entries_size = entries_size
        return self.arena + self.arena_used

    cdef void commit(self, const lf_addr *to, size_t size) noexcept nogil:
        cdef lf_out *entry = &self.entries[self.count]
        entry.to = to[0]
        entry.offset = <uint32_t>self.arena_used
        entry.size = <uint32_t>size
        self.arena_used += size
        self.count += 1

    cdef void take_from(self, Outbox other) noexcept nogil:
        """Append what `other` holds, in order, and empty it. What finds no memory is dropped."""
        self.append_entries(other.arena, other.entries + other.first, other.count - other.first)
        other.reset()

    cdef void append_entries(self, const uint8_t *arena, const lf_out *entries,
                             int count) noexcept nogil:
        cdef int i
        cdef uint8_t *room
        for i in range(count):
            room = self.reserve(entries[i].size)
            if room == NULL:
                break
            memcpy(room, arena + entries[i].offset, entries[i].size)
            self.commit(&entries[i].to, entries[i].size)

    cdef void reset(self) noexcept nogil:
        self.arena_used = 0
        self.count = self.first = 0

    def clear(self):
        self.reset()

    def append(self, str to, bytes data, local=None):
        """Add one datagram to the address `to` ("192.0.2.1:5683", "[2001:db8::1]:5683"), which
        leaves by the endpoint that is number `local`; by default as in Inbox.load()."""
        cdef lf_addr addr
        addr_parse(to, &addr)
        if local is not None:
            addr.local = local
        cdef uint8_t *room = self.reserve(len(data))
        if room == NULL:
            raise MemoryError
        memcpy(room, <const char *>data, len(data))
        self.commit(&addr, len(data))

    def peek(self):
        """What is waiting, as [(address text, bytes)]."""
        cdef int i
        return [
            (addr_text(&self.entries[i].to),
             (<const char *>self.arena)[self.entries[i].offset:
                                        self.entries[i].offset + self.entries[i].size])
            for i in range(self.first, self.count)
        ]

    def drain(self):
        """Take what is waiting, as [(address text, bytes)]."""
        datagrams = self.peek()
        self.reset()
        return datagrams
