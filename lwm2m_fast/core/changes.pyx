# Changes of the device table, written down for the store and for undoing. Decides nothing.
#
# A change in the blob (see store/base.py), all integers big-endian:
#
#   op 1 (1 put, 2 delete) | table 1 | key size 2 | value size 4 | key | value

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp

from lwm2m_fast.core.devices cimport CONTACT_SLOTS, Device
from lwm2m_fast.core.records cimport ID_RANDOM, NONE, record_endpoint, record_store, record_stored_size
from lwm2m_fast.cursor cimport Writer, write_bytes, write_u8, write_u16, write_uint, writer_init

cdef enum:
    OP_PUT = 1
    OP_DELETE = 2
    CHANGE_HEAD = 8


cdef class Changes:
    def __cinit__(self, State state, Requests requests):
        self.state = state
        self.requests = requests

    def __dealloc__(self):
        free(self.blob)
        free(self.steps)

    cdef int open_change(self, Writer *w, int op, int table, const uint8_t *key, size_t key_size,
                         size_t value_size) except -1:
        """Room for a whole change, its head and key written; close_change() makes it count."""
        cdef size_t size = CHANGE_HEAD + key_size + value_size
        cdef void *grown
        if self.blob_used + size > self.blob_size:
            grown = realloc(self.blob, max(2 * self.blob_size, self.blob_used + size, <size_t>4096))
            if grown == NULL:
                raise MemoryError
            self.blob = <uint8_t *>grown
            self.blob_size = max(2 * self.blob_size, self.blob_used + size, <size_t>4096)
        writer_init(w, self.blob + self.blob_used, size)
        write_u8(w, op)
        write_u8(w, table)
        write_u16(w, <int>key_size)
        write_uint(w, value_size, 4)
        write_bytes(w, key, key_size)
        return 0

    cdef inline void close_change(self, Writer *w) noexcept:
        self.blob_used += <size_t>(w.pos - w.start)

    cdef int reserve_step(self) except -1:
        cdef size_t size, i
        cdef Step *grown
        if self.steps_count < self.steps_size:
            return 0
        size = max(2 * self.steps_size, <size_t>64)
        grown = <Step *>realloc(NULL, size * sizeof(Step))
        if grown == NULL:
            raise MemoryError
        for i in range(self.steps_count):
            grown[i] = self.step(i)[0]
        free(self.steps)
        self.steps = grown
        self.steps_size = size
        self.steps_first = 0
        return 0

    cdef inline Step *step(self, size_t position) noexcept:
        return &self.steps[(self.steps_first + position) % self.steps_size]

    cdef inline void note_step(self, uint32_t slot, Record *before, Record *after) noexcept:
        cdef Step *step
        self.steps_count += 1
        step = self.step(self.steps_count - 1)
        step.turn = self.state.turn
        step.slot = slot
        step.before = before
        step.after = after
        step.peer = NONE
        if before != NULL or after != NULL:
            self.state.devices.at(slot).is_changing = True
            self.state.devices.at(slot).changed_turn = self.state.turn

    cdef int put_record(self, Writer *w, Record *record) except -1:
        self.open_change(w, OP_PUT, TABLE_REGISTRATION, record_endpoint(record),
                         record.endpoint_size, record_stored_size(record))
        record_store(record, w)
        return 0

    cdef void add(self, Record *record) except *:
        cdef Writer w
        self.reserve_step()
        self.put_record(&w, record)
        self.state.devices.put(record, self.state.now)
        self.close_change(&w)
        self.note_step(record.slot, NULL, record)

    cdef void replace(self, uint32_t slot, Record *record) except *:
        cdef Writer w
        cdef Record *before = self.state.devices.at(slot).record
        self.reserve_step()
        self.put_record(&w, record)
        self.end_requests(slot, record)
        self.state.devices.swap(slot, record, self.state.now)
        self.close_change(&w)
        self.note_step(slot, before, record)

    cdef void remove(self, uint32_t slot) except *:
        cdef Writer w
        cdef Record *before = self.state.devices.at(slot).record
        self.reserve_step()
        self.open_change(&w, OP_DELETE, TABLE_REGISTRATION, record_endpoint(before),
                         before.endpoint_size, 0)
        self.requests.cancel_all(slot)
        self.state.devices.take(slot, self.state.now)
        self.close_change(&w)
        self.note_step(slot, before, NULL)

    cdef void end_requests(self, uint32_t slot, const Record *after) except *:
        """Requests end with the registration they were for, and when its address is another."""
        cdef const Record *before = self.state.devices.at(slot).record
        if (memcmp(before.random, after.random, ID_RANDOM)
                or memcmp(&before.address, &after.address, sizeof(after.address))):
            self.requests.cancel_all(slot)

    cdef void note_contacts(self, uint32_t slot) except *:
        """A row for 64 neighbours: a fleet that was heard is few rows to write, and to load."""
        cdef Writer w
        cdef uint8_t key[4]
        cdef uint32_t row = slot // CONTACT_SLOTS, each
        cdef int64_t heard
        cdef int i
        self.reserve_step()
        for i in range(4):
            key[i] = <uint8_t>(row >> 8 * (3 - i))
        self.open_change(&w, OP_PUT, TABLE_CONTACT, key, 4, 8 * CONTACT_SLOTS)
        for each in range(row * CONTACT_SLOTS, (row + 1) * CONTACT_SLOTS):
            heard = 0
            if each < self.state.devices.next_new and self.state.devices.at(each).record != NULL:
                heard = self.state.devices.at(each).seen_at + self.state.wall_offset
            write_uint(&w, <unsigned long long>heard, 8)
        self.close_change(&w)
        self.state.devices.settle_contacts(slot)
        self.note_step(slot, NULL, NULL)

    cdef void renote_contacts(self, uint32_t slot) noexcept:
        """The row that `slot` is in is not stored after all."""
        cdef uint32_t first = slot - slot % CONTACT_SLOTS, each
        for each in range(first, min(first + CONTACT_SLOTS, self.state.devices.next_new)):
            if self.state.devices.at(each).record != NULL:
                self.state.devices.note_touched(self.state.devices.at(each), each)

    cdef void note_peer(self, uint32_t peer) noexcept:
        self.step(self.steps_count - 1).peer = peer

    cdef bytes take(self):
        cdef bytes blob = (<const char *>self.blob)[:self.blob_used] if self.blob_used else b""
        self.blob_used = 0
        return blob

    cdef void committed(self, uint32_t turn) except *:
        cdef Step *step
        cdef Device *device
        cdef uint32_t slot, step_turn
        while self.steps_count:
            step = self.step(0)
            if <int>(step.turn - turn) > 0:
                return
            slot = step.slot
            step_turn = step.turn
            self.state.devices.free_record(step.before)
            self.steps_first = (self.steps_first + 1) % self.steps_size
            self.steps_count -= 1
            device = self.state.devices.at(slot)
            if device.changed_turn == step_turn:
                device.is_changing = False
            if device.record != NULL and device.requests != NONE:
                self.requests.send_next(device)     # they waited for this

    cdef void roll_back(self, uint32_t turn) except *:
        cdef Step step
        while self.steps_count:
            step = self.step(self.steps_count - 1)[0]
            if <int>(step.turn - turn) < 0:
                return
            self.steps_count -= 1
            self.undo(&step, turn)

    cdef void undo(self, Step *step, uint32_t turn) except *:
        cdef State state = self.state
        cdef Device *device = state.devices.at(step.slot)
        if step.peer != NONE:
            state.peers.forget_held(state.peers.at(step.peer), turn)
        if step.before == NULL and step.after == NULL:
            self.renote_contacts(step.slot)
        elif step.before == NULL:
            self.requests.cancel_all(step.slot)
            state.devices.take(step.slot, state.now)
        elif step.after == NULL:
            state.devices.put(step.before, state.now)
        else:
            self.end_requests(step.slot, step.before)
            state.devices.swap(step.slot, step.before, state.now)
        device.is_changing = False
        state.devices.free_record(step.after)
