# Changes of both tables, written down for the store and for undoing. Decides nothing.
#
# A change in the blob (see store/base.py), all integers big-endian:
#
#   op 1 (1 put, 2 delete) | table 1 | key size 2 | value size 4 | key | value

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy

from lwm2m_fast.core.devices cimport CONTACT_SLOTS, Device
from lwm2m_fast.core.observe cimport (RELATION_AGAIN, RELATION_NEW, Observation, relation_key,
                                      relation_store, relation_stored_size)
from lwm2m_fast.core.records cimport (ID_RANDOM, MAX_ENDPOINT, NONE, record_endpoint, record_store,
                                      record_stored_size)
from lwm2m_fast.core.state cimport COUNT_OBSERVATIONS_ENDED
from lwm2m_fast.cursor cimport Writer, write_bytes, write_u8, write_u16, write_uint, writer_init

cdef enum:
    OP_PUT = 1
    OP_DELETE = 2
    CHANGE_HEAD = 8


cdef class Changes:
    def __cinit__(self, State state, Requests requests, reporting):
        self.state = state
        self.requests = requests
        self.reestablishes = reporting.reestablish
        self.unsaved = []
        self.stale = []

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

    cdef inline Step *note_step(self, StepKind kind, uint32_t slot, void *before,
                                void *after) noexcept:
        cdef Step *step
        self.steps_count += 1
        step = self.step(self.steps_count - 1)
        step.turn = self.state.turn
        step.kind = kind
        step.slot = slot
        step.before = before
        step.after = after
        step.peer = NONE
        step.state = step.is_final = step.was_watched = False
        if kind == STEP_RECORD:
            self.state.devices.at(slot).is_changing = True
            self.state.devices.at(slot).changed_turn = self.state.turn
        return step

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
        self.state.devices.at(record.slot).is_watched = False
        self.close_change(&w)
        self.note_step(STEP_RECORD, record.slot, NULL, record)

    cdef void replace(self, uint32_t slot, Record *record) except *:
        cdef Writer w
        cdef Record *before = self.state.devices.at(slot).record
        self.end_requests(slot, record)
        if self.is_replaced(slot, record) and not self.reestablishes:
            self.drop_observations(slot)
        self.reserve_step()
        self.put_record(&w, record)
        self.state.devices.swap(slot, record, self.state.now)
        self.close_change(&w)
        self.note_step(STEP_RECORD, slot, before, record)

    cdef void remove(self, uint32_t slot) except *:
        cdef Writer w
        cdef Record *before = self.state.devices.at(slot).record
        self.requests.cancel_all(slot)
        self.drop_observations(slot)
        self.reserve_step()
        self.open_change(&w, OP_DELETE, TABLE_REGISTRATION, record_endpoint(before),
                         before.endpoint_size, 0)
        self.state.devices.take(slot, self.state.now)
        self.close_change(&w)
        self.note_step(STEP_RECORD, slot, before, NULL).was_watched = (
            self.state.devices.at(slot).is_watched)

    cdef bint is_replaced(self, uint32_t slot, const Record *after) noexcept:
        """Whether this is another registration of the same device."""
        return memcmp(self.state.devices.at(slot).record.random, after.random, ID_RANDOM) != 0

    cdef void end_requests(self, uint32_t slot, const Record *after) except *:
        """Requests end with the registration they were for, and when its address is another."""
        cdef const Record *before = self.state.devices.at(slot).record
        if (self.is_replaced(slot, after)
                or memcmp(&before.address, &after.address, sizeof(after.address))):
            self.requests.cancel_all(slot)

    cdef void note_contacts(self, uint32_t slot) except *:
        """A row for 64 neighbours: a fleet that was heard is few rows to write, and to load."""
        cdef Writer w
        cdef uint8_t key[4]
        cdef uint32_t row = slot // CONTACT_SLOTS, each
        cdef int64_t seen, heard
        cdef Device *device
        cdef int i
        self.reserve_step()
        for i in range(4):
            key[i] = <uint8_t>(row >> 8 * (3 - i))
        self.open_change(&w, OP_PUT, TABLE_CONTACT, key, 4, 16 * CONTACT_SLOTS)
        for each in range(row * CONTACT_SLOTS, (row + 1) * CONTACT_SLOTS):
            seen = heard = 0
            if each < self.state.devices.next_new and self.state.devices.at(each).record != NULL:
                device = self.state.devices.at(each)
                seen = device.seen_at + self.state.wall_offset
                heard = self.state.devices.heard_at(device) + self.state.wall_offset
            write_uint(&w, <unsigned long long>seen, 8)
            write_uint(&w, <unsigned long long>heard, 8)
        self.close_change(&w)
        self.state.devices.settle_contacts(slot)
        self.note_step(STEP_CONTACTS, slot, NULL, NULL)

    # Observations

    cdef int put_relation(self, Writer *w, uint32_t index, const Relation *relation,
                          int state) except -1:
        cdef uint8_t key[MAX_ENDPOINT + 4]
        cdef size_t size = relation_key(
            index, self.state.devices.at(relation.slot).record, key)
        self.open_change(w, OP_PUT, TABLE_OBSERVATION, key, size, relation_stored_size(relation))
        relation_store(relation, state, w)
        return 0

    cdef int set_relation(self, uint32_t index, Relation *after, bint is_final) except -1:
        cdef Writer w
        cdef uint8_t key[MAX_ENDPOINT + 4]
        cdef Observation *observation = self.state.observations.at(index)
        cdef Relation *before = observation.relation
        cdef uint8_t state = observation.state
        cdef Step *step
        self.reserve_step()
        if after == NULL:
            self.open_change(
                &w, OP_DELETE, TABLE_OBSERVATION, key,
                relation_key(index, self.state.devices.at(before.slot).record, key), 0)
            self.state.observations.take(index)
        elif before == NULL:
            self.put_relation(&w, index, after, RELATION_NEW)
            self.state.observations.put(index, after)
        else:
            self.put_relation(&w, index, after, RELATION_AGAIN)
            self.state.observations.swap(index, after)
            observation.state = RELATION_AGAIN
            is_final, observation.is_over = observation.is_over, False
        self.close_change(&w)
        step = self.note_step(STEP_RELATION, index, before, after)
        step.state = state
        step.is_final = is_final
        observation.changed_turn = self.state.turn
        return 0

    cdef int write_relation(self, uint32_t index) except -1:
        cdef Writer w
        cdef Observation *observation = self.state.observations.at(index)
        if not self.state.store_works:
            self.mark_unsaved(index)
            return 0
        self.reserve_step()
        self.put_relation(&w, index, observation.relation, observation.state)
        self.close_change(&w)
        self.note_step(STEP_ROW, index, NULL, NULL)
        return 0

    cdef int drop_observations(self, uint32_t slot) except -1:
        while self.state.devices.at(slot).observations != NONE:
            self.state.counts[COUNT_OBSERVATIONS_ENDED] += 1
            self.set_relation(self.state.devices.at(slot).observations, NULL, False)
        return 0

    cdef void mark_unsaved(self, uint32_t index) except *:
        cdef Observation *observation = self.state.observations.at(index)
        if not observation.is_unsaved:
            observation.is_unsaved = True
            self.unsaved.append(index)

    cdef void note_stale(self, bytes key) except *:
        self.stale.append(key)

    cdef bint write_unsaved(self, int limit) except -1:
        while self.unsaved and limit > 0:
            limit -= 1
            self.write_one(self.unsaved.pop())
        while self.stale and limit > 0:
            limit -= 1
            self.delete_stale(self.stale.pop())
        return bool(self.unsaved or self.stale)

    cdef void write_one(self, uint32_t index) except *:
        cdef Observation *observation = self.state.observations.at(index)
        if not observation.is_unsaved or observation.relation == NULL:
            return                      # forgotten meanwhile
        observation.is_unsaved = False
        if observation.is_over:
            self.set_relation(index, NULL, True)
        else:
            self.write_relation(index)

    cdef void delete_stale(self, bytes key) except *:
        cdef Writer w
        cdef const uint8_t *data = <const uint8_t *><const char *>key
        cdef uint8_t *copy
        if self.state.observations.has_row(data, len(key)):
            return                      # another one has come in its place
        self.reserve_step()
        self.open_change(&w, OP_DELETE, TABLE_OBSERVATION, data, len(key), 0)
        copy = <uint8_t *>malloc(len(key))
        if copy == NULL:
            raise MemoryError
        memcpy(copy, data, len(key))
        self.close_change(&w)
        self.note_step(STEP_STALE, <uint32_t>len(key), copy, NULL)

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
        cdef Step step
        cdef Device *device
        while self.steps_count:
            step = self.step(0)[0]
            if <int>(step.turn - turn) > 0:
                return
            self.steps_first = (self.steps_first + 1) % self.steps_size
            self.steps_count -= 1
            if step.kind >= STEP_RELATION:
                free(step.before)
                continue
            self.state.devices.free_record(<Record *>step.before)
            device = self.state.devices.at(step.slot)
            if device.changed_turn == step.turn:
                device.is_changing = False
            if device.record != NULL and device.requests != NONE:
                self.requests.send_next(device)     # they waited for this

    cdef void roll_back(self, uint32_t turn) except *:
        cdef Step step
        self.is_undoing = True
        while self.steps_count:
            step = self.step(self.steps_count - 1)[0]
            if <int>(step.turn - turn) < 0:
                break
            self.steps_count -= 1
            self.undo(&step, turn)
        self.is_undoing = False

    cdef void undo(self, Step *step, uint32_t turn) except *:
        cdef State state = self.state
        if step.peer != NONE:
            state.peers.forget_held(state.peers.at(step.peer), turn)
        if step.kind == STEP_RECORD:
            self.undo_record(step)
        elif step.kind == STEP_RELATION:
            self.undo_relation(step)
        elif step.kind == STEP_ROW:
            self.mark_unsaved(step.slot)
        elif step.kind == STEP_STALE:
            self.note_stale((<const char *>step.before)[:step.slot])
            free(step.before)
        else:
            self.renote_contacts(step.slot)

    cdef void undo_record(self, const Step *step) except *:
        cdef State state = self.state
        cdef Device *device = state.devices.at(step.slot)
        if step.before == NULL:
            self.requests.cancel_all(step.slot)
            state.devices.take(step.slot, state.now)
        elif step.after == NULL:
            state.devices.put(<Record *>step.before, state.now)
            device.is_watched = step.was_watched
        else:
            self.end_requests(step.slot, <Record *>step.before)
            state.devices.swap(step.slot, <Record *>step.before, state.now)
        device.is_changing = False
        state.devices.free_record(<Record *>step.after)

    cdef void undo_relation(self, const Step *step) except *:
        cdef uint8_t key[MAX_ENDPOINT + 4]
        cdef Observation *observation = self.state.observations.at(step.slot)
        cdef size_t size
        if step.before == NULL:
            # A row of nobody may stand there: its deletion was left out for the sake of this one.
            size = relation_key(
                step.slot, self.state.devices.at(observation.relation.slot).record, key)
            self.state.observations.take(step.slot)
            self.note_stale((<const char *>key)[:size])
        elif step.after == NULL:
            self.state.observations.put(step.slot, <Relation *>step.before)
            observation.state = step.state
            # The device has ended it, or was not heard in time: it stays so, and is written later.
            observation.is_over = step.is_final or step.state == RELATION_NEW
            if observation.is_over:
                self.mark_unsaved(step.slot)
        else:
            self.state.observations.swap(step.slot, <Relation *>step.before)
            observation.state = step.state
            observation.is_over = step.is_final
        observation.request = 0
        free(step.after)
