# Which endpoint names a secure peer may speak for. Knows identities as 16 bytes and names as text;
# not how a peer has shown who it is, nor where it is at the moment.

from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from lwm2m_fast.core.index cimport Probe, hash_bytes
from lwm2m_fast.core.pointers cimport pointer_at
from lwm2m_fast.core.records cimport MAX_ENDPOINT, NONE, is_utf8
from lwm2m_fast.datagram cimport LOCAL_SECURE, addr_is_secure


cdef int principal_addr(bytes principal, lf_addr *addr) except -1:
    if len(principal) != PRINCIPAL_SIZE:
        raise ValueError(f"a principal has {PRINCIPAL_SIZE} bytes, not {len(principal)}")
    memset(addr, 0, sizeof(lf_addr))
    memcpy(addr.ip, <const char *>principal, PRINCIPAL_SIZE)
    addr.local = LOCAL_SECURE
    return 0


cdef bytes packed(names):
    """The usable ones of `names`, each once: 1 to 255 bytes of UTF-8, at most NAMES_MOST."""
    if isinstance(names, tuple) and len(<tuple>names) == 1:     # nearly all of them
        return packed_one((<tuple>names)[0])
    texts = {}
    for name in names:
        text = packed_one(name)
        if text and len(texts) < NAMES_MOST:
            texts[text] = None
    return b"".join(texts)


cdef bytes packed_one(str name):
    """Its size and its bytes; empty: it cannot be used."""
    cdef bytes text = name.encode("utf-8", "surrogatepass")
    if 1 <= len(text) <= MAX_ENDPOINT and is_utf8(text, len(text)):
        return bytes((len(text),)) + text
    return b""


cdef inline size_t room_of(const Principal *who) noexcept nogil:
    return sizeof(Principal) + who.size + sizeof(Principal *)


cdef class Principals:
    def __cinit__(self, seed, uint32_t max_count):
        self.seed[0], self.seed[1] = seed
        self.max_count = max_count

    cdef inline Principal *at(self, uint32_t number) noexcept nogil:
        return <Principal *>pointer_at(self, number)[0]

    cdef inline uint32_t tag_of(self, const uint8_t *id) noexcept nogil:
        return <uint32_t>hash_bytes(id, PRINCIPAL_SIZE, self.seed)

    cdef uint32_t number_of(self, const uint8_t *id) noexcept nogil:
        cdef Probe probe
        cdef uint32_t number = self.index.first(self.tag_of(id), &probe)
        while number != NONE and memcmp(self.at(number).id, id, PRINCIPAL_SIZE):
            number = self.index.next(&probe)
        return number

    cdef const Principal *find(self, const lf_addr *source) noexcept nogil:
        cdef uint32_t number
        if not addr_is_secure(source):
            return NULL
        number = self.number_of(source.ip)
        return NULL if number == NONE else self.at(number)

    cdef bint may_speak(self, const lf_addr *source, const uint8_t *endpoint,
                        size_t size) noexcept nogil:
        cdef const Principal *who = self.find(source)
        cdef size_t at = 0
        while who != NULL and at < who.size:
            if who.names[at] == size and memcmp(who.names + at + 1, endpoint, size) == 0:
                return True
            at += 1 + who.names[at]
        return False

    cdef const uint8_t *only_name(self, const lf_addr *source, uint32_t *size) noexcept nogil:
        cdef const Principal *who = self.find(source)
        if who == NULL or who.count != 1:
            return NULL
        size[0] = who.names[0]
        return who.names + 1

    cdef bint put(self, bytes principal, int kind, names) except -1:
        cdef lf_addr addr
        cdef bytes text = packed(names)
        cdef Principal *fresh
        cdef uint32_t number
        cdef size_t at = 0
        principal_addr(principal, &addr)
        number = self.number_of(addr.ip)
        if number == NONE and self.index.size >= self.max_count:
            self.refused += 1
            return False
        fresh = <Principal *>malloc(sizeof(Principal) + len(text))
        if fresh == NULL:
            raise MemoryError
        memcpy(fresh.id, addr.ip, PRINCIPAL_SIZE)
        fresh.kind = <uint8_t>kind
        fresh.size = <uint16_t>len(text)
        memcpy(fresh.names, <const char *>text, len(text))
        fresh.count = 0
        while at < fresh.size:
            fresh.count += 1
            at += 1 + fresh.names[at]
        if number != NONE:
            self.bytes += fresh.size - <size_t>self.at(number).size
            free(self.at(number))
            pointer_at(self, number)[0] = fresh
            return True
        try:
            self.keep(fresh, self.tag_of(fresh.id))
        except MemoryError:
            free(fresh)
            raise
        self.bytes += room_of(fresh)
        return True

    cdef void drop(self, bytes principal) except *:
        cdef lf_addr addr
        cdef uint32_t number
        principal_addr(principal, &addr)
        number = self.number_of(addr.ip)
        if number == NONE:
            return
        self.bytes -= room_of(self.at(number))
        self.forget(number, self.tag_of(addr.ip))
