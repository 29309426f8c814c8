# SenML in JSON (content format 110, RFC 8428 section 5) and SenML-ETCH (320, RFC 8790).
#
# One pass over the text; no Python object is made on the way. What the fields mean is senml.pyx's
# to say. Opaque is base64url without padding (section 5); what comes padded, or in the other
# alphabet, is understood.

from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE,
)
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from lwm2m_fast.codec.characters cimport base64_problem, base64url_encode
from lwm2m_fast.codec.decimal cimport (
    Decimal, decimal_to_double, decimal_to_i64, decimal_to_ns, decimal_to_u64,
    read_decimal, write_double, write_i64, write_seconds, write_u64,
)
from lwm2m_fast.codec.json_text cimport (
    Text, json_escape, json_escaped_size, json_skip,
    json_string, json_unescape, skip_space,
)
from lwm2m_fast.codec.node cimport (
    FORM_BASE64, FORM_ESCAPED, FORM_PLAIN, KIND_BOOLEAN, KIND_CORELNK, KIND_FLOAT, KIND_INTEGER,
    KIND_NONE, KIND_NULL, KIND_OBJLNK, KIND_OPAQUE, KIND_STRING, KIND_TIME, KIND_UNSIGNED, Item,
    Record,
)
from lwm2m_fast.codec.pack cimport Pack
from lwm2m_fast.codec.path cimport make_path
from lwm2m_fast.codec.senml cimport (
    FIELD_BN, FIELD_BT, FIELD_BV, FIELD_BVER, FIELD_MUST, FIELD_N, FIELD_T, FIELD_V, FIELD_VB,
    FIELD_VD, FIELD_VLO, FIELD_VS, FIELDS_VALUE, Entry, Layout, NAME_ROOM, Resolver, field_of,
)
from lwm2m_fast.codec.wire_value cimport (
    WIRE_BOOLEAN, WIRE_DATA, WIRE_FLOAT, WIRE_INTEGER, WIRE_LINK, WIRE_NULL, WIRE_TEXT,
    WIRE_UNSIGNED, WireValue,
)
from lwm2m_fast.cursor cimport Reader, reader_init, reader_left

from lwm2m_fast.codec.json_text import PROBLEMS
from lwm2m_fast.codec.kinds import MAX_DEPTH, PayloadError

NAME = "SenML JSON"
NUMBER = 110
ETCH_NUMBER = 320

cdef enum:
    SHORT_TEXT = 512                # bytes of a name or label that has escapes
    RECORD_ROOM = 640               # what a record takes beside its name and content
    SCRATCH = 2048                  # encoded on the stack up to here
    SKIP_DEPTH = 8                  # MAX_DEPTH
    WALKED = 16                     # records that a walker has room for at first

assert MAX_DEPTH == SKIP_DEPTH


cdef class Decoder(Resolver):
    cdef Reader reader
    cdef uint8_t *room              # of texts with escapes: a label, a name, a base name

    cdef int wrong(self, str why) except -1:
        return self.fail(self.reader.pos, why)

    cdef int expect(self, uint8_t character) except -1:
        skip_space(&self.reader)
        if self.reader.pos >= self.reader.end:
            return self.wrong("the text ends early")
        if self.reader.pos[0] != character:
            return self.wrong(f"{chr(character)!r} is missing")
        self.reader.pos += 1
        return 0

    cdef int peek(self) except -1:
        skip_space(&self.reader)
        if self.reader.pos >= self.reader.end:
            return self.wrong("the text ends early")
        return self.reader.pos[0]

    cdef int string(self, Text *text) except -1:
        cdef int problem
        if self.peek() != c'"':
            return self.wrong("a string is missing")
        problem = json_string(&self.reader, text)
        if problem:
            return self.wrong(PROBLEMS[problem])
        return 0

    cdef int short_string(self, const uint8_t **start, size_t *size, uint8_t *room) except -1:
        """A name or label; one with escapes is resolved into `room`."""
        cdef Text text
        self.string(&text)
        start[0] = text.start
        size[0] = text.size
        if text.escaped:
            if text.size > SHORT_TEXT:
                return self.wrong(f"a name of {text.size} bytes: the limit is {SHORT_TEXT}")
            size[0] = json_unescape(text.start, text.size, room)
            start[0] = room
        return 0

    cdef int decimal(self, Decimal *number) except -1:
        skip_space(&self.reader)
        if read_decimal(&self.reader, number) < 0:
            return self.wrong("not a JSON number of at most 128 characters")
        return 0

    cdef int seconds(self, int64_t *ns) except -1:
        cdef Decimal number
        self.decimal(&number)
        if decimal_to_ns(&number, ns) < 0:
            self.reader.pos = number.text
            return self.wrong("a time finer than nanoseconds, or beyond 64 bits of them")
        return 0

    cdef int number(self, WireValue *value) except -1:
        cdef Decimal number
        self.decimal(&number)
        value.is_fraction = False
        if not number.digits and number.negative:
            value.type = WIRE_FLOAT
            value.number.f = -0.0
        elif decimal_to_i64(&number, &value.number.i) == 0:
            value.type = WIRE_INTEGER
            value.is_fraction = is_spelled_as_fraction(&number)
        elif decimal_to_u64(&number, &value.number.u) == 0:
            value.type = WIRE_UNSIGNED
            value.is_fraction = is_spelled_as_fraction(&number)
        elif decimal_to_double(&number, &value.number.f) == 0:
            value.type = WIRE_FLOAT
            value.is_fraction = True
        else:
            self.reader.pos = number.text
            return self.wrong("a number beyond the largest double")
        return 0

    cdef bint word(self, const char *word, size_t size) noexcept:
        cdef size_t i
        if reader_left(&self.reader) < size:
            return False
        for i in range(size):
            if self.reader.pos[i] != <uint8_t>word[i]:
                return False
        self.reader.pos += size
        return True

    cdef int boolean(self, WireValue *value) except -1:
        skip_space(&self.reader)
        value.type = WIRE_BOOLEAN
        if self.word(b"true", 4):
            value.number.i = 1
        elif self.word(b"false", 5):
            value.number.i = 0
        else:
            return self.wrong("neither true nor false")
        return 0

    cdef int text(self, WireValue *value, int type) except -1:
        cdef Text text
        self.string(&text)
        value.type = type
        value.text = text.start
        value.offset = <uint32_t>(text.start - self.pack.data)
        value.size = <uint32_t>text.size
        value.is_plain = not text.escaped
        value.form = FORM_ESCAPED if text.escaped else FORM_PLAIN
        return 0

    cdef int data(self, WireValue *value) except -1:
        cdef size_t decoded = 0
        cdef Py_ssize_t wrong
        self.text(value, WIRE_DATA)
        wrong = base64_problem(value.text, value.size, &decoded)
        if wrong >= 0:
            self.reader.pos = value.text + wrong
            return self.wrong("not base64url")
        value.form = FORM_BASE64
        return 0

    cdef int value(self, int field, WireValue *value) except -1:
        if self.peek() == c"n":
            if not self.word(b"null", 4):
                return self.wrong("not a value")
            value.type = WIRE_NULL
            return 0
        if field == FIELD_V:
            return self.number(value)
        if field == FIELD_VB:
            return self.boolean(value)
        if field == FIELD_VD:
            return self.data(value)
        return self.text(value, WIRE_TEXT if field == FIELD_VS else WIRE_LINK)

    cdef int version(self, Entry *entry) except -1:
        cdef Decimal number
        self.decimal(&number)
        if decimal_to_i64(&number, &entry.version) < 0:
            return self.wrong("a version that is not a whole number")
        return 0

    cdef int field(self, Entry *entry) except -1:
        cdef const uint8_t *label
        cdef size_t size
        cdef int field, problem
        self.short_string(&label, &size, self.room)
        field = field_of(label, size)
        if field == FIELD_MUST:
            return self.wrong(f"the field {label[:size]!r} has to be understood, and is not")
        if entry.seen & field or (field & FIELDS_VALUE and entry.seen & FIELDS_VALUE):
            return self.wrong(f"the field {label[:size]!r} where there is one already")
        entry.seen |= field
        self.expect(c":")
        if field & FIELDS_VALUE:
            return self.value(field, &entry.value)
        if field == FIELD_N:
            return self.short_string(&entry.name, &entry.name_size,
                                     self.room + SHORT_TEXT)
        if field == FIELD_BN:
            return self.short_string(&entry.base_name, &entry.base_name_size,
                                     self.room + 2 * SHORT_TEXT)
        if field == FIELD_T:
            return self.seconds(&entry.time_ns)
        if field == FIELD_BT:
            return self.seconds(&entry.base_time_ns)
        if field == FIELD_BV:
            return self.number(&entry.base_value)
        if field == FIELD_BVER:
            return self.version(entry)
        problem = json_skip(&self.reader, SKIP_DEPTH - 2)
        return self.wrong(PROBLEMS[problem]) if problem else 0

    cdef int record(self) except -1:
        cdef Entry entry
        memset(&entry, 0, sizeof(entry))
        self.expect(c"{")
        entry.start = self.reader.pos - 1
        if self.peek() == c"}":
            self.reader.pos += 1
            return self.take(&entry)
        while True:
            self.field(&entry)
            if self.peek() == c",":
                self.reader.pos += 1
            else:
                self.expect(c"}")
                return self.take(&entry)

    cdef int all(self) except -1:
        self.expect(c"[")
        if self.peek() == c"]":
            self.reader.pos += 1
        else:
            while True:
                self.record()
                if self.peek() == c",":
                    self.reader.pos += 1
                else:
                    self.expect(c"]")
                    break
        skip_space(&self.reader)
        if self.reader.pos < self.reader.end:
            return self.wrong("something behind the end")
        return 0

    cdef Pack read(self):
        cdef uint8_t[3 * SHORT_TEXT] room
        self.room = room
        reader_init(&self.reader, self.pack.data, <size_t>PyBytes_GET_SIZE(self.pack.payload))
        try:
            self.all()
        finally:
            self.room = NULL
        return self.finish()


cdef bint is_spelled_as_fraction(const Decimal *number) noexcept:
    """Was a whole number written as 2.0 or 2e3?"""
    cdef size_t i
    for i in range(number.size):
        if number.text[i] == c"." or number.text[i] | 0x20 == c"e":
            return True
    return False


cdef Pack decode_as(int number, bytes payload, base, types, now_ns, root):
    cdef Decoder decoder = Decoder.__new__(Decoder)
    cdef size_t size = <size_t>PyBytes_GET_SIZE(payload)
    decoder.start(NAME, number, payload, base, types, now_ns, root, size // 24)
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


cdef class Encoder(Layout):
    cdef uint8_t *start
    cdef uint8_t *scratch           # where it starts, before it grows
    cdef size_t size
    cdef size_t room

    def __dealloc__(self):
        if self.start != self.scratch:
            free(self.start)

    cdef int reserve(self, size_t more) except -1:
        cdef uint8_t *grown
        if self.size + more > self.room:
            self.room = 2 * (self.size + more)
            grown = <uint8_t *>realloc(NULL if self.start == self.scratch else self.start,
                                       self.room)
            if grown == NULL:
                raise MemoryError()
            if self.start == self.scratch:
                memcpy(grown, self.scratch, self.size)
            self.start = grown
        return 0

    cdef inline void put(self, const char *text, size_t size) noexcept:
        memcpy(self.start + self.size, text, size)
        self.size += size

    cdef inline void put_char(self, uint8_t character) noexcept:
        self.start[self.size] = character
        self.size += 1

    cdef inline void put_seconds(self, int64_t ns) noexcept:
        self.size += write_seconds(ns, self.start + self.size)

    cdef int put_text(self, const uint8_t *text, size_t size) except -1:
        self.reserve(json_escaped_size(text, size) + RECORD_ROOM)
        self.size += json_escape(text, size, self.start + self.size)
        return 0

    cdef int put_base(self) except -1:
        """The base fields, in front of the first record's own."""
        if self.base_name_size:
            self.put(b'"bn":"', 6)
            self.put_text(self.base_name, self.base_name_size)
            self.put(b'",', 2)
        if self.has_base_time:
            self.put(b'"bt":', 5)
            self.put_seconds(self.base_time_ns)
            self.put_char(c",")
        return 0

    cdef int put_name(self, const Record *record) except -1:
        cdef uint8_t[NAME_ROOM] name
        cdef size_t size = self.name(record, name)
        self.put(b'"n":"', 5)
        if self.base_name_size:
            self.put(<const char *>name, size)
        else:
            self.put_text(name, size)
        self.put(b'",', 2)
        return 0

    cdef int put_time(self, const Record *record) except -1:
        cdef int64_t ns = record.time_ns
        if self.has_base_time:
            ns -= self.base_time_ns
            if not ns:
                return 0
        self.put(b'"t":', 4)
        self.put_seconds(ns)
        self.put_char(c",")
        return 0

    cdef int put_double(self, const Record *record, size_t index) except -1:
        if not isfinite(record.number.f):
            raise PayloadError(NAME, str(make_path(record.ids, record.depth)), index,
                               f"JSON has no {record.number.f}")
        self.size += write_double(record.number.f, self.start + self.size)
        return 0

    cdef int put_content(self, const Item *item) except -1:
        if item.record.kind == KIND_OPAQUE:
            self.put(b'"vd":"', 6)
            self.reserve(item.size // 3 * 4 + 4 + RECORD_ROOM)
            self.size += base64url_encode(item.content, item.size, self.start + self.size)
        else:
            self.put(b'"vs":"', 6)
            self.put_text(item.content, item.size)
        self.put_char(c'"')
        return 0

    cdef int put_value(self, const Item *item, size_t index) except -1:
        cdef const Record *record = item.record
        cdef int kind = record.kind
        if kind == KIND_BOOLEAN:
            if record.number.i:
                self.put(b'"vb":true', 9)
            else:
                self.put(b'"vb":false', 10)
            return 0
        if kind == KIND_STRING or kind == KIND_OPAQUE or kind == KIND_CORELNK:
            return self.put_content(item)
        if kind == KIND_OBJLNK:
            self.put(b'"vlo":"', 7)
            self.size += write_u64(record.number.u >> 16, self.start + self.size)
            self.put_char(c":")
            self.size += write_u64(record.number.u & 0xFFFF, self.start + self.size)
            self.put_char(c'"')
            return 0
        self.put(b'"v":', 4)
        if kind == KIND_FLOAT:
            return self.put_double(record, index)
        if kind == KIND_UNSIGNED:
            self.size += write_u64(record.number.u, self.start + self.size)
        elif kind == KIND_NULL:
            self.put(b"null", 4)
        else:
            self.size += write_i64(record.number.i, self.start + self.size)
        return 0

    cdef int put_record(self, size_t index) except -1:
        cdef const Item *item = &self.items[index]
        self.reserve(RECORD_ROOM)
        self.put_char(c"{")
        if not index:
            self.put_base()
        if self.is_named:
            self.put_name(item.record)
        if item.record.has_time:
            self.put_time(item.record)
        if item.record.kind == KIND_NONE:
            if self.start[self.size - 1] == c",":
                self.size -= 1
        else:
            self.put_value(item, index)
        self.put(b"},", 2)
        return 0

    cdef bytes all(self):
        cdef size_t i
        self.reserve(RECORD_ROOM)
        self.put_char(c"[")
        for i in range(self.count):
            self.put_record(i)
        if self.count:
            self.size -= 1
        self.put_char(c"]")
        return PyBytes_FromStringAndSize(<const char *>self.start, self.size)


cdef bytes encode_as(int number, nodes, base, root):
    cdef Encoder encoder = Encoder.__new__(Encoder)
    cdef uint8_t[SCRATCH] scratch
    encoder.start = encoder.scratch = scratch
    encoder.room = SCRATCH
    encoder.plan(NAME, nodes, base, root, number == ETCH_NUMBER)
    return encoder.all()


def encode(nodes, base="/", *, root="/"):
    """The values, in the given order, as compact JSON."""
    return encode_as(NUMBER, nodes, base, root)


def encode_etch(nodes, base="/", *, root="/"):
    """A FETCH list (nodes of Kind.NONE) or a patch (values, and Kind.NULL to remove one)."""
    return encode_as(ETCH_NUMBER, nodes, base, root)
