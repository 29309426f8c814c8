# Reading, writing and holding LwM2M paths (OMA TS Core, 7.1): text <-> packed ids.
#
# Knows no payload format and no object; an id is only a number in its range.

from lwm2m_fast.errors import FormatError

PROBLEMS = (
    "", "an empty segment", "an id that is not a number", "an id with a leading zero",
    "an id above 65535", "the reserved instance id 65535", "more than four ids",
    "a name outside the root path",
)


cdef void path_start(PathReader *r, const uint8_t *root, size_t root_size) noexcept nogil:
    """Begin at the root; `root` is the alternate root path, none when it is "/"."""
    r.ids = 0
    r.value = 0
    r.digits = 0
    r.depth = 0
    r.rooted = False
    r.prefix = root
    r.prefix_left = root_size


cdef void path_start_under(PathReader *r, uint64_t base, int depth) noexcept nogil:
    path_start(r, NULL, 0)
    r.ids = base
    r.depth = <uint8_t>depth
    r.rooted = True


cdef inline int end_segment(PathReader *r) noexcept nogil:
    if r.depth == PATH_MAX_DEPTH:
        return PATH_TOO_DEEP
    if r.depth == 1 and r.value > PATH_INSTANCE_MAX:
        return PATH_RESERVED_INSTANCE
    r.ids = path_with(r.ids, r.depth, r.value)
    r.depth += 1
    r.value = 0
    r.digits = 0
    return PATH_FINE


cdef int path_feed(PathReader *r, const uint8_t *text, size_t size) noexcept nogil:
    cdef size_t i
    cdef uint8_t c
    cdef int problem
    for i in range(size):
        c = text[i]
        if r.prefix_left:
            if c != r.prefix[0]:
                return PATH_OUTSIDE_ROOT
            r.prefix += 1
            r.prefix_left -= 1
        elif c"0" <= c <= c"9":
            if r.digits and not r.value:
                return PATH_LEADING_ZERO
            r.value = r.value * 10 + (c - c"0")
            r.digits = 1
            if r.value > 65535:
                return PATH_TOO_LARGE
        elif c != c"/":
            return PATH_NOT_A_NUMBER
        elif r.digits:
            problem = end_segment(r)
            if problem:
                return problem
        elif r.rooted or r.depth:
            return PATH_EMPTY_SEGMENT
        else:
            r.rooted = True
    return PATH_FINE


cdef int path_end(PathReader *r) noexcept nogil:
    """Finish the last segment; one slash behind it does not matter."""
    if r.prefix_left:
        return PATH_OUTSIDE_ROOT
    return end_segment(r) if r.digits else PATH_FINE


cdef size_t path_write(uint64_t ids, int depth, uint8_t *out) noexcept nogil:
    """Write "/3/0/1" to `out` (PATH_TEXT_MAX bytes suffice); the root is "/". Returns the size."""
    if not depth:
        out[0] = c"/"
        return 1
    return path_write_from(ids, 0, depth, out)


cdef size_t path_write_from(uint64_t ids, int level, int depth, uint8_t *out) noexcept nogil:
    cdef size_t size = 0
    cdef uint32_t value, unit
    while level < depth:
        out[size] = c"/"
        size += 1
        value = path_id(ids, level)
        unit = 1
        while value // unit >= 10:
            unit *= 10
        while unit:
            out[size] = <uint8_t>(c"0" + value // unit % 10)
            size += 1
            unit //= 10
        level += 1
    return size


cdef class Path:
    """An LwM2M path: Path(3, 0, 1), or Path.parse("/3/0/1"); Path() is the root. Immutable."""

    def __init__(self, *ids):
        cdef int level
        if len(ids) > PATH_MAX_DEPTH:
            raise FormatError(f"path of {len(ids)} ids: the limit is {PATH_MAX_DEPTH}")
        for level, value in enumerate(ids):
            if not 0 <= value <= 65535:
                raise FormatError(f"path {ids}: id {value} is not in 0..65535")
            self.packed = path_with(self.packed, level, value)
        self.depth = len(ids)

    @staticmethod
    def parse(text):
        """The path that `text` spells ("/3/0", "3/0" or "/"); FormatError otherwise."""
        cdef PathReader r
        cdef bytes raw = text.encode("utf-8", "replace")
        path_start(&r, NULL, 0)
        cdef int problem = path_feed(&r, <const uint8_t *>(<char *>raw), len(raw))
        if not problem:
            problem = path_end(&r)
        if problem:
            raise FormatError(f"path {text[:64]!r} has {PROBLEMS[problem]}")
        return make_path(r.ids, r.depth)

    @property
    def ids(self):
        """The ids as a tuple, as many as the path is deep."""
        return tuple([path_id(self.packed, level) for level in range(self.depth)])

    def contains(self, Path other not None):
        """Is `other` this path, or below it?"""
        return path_under(other.packed, other.depth, self.packed, self.depth)

    def child(self, int value):
        """The path one level down."""
        return Path(*self.ids, value)

    def __str__(self):
        cdef uint8_t text[PATH_TEXT_MAX]
        cdef size_t size = path_write(self.packed, self.depth, text)
        return (<char *>text)[:size].decode("ascii")

    def __repr__(self):
        return f"Path{self.ids!r}" if self.depth != 1 else f"Path({self.ids[0]})"

    def __eq__(self, other):
        if not isinstance(other, Path):
            return NotImplemented
        return self.packed == (<Path>other).packed and self.depth == (<Path>other).depth

    def __lt__(self, Path other not None):
        return (self.packed, self.depth) < (other.packed, other.depth)

    def __hash__(self):
        return hash((self.packed, self.depth))

    def __reduce__(self):
        return Path, self.ids


cdef Path make_path(uint64_t ids, int depth):
    cdef Path path = Path.__new__(Path)
    path.packed = ids
    path.depth = depth
    return path


cdef Path as_path(object given):
    return <Path>given if isinstance(given, Path) else Path.parse(given)
