# The resources of a bootstrap server (LwM2M TS 1.2 Core, section 6.1): POST /bs and GET /bspack.
#
# Decides who may ask. A device that bootstraps is kept like a registered one, in the tables of an
# engine of its own, for as long as its bootstrap takes: so requests to it, blocks, timeouts and
# secure peers are what they are elsewhere. What it is then asked is core/bootstrap.py's business.

from libc.stdint cimport uint8_t, uint32_t

from lwm2m_fast.core.links cimport INTERNED, Interned
from lwm2m_fast.core.params cimport params_parse
from lwm2m_fast.core.records cimport Record
from lwm2m_fast.core.registration cimport unavailable
from lwm2m_fast.core.resource cimport refuse
from lwm2m_fast.core.state cimport (COUNT_REGISTER_FORBIDDEN, COUNT_REGISTER_FULL,
                                    COUNT_REGISTER_MALFORMED)
from lwm2m_fast.datagram cimport addr_is_secure
from lwm2m_fast.wire.coap cimport CON, HAS_ACCEPT, HAS_BLOCK2, HAS_MORE_PATH, Message
from lwm2m_fast.wire.link cimport LinkError
from lwm2m_fast.wire.numbers cimport (BAD_REQUEST, CHANGED, CONTENT, FORBIDDEN, GET,
                                      INTERNAL_SERVER_ERROR, METHOD_NOT_ALLOWED, NOT_FOUND, POST)

cdef enum:
    UNTOLD_VERSION = 0x11         # a device does not say which it speaks before it registers


cdef int asker(Request *request, State state, Params *params, const char **why) except -1:
    """The endpoint that asks, in `params`; 0 or a code. By its name, else by who it is."""
    cdef int code = params_parse(request.message, params, why)
    if not code and not params.endpoint_size:
        params.endpoint = state.principals.only_name(request.source, &params.endpoint_size)
    if not code and not params.endpoint_size:
        code = BAD_REQUEST
        why[0] = b"ep, the endpoint name, is missing"
    return code


cdef int judged(State state, Request *request, Params *params) except -1:
    """0, or the code that whoever knows the configurations refuses with. He is told of a name that
    its asker may not speak for, too: that is a fault in an identity or a name, to be found."""
    cdef bint may = state.may_register(request.source, params.endpoint, params.endpoint_size)
    cdef int code
    if state.judge_bootstrap is None:
        return 0 if may else FORBIDDEN
    code = state.judge_bootstrap(name_of(params), addr_is_secure(request.source),
                                 None if may else other_name(state, request))
    if code == 0 and not may:
        return FORBIDDEN
    return code if code == 0 or 0x80 <= code <= 0xBF else INTERNAL_SERVER_ERROR


cdef str other_name(State state, Request *request):
    """The name that whoever asks may speak for; empty: none, or several."""
    cdef uint32_t size = 0
    cdef const uint8_t *name = state.principals.only_name(request.source, &size)
    return (<const char *>name)[:size].decode() if name != NULL else ""


cdef str name_of(const Params *params):
    return (<const char *>params.endpoint)[:params.endpoint_size].decode()


cdef class Bootstrapping(Registration):
    """POST /bs: the same endpoint again begins anew, and what was under way has ended."""

    def __cinit__(self, State state, changes, registration):
        self.name = b"bs"

    cdef void handle(self, Request *request, Reply *reply) except *:
        if request.message.path_count != 1 or request.message.options & HAS_MORE_PATH:
            reply.code = NOT_FOUND
        elif request.message.code != POST:
            reply.code = METHOD_NOT_ALLOWED
        else:
            self.begin(request, reply)

    cdef void begin(self, Request *request, Reply *reply) except *:
        cdef State state = self.state
        cdef Params params
        cdef const char *why = b""
        cdef Record *record
        cdef Links *links
        cdef uint32_t slot
        cdef int code = asker(request, state, &params, &why)
        if not code and request.message.type != CON:
            code, why = BAD_REQUEST, b"a bootstrap request must be confirmable"
        if code:
            state.counts[COUNT_REGISTER_MALFORMED] += 1
            refuse(reply, code, why)
            return
        reply.code = judged(state, request, &params)
        if reply.code:
            state.counts[COUNT_REGISTER_FORBIDDEN] += 1
            return
        params.version = UNTOLD_VERSION
        params.has_lifetime = False             # it ends with its steps, or by our times
        slot = state.devices.find(params.endpoint, params.endpoint_size)
        links = self.no_links()
        record = self.new_record(request, &params, links, slot) if links != NULL else NULL
        if record == NULL:
            if links != NULL:
                state.links.release(links)
            state.counts[COUNT_REGISTER_FULL] += 1
            unavailable(reply, b"this server bootstraps as many devices as it may at once")
            return
        self.install(record, slot)
        request.peer = state.devices.at(record.slot).peer
        self.changes.note_peer(request.peer)
        reply.code = CHANGED
        reply.holds = reply.remembers = True

    cdef Links *no_links(self) except? NULL:
        cdef Links *links = NULL
        cdef LinkError error
        cdef bytes root = b"</0>"
        cdef Interned made = self.state.links.intern(
            <const uint8_t *><const char *>root, len(root), &links, &error)
        return links if made == INTERNED else NULL


cdef class BootstrapPack(Resource):
    """GET /bspack (LwM2M TS 1.2 Core, section 6.1.8): everything in one answer."""

    def __cinit__(self, State state):
        self.name = b"bspack"
        self.state = state
        self.answer = b""

    cdef void handle(self, Request *request, Reply *reply) except *:
        cdef const Message *m = request.message
        cdef Params params
        cdef const char *why = b""
        cdef int code
        if m.path_count != 1 or m.options & HAS_MORE_PATH:
            reply.code = NOT_FOUND
            return
        if m.code != GET:
            reply.code = METHOD_NOT_ALLOWED
            return
        code = asker(request, self.state, &params, &why)
        if code:
            refuse(reply, code, why)
            return
        reply.code = judged(self.state, request, &params)
        if reply.code:
            return
        if self.state.make_pack is None:
            reply.code = NOT_FOUND
            return
        code, content_format, payload = self.state.make_pack(
            name_of(&params), m.accept if m.options & HAS_ACCEPT else -1,
            not m.options & HAS_BLOCK2 or m.block2.number == 0)
        reply.code = code
        if code == CONTENT:
            self.answer = payload
            reply.content_format = content_format
            reply.payload = <const uint8_t *><const char *>self.answer
            reply.payload_size = len(self.answer)
