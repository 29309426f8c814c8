# The CoRE link format (RFC 6690) as devices register with it, into a packed link set and back.
#
# Knows no device, no object definition and no LwM2M version: what is not given stays "none".
#
# A link set is canonical: the same objects give the same bytes, whatever the order of the links,
# so that a million devices of one make share one set. Integers are big-endian:
#
#   u8 root size · root ("" for "/", else "/lwm2m": percent-decoded UTF-8, no slash at the end)
#   u8 formats   · u16 content format each, in the device's order
#   u16 objects  · each, by id: u16 id · u8 major · u8 minor (255 255: no version given)
#                               u16 instances · u16 instance id each, ascending

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from lwm2m_fast.cursor cimport Reader, Writer, read_u8, read_u16, read_view, reader_init

cdef enum:
    LINKS_MOST = 2048                   # links in one payload
    LINKS_MOST_ATTRIBUTES = 64          # attributes of one link
    LINKS_MOST_FORMATS = 64             # content formats in `ct`
    LINKS_MOST_ROOT = 255               # bytes of the root path
    LINKS_MOST_BYTES = 0x100000         # of a payload
    LINK_SET_BYTES = 16771              # no link set is larger: 1+255 + 1+64*2 + 2 + 2048*8
    LINK_NO_VERSION = 255

cdef enum LinkReason:                   # 0 = parsed; the texts are in link.pyx, in this order
    LINK_OK = 0
    LINK_EMPTY                          # no link at all
    LINK_TARGET                         # "<" or ">" missing, or a character no target may have
    LINK_PERCENT                        # "%" not followed by two hexadecimal digits
    LINK_PATH                           # under the root, but not /object[/instance[/...]]
    LINK_ID                             # an id above 65534
    LINK_SEPARATOR                      # something else where "," or ";" must be
    LINK_NAME                           # an attribute without a name
    LINK_VALUE                          # "=" without a value, or a character no value may have
    LINK_QUOTE                          # a quoted string without its end
    LINK_VERSION                        # `ver` is not major.minor, each 0 to 254
    LINK_FORMAT                         # `ct` is not a list of numbers up to 65535
    LINK_ROOT                           # root path not UTF-8 or with an encoded slash
    LINK_MANY                           # more than LINKS_MOST links
    LINK_MANY_ATTRIBUTES
    LINK_MANY_FORMATS
    LINK_LONG_ROOT
    LINK_NO_ROOM                        # the writer is too small (LINK_SET_BYTES always suffices)
    LINK_LONG                           # more than LINKS_MOST_BYTES

cdef struct LinkError:
    int reason
    uint32_t offset                     # of the byte that could not be accepted


# Parse a registration payload into a link set appended to `out`. Returns LINK_OK or the reason,
# also in `error`; `out` is then as it was. Takes no memory but about 40 KiB of stack.
cdef int parse_links(const uint8_t *data, size_t size, Writer *out,
                     LinkError *error) noexcept nogil


cdef struct LinkWalk:                   # a walk over a link set; the set's bytes must stay
    Reader rest
    const uint8_t *root
    int root_size
    const uint8_t *formats              # big-endian u16 each: links_u16(formats, i)
    int format_count
    int objects_left

cdef struct LinkObject:
    int id
    int major                           # LINK_NO_VERSION: none given
    int minor
    int instance_count
    const uint8_t *instances            # big-endian u16 each: links_u16(instances, i)


cdef inline int links_u16(const uint8_t *ids, int i) noexcept nogil:
    return (<int>ids[2 * i] << 8) | ids[2 * i + 1]


cdef inline int links_begin(LinkWalk *walk, const uint8_t *data, size_t size) noexcept nogil:
    """Start a walk and fill root and formats; -1: these bytes are no link set."""
    reader_init(&walk.rest, data, size)
    walk.root_size = read_u8(&walk.rest)
    if walk.root_size < 0:
        return -1
    walk.root = read_view(&walk.rest, walk.root_size)
    walk.format_count = read_u8(&walk.rest)
    if walk.root == NULL or walk.format_count < 0:
        return -1
    walk.formats = read_view(&walk.rest, 2 * walk.format_count)
    walk.objects_left = read_u16(&walk.rest)
    if walk.formats == NULL or walk.objects_left < 0:
        return -1
    return 0


cdef inline int links_next(LinkWalk *walk, LinkObject *item) noexcept nogil:
    """1: `item` is the next object; 0: there is none; -1: these bytes are no link set."""
    if walk.objects_left == 0:
        return 0
    walk.objects_left -= 1
    item.id = read_u16(&walk.rest)
    item.major = read_u8(&walk.rest)
    item.minor = read_u8(&walk.rest)
    item.instance_count = read_u16(&walk.rest)
    if item.instance_count < 0:
        return -1
    item.instances = read_view(&walk.rest, 2 * item.instance_count)
    return -1 if item.instances == NULL else 1


cdef inline int links_find(const uint8_t *data, size_t size, int object_id,
                           LinkObject *item) noexcept nogil:
    """1: `item` is the object asked for; 0: it is not in the set; -1: no link set."""
    cdef LinkWalk walk
    cdef int found = links_begin(&walk, data, size)
    if found < 0:
        return -1
    while True:
        found = links_next(&walk, item)
        if found <= 0 or item.id == object_id:
            return found
        if item.id > object_id:
            return 0


cdef class LinkSet:
    """A link set as Python sees it: a view that unpacks what is asked for."""

    cdef readonly bytes packed

    cdef int _begin(self, LinkWalk *walk) except -1
    cdef bint _next(self, LinkWalk *walk, LinkObject *item) except -1
