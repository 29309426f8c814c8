# The ways to change the tables of devices and of observations, each written down for the store
# and for undoing.
#
# Whatever ends or moves a registration ends its requests here, whichever way it came about.
# A turn's changes leave as one blob. When the store has it, committed() lets go of the old
# records; when it refuses, roll_back() puts them back, newest first, as if nothing had come.

from libc.stdint cimport uint8_t, uint32_t

from lwm2m_fast.core.observe cimport Relation
from lwm2m_fast.core.records cimport Record
from lwm2m_fast.core.requests cimport Requests
from lwm2m_fast.core.state cimport State
from lwm2m_fast.cursor cimport Writer


cdef enum:
    TABLE_REGISTRATION = 1        # key: endpoint name; value: see core/records
    # key: slot, 4 bytes; value: unix ms of the last Register or Update, 8 bytes, and of whatever
    # was heard later, if anything, another 8
    TABLE_CONTACT = 2
    TABLE_OBSERVATION = 3         # see core/observe

cdef enum StepKind:
    STEP_RECORD                   # `before` and `after` are Records; NULL: there was, or is, none
    STEP_CONTACT
    STEP_RELATION                 # Relations, the same; `slot` is the observation's index
    STEP_ROW                      # an observation's row was written as it is in memory
    STEP_STALE                    # `before` is the key of a row that was deleted, `slot` its size

cdef struct Step:
    uint32_t turn
    uint32_t slot
    void *before
    void *after
    uint32_t peer                 # who has the held answer in its memory; NONE
    uint8_t kind
    uint8_t state                 # of the observation, before
    uint8_t is_final              # the device has ended the observation: there is no way back
    uint8_t was_watched           # the device that was removed


cdef class Changes:
    cdef State state
    cdef Requests requests
    cdef uint8_t *blob
    cdef size_t blob_size, blob_used
    cdef Step *steps              # a ring of steps_size entries
    cdef size_t steps_size, steps_first, steps_count
    cdef bint reestablishes       # observations outlive their registration when a new one replaces it
    cdef readonly bint is_undoing
    cdef list unsaved             # indices of observations
    cdef list stale               # keys of rows

    # Each takes over `record`. MemoryError: requests may have ended, nothing else has changed, and
    # the record is still the caller's.
    cdef void add(self, Record *record) except *
    cdef void replace(self, uint32_t slot, Record *record) except *
    cdef void remove(self, uint32_t slot) except *
    cdef void note_contact(self, uint32_t slot) except *
    # The observation's relation becomes `after`; NULL: it is forgotten. Of one that is new the
    # index comes from reserve(). Takes over `after` unless it raises.
    cdef int set_relation(self, uint32_t index, Relation *after, bint is_final) except -1
    cdef int write_relation(self, uint32_t index) except -1      # its row, as it is now
    # Rows that are to be written or deleted yet: what happened while the store did not work, or
    # what it refused. Whether more is left.
    cdef bint write_unsaved(self, int limit) except -1
    # A stored observation that nothing in memory belongs to is to be deleted.
    cdef void note_stale(self, bytes key) except *
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
    cdef Step *note_step(self, StepKind kind, uint32_t slot, void *before, void *after) noexcept
    cdef int put_relation(self, Writer *w, uint32_t index, const Relation *relation,
        int state) except -1
    cdef int drop_observations(self, uint32_t slot) except -1
    cdef void mark_unsaved(self, uint32_t index) except *
    cdef void write_one(self, uint32_t index) except *
    cdef void delete_stale(self, bytes key) except *
    cdef void undo_relation(self, const Step *step) except *
    cdef int put_record(self, Writer *w, Record *record) except -1
    cdef void undo(self, Step *step, uint32_t turn) except *
    cdef void undo_record(self, const Step *step) except *
    cdef bint is_replaced(self, uint32_t slot, const Record *after) noexcept
    cdef void end_requests(self, uint32_t slot, const Record *after) except *
