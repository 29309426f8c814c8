# JSON tokens (RFC 8259) over borrowed bytes: strings, white space, and what is to be skipped.

from libc.stdint cimport uint8_t

from lwm2m_fast.cursor cimport Reader


cdef enum JsonProblem:
    JSON_FINE = 0
    JSON_SHORT                      # the text ends inside
    JSON_CONTROL                    # an unescaped control character
    JSON_ESCAPE                     # an escape that there is not, or half a surrogate pair
    JSON_UTF8
    JSON_NUMBER
    JSON_DEPTH
    JSON_SYNTAX


cdef struct Text:
    const uint8_t *start            # between the quotes
    size_t size
    bint escaped


cdef inline void skip_space(Reader *r) noexcept nogil:
    while r.pos < r.end and (r.pos[0] == c" " or r.pos[0] == c"\n" or r.pos[0] == c"\r"
                             or r.pos[0] == c"\t"):
        r.pos += 1


# Read a string whose opening quote is at the reader; on a problem the reader is left at it.
cdef int json_string(Reader *r, Text *text) noexcept nogil

# Pass over any value, nested at most `depth` deep.
cdef int json_skip(Reader *r, int depth) noexcept nogil

# Resolve the escapes of a checked string; `out` has room for `size` bytes. Returns the size.
cdef size_t json_unescape(const uint8_t *text, size_t size, uint8_t *out) noexcept nogil

# Write UTF-8 text with the escapes that a JSON string needs, and how long that will be.
cdef size_t json_escape(const uint8_t *text, size_t size, uint8_t *out) noexcept nogil
cdef size_t json_escaped_size(const uint8_t *text, size_t size) noexcept nogil
