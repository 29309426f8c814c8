# Characters: is this UTF-8, is this base64, and the bytes that base64 stands for.

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy


cdef inline size_t ascii_run(const uint8_t *text, size_t size) noexcept nogil:
    """How many leading bytes are below 0x80; checked eight at a time."""
    cdef size_t i = 0
    cdef uint64_t word
    while size - i >= 8:
        memcpy(&word, text + i, 8)
        if word & 0x8080808080808080ULL:
            break
        i += 8
    while i < size and text[i] < 0x80:
        i += 1
    return i


# -1 when all of it is UTF-8, else the offset of the first byte that is not.
cdef Py_ssize_t utf8_problem(const uint8_t *text, size_t size) noexcept nogil

# Base64 in either alphabet (RFC 4648, sections 4 and 5), padded or not. -1 when it is well formed,
# else the offset of the first character that is not; *decoded is the number of bytes it stands for.
cdef Py_ssize_t base64_problem(const uint8_t *text, size_t size, size_t *decoded) noexcept nogil

# Decode what base64_problem() has found well formed; `out` has room for the decoded size.
cdef void base64_decode(const uint8_t *text, size_t size, uint8_t *out) noexcept nogil

# Encode with the URL alphabet and without padding; returns the characters written (4 for every 3
# bytes, 2 or 3 for a rest).
cdef size_t base64url_encode(const uint8_t *data, size_t size, uint8_t *out) noexcept nogil
