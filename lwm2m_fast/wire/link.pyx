# The CoRE link format (RFC 6690); see link.pxd for what it makes of a payload.
#
# One pass over the bytes (link_pass.pxd) finds the links; only then is the root known, which may
# be named last, and the found targets are matched against it. What the grammar forbids and devices
# send is accepted where it has one meaning: a comma at the end, blanks around separators.
#
# What counts, of everything a link may say (OMA TS LwM2M Core 1.1, section 6.2.1):
#   the root     the last link with rt="oma.lwm2m", else "/"
#   formats      `ct` of the root's link, the last one given; else `ct` of </>
#   objects      /object and /object/instance under the root; `ver` at either, the last one given
#   ignored      other attributes, links outside the root, resources, names without a digit in front

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from lwm2m_fast.cursor cimport (
    Writer, reader_left, write_bytes, write_u8, write_u16, writer_init, writer_size,
)
from lwm2m_fast.wire.link_pass cimport (
    PATH_END, SLASH_ENCODED, Found, Parse, Span, is_blank, is_digit, parse_all, path_byte, refuse,
)

from lwm2m_fast.errors import FormatError, RequestError

import re
from urllib.parse import quote

cdef enum:
    MOST_ID = 65534                     # 65535 is reserved (OMA TS LwM2M Core, section 7.1)
    NO_INSTANCE = 0                     # in a key; an instance is kept as id + 1

cdef enum Outcome:                      # what a target is to the device's root
    OUTSIDE, INSIDE, REFUSED

_REASONS = (
    "parsed", "no link", "target is not <...>", "bad percent-encoding",
    "path is not /object or /object/instance", "id above 65534", "separator expected",
    "attribute name expected", "attribute value expected", "quoted string has no end",
    "ver is not major.minor", "ct is not a list of numbers up to 65535", "bad root path",
    f"more than {LINKS_MOST} links", f"more than {LINKS_MOST_ATTRIBUTES} attributes in a link",
    f"more than {LINKS_MOST_FORMATS} content formats", f"root path above {LINKS_MOST_ROOT} bytes",
    "no room for the link set", f"more than {LINKS_MOST_BYTES} bytes",
)


# --- root, objects, formats ---

cdef bint is_utf8(const uint8_t *data, int size) noexcept nogil:
    cdef int i = 0, more, least, code
    while i < size:
        code = data[i]
        i += 1
        if code < 0x80:
            continue
        if code < 0xC2 or code > 0xF4:
            return False
        more = 1 + (code >= 0xE0) + (code >= 0xF0)
        least = 0x80 if more == 1 else 0x800 if more == 2 else 0x10000
        code &= 0x3F >> more
        if size - i < more:
            return False
        while more:
            if data[i] >> 6 != 2:
                return False
            code = code << 6 | (data[i] & 0x3F)
            i += 1
            more -= 1
        if code < least or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            return False
    return True


cdef int resolve_root(Parse *p) noexcept nogil:
    """The root's decoded path without a slash at its end; "" for "/"."""
    cdef Span path = p.root
    cdef int c
    p.root_size = 0
    if path.at == path.end:
        return 0
    if path.at[0] != 47:
        return refuse(p, LINK_ROOT, path.at)
    while True:
        c = path_byte(&path)
        if c == PATH_END:
            break
        if c == SLASH_ENCODED or c < 32 or c == 127:
            return refuse(p, LINK_ROOT, path.at - 3)
        if p.root_size == LINKS_MOST_ROOT + 1:
            return refuse(p, LINK_LONG_ROOT, path.at - 1)
        p.root_path[p.root_size] = <uint8_t>c
        p.root_size += 1
    while p.root_size and p.root_path[p.root_size - 1] == 47:
        p.root_size -= 1
    if p.root_size > LINKS_MOST_ROOT:
        return refuse(p, LINK_LONG_ROOT, path.end - 1)
    return 0 if is_utf8(p.root_path, p.root_size) else refuse(p, LINK_ROOT, p.root.at)


cdef Outcome enter_root(const Parse *p, Span *path) noexcept nogil:
    """Move `path` behind the root and its slash."""
    cdef int i
    if path.at < path.end and path.at[0] != 47 and p.root_size == 0:
        return INSIDE                   # <3/0>: relative to "/" (RFC 6690, section 2.1)
    for i in range(p.root_size):
        if path_byte(path) != p.root_path[i]:
            return OUTSIDE
    return INSIDE if path_byte(path) == 47 else OUTSIDE


cdef int path_id(Parse *p, Span *path, int *after) noexcept nogil:
    """A decimal id without leading zeros, and the byte after it; -1 when refused."""
    cdef const uint8_t *start = path.at
    cdef int c = path_byte(path)
    cdef int value = 0
    cdef bint is_zero = c == 48
    if not is_digit(c):
        return refuse(p, LINK_PATH, start)
    while is_digit(c):
        value = value * 10 + c - 48
        if value > MOST_ID:
            return refuse(p, LINK_ID, start)
        c = path_byte(path)
        if is_zero and is_digit(c):
            return refuse(p, LINK_PATH, start)
    if c != 47 and c != PATH_END:
        return refuse(p, LINK_PATH, start)
    after[0] = c
    return value


cdef Outcome resolve_link(Parse *p, const Found *link, int *object_id,
                          int *instance_id) noexcept nogil:
    cdef Span path, first
    cdef int after = 0
    path.at = p.data + link.at
    path.end = path.at + link.size
    if enter_root(p, &path) == OUTSIDE:
        return OUTSIDE
    first = path
    if not is_digit(path_byte(&first)):
        return OUTSIDE
    object_id[0] = path_id(p, &path, &after)
    instance_id[0] = -1
    if object_id[0] < 0:
        return REFUSED
    if after == 47 and path.at < path.end:
        instance_id[0] = path_id(p, &path, &after)
        if instance_id[0] < 0:
            return REFUSED
    return OUTSIDE if after == 47 and path.at < path.end else INSIDE


cdef int parse_version(Parse *p, const Found *link) noexcept nogil:
    """major.minor, or major alone, as 16 bits; -1 when refused."""
    cdef const uint8_t *at = p.data + link.version_at
    cdef const uint8_t *end
    cdef int version = 0, n, value
    if link.version_at == 0:
        return 0xFFFF
    end = at + link.version_size
    for n in range(2):
        if at == end or not is_digit(at[0]):
            return refuse(p, LINK_VERSION, at)
        value = 0
        while at < end and is_digit(at[0]):
            value = value * 10 + at[0] - 48
            if value >= LINK_NO_VERSION:
                return refuse(p, LINK_VERSION, at)
            at += 1
        version |= value << (8 - 8 * n)
        if at == end:
            return version
        if n == 1 or at[0] != 46:
            return refuse(p, LINK_VERSION, at)
        at += 1
    return version


cdef int resolve_links(Parse *p) noexcept nogil:
    """Fill `keys`; the number of links that name an object, -1 when one is refused."""
    cdef int count = 0, i, object_id = 0, instance_id = 0, version
    cdef Outcome outcome
    cdef Found *link
    for i in range(p.count):
        link = &p.links[i]
        outcome = resolve_link(p, link, &object_id, &instance_id)
        if outcome == REFUSED:
            return -1
        if outcome == OUTSIDE:
            continue
        version = parse_version(p, link)
        if version < 0:
            return -1
        p.keys[count] = (<uint64_t>object_id << 48 | <uint64_t>(instance_id + 1) << 32
                         | <uint64_t>i << 16 | <uint64_t>version)
        count += 1
    return count


cdef void sift(uint64_t *keys, int root, int count) noexcept nogil:
    cdef int child
    cdef uint64_t key = keys[root]
    while True:
        child = 2 * root + 1
        if child >= count:
            break
        if child + 1 < count and keys[child + 1] > keys[child]:
            child += 1
        if keys[child] <= key:
            break
        keys[root] = keys[child]
        root = child
    keys[root] = key


cdef void sort(uint64_t *keys, int count) noexcept nogil:
    """Heap sort: no memory, no bad case. Most devices list their objects in order already."""
    cdef int i = 1
    cdef uint64_t key
    while i < count and keys[i - 1] < keys[i]:
        i += 1
    if i >= count:
        return
    for i in range(count // 2 - 1, -1, -1):
        sift(keys, i, count)
    for i in range(count - 1, 0, -1):
        key = keys[i]
        keys[i] = keys[0]
        keys[0] = key
        sift(keys, 0, i)


cdef int write_formats(Parse *p, Writer *out) noexcept nogil:
    """Numbers separated by blanks."""
    cdef Span text = p.root_formats if p.root_formats.at != NULL else p.slash_formats
    cdef uint8_t *count_at = out.pos
    cdef int count = 0
    cdef int value
    write_u8(out, 0)
    while text.at < text.end:
        if is_blank(text.at[0]):
            text.at += 1
            continue
        if count == LINKS_MOST_FORMATS:
            return refuse(p, LINK_MANY_FORMATS, text.at)
        value = 0
        while text.at < text.end and is_digit(text.at[0]) and value <= 65535:
            value = value * 10 + text.at[0] - 48
            text.at += 1
        if value > 65535 or (text.at < text.end and not is_blank(text.at[0])):
            return refuse(p, LINK_FORMAT, text.at)
        write_u16(out, value)
        count += 1
    if not out.overflow:
        count_at[0] = <uint8_t>count
    return 0


cdef int write_object(const uint64_t *keys, int count, Writer *out) noexcept nogil:
    """The object of the first key; how many of the keys belong to it."""
    cdef int n = 0, instances = 0, last = -1, instance
    cdef uint32_t newest = 0, given
    cdef uint8_t *head
    write_u16(out, <int>(keys[0] >> 48))
    head = out.pos
    write_u16(out, 0xFFFF)
    write_u16(out, 0)
    while n < count and keys[n] >> 48 == keys[0] >> 48:
        given = <uint32_t>keys[n]       # order and version: the newest is the greatest
        if given & 0xFFFF != 0xFFFF and given >= newest:
            newest = given
            if not out.overflow:
                head[0] = <uint8_t>(given >> 8)
                head[1] = <uint8_t>given
        instance = <int>(keys[n] >> 32 & 0xFFFF)
        if instance != NO_INSTANCE and instance != last:
            write_u16(out, instance - 1)
            instances += 1
            last = instance
        n += 1
    if not out.overflow:
        head[2] = <uint8_t>(instances >> 8)
        head[3] = <uint8_t>instances
    return n


cdef int write_set(Parse *p, int count, Writer *out) noexcept nogil:
    cdef uint8_t *count_at
    cdef int i = 0, objects = 0
    write_u8(out, p.root_size)
    write_bytes(out, p.root_path, p.root_size)
    if write_formats(p, out) < 0:
        return -1
    count_at = out.pos
    write_u16(out, 0)
    while i < count:
        i += write_object(p.keys + i, count - i, out)
        objects += 1
    if out.overflow:
        return refuse(p, LINK_NO_ROOM, p.end)
    count_at[0] = <uint8_t>(objects >> 8)
    count_at[1] = <uint8_t>objects
    return 0


cdef int parse_links(const uint8_t *data, size_t size, Writer *out,
                     LinkError *error) noexcept nogil:
    cdef Parse p
    cdef Writer before = out[0]
    cdef int count = -1
    p.data = p.pos = data
    p.end = data + size
    p.reason = LINK_OK
    p.count = 0
    p.root.at = p.root.end = p.root_formats.at = p.root_formats.end = NULL
    p.slash_formats = p.root_formats
    if size > LINKS_MOST_BYTES:
        refuse(&p, LINK_LONG, data + LINKS_MOST_BYTES)
    elif parse_all(&p) == 0 and resolve_root(&p) == 0:
        count = resolve_links(&p)
    if count >= 0:
        sort(p.keys, count)
        write_set(&p, count, out)
    error.reason = p.reason
    error.offset = <uint32_t>(p.pos - data) if p.reason else 0
    if p.reason:
        out[0] = before
    return p.reason


# --- Python's edge ---

MOST_LINKS = LINKS_MOST
MOST_ATTRIBUTES = LINKS_MOST_ATTRIBUTES
MOST_FORMATS = LINKS_MOST_FORMATS
MOST_ROOT_BYTES = LINKS_MOST_ROOT
MOST_BYTES = LINKS_MOST_BYTES
SET_BYTES = LINK_SET_BYTES

_NAME = re.compile(r"[A-Za-z0-9!#$&+.^_`|~-]+\*?")
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f]")


cdef class LinkSet:
    """What a device said it has. `packed` is the canonical form (see link.pxd).

    FormatError: `packed` is not a link set.
    """

    def __init__(self, bytes packed not None):
        cdef LinkWalk walk
        cdef LinkObject item
        self.packed = packed
        self._begin(&walk)
        if not is_utf8(walk.root, walk.root_size):
            raise FormatError("link set: the root path is not UTF-8")
        while self._next(&walk, &item):
            pass
        if reader_left(&walk.rest):
            raise FormatError(f"link set: {reader_left(&walk.rest)} bytes behind its end")

    cdef int _begin(self, LinkWalk *walk) except -1:
        if links_begin(walk, <const uint8_t *>PyBytes_AS_STRING(self.packed),
                       PyBytes_GET_SIZE(self.packed)) < 0:
            raise FormatError("link set: cut short")
        return 0

    cdef bint _next(self, LinkWalk *walk, LinkObject *item) except -1:
        cdef int more = links_next(walk, item)
        if more < 0:
            raise FormatError("link set: cut short")
        return more

    @property
    def root(self):
        """The path in front of every object's: "/", or like "/lwm2m"."""
        cdef LinkWalk walk
        self._begin(&walk)
        return (<const char *>walk.root)[:walk.root_size].decode() or "/"

    @property
    def content_formats(self):
        """The numbers in the root's `ct` in the device's order; nothing the standard implies."""
        cdef LinkWalk walk
        self._begin(&walk)
        return [links_u16(walk.formats, i) for i in range(walk.format_count)]

    @property
    def objects(self):
        """Object id: (version as given or None, instance ids), all in ascending order."""
        cdef LinkWalk walk
        cdef LinkObject item
        self._begin(&walk)
        objects = {}
        while self._next(&walk, &item):
            version = None if item.major == LINK_NO_VERSION else f"{item.major}.{item.minor}"
            objects[item.id] = (version,
                                [links_u16(item.instances, i) for i in range(item.instance_count)])
        return objects

    def __eq__(self, other):
        return isinstance(other, LinkSet) and self.packed == (<LinkSet>other).packed

    def __hash__(self):
        return hash(self.packed)

    def __repr__(self):
        return f"LinkSet(root={self.root!r}, ct={self.content_formats}, objects={self.objects})"


def parse(data):
    """The link set of a registration payload, given as bytes or a view of bytes.

    FormatError names the reason and the offset.
    """
    cdef LinkError error
    cdef Writer out
    cdef Py_buffer view
    cdef uint8_t[LINK_SET_BYTES] room
    writer_init(&out, room, LINK_SET_BYTES)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    parse_links(<const uint8_t *>view.buf, view.len, &out, &error)
    PyBuffer_Release(&view)
    if error.reason:
        raise FormatError(f"links: {_REASONS[error.reason]} at byte {error.offset}")
    return LinkSet(PyBytes_FromStringAndSize(<const char *>room, writer_size(&out)))


def build(links):
    """Targets and their attributes in the link format.

    An attribute's value is None (a name alone), an int (bare), a str (quoted), or several ints
    (quoted, with blanks between). What a target may not hold is percent-encoded; "%" stays as it
    is. RequestError: a name or a value that cannot be written.
    """
    return ",".join(
        f"<{quote(target, safe=chr(37) + '/:?#[]@!$&()*+,;=~')}>"
        + "".join(_attribute(name, value) for name, value in attributes.items())
        for target, attributes in links
    ).encode()


def _attribute(name, value):
    if not _NAME.fullmatch(name):
        raise RequestError(f"link attribute {name!r} is not a name")
    if value is None:
        return f";{name}"
    if isinstance(value, int):
        return f";{name}={value}"
    text = value if isinstance(value, str) else " ".join(map(str, value))
    if _UNWRITABLE.search(text):
        raise RequestError(f"link attribute {name} has a control character in {text!r}")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f';{name}="{escaped}"'
