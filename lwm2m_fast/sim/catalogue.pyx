# What every simulated device answers to a read, prepared once for the whole fleet.
#
# Paths and bytes only: which message asked, and how the answer travels, is sim/serving.pyx. The
# formats are sim/answers.py's business: here an answer is bytes with places for values.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from lwm2m_fast.cursor cimport Writer, write_bytes, write_u8, write_uint, writer_init, writer_size
from lwm2m_fast.sim.device cimport mixed

# How many digits of the whole number stand behind the decimal point.
cdef int[SOURCES] DECIMALS = [0, 0, 0, 0, 0, 2, 2, 2, 4, 4]
cdef int64_t[5] POWERS = [1, 10, 100, 1000, 10000]

cdef enum:
    SWING = 300                   # a temperature stays within 3.00 Cel of its mean


cdef inline int64_t wave(uint64_t seed, uint32_t second, int64_t height) noexcept nogil:
    """A triangle between -height and height; period 8 to 24 minutes, both by `seed`."""
    cdef int64_t half = 240 + <int64_t>(seed & 511)
    cdef int64_t at = (<int64_t>second + <int64_t>(seed >> 20 & 0xFFFF)) % (2 * half)
    if at > half:
        at = 2 * half - at
    return 2 * height * at // half - height


cdef void write_decimal(Writer *w, int64_t value, int decimals, int digits) noexcept nogil:
    """As text, with `decimals` behind the point and at least `digits` before it."""
    cdef uint8_t text[24]
    cdef int count = 0
    cdef uint64_t left = <uint64_t>(-value if value < 0 else value)
    if value < 0:
        write_u8(w, b"-")
    while left or count <= decimals or count < decimals + digits:
        text[count] = <uint8_t>(48 + left % 10)     # "0" is 48
        left //= 10
        count += 1
    while count:
        count -= 1
        write_u8(w, text[count])
        if count == decimals and decimals:
            write_u8(w, b".")


cdef void write_float(Writer *w, double value, int width) noexcept nogil:
    cdef uint64_t bits = 0
    cdef uint32_t narrow_bits
    cdef float narrow = <float>value
    if width == 4:
        memcpy(&narrow_bits, &narrow, 4)
        bits = narrow_bits
    else:
        memcpy(&bits, &value, 8)
    write_uint(w, bits, width)


cdef void write_cbor_integer(Writer *w, int64_t value, int width) noexcept nogil:
    """As wide as its place, whether or not a shorter form would do."""
    cdef int information = 24 if width == 2 else 25 if width == 3 else 26 if width == 5 else 27
    write_u8(w, <uint8_t>((0x20 if value < 0 else 0) | information))
    write_uint(w, <uint64_t>(-1 - value if value < 0 else value), width - 1)


cdef tuple padded(path):
    return tuple(path) + (NO_ID,) * (4 - len(path))


cdef class Catalogue:
    """The answers of one fleet.

    `entries` are (path, readable, many, answers): path a tuple of one to four ids, each answer
    (content format, parts), each part bytes or (source, channel, encoding, width) or that and a number of seconds ago. The first
    answer of an entry is the one given without Accept. `started_at_s` is Unix time.
    """

    def __cinit__(self, entries, int64_t started_at_s=0):
        entries = sorted(entries, key=lambda entry: padded(entry[0]))
        answers = [answer for entry in entries for answer in entry[3]]
        parts = [part for answer in answers for part in answer[1]]
        literals = b"".join(part for part in parts if isinstance(part, bytes))
        self.size = len(entries)
        self.started_at_s = started_at_s
        self.entries = <Entry *>malloc((len(entries) or 1) * sizeof(Entry))
        self.answers = <Answer *>malloc((len(answers) or 1) * sizeof(Answer))
        self.parts = <Part *>malloc((len(parts) or 1) * sizeof(Part))
        self.literals = <uint8_t *>malloc(len(literals) or 1)
        if not (self.entries and self.answers and self.parts and self.literals):
            raise MemoryError("the simulated objects do not fit into memory")
        memcpy(self.literals, <const char *>literals, len(literals))
        self.take_entries(entries)
        self.take_answers(answers)
        self.take_parts(parts)

    def __dealloc__(self):
        free(self.entries)
        free(self.answers)
        free(self.parts)
        free(self.literals)

    cdef take_entries(self, list entries):
        cdef uint16_t ids[4]
        cdef Entry *entry = self.entries
        first = 0
        for path, readable, many, answers in entries:
            for level, value in enumerate(padded(path)):
                ids[level] = value
            entry[0] = Entry(path_key(ids), first, len(answers), readable, many)
            first += len(answers)
            entry += 1

    cdef take_answers(self, list answers):
        cdef Answer *answer = self.answers
        first = 0
        for content_format, parts in answers:
            if sum(len(part) if isinstance(part, bytes) else 32 for part in parts) > MAX_ANSWER_BYTES:
                raise ValueError(f"a simulated answer is longer than {MAX_ANSWER_BYTES} bytes")
            answer[0] = Answer(content_format, len(parts), first)
            first += len(parts)
            answer += 1

    cdef take_parts(self, list parts):
        cdef Part *part = self.parts
        offset = 0
        for given in parts:
            if isinstance(given, bytes):
                part[0] = Part(SOURCE_LITERAL, 0, 0, 0, offset, len(given))
                offset += len(given)
            else:
                source, channel, encoding, width, *ago = given
                if not SOURCE_LITERAL < source < SOURCES:
                    raise ValueError(f"no value comes from source {source}")
                part[0] = Part(source, channel, encoding, width, ago[0] if ago else 0, 0)
            part += 1

    cdef const Entry *find(self, uint64_t key) noexcept nogil:
        cdef uint32_t low = 0, high = self.size, middle
        while low < high:
            middle = (low + high) // 2
            if self.entries[middle].key < key:
                low = middle + 1
            else:
                high = middle
        if low < self.size and self.entries[low].key == key:
            return &self.entries[low]
        return NULL

    cdef const Answer *choose(self, const Entry *entry, int accept) noexcept nogil:
        cdef const Answer *answer = self.answers + entry.first_answer
        cdef int i
        for i in range(entry.answers):
            if accept == NO_ACCEPT or answer[i].content_format == accept:
                return answer + i
        return NULL

    cdef int64_t value_of(self, int source, int channel, const Asked *asked) noexcept nogil:
        """The value, in units of its last decimal."""
        cdef uint64_t seed = mixed(<uint64_t>asked.number << 16 | <uint64_t>channel << 8)
        cdef int64_t mean = 500 + <int64_t>(seed >> 40) % 2500
        if source == SOURCE_TEMPERATURE:
            return mean + wave(seed, asked.second, SWING)
        if source == SOURCE_COLDEST:
            return mean - SWING
        if source == SOURCE_WARMEST:
            return mean + SWING
        if source == SOURCE_UNIX_TIME:
            return self.started_at_s + asked.second
        if source == SOURCE_NUMBER:
            return asked.number
        if source == SOURCE_SIGNAL:
            return -60 - <int64_t>(seed >> 40) % 40 + wave(seed, asked.second, 5)
        if source == SOURCE_BATTERY:
            return 60 + <int64_t>(seed >> 40) % 30 + wave(seed, asked.second, 10)
        if source == SOURCE_LATITUDE:
            return 473000 + <int64_t>(seed >> 40) % 70000
        return 60000 + <int64_t>(seed >> 30) % 90000

    cdef void render_part(self, const Part *part, const Asked *asked, Writer *w) noexcept nogil:
        cdef int64_t value
        cdef Asked then
        if part.source == SOURCE_LITERAL:
            write_bytes(w, self.literals + part.offset, part.size)
            return
        then = Asked(asked.number, asked.second - part.offset if asked.second > part.offset else 0)
        value = self.value_of(part.source, part.channel, &then)
        if part.encoding == ENCODING_TEXT:
            write_decimal(w, value, DECIMALS[part.source],
                          part.width if part.source == SOURCE_NUMBER else 1)
        elif part.encoding == ENCODING_INTEGER:
            write_uint(w, <uint64_t>value, part.width)
        elif part.encoding == ENCODING_CBOR:
            write_cbor_integer(w, value, part.width)
        else:
            write_float(w, <double>value / <double>POWERS[DECIMALS[part.source]], part.width)

    cdef void render(self, const Answer *answer, const Asked *asked, Writer *w) noexcept nogil:
        cdef uint32_t i
        for i in range(answer.parts):
            self.render_part(&self.parts[answer.first_part + i], asked, w)

    # The Python edge: for devices that are not like all others, and for tests.

    def value(self, int source, int channel, uint32_t number, uint32_t second):
        """One varying value of one device: an int, or a float where it has decimals."""
        cdef Asked asked = Asked(number, second)
        if not SOURCE_LITERAL < source < SOURCES:
            raise ValueError(f"no value comes from source {source}")
        whole = self.value_of(source, channel, &asked)
        return whole / <double>POWERS[DECIMALS[source]] if DECIMALS[source] else whole

    def read(self, path, int number=1, int second=0, int accept=NO_ACCEPT):
        """(content format, payload) of one device; None when there is no such answer."""
        cdef uint16_t ids[4]
        cdef uint8_t body[MAX_ANSWER_BYTES]
        cdef Asked asked = Asked(number, second)
        cdef const Entry *entry
        cdef const Answer *answer
        cdef Writer w
        for level, value in enumerate(padded(path)):
            ids[level] = value
        entry = self.find(path_key(ids))
        if entry == NULL:
            return None
        answer = self.choose(entry, accept)
        if answer == NULL:
            return None
        writer_init(&w, body, MAX_ANSWER_BYTES)
        self.render(answer, &asked, &w)
        return answer.content_format, (<const char *>body)[:writer_size(&w)]
