# A decoded payload: a flat array of records over the bytes it came from; and the reverse,
# records gathered for an encoder.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from lwm2m_fast.codec.node cimport Item, Node, Record


cdef enum:
    PACK_MAX_RECORDS = 65536        # kinds.MAX_RECORDS
    PACK_MAX_BYTES = 16777215       # kinds.MAX_PAYLOAD_BYTES
    ITEMS_INLINE = 4                # records gathered without a heap block


cdef class Pack:
    cdef readonly bytes payload     # as it was received, kept for forwarding
    cdef readonly int content_format
    cdef const uint8_t *data        # of payload
    cdef Record *records
    cdef size_t count
    cdef size_t room
    cdef Record one                 # where `records` begins: most payloads are a single value
    cdef list contents              # what FORM_OBJECT points into; None until needed

    # A cleared record at the end, valid until the next add(); NULL when the limit is reached.
    cdef Record *add(self) except? NULL
    cdef int make_room(self, size_t room) except -1
    cdef int hold(self, Record *record, object content) except -1
    # The first record that repeats another's path and time, or -1.
    cdef Py_ssize_t find_repeated(self) except -2
    cdef Py_ssize_t find_repeated_unordered(self) except -2
    cdef object content_of(self, const Record *record)
    cdef object value_of(self, const Record *record)
    cdef Node node_at(self, size_t index)
    # A number that two packs with values at the same paths, in the same order, share.
    cdef uint64_t shape_number(self) noexcept


cdef Pack new_pack(bytes payload, int content_format, size_t expected)
# Empty it, and let it be over another payload.
cdef int reuse_pack(Pack pack, bytes payload) except -1


# Records with their contents in plain form, whatever they came from; keeps all of it alive.
cdef class Items:
    cdef Item *items
    cdef size_t count
    cdef Item[ITEMS_INLINE] few
    cdef list kept
    cdef size_t content_bytes       # all contents together

    # Take the records of a Pack or an iterable of Nodes; FormatError past the limit.
    cdef int gather(self, object nodes) except -1
    cdef void sort(self) noexcept
