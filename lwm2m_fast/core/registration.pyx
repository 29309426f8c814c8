# Register, Update and De-register (LwM2M TS 1.2 Core, section 6.2).
#
# Decides who is registered as what. An Update that changes nothing but the time touches one slot
# of the device table and nothing else; every other change is answered once the store has it.

from libc.string cimport memcmp, memcpy

from lwm2m_fast.core.describe cimport id_text
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.links cimport INTERNED, INTERNED_FULL, Interned
from lwm2m_fast.core.params cimport params_check_binding, params_merge, params_parse
from lwm2m_fast.core.peers cimport PEER_VERIFIED
from lwm2m_fast.core.records cimport (BINDING_Q, BINDING_U, ID_RANDOM, Links, NONE, id_read,
                                      id_write, record_endpoint, record_new, record_same)
from lwm2m_fast.core.resource cimport refuse
from lwm2m_fast.core.state cimport (COUNT_DEREGISTERED, COUNT_EXPIRED, COUNT_MOVED,
                                    COUNT_REGISTERED, COUNT_REGISTER_FORBIDDEN,
                                    COUNT_REGISTER_FULL, COUNT_REGISTER_MALFORMED,
                                    COUNT_REGISTER_VERSION, COUNT_REREGISTERED,
                                    COUNT_STORE_REFUSED, COUNT_UPDATED, COUNT_UPDATE_FORBIDDEN,
                                    COUNT_UPDATE_UNKNOWN)
from lwm2m_fast.datagram cimport lf_addr
from lwm2m_fast.wire.coap cimport CON, HAS_CONTENT_FORMAT, HAS_MORE_PATH, Message
from lwm2m_fast.wire.link cimport LinkError
from lwm2m_fast.wire.numbers cimport (BAD_REQUEST, CHANGED, CREATED, DELETE, DELETED, FORBIDDEN,
                                      FORMAT_LINK, METHOD_NOT_ALLOWED, NOT_FOUND, POST,
                                      PRECONDITION_FAILED, SERVICE_UNAVAILABLE,
                                      UNSUPPORTED_CONTENT_FORMAT)

cdef enum:
    RETRY_AFTER_S = 30            # Max-Age of a 5.03
    EXPIRE_BATCH = 256


cdef void unavailable(Reply *reply, const char *why) noexcept nogil:
    refuse(reply, SERVICE_UNAVAILABLE, why)
    reply.max_age_s = RETRY_AFTER_S


cdef class Registration(Resource):
    def __cinit__(self, State state, Changes changes, registration):
        self.name = b"rd"
        self.state = state
        self.changes = changes
        self.default_lifetime_s = registration.default_lifetime_s

    cdef void handle(self, Request *request, Reply *reply) except *:
        cdef const Message *m = request.message
        if m.path_count > 2 or m.options & HAS_MORE_PATH:
            refuse(reply, BAD_REQUEST, b"a registration is /rd/{id}")
        elif m.path_count == 1 and m.code == POST:
            self.register(request, reply)
        elif m.path_count == 2 and m.code == POST:
            self.update(request, reply)
        elif m.path_count == 2 and m.code == DELETE:
            self.deregister(request, reply)
        else:
            reply.code = METHOD_NOT_ALLOWED

    # Register

    cdef void register(self, Request *request, Reply *reply) except *:
        cdef State state = self.state
        cdef Params params
        cdef Links *links = NULL
        cdef Record *record
        cdef uint32_t slot
        self.check_register(request, reply, &params)
        if reply.code:
            return
        self.intern_links(request, reply, &links)
        if reply.code:
            state.counts[COUNT_REGISTER_MALFORMED] += reply.code == BAD_REQUEST
            return
        slot = state.devices.find(params.endpoint, params.endpoint_size)
        record = self.new_record(request, &params, links, slot)
        if record == NULL:
            state.links.release(links)
            state.counts[COUNT_REGISTER_FULL] += 1
            unavailable(reply, b"this server holds as many devices as it may")
            return
        self.install(record, slot)
        self.accept(request, reply, record)

    cdef void check_register(self, Request *request, Reply *reply, Params *params) except *:
        """Leaves a refusal in `reply`, or checked parameters."""
        cdef State state = self.state
        cdef const Message *m = request.message
        cdef const char *why = b""
        cdef int code
        if m.options & HAS_CONTENT_FORMAT and m.content_format != FORMAT_LINK:
            reply.code = UNSUPPORTED_CONTENT_FORMAT
            return
        code = params_parse(m, params, &why)
        if not code and m.type != CON:
            code, why = BAD_REQUEST, b"a Register must be confirmable"
        if not code and not params.endpoint_size:   # who it is may say it (section 6.2.1)
            params.endpoint = state.principals.only_name(request.source, &params.endpoint_size)
        if not code and not params.endpoint_size:
            code, why = BAD_REQUEST, b"ep, the endpoint name, is missing"
        if not code and not params.version:
            code, why = BAD_REQUEST, b"lwm2m, the version, is missing"
        if not code:
            code = params_check_binding(params, params.version, &why)
        if code:
            state.counts[COUNT_REGISTER_VERSION if code == PRECONDITION_FAILED
                         else COUNT_REGISTER_MALFORMED] += 1
            refuse(reply, code, why)
        elif not state.may_register(request.source, params.endpoint, params.endpoint_size):
            state.counts[COUNT_REGISTER_FORBIDDEN] += 1
            reply.code = FORBIDDEN          # and no word: it may be a stranger who tries names
        elif not state.store_works:
            state.counts[COUNT_STORE_REFUSED] += 1
            unavailable(reply, b"the store cannot keep a registration now")

    cdef void intern_links(self, Request *request, Reply *reply, Links **links) except *:
        cdef LinkError error
        cdef Interned interned
        if request.body_size == 0:
            refuse(reply, BAD_REQUEST, b"the list of objects is missing")
            return
        interned = self.state.links.intern(request.body, request.body_size, links, &error)
        if interned == INTERNED_FULL:
            self.state.counts[COUNT_REGISTER_FULL] += 1
            unavailable(reply, b"this server holds as many object lists as it may")
        elif interned != INTERNED:
            refuse(reply, BAD_REQUEST, b"the list of objects is not link format")

    cdef Record *new_record(self, Request *request, Params *params, Links *links,
                            uint32_t slot) except? NULL:
        """NULL: no free slot, or out of memory."""
        cdef State state = self.state
        cdef Record *record
        if slot == NONE:
            slot = state.devices.reserve_slot()
            if slot == NONE:
                return NULL
        record = record_new(params.endpoint, params.endpoint_size,
                            params.attributes, params.attributes_size)
        if record == NULL:
            return NULL
        record.links = links
        record.slot = slot
        record.lifetime_s = params.lifetime_s if params.has_lifetime else self.default_lifetime_s
        record.registered_ms = record.updated_ms = state.now + state.wall_offset
        record.address = request.source[0]
        record.version = params.version
        record.binding = <unsigned short>(params.binding if params.binding_size else BINDING_U)
        record.queue_mode = params.has_queue or record.binding & BINDING_Q != 0
        state.random(record.random, ID_RANDOM)
        return record

    cdef void install(self, Record *record, uint32_t slot) except *:
        cdef State state = self.state
        cdef str replaced
        cdef uint32_t lapsed = 0
        try:
            if slot == NONE:
                self.changes.add(record)
            else:
                replaced = id_text(state.devices.at(slot).record, state.shard)
                self.changes.replace(slot, record)
        except MemoryError:
            state.devices.free_record(record)
            raise
        if slot == NONE:
            state.tell(COUNT_REGISTERED, "registered", record)
        else:
            lapsed = state.observations.count_of(slot)
            state.tell(COUNT_REREGISTERED, "registered", record,
                       {"replaces": replaced, "lapsed_observations": lapsed})
        if lapsed or state.hears_registers or state.devices.at(record.slot).is_watched:
            state.note_contact(record, "registered")

    cdef void accept(self, Request *request, Reply *reply, Record *record) noexcept:
        request.peer = self.state.devices.at(record.slot).peer
        reply.code = CREATED
        reply.has_location = reply.holds = reply.remembers = True
        self.changes.note_peer(request.peer)
        id_write(reply.location, self.state.shard, record.slot, record.random)

    # Update

    cdef uint32_t find(self, Request *request, Reply *reply) except? 0xFFFFFFFE:
        """The slot of /rd/{id}; NONE with a refusal in `reply`."""
        cdef const Message *m = request.message
        cdef uint8_t random[ID_RANDOM]
        cdef uint32_t shard, slot
        if (id_read(m.path[1].data, m.path[1].size, &shard, &slot, random) < 0
                or shard != self.state.shard):
            slot = NONE
        else:
            slot = self.state.devices.find_id(slot, random)
        if slot == NONE:
            self.state.counts[COUNT_UPDATE_UNKNOWN] += 1
            reply.code = NOT_FOUND
        elif not self.state.may_speak(request.source, self.state.devices.at(slot).record):
            self.state.counts[COUNT_UPDATE_FORBIDDEN] += 1
            reply.code = FORBIDDEN          # and no word, as to a Register
            slot = NONE
        elif self.state.devices.at(slot).record.address.local != request.source.local:
            refuse(reply, BAD_REQUEST, b"this registration belongs to another port of the server")
            slot = NONE
        return slot

    cdef void update(self, Request *request, Reply *reply) except *:
        cdef uint32_t slot = self.find(request, reply)
        cdef const Message *m = request.message
        cdef Device *device
        cdef Record *record
        cdef bint is_at_home
        if slot == NONE:
            return
        device = self.state.devices.at(slot)
        is_at_home = request.peer == device.peer
        if m.query_count or request.body_size or not is_at_home:
            record = self.updated_record(request, reply, device.record)
            if reply.code:
                return
            if record_same(record, device.record):
                self.state.devices.free_record(record)
            elif not self.change(request, reply, slot, record):
                return
        self.state.devices.touch(device, slot, self.state.now)
        if is_at_home and not device.has_moved:     # the id came back from where it was sent
            self.state.peers.at(device.peer).flags |= PEER_VERIFIED
        request.peer = device.peer
        if reply.holds:
            self.changes.note_peer(request.peer)
        reply.code = CHANGED
        reply.remembers = True
        if device.is_watched:
            self.state.note_contact(device.record, "updated")
        if not reply.holds:
            self.state.tell(COUNT_UPDATED, "updated", device.record)

    cdef Record *updated_record(self, Request *request, Reply *reply, Record *before) except? NULL:
        """What the registration becomes; NULL with a refusal in `reply`."""
        cdef const Message *m = request.message
        cdef const char *why = b""
        cdef Params params
        cdef Links *links = before.links
        cdef Record *record
        cdef int code
        if request.body_size and m.options & HAS_CONTENT_FORMAT and m.content_format != FORMAT_LINK:
            reply.code = UNSUPPORTED_CONTENT_FORMAT
            return NULL
        code = params_parse(m, &params, &why)
        if not code:
            code = params_check_binding(&params, before.version, &why)
        if not code:
            code = params_merge(&params, before, &why)
        if code:
            refuse(reply, code, why)
            return NULL
        if request.body_size:
            self.intern_links(request, reply, &links)
            if reply.code:
                return NULL
        else:
            links.references += 1
        record = record_new(record_endpoint(before), before.endpoint_size,
                            params.attributes, params.attributes_size)
        if record == NULL:
            self.state.links.release(links)
            raise MemoryError
        self.copy_fixed(record, before)
        record.links = links
        record.address = request.source[0]
        if params.has_lifetime:
            record.lifetime_s = params.lifetime_s
        if params.binding_size:
            record.binding = <unsigned short>params.binding
            if before.version == 0x10:
                record.queue_mode = params.binding & BINDING_Q != 0
        return record

    cdef void copy_fixed(self, Record *record, const Record *before) noexcept:
        record.slot = before.slot
        record.lifetime_s = before.lifetime_s
        record.registered_ms = before.registered_ms
        record.updated_ms = self.state.now + self.state.wall_offset
        record.version = before.version
        record.binding = before.binding
        record.queue_mode = before.queue_mode
        memcpy(record.random, before.random, ID_RANDOM)

    cdef bint change(self, Request *request, Reply *reply, uint32_t slot, Record *record) except? -1:
        """Replace the record; False with a refusal in `reply`, and then nothing has changed."""
        cdef State state = self.state
        cdef Record *before = state.devices.at(slot).record
        cdef bint moves = memcmp(&before.address, &record.address, sizeof(lf_addr)) != 0
        if not state.store_works:
            state.devices.free_record(record)
            state.counts[COUNT_STORE_REFUSED] += 1
            unavailable(reply, b"the store cannot keep a change now")
            return False
        state.counts[COUNT_MOVED] += moves
        try:
            self.changes.replace(slot, record)
        except MemoryError:
            state.devices.free_record(record)
            raise
        reply.holds = True
        state.tell(COUNT_UPDATED, "updated", record)
        return True

    # De-register

    cdef void deregister(self, Request *request, Reply *reply) except *:
        cdef uint32_t slot = self.find(request, reply)
        cdef uint32_t now_s = <uint32_t>(self.state.now // 1000)
        if slot == NONE:
            return
        if not self.state.store_works:
            self.state.counts[COUNT_STORE_REFUSED] += 1
            unavailable(reply, b"the store cannot keep a change now")
            return
        if request.peer == NONE:
            # Another port than it registered from; a repeated DELETE must find its answer.
            request.peer = self.state.peers.obtain(request.source)
            if request.peer != NONE:
                self.state.peers.bind(request.peer, NONE)
                self.state.peers.unbind(request.peer, NONE, now_s)
        self.remove(slot)
        self.changes.note_peer(request.peer)
        reply.code = DELETED
        reply.holds = reply.remembers = True

    cdef void remove(self, uint32_t slot, object more=None) except *:
        self.drop(slot, COUNT_DEREGISTERED, "deregistered", more)

    cdef void drop(self, uint32_t slot, int count, str kind, object more=None) except *:
        self.state.tell(count, kind, self.state.devices.at(slot).record, more)
        self.changes.remove(slot)

    cdef int expire(self, int limit) except -1:
        cdef uint32_t slots[EXPIRE_BATCH]
        cdef int count, i
        if not self.state.store_works or self.state.is_behind():
            return 0
        count = self.state.devices.expired(self.state.now, slots, min(limit, <int>EXPIRE_BATCH))
        for i in range(count):
            self.drop(slots[i], COUNT_EXPIRED, "expired")
        return count
