# What a simulated device does with a request of its server (RFC 7252, RFC 7959; OMA TS Core 6.3).
#
# One request in, at most one response out. A device keeps no response: an answer is a function of
# the path and of a second, so a duplicate, or the next block, is made again from the second of the
# first one. Knows nothing of the requests that the device itself sends.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.cursor cimport Writer, writer_init, writer_size
from lwm2m_fast.sim.catalogue cimport (MAX_ANSWER_BYTES, NO_ACCEPT, NO_ID, Answer, Asked,
                                       Catalogue, Entry, path_key)
from lwm2m_fast.sim.departures cimport Departures
from lwm2m_fast.sim.device cimport Device, heard_at, remember
from lwm2m_fast.wire.coap cimport (ACK, CON, HAS_ACCEPT, HAS_BLOCK2, HAS_MORE_PATH, HAS_SIZE2, NON,
                                   Block, Message, Span, block_bytes, block_value, build_header,
                                   build_option, build_option_uint, build_payload)

cdef enum Code:
    CODE_CONTENT = 69             # 2.05
    CODE_BAD_REQUEST = 128        # 4.00
    CODE_BAD_OPTION = 130         # 4.02
    CODE_NOT_FOUND = 132          # 4.04
    CODE_NOT_ALLOWED = 133        # 4.05
    CODE_NOT_ACCEPTABLE = 134     # 4.06

cdef enum OptionNumber:
    OPTION_ETAG = 4
    OPTION_CONTENT_FORMAT = 12
    OPTION_BLOCK2 = 23
    OPTION_SIZE2 = 28

cdef enum:
    LARGEST_SZX = 6               # 1,024 bytes
    KEY_BAD = 0                   # /0/0/0/0: the security object is nobody's to read

# What a method does; a method without a row is answered 4.05. Write, Execute and the like become
# rows here.
ctypedef void (*Method)(Serving, Device *, const Entry *, uint32_t, const Message *, uint32_t,
                        Response *) noexcept nogil


cdef void get(Serving serving, Device *device, const Entry *entry, uint32_t number,
              const Message *m, uint32_t second, Response *response) noexcept nogil:
    serving.read(device, entry, number, m, second, response)


cdef Method[32] METHODS
METHODS[1] = get


cdef inline int path_id(const Span *segment) noexcept nogil:
    """0 to 65534 in decimal without leading zeros, as LwM2M writes it; -1 = not an id."""
    cdef uint32_t i
    cdef int value = 0
    if segment.size == 0 or segment.size > 5 or (segment.size > 1 and segment.data[0] == 48):
        return -1
    for i in range(segment.size):
        if not 48 <= segment.data[i] <= 57:
            return -1
        value = value * 10 + segment.data[i] - 48
    return value if value < NO_ID else -1


cdef uint64_t key_of(const Message *m) noexcept nogil:
    """The path as a catalogue key; KEY_BAD for a path that no object could have."""
    cdef uint16_t ids[4]
    cdef int level, value
    if m.path_count == 0 or m.path_count > 4 or m.options & HAS_MORE_PATH:
        return KEY_BAD
    for level in range(4):
        value = path_id(&m.path[level]) if level < m.path_count else NO_ID
        if value < 0:
            return KEY_BAD
        ids[level] = <uint16_t>value
    return path_key(ids)


cdef inline void refuse(Response *response, int code) noexcept nogil:
    response.code = <uint8_t>code
    response.has_content_format = False
    response.payload_size = 0


cdef class Serving:
    """Answers of every device of a fleet, out of one Catalogue."""

    def __cinit__(self, Catalogue catalogue not None):
        self.catalogue = catalogue

    cdef void answer(self, Device *device, uint32_t key, uint32_t number, const Message *m,
                     uint32_t second, Departures out) noexcept nogil:
        cdef Response response
        cdef int known = heard_at(device, m.mid)
        cdef uint32_t lifetime = EXCHANGE_LIFETIME_S if m.type == CON else NON_LIFETIME_S
        if known >= 0 and second - device.heard_second[known] <= lifetime:
            self.duplicates += 1
            if m.type == NON:
                return
            second = device.heard_second[known]
        else:
            remember(device, m.mid, second)
            known = -1
        if m.bad_option and m.type == NON:      # RFC 7252, section 5.4.1: rejected
            return
        response = Response(CODE_BAD_OPTION, False, False, False, 0, 0, 0, 0, second, NULL, 0)
        if m.bad_option == 0:
            self.decide(device, number, m, second, &response)
        if known < 0:
            self.answered[response.code] += 1
        self.respond(device, key, m, &response, out)

    cdef void decide(self, Device *device, uint32_t number, const Message *m, uint32_t second,
                     Response *response) noexcept nogil:
        cdef uint64_t key = key_of(m)
        cdef const Entry *entry = self.catalogue.find(key) if key != KEY_BAD else NULL
        if m.path_count == 0 and m.code != 1:   # FETCH and iPATCH act on the root
            response.code = CODE_NOT_ALLOWED
        elif entry == NULL:
            response.code = CODE_NOT_FOUND
            # An instance below a resource that has none is a wrong question, not a missing thing.
            entry = self.catalogue.find(key | NO_ID) if m.path_count == 4 and key else NULL
            if entry != NULL and not entry.many:
                response.code = CODE_BAD_REQUEST
        elif METHODS[m.code] == NULL:
            response.code = CODE_NOT_ALLOWED
        else:
            METHODS[m.code](self, device, entry, number, m, second, response)

    cdef void read(self, Device *device, const Entry *entry, uint32_t number, const Message *m,
                   uint32_t second, Response *response) noexcept nogil:
        cdef const Answer *answer
        cdef Asked asked
        cdef Writer w
        cdef int accept = NO_ACCEPT
        if not entry.readable:
            response.code = CODE_NOT_ALLOWED
            return
        if m.options & HAS_ACCEPT:
            accept = m.accept
        answer = self.catalogue.choose(entry, accept)
        if answer == NULL:
            response.code = CODE_NOT_ACCEPTABLE
            return
        if (m.options & HAS_BLOCK2 and m.block2.number and device.block_key == entry.key
                and device.block_format == answer.content_format
                and second - device.block_second <= EXCHANGE_LIFETIME_S):
            response.second = device.block_second
        asked = Asked(number, response.second)
        writer_init(&w, self.body, MAX_ANSWER_BYTES)
        self.catalogue.render(answer, &asked, &w)
        response.code = CODE_CONTENT
        response.has_content_format = True
        response.content_format = answer.content_format
        response.payload = self.body
        response.payload_size = <uint32_t>writer_size(&w)
        self.cut(m, response)
        if response.has_block and response.block_number == 0:
            device.block_key = entry.key
            device.block_format = answer.content_format
            device.block_second = response.second

    cdef void cut(self, const Message *m, Response *response) noexcept nogil:
        """One block of the payload, where it is too long for one or a block was asked for."""
        cdef uint32_t size, start, left
        response.whole_size = response.payload_size
        response.szx = LARGEST_SZX
        if m.options & HAS_BLOCK2:
            if m.block2.szx > LARGEST_SZX:
                refuse(response, CODE_BAD_REQUEST)
                return
            response.szx = m.block2.szx
            response.block_number = m.block2.number
        size = <uint32_t>block_bytes(response.szx)
        if not m.options & HAS_BLOCK2 and response.payload_size <= size:
            return
        # A block number has 20 bits and a block at most 10: the start fits.
        start = response.block_number << (response.szx + 4)
        if response.block_number and start >= response.payload_size:
            refuse(response, CODE_BAD_REQUEST)
            return
        left = response.payload_size - start
        response.has_block = True
        response.more = left > size
        response.payload += start
        response.payload_size = size if left > size else left

    cdef void respond(self, Device *device, uint32_t key, const Message *m,
                      const Response *response, Departures out) noexcept nogil:
        cdef Writer w
        cdef int last = 0, mid = m.mid
        cdef Block block
        cdef uint8_t etag[4]
        if not out.begin(&w):
            return
        if m.type == NON:
            device.mid += 1
            mid = device.mid
        build_header(&w, ACK if m.type == CON else NON, response.code, mid,
                     m.token, m.token_size)
        if response.has_block:
            etag[0] = <uint8_t>(response.second >> 24)
            etag[1] = <uint8_t>(response.second >> 16)
            etag[2] = <uint8_t>(response.second >> 8)
            etag[3] = <uint8_t>response.second
            build_option(&w, &last, OPTION_ETAG, etag, 4)
        if response.has_content_format:
            build_option_uint(&w, &last, OPTION_CONTENT_FORMAT, response.content_format)
        if response.has_block:
            block = Block(response.block_number, response.szx, response.more)
            build_option_uint(&w, &last, OPTION_BLOCK2, block_value(&block))
            if m.options & HAS_SIZE2 or response.block_number == 0:
                build_option_uint(&w, &last, OPTION_SIZE2, response.whole_size)
        build_payload(&w, response.payload, response.payload_size)
        out.commit(key, &w)
