# The three ways to change the device table, each written down for the store and for undoing.
#
# Whatever ends or moves a registration ends its requests here, whichever way it came about.
# A turn's changes leave as one blob. When the store has it, committed() lets go of the old
# records; when it refuses, roll_back() puts them back, newest first, as if nothing had come.

from libc.stdint cimport uint8_t, uint32_t

from lwm2m_fast.core.records cimport Record
from lwm2m_fast.core.requests cimport Requests
from lwm2m_fast.core.state cimport State
from lwm2m_fast.cursor cimport Writer


cdef enum:
    TABLE_REGISTRATION = 1        # key: endpoint name; value: see core/records
    # key: the slots' number / CONTACT_SLOTS, 4 bytes; value: unix ms of each one's last contact,
    # 8 bytes, 0 for a free slot
    TABLE_CONTACT = 2

cdef struct Step:
    uint32_t turn
    uint32_t slot
    Record *before                # NULL: it was added
    Record *after                 # NULL: it was removed; both NULL: its row of contacts was written
    uint32_t peer                 # who has the held answer in its memory; NONE


cdef class Changes:
    cdef State state
    cdef Requests requests
    cdef uint8_t *blob
    cdef size_t blob_size, blob_used
    cdef Step *steps              # a ring of steps_size entries
    cdef size_t steps_size, steps_first, steps_count

    # Each takes over `record`. MemoryError: nothing changed, the record is still the caller's.
    cdef void add(self, Record *record) except *
    cdef void replace(self, uint32_t slot, Record *record) except *
    cdef void remove(self, uint32_t slot) except *
    cdef void note_contacts(self, uint32_t slot) except *   # of the row that `slot` is in
    # This peer remembers the held answer to the newest change; undoing makes it forget.
    cdef void note_peer(self, uint32_t peer) noexcept

    cdef bytes take(self)         # the blob so far; empty when nothing changed
    cdef void committed(self, uint32_t turn) except *
    cdef void roll_back(self, uint32_t turn) except *

    # Private.
    cdef int open_change(self, Writer *w, int op, int table, const uint8_t *key, size_t key_size,
        size_t value_size) except -1
    cdef void close_change(self, Writer *w) noexcept
    cdef int reserve_step(self) except -1
    cdef Step *step(self, size_t position) noexcept
    cdef void renote_contacts(self, uint32_t slot) noexcept
    cdef void note_step(self, uint32_t slot, Record *before, Record *after) noexcept
    cdef int put_record(self, Writer *w, Record *record) except -1
    cdef void undo(self, Step *step, uint32_t turn) except *
    cdef void end_requests(self, uint32_t slot, const Record *after) except *
