# Nodes: one value at one path at one moment, checked when it is made.
#
# Knows no payload format, no object and no device.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport copysign, isnan

from lwm2m_fast.codec.path cimport Path, as_path, make_path

from lwm2m_fast.codec.kinds import Kind, ObjectLink
from lwm2m_fast.errors import FormatError

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef tuple KINDS = tuple(Kind)


cdef object number_value(const Record *record):
    """The Python value of a record without content."""
    cdef int kind = record.kind
    if kind == KIND_INTEGER or kind == KIND_TIME:
        return record.number.i
    if kind == KIND_FLOAT:
        return record.number.f
    if kind == KIND_BOOLEAN:
        return record.number.i != 0
    if kind == KIND_UNSIGNED:
        return record.number.u
    if kind == KIND_OBJLNK:
        return ObjectLink(record.number.u >> 16, record.number.u & 0xFFFF)
    return None


cdef const uint8_t *content_view(object content, size_t *size) except NULL:
    """The bytes of a str (as UTF-8) or bytes object, valid as long as the object."""
    cdef Py_ssize_t length
    cdef const char *text
    if isinstance(content, str):
        text = PyUnicode_AsUTF8AndSize(content, &length)
        size[0] = <size_t>length
        return <const uint8_t *>text
    size[0] = <size_t>PyBytes_GET_SIZE(content)
    return <const uint8_t *>PyBytes_AS_STRING(content)


cdef int set_none(Node node, object value) except -1:
    if value is not None:
        raise TypeError("no value belongs here")
    return 0


cdef int set_text(Node node, object value) except -1:
    if not isinstance(value, str):
        raise TypeError("text is needed")
    value.encode()                      # a lone surrogate has no UTF-8
    node.content = value
    return 0


cdef int set_integer(Node node, object value) except -1:
    if isinstance(value, (bool, float)):
        raise TypeError("a whole number is needed")
    node.record.number.i = value
    return 0


cdef int set_unsigned(Node node, object value) except -1:
    if isinstance(value, (bool, float)):
        raise TypeError("a whole number is needed")
    node.record.number.u = value
    return 0


cdef int set_float(Node node, object value) except -1:
    if isinstance(value, (bool, str)):
        raise TypeError("a number is needed")
    node.record.number.f = value
    return 0


cdef int set_boolean(Node node, object value) except -1:
    if not isinstance(value, bool):
        raise TypeError("True or False is needed")
    node.record.number.i = 1 if value else 0
    return 0


cdef int set_opaque(Node node, object value) except -1:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("bytes are needed")
    node.content = bytes(value)
    return 0


cdef int set_link(Node node, object value) except -1:
    cdef object object_id, instance_id
    object_id, instance_id = value.split(":") if isinstance(value, str) else value
    object_id, instance_id = int(object_id), int(instance_id)
    if not (0 <= object_id <= 65535 and 0 <= instance_id <= 65535):
        raise ValueError("the ids of a link are in 0..65535")
    node.record.number.u = (<uint64_t>object_id << 16) | <uint64_t>instance_id
    return 0


ctypedef int (*Setter)(Node, object) except -1
cdef Setter[11] SETTERS
SETTERS[:] = [
    set_none, set_text, set_integer, set_unsigned, set_float, set_boolean, set_opaque, set_integer,
    set_link, set_text, set_none,
]


cdef int kind_of(object value) except -1:
    """The kind a Python value has when none is named."""
    if isinstance(value, bool):
        return KIND_BOOLEAN
    if isinstance(value, int):
        return KIND_INTEGER if value < 1 << 63 else KIND_UNSIGNED
    if isinstance(value, float):
        return KIND_FLOAT
    if isinstance(value, str):
        return KIND_STRING
    if isinstance(value, (bytes, bytearray, memoryview)):
        return KIND_OPAQUE
    if isinstance(value, ObjectLink):
        return KIND_OBJLNK
    if value is None:
        return KIND_NONE
    raise FormatError(f"a {type(value).__name__} is not a value of LwM2M")


cdef class Node:
    """A value at a path: Node("/3/0/9", 85). Immutable.

    The kind follows from the Python value unless it is given; a Time is whole seconds and has to be
    named. `time_ns` is the moment of the value in nanoseconds since 1970, None for "just now".
    Raises FormatError for a value that its kind cannot hold.
    """

    def __init__(self, path, value=None, kind=None, time_ns=None):
        cdef Path place = as_path(path)
        cdef int number = kind_of(value) if kind is None else kind
        if not 0 <= number <= KIND_NULL:
            raise FormatError(f"{place}: {number} is not a kind")
        self.record.ids = place.packed
        self.record.depth = <uint8_t>place.depth
        self.record.kind = <uint8_t>number
        try:
            if time_ns is not None:
                self.record.time_ns = time_ns
                self.record.has_time = 1
            SETTERS[number](self, value)
        except (TypeError, ValueError, OverflowError) as error:
            raise FormatError(
                f"{place}: {value!r:.80} at {time_ns} is not {KINDS[number].name}: {error}"
            ) from None

    @property
    def path(self):
        return make_path(self.record.ids, self.record.depth)

    @property
    def kind(self):
        return KINDS[self.record.kind]

    @property
    def time_ns(self):
        return self.record.time_ns if self.record.has_time else None

    @property
    def value(self):
        if has_content(self.record.kind):
            return self.content
        return number_value(&self.record)

    def __eq__(self, other):
        if not isinstance(other, Node):
            return NotImplemented
        cdef const Record *a = &self.record
        cdef const Record *b = &(<Node>other).record
        if (a.ids != b.ids or a.depth != b.depth or a.kind != b.kind or a.has_time != b.has_time
                or a.time_ns != b.time_ns or self.content != (<Node>other).content):
            return False
        if a.kind == KIND_FLOAT:        # -0.0 is not 0.0, and not-a-number is itself
            return (isnan(a.number.f) and isnan(b.number.f)) or (
                a.number.f == b.number.f
                and copysign(1, a.number.f) == copysign(1, b.number.f))
        return a.number.u == b.number.u

    def __hash__(self):
        return hash((self.record.ids, self.record.depth, self.record.kind, self.record.time_ns))

    def __repr__(self):
        moment = f", time_ns={self.time_ns}" if self.record.has_time else ""
        return f"Node({str(self.path)!r}, {self.value!r}, {self.kind.name}{moment})"

    def __reduce__(self):
        return Node, (self.path, self.value, self.kind, self.time_ns)
