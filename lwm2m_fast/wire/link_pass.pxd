# The one pass over a registration payload: bytes in, where each link and its words lie out.
#
# Knows the grammar of RFC 6690 and nothing of what a path or an attribute's value means; that is
# link.pyx, the only user of these inline functions. A refusal leaves reason and place in Parse.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

from lwm2m_fast.wire.link cimport (
    LINK_EMPTY, LINK_MANY, LINK_MANY_ATTRIBUTES, LINK_NAME, LINK_PERCENT, LINK_QUOTE,
    LINK_SEPARATOR, LINK_TARGET, LINK_VALUE, LINKS_MOST, LINKS_MOST_ATTRIBUTES,
)

cdef enum:
    SLASH_ENCODED = 0x100               # path_byte(): "%2F", which does not separate
    PATH_END = -1


cdef struct Span:
    const uint8_t *at                   # NULL: not given
    const uint8_t *end


cdef struct Found:                      # a link as the pass found it
    uint32_t at                         # of its target
    uint16_t size
    uint16_t version_size
    uint32_t version_at                 # of the value of `ver`; 0: not given


cdef struct Parse:
    const uint8_t *data
    const uint8_t *pos
    const uint8_t *end
    int reason
    int count
    bint is_root                        # the present link has rt="oma.lwm2m"
    Span version                        # of the present link: `ver` and `ct`
    Span formats
    Span root                           # target of the last link with rt="oma.lwm2m"
    Span root_formats                   # `ct` of such a link
    Span slash_formats                  # `ct` of </>
    Found links[2048]
    uint64_t keys[2048]                 # object 16 · instance 16 · order 16 · version 16
    uint8_t root_path[256]
    int root_size


cdef inline int refuse(Parse *p, int reason, const uint8_t *at) noexcept nogil:
    p.reason = reason
    p.pos = at
    return -1


# --- characters ---

cdef inline bint is_blank(int c) noexcept nogil:
    return c == 32 or c == 9 or c == 13 or c == 10


cdef inline bint is_digit(int c) noexcept nogil:
    return 48 <= c <= 57


cdef inline bint is_name(int c) noexcept nogil:
    # parmname of RFC 5987: letters, digits and !#$&+-.^_`|~, and "*" at the end.
    return (48 <= c <= 57 or 97 <= (c | 32) <= 122 or c in (33, 35, 36, 38, 43, 45, 46, 94, 95, 96,
                                                           124, 126, 42))


cdef inline bint is_plain(int c) noexcept nogil:
    # ptokenchar of RFC 6690: printable, without blank, quote, comma, semicolon and backslash.
    return 33 <= c <= 126 and c != 34 and c != 44 and c != 59 and c != 92


cdef inline int hex_value(int c) noexcept nogil:
    if is_digit(c):
        return c - 48
    c |= 32
    return c - 87 if 97 <= c <= 102 else -1


cdef inline void skip_blanks(Parse *p) noexcept nogil:
    while p.pos < p.end and is_blank(p.pos[0]):
        p.pos += 1


cdef inline int path_byte(Span *path) noexcept nogil:
    """The next byte of a checked target, percent-decoded; PATH_END behind the last one."""
    cdef int c
    if path.at >= path.end:
        return PATH_END
    c = path.at[0]
    path.at += 1
    if c != 37:
        return c
    c = hex_value(path.at[0]) << 4 | hex_value(path.at[1])
    path.at += 2
    return SLASH_ENCODED if c == 47 else c


# --- the pass ---

cdef inline int parse_target(Parse *p, Span *target) noexcept nogil:
    cdef int c
    if p.pos >= p.end or p.pos[0] != 60:
        return refuse(p, LINK_TARGET, p.pos)
    p.pos += 1
    target.at = p.pos
    while p.pos < p.end:
        c = p.pos[0]
        if c == 62:
            target.end = p.pos
            p.pos += 1
            return 0
        if c == 37 and (p.end - p.pos < 3 or hex_value(p.pos[1]) < 0 or hex_value(p.pos[2]) < 0):
            return refuse(p, LINK_PERCENT, p.pos)
        if c <= 32 or c >= 127 or c == 34 or c == 60 or c == 92:
            return refuse(p, LINK_TARGET, p.pos)
        p.pos += 1
    return refuse(p, LINK_TARGET, p.pos)


cdef inline int parse_quoted(Parse *p, Span *value) noexcept nogil:
    cdef const uint8_t *start = p.pos
    p.pos += 1
    value.at = p.pos
    while p.pos < p.end:
        if p.pos[0] == 34:
            value.end = p.pos
            p.pos += 1
            return 0
        if p.pos[0] == 92:
            p.pos += 1
            if p.pos == p.end:
                break
        if (p.pos[0] < 32 and not is_blank(p.pos[0])) or p.pos[0] == 127:
            return refuse(p, LINK_VALUE, p.pos)
        p.pos += 1
    return refuse(p, LINK_QUOTE, start)


cdef inline int parse_value(Parse *p, Span *value) noexcept nogil:
    if p.pos < p.end and p.pos[0] == 34:
        return parse_quoted(p, value)
    value.at = p.pos
    while p.pos < p.end and is_plain(p.pos[0]):
        p.pos += 1
    value.end = p.pos
    return 0 if value.end > value.at else refuse(p, LINK_VALUE, p.pos)


cdef inline bint is_word(const Span *text, const char *word, size_t size) noexcept nogil:
    return <size_t>(text.end - text.at) == size and memcmp(text.at, word, size) == 0


cdef inline bint has_word(const Span *text, const char *word, size_t size) noexcept nogil:
    """Whether a list of words separated by blanks contains `word`."""
    cdef Span part
    part.end = text.at
    while part.end < text.end:
        part.at = part.end
        while part.end < text.end and not is_blank(part.end[0]):
            part.end += 1
        if is_word(&part, word, size):
            return True
        while part.end < text.end and is_blank(part.end[0]):
            part.end += 1
    return False


cdef inline void keep_attribute(Parse *p, const Span *name, const Span *value) noexcept nogil:
    if is_word(name, "ver", 3):
        p.version = value[0]
    elif is_word(name, "ct", 2):
        p.formats = value[0]
    elif is_word(name, "rt", 2) and has_word(value, "oma.lwm2m", 9):
        p.is_root = True


cdef inline int parse_attribute(Parse *p) noexcept nogil:
    cdef Span name, value
    name.at = p.pos
    while p.pos < p.end and is_name(p.pos[0]):
        p.pos += 1
    name.end = p.pos
    if name.end == name.at:
        return refuse(p, LINK_NAME, p.pos)
    skip_blanks(p)
    value.at = value.end = p.pos
    if p.pos < p.end and p.pos[0] == 61:
        p.pos += 1
        skip_blanks(p)
        if parse_value(p, &value) < 0:
            return -1
        skip_blanks(p)
    keep_attribute(p, &name, &value)
    return 0


cdef inline int parse_link(Parse *p) noexcept nogil:
    cdef Span target
    cdef Found *link = &p.links[p.count]
    cdef int attributes = 0
    if p.count == LINKS_MOST:
        return refuse(p, LINK_MANY, p.pos)
    p.is_root = False
    p.version.at = p.formats.at = NULL
    if parse_target(p, &target) < 0:
        return -1
    skip_blanks(p)
    while p.pos < p.end and p.pos[0] == 59:
        if attributes == LINKS_MOST_ATTRIBUTES:
            return refuse(p, LINK_MANY_ATTRIBUTES, p.pos)
        attributes += 1
        p.pos += 1
        skip_blanks(p)
        if parse_attribute(p) < 0:
            return -1
    # Nothing longer than 16 bits can tell is an object's path or a version.
    link.at = <uint32_t>(target.at - p.data)
    link.size = <uint16_t>min(target.end - target.at, 65535)
    link.version_at = 0
    if p.version.at != NULL:
        link.version_at = <uint32_t>(p.version.at - p.data)
        link.version_size = <uint16_t>min(p.version.end - p.version.at, 65535)
    p.count += 1
    keep_root(p, &target)
    return 0


cdef inline void keep_root(Parse *p, const Span *target) noexcept nogil:
    if p.is_root:
        p.root = target[0]
        if p.formats.at != NULL:
            p.root_formats = p.formats
    elif is_word(target, "/", 1) and p.formats.at != NULL:
        p.slash_formats = p.formats


cdef inline int parse_all(Parse *p) noexcept nogil:
    skip_blanks(p)
    if p.pos == p.end:
        return refuse(p, LINK_EMPTY, p.pos)
    while True:
        if parse_link(p) < 0:
            return -1
        if p.pos == p.end:
            return 0
        if p.pos[0] != 44:
            return refuse(p, LINK_SEPARATOR, p.pos)
        p.pos += 1
        skip_blanks(p)
        if p.pos == p.end:              # one comma at the end: seen in the field
            return 0
