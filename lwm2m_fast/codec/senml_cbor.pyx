# SenML in CBOR (content format 112, RFC 8428 section 6) and SenML-ETCH (322, RFC 8790).
#
# One pass over the bytes; no Python object is made on the way. What the fields mean is senml.pyx's
# to say. Maps and arrays of definite and indefinite length, labels as numbers (table 4) or text.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from lwm2m_fast.codec.cbor_head cimport (
    CBOR_ARRAY, CBOR_BREAK, CBOR_BYTES, CBOR_INDEFINITE, CBOR_MAP, CBOR_NEGATIVE, CBOR_SIMPLE,
    CBOR_TAG, CBOR_TEXT, CBOR_UNSIGNED, Head, read_head, write_head,
)
from lwm2m_fast.codec.cbor_item cimport (
    String, item_number, item_seconds, item_skip, item_string, write_double_item,
)
from lwm2m_fast.codec.decimal cimport write_u64
from lwm2m_fast.codec.node cimport (
    FORM_CHUNKED, FORM_PLAIN, KIND_BOOLEAN, KIND_CORELNK, KIND_FLOAT, KIND_NONE, KIND_NULL,
    KIND_OBJLNK, KIND_OPAQUE, KIND_STRING, KIND_UNSIGNED, Item, Record,
)
from lwm2m_fast.codec.pack cimport PACK_MAX_BYTES, Pack
from lwm2m_fast.codec.senml cimport (
    FIELD_BN, FIELD_BS, FIELD_BT, FIELD_BU, FIELD_BV, FIELD_BVER, FIELD_MUST, FIELD_N, FIELD_OTHER,
    FIELD_S, FIELD_T, FIELD_U, FIELD_UT, FIELD_V, FIELD_VB, FIELD_VD, FIELD_VS, FIELDS_VALUE,
    Entry, Layout, NAME_ROOM, Resolver, field_of,
)
from lwm2m_fast.codec.wire_value cimport (
    WIRE_BOOLEAN, WIRE_DATA, WIRE_FLOAT, WIRE_INTEGER, WIRE_LINK, WIRE_NULL, WIRE_TEXT, WireValue,
    double_to_ns,
)
from lwm2m_fast.cursor cimport (
    Reader, Writer, reader_init, reader_left, write_bytes, write_u8, writer_init, writer_size,
)

from lwm2m_fast.codec.cbor_item import PROBLEMS
from lwm2m_fast.codec.kinds import MAX_DEPTH, PayloadError
from lwm2m_fast.codec.moment import text_to_seconds

NAME = "SenML CBOR"
NUMBER = 112
ETCH_NUMBER = 322

cdef enum:
    FALSE_ITEM = 0xF4
    TRUE_ITEM = 0xF5
    NULL_ITEM = 0xF6
    TEXT_TIME_ITEM = 0xC0           # tag 0
    DECIMAL_ITEM = 0xC4             # tag 4
    LABEL_BVER = -1
    LABEL_BN = -2
    LABEL_BT = -3
    LABEL_BS = -6
    LABEL_N = 0
    LABEL_V = 2
    LABEL_VS = 3
    LABEL_VB = 4
    LABEL_T = 6
    LABEL_VD = 8
    RECORD_ROOM = 96                # what a record takes beside its name and content
    NAME_SIZE = 32
    SCRATCH = 4096                  # encoded on the stack up to here
    SKIP_DEPTH = 8                  # MAX_DEPTH
    WALKED = 16                     # records that a walker has room for at first

assert MAX_DEPTH == SKIP_DEPTH

cdef int[15] FIELD_BY_LABEL         # RFC 8428, table 4, from LABEL_BS on
FIELD_BY_LABEL[:] = [
    FIELD_BS, FIELD_BV, FIELD_BU, FIELD_BT, FIELD_BN, FIELD_BVER,
    FIELD_N, FIELD_U, FIELD_V, FIELD_VS, FIELD_VB, FIELD_S, FIELD_T, FIELD_UT, FIELD_VD,
]


cdef class Decoder(Resolver):
    cdef Reader reader
    cdef list kept                  # names that came in chunks; None when none did

    cdef int wrong(self, str why) except -1:
        return self.fail(self.reader.pos, why)

    cdef inline int check(self, int problem) except -1:
        return self.wrong(PROBLEMS[problem]) if problem else 0

    cdef inline bint ends(self, bint is_open, uint64_t *left) except? -1:
        """Is the array or map over? Consumes its break; -1 raises when the payload is."""
        if not is_open:
            if not left[0]:
                return True
            left[0] -= 1
            return False
        if self.reader.pos >= self.reader.end:
            return self.wrong(PROBLEMS[1])
        if self.reader.pos[0] != CBOR_BREAK:
            return False
        self.reader.pos += 1
        return True

    cdef int name(self, const uint8_t **start, size_t *size) except -1:
        cdef String string
        self.check(item_string(&self.reader, CBOR_TEXT, &string))
        start[0] = string.start
        size[0] = string.size
        if string.is_chunked:
            joined = join_chunks(string.start, string.size)
            if self.kept is None:
                self.kept = []
            self.kept.append(joined)
            start[0] = <const uint8_t *>PyBytes_AS_STRING(joined)
            size[0] = <size_t>PyBytes_GET_SIZE(joined)
        return 0

    cdef int label(self) except -1:
        """The field that the next label names."""
        cdef const uint8_t *text
        cdef size_t size
        cdef Head head
        cdef int64_t number
        if self.reader.pos < self.reader.end and self.reader.pos[0] >> 5 == CBOR_TEXT:
            self.name(&text, &size)
            return field_of(text, size)
        self.check(read_head(&self.reader, &head))
        if head.major > CBOR_NEGATIVE:
            return self.wrong("a label that is neither a number nor text")
        if head.argument > 8:
            return FIELD_OTHER
        number = <int64_t>head.argument
        if head.major == CBOR_NEGATIVE:
            number = -1 - number
        return FIELD_BY_LABEL[number - LABEL_BS] if number >= LABEL_BS else FIELD_OTHER

    cdef int string(self, int major, int type, WireValue *value) except -1:
        cdef String string
        self.check(item_string(&self.reader, major, &string))
        value.type = type
        value.text = string.start
        value.offset = <uint32_t>(string.start - self.pack.data)
        value.size = <uint32_t>string.size
        value.is_plain = not string.is_chunked
        value.form = FORM_CHUNKED if string.is_chunked else FORM_PLAIN
        return 0

    cdef int text_time(self, WireValue *value) except -1:
        """Tag 0: a date and time as text (RFC 8949, section 3.4.1)."""
        cdef const uint8_t *text
        cdef size_t size
        self.reader.pos += 1
        self.name(&text, &size)
        try:
            value.number.i = text_to_seconds((<const char *>text)[:size])
        except ValueError as error:
            return self.wrong(str(error))
        value.type = WIRE_INTEGER
        value.is_fraction = False
        value.is_time = True
        return 0

    cdef int value(self, int field, WireValue *value) except -1:
        cdef uint8_t first
        if self.reader.pos >= self.reader.end:
            return self.wrong(PROBLEMS[1])
        first = self.reader.pos[0]
        if first == NULL_ITEM:
            self.reader.pos += 1
            value.type = WIRE_NULL
            return 0
        if field == FIELD_V:
            if first == TEXT_TIME_ITEM:
                return self.text_time(value)
            return self.check(item_number(&self.reader, value))
        if field == FIELD_VS:
            return self.string(CBOR_TEXT, WIRE_TEXT, value)
        if field == FIELD_VD:
            return self.string(CBOR_BYTES, WIRE_DATA, value)
        if field != FIELD_VB:
            return self.string(CBOR_TEXT, WIRE_LINK, value)
        if first != TRUE_ITEM and first != FALSE_ITEM:
            return self.wrong("neither true nor false")
        value.type = WIRE_BOOLEAN
        value.number.i = first == TRUE_ITEM
        self.reader.pos += 1
        return 0

    cdef int version(self, Entry *entry) except -1:
        cdef WireValue value
        self.check(item_number(&self.reader, &value))
        if value.type != WIRE_INTEGER:
            return self.wrong("a version that is not a whole number")
        entry.version = value.number.i
        return 0

    cdef int field(self, Entry *entry) except -1:
        cdef const uint8_t *start = self.reader.pos
        cdef int field = self.label()
        if field == FIELD_MUST:
            self.reader.pos = start
            return self.wrong("a field that has to be understood, and is not")
        if entry.seen & field or (field & FIELDS_VALUE and entry.seen & FIELDS_VALUE):
            self.reader.pos = start
            return self.wrong("a field where there is one already")
        entry.seen |= field
        if field & FIELDS_VALUE:
            return self.value(field, &entry.value)
        if field == FIELD_N:
            return self.name(&entry.name, &entry.name_size)
        if field == FIELD_BN:
            return self.name(&entry.base_name, &entry.base_name_size)
        if field == FIELD_T:
            return self.check(item_seconds(&self.reader, &entry.time_ns))
        if field == FIELD_BT:
            return self.check(item_seconds(&self.reader, &entry.base_time_ns))
        if field == FIELD_BV:
            return self.check(item_number(&self.reader, &entry.base_value))
        if field == FIELD_BVER:
            return self.version(entry)
        return self.check(item_skip(&self.reader, SKIP_DEPTH - 2))

    cdef int record(self) except -1:
        cdef Entry entry
        cdef Head head
        cdef uint64_t left
        memset(&entry, 0, sizeof(entry))
        entry.start = self.reader.pos
        self.check(read_head(&self.reader, &head))
        if head.major != CBOR_MAP:
            self.reader.pos = entry.start
            return self.wrong("a record that is not a map")
        left = head.argument
        while not self.ends(head.info == CBOR_INDEFINITE, &left):
            self.field(&entry)
        return self.take(&entry)

    cdef int all(self) except -1:
        cdef Head head
        cdef uint64_t left
        self.check(read_head(&self.reader, &head))
        if head.major != CBOR_ARRAY:
            self.reader.pos = self.pack.data
            return self.wrong("not an array of records")
        left = head.argument
        while not self.ends(head.info == CBOR_INDEFINITE, &left):
            self.record()
        if self.reader.pos < self.reader.end:
            return self.wrong("something behind the end")
        return 0

    cdef Pack read(self):
        self.kept = None
        reader_init(&self.reader, self.pack.data, <size_t>PyBytes_GET_SIZE(self.pack.payload))
        self.all()
        return self.finish()


cdef bytes join_chunks(const uint8_t *chunks, size_t size):
    cdef Reader r
    cdef Head head
    joined = bytearray()
    reader_init(&r, chunks, size)
    while r.pos < r.end and not read_head(&r, &head):
        joined += (<const char *>r.pos)[:head.argument]
        r.pos += head.argument
    return bytes(joined)


cdef Pack decode_as(int number, bytes payload, base, types, now_ns, root):
    cdef Decoder decoder = Decoder.__new__(Decoder)
    cdef size_t size = <size_t>PyBytes_GET_SIZE(payload)
    decoder.start(NAME, number, payload, base, types, now_ns, root, size // 12)
    return decoder.read()


def walker():
    """A Resolver for payloads of this format, one after the other (Resolver.again)."""
    cdef Decoder decoder = Decoder.__new__(Decoder)
    decoder.start(NAME, NUMBER, b"", "/", None, None, "/", WALKED)
    return decoder


def decode(bytes payload not None, base="/", types=None, *, now_ns=None, root="/"):
    """Values at or below `base`; a Pack in the payload's order."""
    return decode_as(NUMBER, payload, base, types, now_ns, root)


def decode_etch(bytes payload not None, base="/", types=None, *, now_ns=None, root="/"):
    """A FETCH list (paths: Kind.NONE) or a patch, where null (Kind.NULL) removes a value."""
    return decode_as(ETCH_NUMBER, payload, base, types, now_ns, root)


cdef inline void write_int(Writer *w, int64_t value) noexcept:
    if value < 0:
        write_head(w, CBOR_NEGATIVE, ~<uint64_t>value)
    else:
        write_head(w, CBOR_UNSIGNED, <uint64_t>value)


cdef void write_time(Writer *w, int64_t ns) noexcept:
    """Seconds as a whole number, as a double where that says it exactly, else as a decimal."""
    cdef int64_t back
    cdef double seconds
    if ns % 1_000_000_000 == 0:
        write_int(w, ns // 1_000_000_000)
        return
    seconds = <double>ns / 1e9
    if double_to_ns(seconds, &back) == 0 and back == ns:
        write_double_item(w, seconds)
        return
    write_u8(w, DECIMAL_ITEM)
    write_head(w, CBOR_ARRAY, 2)
    write_int(w, -9)
    write_int(w, ns)


cdef void write_link(Writer *w, uint64_t link) noexcept:
    cdef uint8_t[16] text
    cdef size_t size = write_u64(link >> 16, text)
    text[size] = c":"
    size += 1
    size += write_u64(link & 0xFFFF, text + size)
    write_head(w, CBOR_TEXT, 3)
    write_bytes(w, b"vlo", 3)
    write_head(w, CBOR_TEXT, size)
    write_bytes(w, text, size)


cdef void write_value(Writer *w, const Item *item) noexcept:
    cdef const Record *record = item.record
    cdef int kind = record.kind
    if kind == KIND_OBJLNK:
        write_link(w, record.number.u)
    elif kind == KIND_STRING or kind == KIND_CORELNK:
        write_int(w, LABEL_VS)
        write_head(w, CBOR_TEXT, item.size)
        write_bytes(w, item.content, item.size)
    elif kind == KIND_OPAQUE:
        write_int(w, LABEL_VD)
        write_head(w, CBOR_BYTES, item.size)
        write_bytes(w, item.content, item.size)
    elif kind == KIND_BOOLEAN:
        write_int(w, LABEL_VB)
        write_u8(w, TRUE_ITEM if record.number.i else FALSE_ITEM)
    else:
        write_int(w, LABEL_V)
        if kind == KIND_FLOAT:
            write_double_item(w, record.number.f)
        elif kind == KIND_UNSIGNED:
            write_head(w, CBOR_UNSIGNED, record.number.u)
        elif kind == KIND_NULL:
            write_u8(w, NULL_ITEM)
        else:
            write_int(w, record.number.i)


cdef void write_record(Writer *w, Layout layout, size_t index) noexcept:
    cdef const Item *item = &layout.items[index]
    cdef const Record *record = item.record
    cdef uint8_t[NAME_ROOM] name
    cdef size_t name_size = layout.name(record, name) if layout.is_named else 0
    cdef bint has_bn = not index and layout.base_name_size
    cdef bint has_bt = not index and layout.has_base_time
    cdef int64_t time_ns = record.time_ns - layout.base_time_ns
    cdef bint has_t = record.has_time and (time_ns or not layout.has_base_time)
    write_head(w, CBOR_MAP, has_bn + has_bt + layout.is_named + has_t + (record.kind != KIND_NONE))
    if has_bn:
        write_int(w, LABEL_BN)
        write_head(w, CBOR_TEXT, layout.base_name_size)
        write_bytes(w, layout.base_name, layout.base_name_size)
    if has_bt:
        write_int(w, LABEL_BT)
        write_time(w, layout.base_time_ns)
    if layout.is_named:
        write_int(w, LABEL_N)
        write_head(w, CBOR_TEXT, name_size)
        write_bytes(w, name, name_size)
    if has_t:
        write_int(w, LABEL_T)
        write_time(w, time_ns)
    if record.kind != KIND_NONE:
        write_value(w, item)


cdef bytes write_all(Layout layout, uint8_t *room, size_t size):
    cdef Writer w
    cdef size_t i
    writer_init(&w, room, size)
    write_head(&w, CBOR_ARRAY, layout.count)
    for i in range(layout.count):
        write_record(&w, layout, i)
    if w.overflow or writer_size(&w) > PACK_MAX_BYTES:
        raise PayloadError(NAME, "/", 0, f"longer than {PACK_MAX_BYTES} bytes")
    return PyBytes_FromStringAndSize(<const char *>room, writer_size(&w))


cdef bytes encode_as(int number, nodes, base, root):
    cdef Layout layout = Layout.__new__(Layout)
    cdef uint8_t[SCRATCH] scratch
    cdef uint8_t *room
    cdef size_t size
    layout.plan(NAME, nodes, base, root, number == ETCH_NUMBER)
    size = NAME_SIZE if layout.base_name_size else NAME_ROOM
    size = NAME_ROOM + RECORD_ROOM + layout.content_bytes + layout.count * (size + RECORD_ROOM)
    if layout.content_bytes > PACK_MAX_BYTES:
        raise PayloadError(NAME, "/", 0, f"longer than {PACK_MAX_BYTES} bytes")
    if size <= SCRATCH:
        return write_all(layout, scratch, size)
    room = <uint8_t *>malloc(size)
    if room == NULL:
        raise MemoryError()
    try:
        return write_all(layout, room, size)
    finally:
        free(room)


def encode(nodes, base="/", *, root="/"):
    """The values, in the given order, as CBOR."""
    return encode_as(NUMBER, nodes, base, root)


def encode_etch(nodes, base="/", *, root="/"):
    """A FETCH list (nodes of Kind.NONE) or a patch (values, and Kind.NULL to remove one)."""
    return encode_as(ETCH_NUMBER, nodes, base, root)
