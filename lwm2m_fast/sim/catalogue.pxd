# What every simulated device answers to a read, prepared once for the whole fleet: the contract.
#
# An answer is a row of parts: literal bytes, and places for the few values that differ from device
# to device or move with time. A value is a pure function of the device's number and a second, so
# the answer of second s can be made again, byte for byte, without having been kept.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.cursor cimport Writer

cdef enum:
    MAX_ANSWER_BYTES = 131072
    NO_ID = 0xFFFF                # no id at this level; reserved by LwM2M
    NO_ACCEPT = -1

# Where a value comes from; sim/objects.py has the same numbers, a test holds the two together.
cdef enum Source:
    SOURCE_LITERAL = 0
    SOURCE_NUMBER                 # the device's number, as in its endpoint name
    SOURCE_UNIX_TIME              # s
    SOURCE_SIGNAL                 # dBm
    SOURCE_BATTERY                # %
    SOURCE_TEMPERATURE            # 0.01 Cel; one per channel
    SOURCE_COLDEST
    SOURCE_WARMEST
    SOURCE_LATITUDE               # 0.0001 degrees
    SOURCE_LONGITUDE
    SOURCES

# How a value is written; the widths are bytes.
cdef enum Encoding:
    ENCODING_TEXT = 0             # decimal
    ENCODING_INTEGER              # two's complement, big-endian
    ENCODING_FLOAT                # IEEE 754, big-endian, 4 or 8 bytes
    ENCODING_CBOR                 # an integer with its head (RFC 8949, section 3.1), 2, 3, 5 or 9 bytes

cdef struct Part:
    uint8_t source
    uint8_t channel
    uint8_t encoding
    uint8_t width                 # digits of a number, else bytes
    uint32_t offset               # into `literals`; of a varying value: how many seconds ago
    uint32_t size

cdef struct Answer:
    uint16_t content_format
    uint16_t parts
    uint32_t first_part

cdef struct Entry:
    uint64_t key
    uint32_t first_answer
    uint16_t answers              # the first one is given when there is no Accept
    bint readable
    bint many                     # a multiple resource: its instances have paths of their own

# The device and the moment a value is asked for.
cdef struct Asked:
    uint32_t number               # as in the endpoint name
    uint32_t second               # since the fleet's start


cdef inline uint64_t path_key(const uint16_t *ids) noexcept nogil:
    """Four ids, NO_ID where the path is shorter."""
    return (<uint64_t>ids[0] << 48 | <uint64_t>ids[1] << 32 | <uint64_t>ids[2] << 16 | ids[3])


cdef void write_decimal(Writer *w, int64_t value, int decimals, int digits) noexcept nogil


cdef class Catalogue:
    cdef Entry *entries           # by key
    cdef Answer *answers
    cdef Part *parts
    cdef uint8_t *literals
    cdef readonly uint32_t size
    cdef readonly int64_t started_at_s    # the wall clock at second 0

    cdef const Entry *find(self, uint64_t key) noexcept nogil
    # NULL: nothing in that format (4.06)
    cdef const Answer *choose(self, const Entry *entry, int accept) noexcept nogil
    cdef void render(self, const Answer *answer, const Asked *asked, Writer *w) noexcept nogil
    cdef int64_t value_of(self, int source, int channel, const Asked *asked) noexcept nogil
    cdef take_entries(self, list entries)
    cdef take_answers(self, list answers)
    cdef take_parts(self, list parts)
    cdef void render_part(self, const Part *part, const Asked *asked, Writer *w) noexcept nogil
