# UTF-8 checking (RFC 3629) and base64 (RFC 4648) over borrowed bytes.
#
# Knows no format: whether padding is wanted or a string may be empty is the codec's to say.

cdef const char *ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
cdef uint8_t[256] SEXTET


cdef void fill_sextets() noexcept:
    cdef int i
    for i in range(256):
        SEXTET[i] = 0xFF
    for i in range(64):
        SEXTET[<uint8_t>ALPHABET[i]] = <uint8_t>i
    SEXTET[c"+"] = 62
    SEXTET[c"/"] = 63


fill_sextets()


cdef inline size_t sequence_size(const uint8_t *text, size_t left) noexcept nogil:
    """The size of the UTF-8 sequence that starts here with 0x80 or more; 0 when wrong."""
    cdef uint8_t first = text[0]
    cdef uint8_t low = 0x80
    cdef uint8_t high = 0xBF
    cdef size_t size, i
    if 0xC2 <= first <= 0xDF:
        size = 2
    elif 0xE0 <= first <= 0xEF:
        size = 3
        if first == 0xE0:
            low = 0xA0                  # no overlong form
        elif first == 0xED:
            high = 0x9F                 # no surrogate
    elif 0xF0 <= first <= 0xF4:
        size = 4
        if first == 0xF0:
            low = 0x90
        elif first == 0xF4:
            high = 0x8F                 # nothing above U+10FFFF
    else:
        return 0
    if left < size or not low <= text[1] <= high:
        return 0
    for i in range(2, size):
        if text[i] & 0xC0 != 0x80:
            return 0
    return size


cdef Py_ssize_t utf8_problem(const uint8_t *text, size_t size) noexcept nogil:
    cdef size_t i = ascii_run(text, size)
    cdef size_t step
    while i < size:
        step = sequence_size(text + i, size - i)
        if not step:
            return <Py_ssize_t>i
        i += step
        i += ascii_run(text + i, size - i)
    return -1


cdef Py_ssize_t base64_problem(const uint8_t *text, size_t size, size_t *decoded) noexcept nogil:
    cdef size_t length = size
    cdef size_t i, rest
    cdef uint8_t last
    if size % 4 == 0:                   # padding only ever fills a group of four
        while length and size - length < 2 and text[length - 1] == c"=":
            length -= 1
    for i in range(length):
        if SEXTET[text[i]] == 0xFF:
            return <Py_ssize_t>i
    rest = length % 4
    decoded[0] = length // 4 * 3 + (rest * 3) // 4
    if rest == 1:
        return <Py_ssize_t>length - 1
    if rest:                            # the bits behind the last byte are zero (section 3.5)
        last = SEXTET[text[length - 1]]
        if last & (0x0F if rest == 2 else 0x03):
            return <Py_ssize_t>length - 1
    return -1


cdef void base64_decode(const uint8_t *text, size_t size, uint8_t *out) noexcept nogil:
    cdef uint64_t bits = 0
    cdef int held = 0
    cdef size_t i
    for i in range(size):
        if text[i] == c"=":
            break
        bits = (bits << 6) | SEXTET[text[i]]
        held += 6
        if held >= 8:
            held -= 8
            out[0] = <uint8_t>(bits >> held)
            out += 1


cdef size_t base64url_encode(const uint8_t *data, size_t size, uint8_t *out) noexcept nogil:
    cdef uint8_t *start = out
    cdef size_t i = 0
    cdef unsigned int group
    while size - i >= 3:
        group = <unsigned int>data[i] << 16 | <unsigned int>data[i + 1] << 8 | data[i + 2]
        out[0] = ALPHABET[group >> 18]
        out[1] = ALPHABET[group >> 12 & 63]
        out[2] = ALPHABET[group >> 6 & 63]
        out[3] = ALPHABET[group & 63]
        out += 4
        i += 3
    if size - i == 1:
        out[0] = ALPHABET[data[i] >> 2]
        out[1] = ALPHABET[(data[i] & 3) << 4]
        out += 2
    elif size - i == 2:
        group = <unsigned int>data[i] << 8 | data[i + 1]
        out[0] = ALPHABET[group >> 10]
        out[1] = ALPHABET[group >> 4 & 63]
        out[2] = ALPHABET[(group & 15) << 2]
        out += 3
    return <size_t>(out - start)
