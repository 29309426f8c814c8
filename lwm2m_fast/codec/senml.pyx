# What SenML means (RFC 8428, section 4; OMA TS Core, 7.4.6; RFC 8790): base fields, resolved names
# and times, one value a record.
#
# Knows neither JSON nor CBOR, and of devices only the root path it is given.

from libc.stdint cimport INT64_MAX, INT64_MIN
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from lwm2m_fast.codec.node cimport KIND_NONE, KIND_NULL, KIND_UNKNOWN
from lwm2m_fast.codec.pack cimport PACK_MAX_RECORDS, Items, new_pack, reuse_pack
from lwm2m_fast.codec.path cimport (
    Path, as_path, make_path, path_end, path_feed, path_mask, path_start, path_start_under,
    path_under, path_write, path_write_from,
)
from lwm2m_fast.codec.types cimport as_types
from lwm2m_fast.codec.wire_value cimport WIRE_NONE, WIRE_NULL, add_base, take_value

from lwm2m_fast.codec.kinds import RELATIVE_TIME_LIMIT_S, Kind, PayloadError
from lwm2m_fast.codec.path import PROBLEMS

cdef int64_t NS = 1_000_000_000
cdef int64_t RELATIVE_LIMIT_NS = RELATIVE_TIME_LIMIT_S * 1_000_000_000
cdef tuple KINDS = tuple(Kind)
cdef bytes NO_ROOT = b""
cdef object SLASH = "/"             # the default root path, known by being the same object
cdef str TIME_RANGE = "a time beyond 64 bits of nanoseconds"


cdef inline int field_of_two(uint8_t first, uint8_t second) noexcept nogil:
    if first == c"b":
        return (FIELD_BN if second == c"n" else FIELD_BT if second == c"t" else
                FIELD_BU if second == c"u" else FIELD_BV if second == c"v" else
                FIELD_BS if second == c"s" else FIELD_OTHER)
    if first == c"v":
        return (FIELD_VS if second == c"s" else FIELD_VB if second == c"b" else
                FIELD_VD if second == c"d" else FIELD_OTHER)
    return FIELD_UT if first == c"u" and second == c"t" else FIELD_OTHER


cdef int field_of(const uint8_t *label, size_t size) noexcept nogil:
    """The field that a text label names (RFC 8428, table 1; OMA TS Core, table 7.4.6-1)."""
    cdef uint8_t first
    if not size:
        return FIELD_OTHER
    first = label[0]
    if label[size - 1] == c"_":         # "must understand", section 4.4
        return FIELD_MUST
    if size == 1:
        return (FIELD_N if first == c"n" else FIELD_V if first == c"v" else
                FIELD_T if first == c"t" else FIELD_U if first == c"u" else
                FIELD_S if first == c"s" else FIELD_OTHER)
    if size == 2:
        return field_of_two(first, label[1])
    if size == 3 and first == c"v" and label[1] == c"l" and label[2] == c"o":
        return FIELD_VLO
    if size == 4 and first == c"b" and label[1] == c"v" and label[2] == c"e" and label[3] == c"r":
        return FIELD_BVER
    return FIELD_OTHER


cdef bytes root_prefix(str format_name, object root):
    """The root path as a prefix of absolute names."""
    cdef bytes prefix = root.encode("utf-8", "replace").rstrip(b"/")
    if len(prefix) > ROOT_MAX or (prefix and not prefix.startswith(b"/")):
        raise PayloadError(format_name, root[:64], 0, f"not a root path of 1..{ROOT_MAX} bytes")
    return prefix


cdef inline int add_time(int64_t *total, int64_t more) noexcept nogil:
    """-1 when the sum does not fit."""
    if more > 0 and total[0] > INT64_MAX - more or more < 0 and total[0] < INT64_MIN - more:
        return -1
    total[0] += more
    return 0


cdef class Resolver:
    cdef int fail_at(self, const uint8_t *at, uint64_t ids, int depth, object why) except -1:
        raise PayloadError(self.format_name, str(make_path(ids, depth)), at - self.pack.data, why)

    cdef int fail(self, const uint8_t *at, object why) except -1:
        return self.fail_at(at, self.base_ids, self.base_depth, why)

    cdef int inherit(self, const Entry *entry) except -1:
        cdef int problem
        if entry.seen & FIELD_BVER and entry.version > SENML_VERSION:
            return self.fail(entry.start, f"version {entry.version}: {SENML_VERSION} is known")
        if entry.seen & FIELD_BN:
            self.has_base_name = entry.base_name_size > 0
            path_start(&self.base_name, <const uint8_t *>PyBytes_AS_STRING(self.root),
                       <size_t>PyBytes_GET_SIZE(self.root))
            problem = path_feed(&self.base_name, entry.base_name, entry.base_name_size)
            if problem:
                return self.fail(entry.start, f"the base name has {PROBLEMS[problem]}")
        if entry.seen & FIELD_BT:
            self.has_base_time = True
            self.base_time_ns = entry.base_time_ns
        if entry.seen & FIELD_BV:
            self.has_base_value = True
            self.base_value = entry.base_value
        return 0

    cdef int resolve_name(self, const Entry *entry, PathReader *name) except -1:
        cdef int problem
        if self.has_base_name:
            name[0] = self.base_name
        elif entry.name_size and (entry.name[0] == c"/" or not self.base_depth):
            path_start(name, <const uint8_t *>PyBytes_AS_STRING(self.root),
                       <size_t>PyBytes_GET_SIZE(self.root))
        else:                           # devices that forget the base name mean the path asked for
            path_start_under(name, self.base_ids, self.base_depth)
        problem = path_feed(name, entry.name, entry.name_size)
        if problem:
            return self.fail(entry.start, f"the name has {PROBLEMS[problem]}")
        return 0

    cdef int resolve_time(self, const Entry *entry, Record *record) except -1:
        cdef int64_t total = entry.time_ns if entry.seen & FIELD_T else 0
        if add_time(&total, self.base_time_ns) < 0:
            return self.fail_at(entry.start, record.ids, record.depth, TIME_RANGE)
        if total < RELATIVE_LIMIT_NS:
            if not self.has_now:
                return self.fail_at(entry.start, record.ids, record.depth,
                                    f"{total} ns is relative and the present was not given")
            if add_time(&total, self.now_ns) < 0:
                return self.fail_at(entry.start, record.ids, record.depth, TIME_RANGE)
        record.time_ns = total
        record.has_time = 1
        return 0

    cdef int resolve_value(self, const Entry *entry, Record *record) except -1:
        cdef WireValue value = entry.value
        cdef int wanted = KIND_UNKNOWN
        if value.type == WIRE_NONE:
            if entry.seen & (FIELD_S | FIELD_T):
                return self.fail_at(entry.start, record.ids, record.depth,
                                    "a sum or a time without a value")
            return 0
        if record.depth >= 3:
            wanted = self.types.kind(record.ids)
        elif value.type != WIRE_NULL:
            return self.fail_at(entry.start, record.ids, record.depth,
                                "a value belongs to a resource")
        if value.type == WIRE_NULL and not self.is_etch:
            return self.fail_at(entry.start, record.ids, record.depth,
                                "null is for SenML-ETCH only")
        if self.has_base_value and entry.seen & FIELD_V and value.type != WIRE_NULL:
            if add_base(&value, &self.base_value) < 0:
                return self.fail_at(entry.start, record.ids, record.depth,
                                    "no sum of value and base value")
        if take_value(&value, wanted, record) < 0:
            return self.fail_at(entry.start, record.ids, record.depth,
                                "the value is not " + (KINDS[wanted].name if wanted < len(KINDS)
                                                       else "object:instance"))
        return 0

    cdef int take(self, const Entry *entry) except -1:
        cdef PathReader name
        cdef Record *record
        cdef int problem
        if entry.seen & FIELDS_BASE:
            self.inherit(entry)
        self.resolve_name(entry, &name)
        if entry.value.type == WIRE_NONE and not entry.seen & FIELD_N and not self.is_etch:
            if entry.seen == 0:
                return self.fail(entry.start, "a record of nothing")
            if not entry.seen & FIELD_BN or not name.digits:
                return 0                # base fields for the records that follow
        problem = path_end(&name)
        if problem:
            return self.fail(entry.start, f"the name has {PROBLEMS[problem]}")
        if not path_under(name.ids, name.depth, self.base_ids, self.base_depth):
            return self.fail_at(entry.start, name.ids, name.depth,
                                f"outside {make_path(self.base_ids, self.base_depth)}")
        record = self.pack.add()
        if record == NULL:
            return self.fail(entry.start, f"more than {PACK_MAX_RECORDS} records")
        record.ids = name.ids
        record.depth = name.depth
        if entry.seen & FIELD_T or self.has_base_time:
            if entry.value.type != WIRE_NONE:
                self.resolve_time(entry, record)
        return self.resolve_value(entry, record)

    cdef Pack finish(self):
        """The pack, which holds no path twice at one time."""
        cdef Py_ssize_t repeated = self.pack.find_repeated()
        if repeated >= 0:
            self.fail_at(self.pack.data + self.pack.records[repeated].offset,
                         self.pack.records[repeated].ids, self.pack.records[repeated].depth,
                         f"record {repeated} is there already")
        return self.pack

    cdef Pack read(self):
        raise NotImplementedError

    cdef int again(self, bytes payload, Types types, int64_t now_ns, bytes root) except -1:
        reuse_pack(self.pack, payload)
        self.types = types
        self.root = root
        self.has_now = True
        self.now_ns = now_ns
        self.has_base_name = self.has_base_time = self.has_base_value = False
        self.base_time_ns = 0
        return 0

    cdef int start(self, str format_name, int number, bytes payload, object base, object types,
                   object now_ns, object root, size_t expected) except -1:
        cdef Path place = as_path(base)
        self.pack = new_pack(payload, number, expected)
        self.types = as_types(types)
        self.format_name = format_name
        self.base_ids = place.packed
        self.base_depth = place.depth
        self.root = NO_ROOT if root is SLASH else root_prefix(format_name, root)
        self.is_etch = number == 320 or number == 322
        if now_ns is not None:
            self.has_now = True
            self.now_ns = now_ns
        return 0


cdef int common_depth(Items items) noexcept:
    """How many ids all paths share, each path being at least one deeper, or all being the same."""
    cdef const Record *first = items.items[0].record
    cdef const Record *record
    cdef int depth = first.depth
    cdef bint same = True
    cdef size_t i
    for i in range(1, items.count):
        record = items.items[i].record
        if record.ids == first.ids and record.depth == first.depth:
            continue
        if same:
            depth = max(depth - 1, 0)
            same = False
        depth = min(depth, max(<int>record.depth - 1, 0))
        while (record.ids ^ first.ids) & path_mask(depth):
            depth -= 1
    return depth


cdef str unfit(const Record *record, Path place, bint is_etch):
    """Why SenML cannot hold this record; None when it can."""
    if not path_under(record.ids, record.depth, place.packed, place.depth):
        return f"is not under {place}"
    if record.has_time and record.time_ns < RELATIVE_LIMIT_NS:
        return f"the time {record.time_ns} ns would be read as relative"
    if record.kind == KIND_NONE:
        return "a path without a value has no time" if record.has_time else None
    if record.kind == KIND_NULL:
        return None if is_etch else "null is for SenML-ETCH only"
    return None if record.depth >= 3 else "a value belongs to a resource"


cdef int check(str format_name, Items items, Path place, bint is_etch) except -1:
    cdef size_t i
    cdef const Record *record
    for i in range(items.count):
        record = items.items[i].record
        why = unfit(record, place, is_etch)
        if why is not None:
            raise PayloadError(format_name, str(make_path(record.ids, record.depth)), i, why)
    return 0


cdef bint all_same(Items items) noexcept:
    cdef size_t i
    for i in range(1, items.count):
        if (items.items[i].record.ids != items.items[0].record.ids
                or items.items[i].record.depth != items.items[0].record.depth):
            return False
    return True


cdef class Layout(Items):
    cdef size_t name(self, const Record *record, uint8_t *out) noexcept:
        cdef uint8_t[32] text
        cdef size_t size
        if self.base_name_size:         # "/0/1" behind a base name that ends with the slash
            size = path_write_from(record.ids, self.base_depth, record.depth, text)
            memcpy(out, text + 1, size - 1)
            return size - 1
        size = <size_t>PyBytes_GET_SIZE(self.root)
        memcpy(out, PyBytes_AS_STRING(self.root), size)
        return size + path_write(record.ids, record.depth, out + size)

    cdef int plan_names(self) except -1:
        cdef const Record *first = self.items[0].record
        cdef size_t size = <size_t>PyBytes_GET_SIZE(self.root)
        cdef int depth = common_depth(self)
        memcpy(self.base_name, PyBytes_AS_STRING(self.root), size)
        self.base_depth = depth
        # The root has a name and no base name, which would be a prefix only.
        self.is_named = not first.depth or not all_same(self)
        if not self.is_named:
            size += path_write(first.ids, first.depth, self.base_name + size)
        elif depth:
            size += path_write(first.ids & path_mask(depth), depth, self.base_name + size)
            self.base_name[size] = c"/"
            size += 1
        else:
            size = 0                    # nothing in common: names are whole
        self.base_name_size = size
        return 0

    cdef void plan_times(self) noexcept:
        cdef size_t i
        for i in range(self.count):
            if not self.items[i].record.has_time:
                return
        self.has_base_time = True
        self.base_time_ns = self.items[0].record.time_ns // NS * NS

    cdef int plan(self, str format_name, object nodes, object base, object root,
                  bint is_etch) except -1:
        self.gather(nodes)
        self.root = NO_ROOT if root is SLASH else root_prefix(format_name, root)
        check(format_name, self, as_path(base), is_etch)
        if self.count:
            self.plan_names()
            self.plan_times()
        return 0
