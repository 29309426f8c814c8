# Decoded payloads (Pack) and gathered values (Items).
#
# A Pack makes a Python object only for the value that is asked for. Knows how contents lie in
# payloads (node.pxd: ContentForm) but no format.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcpy, memset

from lwm2m_fast.codec.cbor_head cimport CBOR_BREAK, Head, read_head
from lwm2m_fast.codec.characters cimport base64_decode, base64_problem
from lwm2m_fast.codec.json_text cimport json_unescape
from lwm2m_fast.codec.node cimport (
    FORM_BASE64, FORM_CHUNKED, FORM_ESCAPED, FORM_OBJECT, FORM_PLAIN, KIND_NONE, KIND_OPAQUE,
    Node, content_view, has_content, number_value,
)
from lwm2m_fast.codec.path cimport as_path, path_mask
from lwm2m_fast.cursor cimport Reader, reader_init

from lwm2m_fast.codec.kinds import MAX_PAYLOAD_BYTES, MAX_RECORDS, Kind
from lwm2m_fast.errors import FormatError

assert MAX_RECORDS == PACK_MAX_RECORDS and MAX_PAYLOAD_BYTES == PACK_MAX_BYTES

cdef tuple KINDS = tuple(Kind)


cdef inline int compare(const Record *a, const Record *b) noexcept nogil:
    """Order by time (no time is the most recent), path, depth."""
    if a.has_time != b.has_time:
        return -1 if a.has_time else 1
    if a.time_ns != b.time_ns:
        return -1 if a.time_ns < b.time_ns else 1
    return compare_paths(a, b)


cdef inline int compare_paths(const Record *a, const Record *b) noexcept nogil:
    if a.ids != b.ids:
        return -1 if a.ids < b.ids else 1
    return <int>a.depth - <int>b.depth


cdef int compare_pointers(const void *a, const void *b) noexcept nogil:
    return compare((<const Record **>a)[0], (<const Record **>b)[0])


cdef int compare_items(const void *a, const void *b) noexcept nogil:
    return compare_paths((<const Item *>a).record, (<const Item *>b).record)


cdef inline bint clash(const Record *a, const Record *b) noexcept nogil:
    """Of two neighbours in order: the same path, or a resource that is single and multiple."""
    if a.time_ns != b.time_ns or a.has_time != b.has_time:
        return False
    if a.ids == b.ids and a.depth == b.depth:
        return True
    return (a.depth == 3 and b.depth == 4 and (a.ids ^ b.ids) & path_mask(3) == 0
            and a.kind != KIND_NONE and b.kind != KIND_NONE)


cdef bytes join_chunks(const uint8_t *data, size_t size):
    """The bytes of checked CBOR chunks, one behind the other."""
    cdef Reader r
    cdef Head head
    cdef bytes joined = PyBytes_FromStringAndSize(NULL, size)
    cdef char *out = PyBytes_AS_STRING(joined)
    cdef size_t total = 0
    reader_init(&r, data, size)
    while r.pos < r.end and r.pos[0] != CBOR_BREAK:
        if read_head(&r, &head):
            break
        memcpy(out + total, r.pos, head.argument)
        r.pos += head.argument
        total += head.argument
    return joined[:total]


cdef bytes from_base64(const uint8_t *data, size_t size):
    cdef size_t decoded = 0
    base64_problem(data, size, &decoded)
    cdef bytes raw = PyBytes_FromStringAndSize(NULL, decoded)
    base64_decode(data, size, <uint8_t *>PyBytes_AS_STRING(raw))
    return raw


cdef bytes from_escaped(const uint8_t *data, size_t size):
    cdef bytes raw = PyBytes_FromStringAndSize(NULL, size)
    cdef size_t length = json_unescape(data, size, <uint8_t *>PyBytes_AS_STRING(raw))
    return raw[:length]


@cython.no_gc                           # it refers to bytes and str only, and is in no cycle
@cython.freelist(512)
cdef class Pack:
    """The values of one payload, in its order; pack[i] is a Node made when it is asked for.

    `payload` and `content_format` are what was received, for whoever forwards it unread.
    """

    def __cinit__(self):
        self.records = &self.one
        self.room = 1

    def __dealloc__(self):
        if self.records != &self.one:
            free(self.records)

    cdef Record *add(self) except? NULL:
        cdef Record *record
        if self.count == self.room:
            if self.count >= PACK_MAX_RECORDS:
                return NULL
            self.make_room(2 * self.room)
        record = &self.records[self.count]
        self.count += 1
        memset(record, 0, sizeof(Record))
        return record

    cdef int make_room(self, size_t room) except -1:
        cdef Record *held = NULL if self.records == &self.one else self.records
        cdef Record *grown = <Record *>realloc(held, room * sizeof(Record))
        if grown == NULL:
            raise MemoryError()
        if held == NULL:
            grown[0] = self.one
        self.records = grown
        self.room = room
        return 0

    cdef int hold(self, Record *record, object content) except -1:
        """Keep a content that does not lie in the payload."""
        if self.contents is None:
            self.contents = []
        record.form = FORM_OBJECT
        record.offset = <uint32_t>len(self.contents)
        self.contents.append(content)
        return 0

    cdef Py_ssize_t find_repeated(self) except -2:
        cdef size_t i
        cdef const Record *a
        cdef const Record *b
        cdef int step
        cdef int direction = 0
        for i in range(1, self.count):      # in order as most payloads are, no sorting is needed:
            a = &self.records[i - 1]        # moments going one way, paths upwards within each
            b = &self.records[i]
            if a.time_ns == b.time_ns and a.has_time == b.has_time:
                if clash(a, b):
                    return <Py_ssize_t>i
                if compare_paths(a, b) > 0:
                    return self.find_repeated_unordered()
                continue
            step = compare(a, b)
            if direction and step != direction:
                return self.find_repeated_unordered()
            direction = step
        return -1

    cdef Py_ssize_t find_repeated_unordered(self) except -2:
        cdef const Record **order = <const Record **>malloc(self.count * sizeof(Record *))
        cdef Py_ssize_t found = -1
        cdef size_t i
        if order == NULL:
            raise MemoryError()
        for i in range(self.count):
            order[i] = &self.records[i]
        qsort(order, self.count, sizeof(Record *), compare_pointers)
        for i in range(1, self.count):
            if clash(order[i - 1], order[i]):
                found = max(order[i - 1] - self.records, order[i] - self.records)
                break
        free(order)
        return found

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self.node_at(i) for i in range(*index.indices(self.count))]
        cdef Py_ssize_t i = index
        if i < 0:
            i += self.count
        if not 0 <= i < <Py_ssize_t>self.count:
            raise IndexError(f"record {index} of {self.count}")
        return self.node_at(i)

    def __iter__(self):
        for i in range(self.count):
            yield self.node_at(i)

    cdef object content_of(self, const Record *record):
        """The str or bytes of a record that has content."""
        cdef bytes raw
        cdef const uint8_t *start = self.data + record.offset
        if record.form == FORM_OBJECT:
            return self.contents[record.offset]
        if record.form == FORM_PLAIN:
            if record.kind == KIND_OPAQUE:
                return (<const char *>start)[:record.size]
            return (<const char *>start)[:record.size].decode("utf-8")
        if record.form == FORM_BASE64:
            raw = from_base64(start, record.size)
        elif record.form == FORM_ESCAPED:
            raw = from_escaped(start, record.size)
        else:
            raw = join_chunks(start, record.size)
        return raw if record.kind == KIND_OPAQUE else raw.decode("utf-8")

    cdef object value_of(self, const Record *record):
        return self.content_of(record) if has_content(record.kind) else number_value(record)

    cdef Node node_at(self, size_t index):
        cdef Node node = Node.__new__(Node)
        node.record = self.records[index]
        if has_content(node.record.kind):
            node.content = self.content_of(&node.record)
        node.record.form = FORM_PLAIN
        node.record.offset = 0
        node.record.size = 0
        return node

    def value(self, path):
        """The value at `path`; of several moments the most recent. KeyError when there is none."""
        cdef const Record *found = NULL
        cdef size_t i
        place = as_path(path)
        cdef uint64_t ids = place.packed
        cdef int depth = place.depth
        for i in range(self.count):
            if self.records[i].ids == ids and self.records[i].depth == depth:
                if found == NULL or compare(found, &self.records[i]) < 0:
                    found = &self.records[i]
        if found == NULL:
            raise KeyError(str(place))
        return self.value_of(found)

    def nodes(self):
        """All values as a list of Nodes."""
        return [self.node_at(i) for i in range(self.count)]

    def groups(self):
        """Nodes grouped by moment: (time_ns or None, nodes), None ("just now") and newest first."""
        by_time = {}
        for i in range(self.count):
            record = &self.records[i]
            moment = record.time_ns if record.has_time else None
            by_time.setdefault(moment, []).append(self.node_at(i))
        newest = sorted(by_time, key=lambda moment: (moment is None, moment or 0), reverse=True)
        return [(moment, by_time[moment]) for moment in newest]

    def outside(self, paths):
        """The first Node that is at or below none of `paths`, None when all of them are."""
        wanted = {(place.packed, place.depth) for place in [as_path(path) for path in paths]}
        for i in range(self.count):
            record = &self.records[i]
            if not any((record.ids & path_mask(depth), depth) in wanted
                       for depth in range(record.depth + 1)):
                return self.node_at(i)
        return None

    def shape(self):
        """A number that two packs with values at the same paths, in the same order, share."""
        return self.shape_number()

    cdef uint64_t shape_number(self) noexcept:
        cdef uint64_t mixed = self.count
        cdef size_t i
        for i in range(self.count):
            mixed = (mixed ^ self.records[i].ids) * <uint64_t>0x9E3779B97F4A7C15
            mixed ^= mixed >> 29 ^ self.records[i].depth
        return mixed

    def unregistered(self, instances):
        """The first Node at or below an object instance that is not in `instances`, or None.

        `instances` holds object id << 16 | instance id; paths shorter than that are passed over.
        """
        cdef uint64_t instance, known = ~<uint64_t>0
        cdef size_t i
        for i in range(self.count):
            instance = self.records[i].ids >> 32
            if instance == known or self.records[i].depth < 2:
                continue
            if instance not in instances:
                return self.node_at(i)
            known = instance
        return None

    def __repr__(self):
        return f"<Pack of {self.count} records, format {self.content_format}>"


cdef int reuse_pack(Pack pack, bytes payload) except -1:
    if PyBytes_GET_SIZE(payload) > PACK_MAX_BYTES:
        raise FormatError(f"{len(payload)} bytes: the limit is {PACK_MAX_BYTES}")
    pack.payload = payload
    pack.data = <const uint8_t *>PyBytes_AS_STRING(payload)
    pack.contents = None
    pack.count = 0
    return 0


cdef Pack new_pack(bytes payload, int content_format, size_t expected):
    """An empty pack over `payload`, with room for about `expected` records."""
    cdef Pack pack = Pack.__new__(Pack)
    reuse_pack(pack, payload)
    pack.content_format = content_format
    if expected > 1:
        pack.make_room(min(expected, 1024))
    return pack


def pack_nodes(bytes payload not None, content_format, nodes):
    """A Pack of Nodes that a Python decoder has made; FormatError past MAX_RECORDS."""
    cdef Pack pack = new_pack(payload, content_format, len(nodes))
    cdef Record *record
    cdef Node node
    for entry in nodes:
        node = <Node?>entry
        record = pack.add()
        if record == NULL:
            raise FormatError(f"more than {PACK_MAX_RECORDS} records")
        record[0] = node.record
        if node.content is not None:
            pack.hold(record, node.content)
    cdef Py_ssize_t repeated = pack.find_repeated()
    if repeated >= 0:
        raise FormatError(f"{pack.node_at(repeated).path} is there twice")
    return pack


cdef int gather_pack(Items gathered, Pack pack) except -1:
    cdef size_t i
    cdef const Record *record
    cdef Item *item
    for i in range(pack.count):
        record = &pack.records[i]
        item = &gathered.items[i]
        item.record = record
        item.content = NULL
        item.size = 0
        if not has_content(record.kind):
            continue
        if record.form == FORM_PLAIN:
            item.content = pack.data + record.offset
            item.size = record.size
        else:
            content = pack.content_of(record)
            gathered.kept.append(content)
            item.content = content_view(content, &item.size)
        gathered.content_bytes += item.size
    return 0


cdef int gather_nodes(Items gathered, list nodes) except -1:
    cdef size_t i = 0
    cdef Item *item
    cdef Node node
    for entry in nodes:
        if not isinstance(entry, Node):
            raise FormatError(f"a {type(entry).__name__} is not a Node")
        node = <Node>entry
        item = &gathered.items[i]
        item.record = &node.record
        item.content = NULL
        item.size = 0
        if node.content is not None:
            item.content = content_view(node.content, &item.size)
        gathered.content_bytes += item.size
        i += 1
    return 0


cdef class Items:
    def __dealloc__(self):
        if self.items != self.few:
            free(self.items)

    cdef int gather(self, object nodes) except -1:
        if not isinstance(nodes, (Pack, list)):
            nodes = [nodes] if isinstance(nodes, Node) else list(nodes)
        cdef size_t count = len(nodes)
        if count > PACK_MAX_RECORDS:
            raise FormatError(f"{count} records: the limit is {PACK_MAX_RECORDS}")
        self.items = self.few
        if count > ITEMS_INLINE:
            self.items = <Item *>malloc(count * sizeof(Item))
            if self.items == NULL:
                raise MemoryError()
        self.count = count
        if isinstance(nodes, Pack):
            self.kept = [nodes]
            return gather_pack(self, nodes)
        self.kept = <list>nodes
        return gather_nodes(self, <list>nodes)

    cdef void sort(self) noexcept:
        """Order by path; does nothing when that is the order already."""
        cdef size_t i
        for i in range(1, self.count):
            if compare_paths(self.items[i - 1].record, self.items[i].record) > 0:
                qsort(self.items, self.count, sizeof(Item), compare_items)
                return
