# One request of ours as bytes (RFC 7252, section 3; RFC 7959, section 2; RFC 7641, section 2).
#
# The head (header, token, Observe, Uri-Path, Content-Format, Uri-Query, Accept) is written once.
# Behind it stands what a step needs: Block2, or Block1 with Size1 and a slice of the payload.
# Decides nothing: core/downlink says what the next step is, core/requests when it leaves.

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.ref cimport Py_XDECREF
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from lwm2m_fast.core.records cimport links_packed
from lwm2m_fast.cursor cimport Writer, write_bytes, writer_init, writer_size
from lwm2m_fast.wire.coap cimport (CON, Block, block_bytes, block_value, build_header,
                                   build_option, build_option_uint, build_payload)
from lwm2m_fast.wire.link cimport LinkWalk, links_begin
from lwm2m_fast.wire.numbers cimport (GET, IPATCH, OPTION_ACCEPT, OPTION_BLOCK1, OPTION_BLOCK2,
                                      OPTION_CONTENT_FORMAT, OPTION_OBSERVE, OPTION_SIZE1,
                                      OPTION_URI_PATH, OPTION_URI_QUERY)

from lwm2m_fast.errors import RequestError

cdef enum:
    REQUEST_MOST = 1152           # RFC 7252, section 4.6: what fits any path
    TAIL_ROOM = 5 + 5 + 6 + 1     # Block2, Block1, Size1, payload marker
    HEAD_MOST = REQUEST_MOST - TAIL_ROOM - 16
    HEADER = 4 + TOKEN_SIZE
    OPTION_MOST = 255             # bytes of a path segment or query item (section 5.10)
    BLOCKS_MOST = 1 << 20         # RFC 7959, section 2.2: the number has 20 bits


cdef int number_of(object value, str name, int most) except -2:
    """An optional number of the request; -1: not there."""
    if value is None:
        return -1
    if not 0 <= value <= most:
        raise RequestError(f"{name} {value} is not a number from 0 to {most}")
    return value


cdef int write_texts(Writer *w, int *last, int option, object texts, str name) except -1:
    cdef bytes text
    for text in texts:
        if len(text) > OPTION_MOST:
            raise RequestError(f"{name} {text!r} has {len(text)} bytes, "
                               f"allowed are 0 to {OPTION_MOST}")
        build_option(w, last, option, <const uint8_t *><const char *>text, len(text))
    return 0


cdef int write_root(Writer *w, int *last, const Record *record) except -1:
    """The path under which the device has its objects (LwM2M Core, section 7.2)."""
    cdef LinkWalk walk
    cdef const uint8_t *part
    cdef size_t i, size = 0
    if links_begin(&walk, links_packed(record.links), record.links.packed_size) < 0:
        raise AssertionError("a link set of our own making cannot be walked")
    part = <const uint8_t *>walk.root
    for i in range(walk.root_size + 1):
        if i < walk.root_size and part[size] != c"/":
            size += 1
            continue
        if size:
            build_option(w, last, OPTION_URI_PATH, part, size)
        part += size + 1
        size = 0
    return 0


cdef int write_head(Writer *w, int *last, const uint8_t *token, const Record *record,
                    object request, int observe) except -1:
    cdef int content_format = number_of(request.content_format, "content_format", 65535)
    cdef int accept = number_of(request.accept, "accept", 65535)
    build_header(w, CON, request.method, 0, token, TOKEN_SIZE)
    if observe >= 0:
        build_option_uint(w, last, OPTION_OBSERVE, <uint32_t>observe)
    if not request.is_absolute:
        write_root(w, last, record)
    write_texts(w, last, OPTION_URI_PATH, request.path, "path segment")
    if content_format >= 0:
        build_option_uint(w, last, OPTION_CONTENT_FORMAT, <uint32_t>content_format)
    write_texts(w, last, OPTION_URI_QUERY, request.query, "query")
    if accept >= 0:
        build_option_uint(w, last, OPTION_ACCEPT, <uint32_t>accept)
    if w.overflow:
        raise RequestError(f"path and query do not fit a datagram of {REQUEST_MOST} bytes")
    return 0


cdef uint8_t *with_room(const Writer *head, size_t room) except NULL:
    """A copy of the head that can grow to `room` bytes."""
    cdef uint8_t *copy = <uint8_t *>malloc(room)
    if copy == NULL:
        raise MemoryError
    memcpy(copy, head.start, <size_t>(head.pos - head.start))
    return copy


cdef int make_datagram(Outgoing *out, const Writer *head) except -1:
    """Begin it with the head, in the room that it will need."""
    if out.datagram_room > DATAGRAM_FEW:
        out.datagram = with_room(head, out.datagram_room)
    else:
        out.datagram = out.few
        memcpy(out.few, head.start, <size_t>(head.pos - head.start))
    return 0


cdef inline void free_datagram(Outgoing *out) noexcept:
    if out.datagram != out.few:
        free(out.datagram)


cdef int hold_payload(Outgoing *out, object payload, int block_szx) except -1:
    """Keep the buffer alive, and choose how it leaves: whole, or in which blocks."""
    cdef Py_buffer *held
    if not len(payload):
        return 0
    held = <Py_buffer *>calloc(1, sizeof(Py_buffer))
    if held == NULL:
        raise MemoryError
    try:
        PyObject_GetBuffer(payload, held, PyBUF_SIMPLE)
    except BaseException:
        free(held)
        raise
    out.payload = held
    out.szx = <uint8_t>block_szx
    while out.szx and out.head_size + TAIL_ROOM + block_bytes(out.szx) > REQUEST_MOST:
        out.szx -= 1
    if <size_t>held.len > block_bytes(out.szx):
        out.stage = STAGE_UPLOAD
    if <size_t>held.len > BLOCKS_MOST * block_bytes(out.szx):
        raise RequestError(f"a payload of {held.len} bytes does not fit {BLOCKS_MOST} blocks "
                           f"of {block_bytes(out.szx)} bytes")
    return 0


cdef int outgoing_order(Outgoing *out, const Record *record, object request, int block_szx,
                        const uint8_t *own_token) except -1:
    cdef uint8_t head[HEAD_MOST]
    cdef Writer w
    cdef int last = 0
    cdef int observe = number_of(request.observe, "observe", 1)
    if not GET <= request.method <= IPATCH:
        raise RequestError(f"method {request.method} is not one of GET (1) to iPATCH (7)")
    out.method = <uint8_t>request.method
    writer_init(&w, head, HEAD_MOST)
    write_head(&w, &last, out.token, record, request, observe)
    out.head_size = <uint32_t>writer_size(&w)
    out.last_option = <uint16_t>last
    hold_payload(out, request.payload, block_szx)
    out.datagram_room = out.head_size + TAIL_ROOM
    if out.payload != NULL:
        out.datagram_room += <uint32_t>min(<size_t>out.payload.len, block_bytes(out.szx))
    make_datagram(out, &w)
    if observe >= 0:
        writer_init(&w, head, HEAD_MOST)
        last = 0
        write_head(&w, &last, own_token, record, request, -1)
        out.follow_size = <uint32_t>writer_size(&w)
        out.follow = with_room(&w, out.datagram_room)
    outgoing_write(out)
    return 0


cdef int outgoing_copy(Outgoing *out, int method, bytes options) except -1:
    cdef uint8_t head[HEAD_MOST]
    cdef Writer w
    out.method = <uint8_t>method
    writer_init(&w, head, HEAD_MOST)
    build_header(&w, CON, method, 0, out.token, TOKEN_SIZE)
    write_bytes(&w, <const char *>options + 2, len(options) - 2)
    out.last_option = (<const uint8_t *><const char *>options)[0] << 8 | (
        <const uint8_t *><const char *>options)[1]
    out.head_size = <uint32_t>writer_size(&w)
    out.datagram_room = out.head_size + TAIL_ROOM
    make_datagram(out, &w)
    return 0


cdef int outgoing_attach(Outgoing *out, bytes payload, int block_szx) except -1:
    cdef uint8_t *grown
    if not 0 < len(payload) <= block_bytes(block_szx) or (
            out.head_size + TAIL_ROOM + len(payload) > REQUEST_MOST):
        return 0
    hold_payload(out, payload, block_szx)
    out.stage = STAGE_FETCH
    out.repeats_payload = True
    out.datagram_room += <uint32_t>len(payload)
    if out.datagram_room <= DATAGRAM_FEW:
        return 0                    # only what is larger is elsewhere
    grown = <uint8_t *>realloc(NULL if out.datagram == out.few else out.datagram,
                               out.datagram_room)
    if grown == NULL:
        raise MemoryError
    if out.datagram == out.few:
        memcpy(grown, out.few, out.head_size)
    out.datagram = grown
    return 0


cdef bytes outgoing_options(const Outgoing *out):
    """The number of the last option in two bytes, then the options."""
    cdef const uint8_t *head = out.datagram if out.follow == NULL else out.follow
    cdef uint32_t size = out.head_size if out.follow == NULL else out.follow_size
    cdef int last = last_without_observe(out)
    return bytes([last >> 8, last & 255]) + (<const char *>head + HEADER)[:size - HEADER]


cdef inline int last_without_observe(const Outgoing *out) noexcept:
    return 0 if out.last_option == OPTION_OBSERVE else out.last_option


cdef void outgoing_write(Outgoing *out) noexcept:
    cdef Writer w
    cdef Block block
    cdef int last = out.last_option
    writer_init(&w, out.datagram + out.head_size, out.datagram_room - out.head_size)
    out.in_flight = 0
    if out.stage == STAGE_FETCH:
        block.szx = out.answer_szx
        block.number = out.body_size >> (out.answer_szx + 4)
        block.more = False
        build_option_uint(&w, &last, OPTION_BLOCK2, block_value(&block))
        # The rest of a notification is no exchange with what it was asked for: a FETCH says it
        # again (RFC 8132, section 2), as the device need not remember.
        if out.repeats_payload:
            build_payload(&w, <const uint8_t *>out.payload.buf, <size_t>out.payload.len)
    elif out.payload != NULL:
        out.in_flight = <uint32_t>(<size_t>out.payload.len - out.sent)
        if out.stage == STAGE_UPLOAD:
            block.szx = out.szx
            block.number = <uint32_t>(out.sent >> (out.szx + 4))
            block.more = out.payload.len - out.sent > block_bytes(out.szx)
            if block.more:
                out.in_flight = <uint32_t>block_bytes(out.szx)
            build_option_uint(&w, &last, OPTION_BLOCK1, block_value(&block))
            if out.sent == 0:
                build_option_uint(&w, &last, OPTION_SIZE1, <uint32_t>out.payload.len)
        build_payload(&w, <const uint8_t *>out.payload.buf + out.sent, out.in_flight)
    out.datagram_size = out.head_size + <uint32_t>writer_size(&w)


cdef void outgoing_drop_observe(Outgoing *out) noexcept:
    free_datagram(out)
    out.datagram = out.follow
    out.follow = NULL
    out.head_size = out.follow_size
    out.last_option = <uint16_t>last_without_observe(out)
    memcpy(out.token, out.datagram + 4, TOKEN_SIZE)
    out.has_own_token = True


cdef bint outgoing_keep(Outgoing *out, const uint8_t *payload, uint32_t size) noexcept:
    cdef uint32_t room
    cdef void *grown
    if out.body_size + size > out.body_room:
        room = max(2 * out.body_room, out.body_size + size)
        grown = realloc(out.body, room)
        if grown == NULL:
            return False
        out.body = <uint8_t *>grown
        out.body_room = room
    if size:
        memcpy(out.body + out.body_size, payload, size)
    out.body_size += size
    return True


cdef void outgoing_clear(Outgoing *out) noexcept:
    free_datagram(out)
    free(out.follow)
    free(out.body)
    if out.payload != NULL:
        PyBuffer_Release(out.payload)
        free(out.payload)
    Py_XDECREF(out.answer)
    memset(out, 0, sizeof(Outgoing))
